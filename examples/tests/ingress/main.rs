//! The `ingress` program as a newcomer runs it: every option, asked by curl.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the test starts programs and feeds them files"
)]
#![allow(clippy::unwrap_used, reason = "what does not work out ends the test")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

mod access_log;
mod backend;
mod certificate;
mod check;
mod cluster;
mod explain;
mod program;
mod status;

use backend::Backend;
use certificate::Certificate;
use cluster::ApiServer;
use program::{Curl, Program, missing_curl, text};
use serde_json::json;
use tempfile::TempDir;

const CLASS: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
";

fn service(name: &str, backend: &Backend) -> String {
    let (ip, port) = (backend.address().ip(), backend.address().port());
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{clusterIP: 10.96.0.80, ports: [{{port: 80}}]}}\n\
         ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         addressType: IPv4\nports: [{{name: '', port: {port}}}]\nendpoints: [{{addresses: [{ip}]}}]\n"
    )
}

/// An Ingress of `{name}.example` for a Service of the same name.
fn ingress(name: &str, annotations: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\n\
         metadata: {{name: {name}, annotations: {{{annotations}}}}}\n\
         spec: {{{spec}, rules: [{{host: {name}.example, http: {{paths: [\
         {{path: /, pathType: Prefix, backend: {{service: {{name: {name}, port: {{number: 80}}}}}}}}]}}}}]}}\n"
    )
}

const NGINX: &str = "ingressClassName: nginx";

fn manifests(parts: &[String]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "objects.yaml", &format!("{CLASS}{}", parts.concat()));
    directory
}

/// As editors do it: another file takes the place.
fn write(directory: &Path, name: &str, content: &str) {
    let new = directory.join(format!(".{name}.new"));
    fs::write(&new, content).unwrap();
    fs::rename(new, directory.join(name)).unwrap();
}

#[test]
fn it_routes_to_endpoints_of_slices_and_follows_edits() {
    if missing_curl() {
        return;
    }
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    let directory = manifests(&[service("web", &one), ingress("web", "", NGINX)]);
    let program = Program::start(&[
        "--manifests",
        text(directory.path()),
        "--http",
        "127.0.0.1:0",
        "--http",
        "127.0.0.2:0",
    ]);
    for address in [program.http(0), program.http(1)] {
        assert_eq!(Curl::to(address).host("web.example").body(), "one GET /\n");
    }
    let edited = [CLASS.to_owned(), service("web", &two), ingress("web", "", NGINX)].concat();
    write(directory.path(), "objects.yaml", &edited);
    Curl::to(program.http(0)).host("web.example").until(|reply| reply.body == "two GET /\n");
    // What cannot be read takes nothing away.
    write(directory.path(), "objects.yaml", "kind: [");
    program.complains("objects.yaml");
    assert_eq!(Curl::to(program.http(0)).host("web.example").body(), "two GET /\n");
    program.ends_well();
}

#[test]
fn paths_are_read_by_the_mode() {
    if missing_curl() {
        return;
    }
    let web = Backend::start("web");
    let secure = "ingressClassName: nginx, tls: [{hosts: [web.example], secretName: cert}]";
    let secret = Certificate::of("web.example").secret("cert");
    let directory = manifests(&[service("web", &web), ingress("web", "", secure), secret]);
    for (mode, status) in [("nginx", 308), ("strict", 200)] {
        let arguments = [
            "--manifests",
            text(directory.path()),
            "--http",
            "127.0.0.1:0",
            "--mode",
            mode,
            "--workers",
            "1",
        ];
        let program = Program::start(&arguments);
        assert_eq!(Curl::to(program.http(0)).host("web.example").reply().status, status, "{mode}");
    }
}

#[test]
fn classes_and_controllers_choose_what_is_served() {
    if missing_curl() {
        return;
    }
    let web = Backend::start("web");
    let theirs = "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: theirs}\n\
                  spec: {controller: example.com/theirs}\n";
    let names = ["by-field", "by-annotation", "of-others", "of-nobody"];
    let annotated = "kubernetes.io/ingress.class: edge";
    let specs = [(NGINX, ""), ("", annotated), ("ingressClassName: theirs", ""), ("", "")];
    let mut objects = vec![theirs.to_owned()];
    for (name, (spec, annotations)) in names.iter().zip(specs) {
        objects.push(service(name, &web));
        objects.push(ingress(name, annotations, spec).replace("spec: {,", "spec: {"));
    }
    let directory = manifests(&objects);
    let served = |arguments: &[&str]| -> Vec<&str> {
        let all = ["--manifests", text(directory.path()), "--http", "127.0.0.1:0"];
        let program = Program::start(&[&all, arguments].concat());
        let status = |name: &str| Curl::to(program.http(0)).host(&format!("{name}.example")).reply().status;
        names.into_iter().filter(|name| status(name) == 200).collect()
    };
    assert_eq!(served(&[]), ["by-field"]);
    assert_eq!(served(&["--class", "edge"]), ["by-field", "by-annotation"]);
    assert_eq!(served(&["--controller", "example.com/theirs"]), ["of-others"]);
    assert_eq!(served(&["--watch-without-class"]), ["by-field", "of-nobody"]);
}

#[test]
fn what_no_rule_takes_gets_the_defaults() {
    if missing_curl() {
        return;
    }
    let other = Backend::start("other");
    let certificate = Certificate::of("fallback.example");
    let directory = manifests(&[service("other", &other), certificate.secret("cert")]);
    let program = Program::start(&[
        "--manifests",
        text(directory.path()),
        "--https",
        "127.0.0.1:0",
        "--default-backend",
        "default/other:80",
        "--default-cert",
        "default/cert",
    ]);
    let root = directory.path().join("root.pem");
    fs::write(&root, certificate.pem()).unwrap();
    let curl = Curl::to(program.https(0)).tls(&root);
    assert_eq!(curl.clone().host("fallback.example").body(), "other GET /\n");
    // The name that is not on the certificate.
    assert!(curl.host("elsewhere.example").fails_with("60"), "curl has to refuse the certificate");
}

#[test]
fn proxies_before_it_are_believed_where_it_is_told_to() {
    if missing_curl() {
        return;
    }
    let web = Backend::start("web");
    let directory = manifests(&[service("web", &web), ingress("web", "", NGINX)]);
    let program = |arguments: &[&str]| {
        let all = ["--manifests", text(directory.path()), "--http", "127.0.0.1:0"];
        Program::start(&[&all, arguments].concat())
    };
    let seen = |curl: Curl| -> String {
        assert_eq!(curl.host("web.example").reply().status, 200);
        web.last_request().field("x-real-ip").unwrap().to_owned()
    };
    let forwarded = ["-H", "X-Forwarded-For: 203.0.113.9"];
    for (arguments, client) in [
        (&[][..], "127.0.0.1"),
        (&["--use-forwarded-headers", "10.0.0.0/8"], "127.0.0.1"),
        (&["--use-forwarded-headers", "10.0.0.0/8", "--use-forwarded-headers", "127.0.0.0/8"], "203.0.113.9"),
    ] {
        let program = program(arguments);
        assert_eq!(seen(Curl::to(program.http(0)).options(&forwarded)), client, "{arguments:?}");
    }
    let program = program(&["--use-proxy-protocol"]);
    assert_eq!(seen(Curl::to(program.http(0)).options(&["--haproxy-protocol"])), "127.0.0.1");
    // curl cannot say that it is somebody else.
    let mut balancer = TcpStream::connect(program.http(0)).unwrap();
    let request =
        "PROXY TCP4 203.0.113.7 203.0.113.1 4000 80\r\nGET /x HTTP/1.1\r\nHost: web.example\r\n\r\n";
    balancer.write_all(request.as_bytes()).unwrap();
    let mut status = [0; 12];
    balancer.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    assert_eq!(web.last_request().field("x-real-ip"), Some("203.0.113.7"));
    assert!(Curl::to(program.http(0)).host("web.example").fails_with("52"), "no header, no answer");
}

#[test]
fn secrets_of_other_namespaces_need_a_word() {
    if missing_curl() {
        return;
    }
    let web = Backend::start("web");
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: users, namespace: ops}\n\
                  stringData: {auth: 'me:{PLAIN}secret'}\n";
    let annotations =
        "nginx.ingress.kubernetes.io/auth-type: basic, nginx.ingress.kubernetes.io/auth-secret: ops/users";
    let directory = manifests(&[service("web", &web), ingress("web", annotations, NGINX), secret.to_owned()]);
    for (arguments, status) in [(&[][..], 503), (&["--allow-cross-namespace"], 401)] {
        let all = ["--manifests", text(directory.path()), "--http", "127.0.0.1:0"];
        let program = Program::start(&[&all, arguments].concat());
        assert_eq!(Curl::to(program.http(0)).host("web.example").reply().status, status, "{arguments:?}");
    }
}

#[test]
fn every_worker_is_a_thread() {
    let directory = manifests(&[]);
    let all = ["--manifests", text(directory.path()), "--http", "127.0.0.1:0", "--workers", "3"];
    let program = Program::start(&all);
    assert_eq!(program.threads("ingress-"), 3);
}

#[test]
fn requests_are_counted_under_the_names_of_ingress_nginx() {
    if missing_curl() {
        return;
    }
    let web = Backend::start("web");
    let directory = manifests(&[service("web", &web), ingress("web", "", NGINX)]);
    let all = ["--manifests", text(directory.path()), "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    let program = Program::start(&all);
    for _ in 0..3 {
        assert_eq!(Curl::to(program.http(0)).host("web.example").reply().status, 200);
    }
    assert_eq!(Curl::to(program.http(0)).host("elsewhere.example").reply().status, 404);
    let metrics = Curl::to(program.metrics());
    let line = "nginx_ingress_controller_requests{canary=\"\",controller_class=\"k8s.io/ingress-nginx\",\
                host=\"web.example\",ingress=\"web\",namespace=\"default\",path=\"/\",service=\"web\",\
                method=\"GET\",status=\"200\"} 3";
    // A reply is counted when its last byte is on its way.
    metrics.clone().path("/metrics").until(|reply| reply.body.lines().any(|found| found == line));
    let page = metrics.clone().path("/metrics").body();
    assert_eq!(page.matches("nginx_ingress_controller_requests{").count(), 1, "{page}");
    let durations = ["request", "connect", "header", "response"].map(|of| format!("{of}_duration_seconds"));
    for name in durations.into_iter().chain(["request_size".to_owned(), "response_size".to_owned()]) {
        let counted = format!("nginx_ingress_controller_{name}_count{{");
        let line = page.lines().find(|line| line.starts_with(&counted)).unwrap();
        assert!(line.ends_with(" 3"), "{line}");
    }
    assert!(page.contains("nginx_ingress_controller_orphan_ingress{"), "{page}");
    assert_eq!(metrics.clone().path("/healthz").body(), "ok\n");
    assert_eq!(metrics.path("/else").reply().status, 404);
}

#[test]
fn mistakes_are_named() {
    let complaint = |arguments: &[&str]| -> String {
        let output = Command::new(program::INGRESS).args(arguments).env_remove("RUST_BACKTRACE").output();
        let output = output.unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let directory = manifests(&[]);
    let manifests = ["--manifests", text(directory.path())];
    for (arguments, part) in [
        (&[][..], "--manifests DIR for a directory, --kubeconfig FILE for a cluster"),
        (&["--kubeconfig", "/nonexistent"], "/nonexistent"),
        (&["--kubeconfig", "/nonexistent", "--manifests", "/tmp"], "cannot be used with"),
        (&["--http", "here"], "here"),
        (&["--http", &taken], &taken),
        (&["--default-backend", "web"], "web"),
        (&["--default-cert", "cert"], "cert"),
        (&["--mode", "lenient"], "possible values: strict, nginx"),
        (&["--use-forwarded-headers", "10.0.0.0/99"], "10.0.0.0/99"),
        (&["--workers", "0"], "--workers"),
    ] {
        let with_source = arguments.is_empty() || arguments[0] == "--kubeconfig";
        let manifests = if with_source { &[][..] } else { &manifests };
        let complaint = complaint(&[manifests, arguments].concat());
        assert!(complaint.contains(part), "{arguments:?}: {complaint}");
    }
}

#[test]
fn a_mounted_secret_is_followed_as_its_kubelet_swaps_it() {
    if missing_curl() {
        return;
    }
    let web = Backend::start("web");
    let annotations =
        "nginx.ingress.kubernetes.io/auth-type: basic, nginx.ingress.kubernetes.io/auth-secret: users";
    let directory = manifests(&[service("web", &web), ingress("web", annotations, NGINX)]);
    let (cert, users) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let certificates = [Certificate::of("web.example"), Certificate::of("web.example")];
    let swap = |version: &str, certificate: &Certificate, password: &str| {
        let key = certificate.key();
        mount(cert.path(), version, &[("tls.crt", certificate.pem()), ("tls.key", key)]);
        mount(users.path(), version, &[("auth", &format!("me:{{PLAIN}}{password}\n"))]);
    };
    swap("1", &certificates[0], "first");
    let named = |name: &str, at: &TempDir| format!("default/{name}={}", text(at.path()));
    let program = Program::start(&[
        "--manifests",
        text(directory.path()),
        "--https",
        "127.0.0.1:0",
        "--default-cert",
        "default/cert",
        "--mounted-secret",
        &named("cert", &cert),
        "--mounted-secret",
        &named("users", &users),
    ]);
    let root = directory.path().join("root.pem");
    for (version, certificate, password) in [
        ("2", &certificates[0], "first"),
        ("3", &certificates[1], "second"),
        ("4", &certificates[0], "third"),
    ] {
        swap(version, certificate, password);
        fs::write(&root, certificate.pem()).unwrap();
        let login = format!("me:{password}");
        let curl = Curl::to(program.https(0)).tls(&root).host("web.example").options(&["-u", &login]);
        // A certificate that curl does not know yet is no reply at all.
        program::until("the next version", || (curl.try_reply()?.status == 200).then_some(()));
    }
}

/// As a kubelet writes a version: a directory of its own, and one rename that leads there.
fn mount(at: &Path, version: &str, files: &[(&str, &str)]) {
    use std::os::unix::fs::symlink;
    let directory = at.join(format!("..{version}"));
    fs::create_dir(&directory).unwrap();
    for (name, content) in files {
        fs::write(directory.join(name), content).unwrap();
        if !at.join(name).is_symlink() {
            symlink(Path::new("..data").join(name), at.join(name)).unwrap();
        }
    }
    symlink(&directory, at.join("..data_tmp")).unwrap();
    fs::rename(at.join("..data_tmp"), at.join("..data")).unwrap();
}

#[test]
fn objects_come_from_a_cluster() {
    if missing_curl() {
        return;
    }
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    let server = ApiServer::start();
    let slice = |backend: &Backend| {
        json!({
            "metadata": {"labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": backend.address().port()}],
            "endpoints": [{"addresses": [backend.address().ip().to_string()]}],
        })
    };
    let path = json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}});
    server.set("namespaces", "shop", json!({}));
    server.set("ingressclasses", "nginx", json!({"spec": {"controller": "k8s.io/ingress-nginx"}}));
    server.set("services", "shop/web", json!({"spec": {"clusterIP": "10.96.0.80", "ports": [{"port": 80}]}}));
    server.set("endpointslices", "shop/web-1", slice(&one));
    let rule = json!({"host": "web.example", "http": {"paths": [path]}});
    server.set("ingresses", "shop/web", json!({"spec": {"ingressClassName": "nginx", "rules": [rule]}}));
    let certificate = Certificate::of("web.example");
    server.set("secrets", "ops/cert", json!({"type": "kubernetes.io/tls", "data": certificate.data()}));
    let directory = tempfile::tempdir().unwrap();
    let (kubeconfig, root) = (directory.path().join("config"), directory.path().join("root.pem"));
    fs::write(&kubeconfig, server.kubeconfig()).unwrap();
    fs::write(&root, certificate.pem()).unwrap();
    let arguments =
        ["--kubeconfig", text(&kubeconfig), "--https", "127.0.0.1:0", "--default-cert", "ops/cert"];
    let program = Program::start(&arguments);
    let curl = Curl::to(program.https(0)).tls(&root).host("web.example");
    assert_eq!(curl.clone().body(), "one GET /\n");
    server.set("endpointslices", "shop/web-1", slice(&two));
    curl.until(|reply| reply.body == "two GET /\n");
}
