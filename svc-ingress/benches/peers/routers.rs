//! The routers: their configuration, written so that all do the same.

use std::{
    fmt::Write as _,
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::Failure;

pub(super) const HTTP: &str = "127.0.0.1:8080";
pub(super) const HTTPS: &str = "127.0.0.1:8443";
pub(super) const BACKENDS: [&str; 4] =
    ["127.0.0.2:9000", "127.0.0.3:9000", "127.0.0.4:9000", "127.0.0.5:9000"];
const PATHS: [&str; 3] = ["/app", "/api", "/big"];

/// A router and how it is started.
pub(super) struct Router {
    pub(super) name: &'static str,
    command: String,
}

/// Writes the configurations; those that are installed.
pub(super) fn write(directory: &Path, hosts: usize) -> Result<Vec<Router>, Failure> {
    let here = directory.display().to_string();
    let hosts: Vec<String> = (0..hosts).map(|number| format!("h{number}.example.test")).collect();
    let issued = rcgen::generate_simple_self_signed(vec!["*.example.test".to_owned()])?;
    let (certificate, key) = (issued.cert.pem(), issued.signing_key.serialize_pem());
    fs::write(directory.join("crt.pem"), &certificate)?;
    fs::write(directory.join("key.pem"), &key)?;
    fs::write(directory.join("both.pem"), format!("{certificate}{key}"))?;
    fs::write(directory.join("objects.yaml"), objects(&hosts, &certificate, &key))?;
    fs::write(directory.join("nginx.conf"), nginx(&here, &hosts))?;
    fs::write(directory.join("haproxy.cfg"), haproxy(&here, &hosts))?;
    let lines: String =
        hosts.iter().flat_map(|host| PATHS.map(|path| format!("{host}{path} app\n"))).collect();
    fs::write(directory.join("haproxy.map"), lines)?;
    let own = std::env::current_exe()?.display().to_string();
    let peers = [
        ("svc-ingress", format!("{own} serve {here}/objects.yaml")),
        ("nginx", format!("/usr/sbin/nginx -c {here}/nginx.conf")),
        ("haproxy", format!("/usr/sbin/haproxy -db -f {here}/haproxy.cfg")),
    ];
    let installed = |command: &String| Path::new(command.split(' ').next().unwrap_or_default()).exists();
    let peers = peers.into_iter().filter(|(_, command)| installed(command));
    Ok(peers.map(|(name, command)| Router { name, command }).collect())
}

fn nginx(here: &str, hosts: &[String]) -> String {
    let mut text = format!(
        "worker_processes 1; daemon off; pid {here}/nginx.pid; error_log {here}/nginx.err warn;\n\
         events {{ worker_connections 16384; multi_accept on; }}\n\
         http {{ access_log off; tcp_nodelay on; keepalive_timeout 75s; keepalive_requests 100000000;\n\
         client_body_temp_path {here}/b; proxy_temp_path {here}/p; fastcgi_temp_path {here}/f; uwsgi_temp_path {here}/u;\n\
         scgi_temp_path {here}/s; server_names_hash_max_size 8192; server_names_hash_bucket_size 128; server_tokens off;\n\
         client_max_body_size 1m; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off;\n\
         ssl_certificate {here}/crt.pem; ssl_certificate_key {here}/key.pem;\n\
         map $http_upgrade $connection_upgrade {{ default upgrade; \"\" \"\"; }}\n\
         upstream up {{ {} keepalive 320; keepalive_requests 100000000; keepalive_timeout 60s; }}\n\
         proxy_http_version 1.1; proxy_buffering off; proxy_buffer_size 4k; proxy_buffers 4 4k;\n\
         proxy_set_header Host $host; proxy_set_header Connection $connection_upgrade;\n\
         proxy_set_header Upgrade $http_upgrade; proxy_set_header X-Forwarded-For $remote_addr;\n\
         proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Real-IP $remote_addr;\n",
        BACKENDS.map(|backend| format!("server {backend};")).concat()
    );
    for host in hosts {
        let _ = write!(text, "server {{ listen {HTTP}; listen {HTTPS} ssl http2; server_name {host};");
        for path in PATHS {
            let _ = write!(text, " location {path} {{ proxy_pass http://up; }}");
        }
        text.push_str(" }\n");
    }
    text.push_str("}\n");
    text
}

fn haproxy(here: &str, hosts: &[String]) -> String {
    assert!(!hosts.is_empty(), "the map of hosts is written beside this");
    let servers: String = (0..).zip(BACKENDS).map(|(n, at)| format!("  server s{n} {at}\n")).collect();
    format!(
        "global\n  nbthread 1\n  maxconn 8000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         \x20 option forwardfor\n  http-reuse always\nfrontend f\n  bind {HTTP}\n  bind {HTTPS} ssl crt {here}/both.pem alpn h2,http/1.1\n\
         \x20 http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}\n  http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}\n\
         \x20 use_backend %[base,regsub(:[0-9]+,),map_beg({here}/haproxy.map,none)]\nbackend app\n{servers}backend none\n  http-request deny deny_status 404\n"
    )
}

/// One Ingress a host, all for one Service.
fn objects(hosts: &[String], certificate: &str, key: &str) -> String {
    let indent = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let addresses =
        BACKENDS.map(|at| format!("{{addresses: [{}]}}", at.trim_end_matches(":9000"))).join(", ");
    let mut text = format!(
        "kind: IngressClass\napiVersion: networking.k8s.io/v1\nmetadata: {{name: nginx}}\nspec: {{controller: k8s.io/ingress-nginx}}\n\
         ---\nkind: Secret\napiVersion: v1\nmetadata: {{name: crt, namespace: shop}}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}\
         ---\nkind: Service\napiVersion: v1\nmetadata: {{name: up, namespace: shop}}\nspec: {{clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}\n\
         ---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\nmetadata: {{name: up-1, namespace: shop, labels: {{kubernetes.io/service-name: up}}}}\n\
         addressType: IPv4\nports: [{{name: '', port: 9000}}]\nendpoints: [{addresses}]\n",
        indent(certificate),
        indent(key)
    );
    let backend = "backend: {service: {name: up, port: {number: 80}}}";
    let paths = PATHS.map(|path| format!("{{path: {path}, pathType: Prefix, {backend}}}")).join(", ");
    for (number, host) in hosts.iter().enumerate() {
        let _ = write!(
            text,
            "---\nkind: Ingress\napiVersion: networking.k8s.io/v1\n\
             metadata: {{name: i{number}, namespace: shop, annotations: {{nginx.ingress.kubernetes.io/ssl-redirect: \"false\"}}}}\n\
             spec: {{ingressClassName: nginx, tls: [{{hosts: [{host}], secretName: crt}}], rules: [{{host: {host}, http: {{paths: [{paths}]}}}}]}}\n"
        );
    }
    text
}

/// The backend, on core 1.
pub(super) fn backend() -> Result<Running, Failure> {
    let own = std::env::current_exe()?.display().to_string();
    spawn("1", &format!("{own} backend"), BACKENDS[3])
}

/// A router, on core 0.
pub(super) fn start(router: &Router) -> Result<Running, Failure> {
    spawn("0", &router.command, HTTPS)
}

fn spawn(core: &str, command: &str, address: &str) -> Result<Running, Failure> {
    let mut taskset = Command::new("taskset");
    taskset.args(["-c", core]).args(command.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running { child: taskset.spawn()? };
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        if start.elapsed() > Duration::from_secs(60) {
            return Err(format!("`{command}` does not listen on {address}").into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(running)
}

/// A program that is ended with this value.
pub(super) struct Running {
    child: Child,
}

impl Running {
    /// It and its children.
    pub(super) fn processes(&self) -> Vec<u32> {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        std::iter::once(own).chain(children).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _status = self.child.wait();
    }
}
