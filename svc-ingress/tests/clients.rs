//! The clients that people have, through the router: curl, nghttp, h2load, wrk, openssl, Python's websockets and grpcio.
//! `cargo xtask test` installs them; a test whose program is missing says so.
#![cfg(feature = "driver")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test: programs of others are run, files and sockets made for them, and what is missing is said"
)]

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use svc_ingress::{Handle, Server};
use svc_model::store::Store;
use svc_model::yaml;

/// A router for host `foo.example`, in a thread of its own, until it is dropped.
struct Router {
    http: SocketAddr,
    https: SocketAddr,
    directory: tempfile::TempDir,
    handle: Option<Handle>,
    thread: Option<JoinHandle<()>>,
}

impl Router {
    /// With these annotations, to an endpoint or to a backend that tells how much it received.
    fn new(annotations: &str, endpoint: Option<SocketAddr>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let issued = rcgen::generate_simple_self_signed(["foo.example".to_owned()]).unwrap();
        let pem = issued.cert.pem();
        std::fs::write(directory.path().join("crt.pem"), &pem).unwrap();
        let key = issued.signing_key.serialize_pem();
        let (send, receive) = std::sync::mpsc::channel();
        let annotations = annotations.to_owned();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let endpoint = match endpoint {
                    Some(endpoint) => endpoint,
                    None => counting().await,
                };
                let store = Store::new();
                let (objects, problems) = yaml::read(&objects(&annotations, endpoint, &pem, &key)).stored();
                assert_eq!(problems, []);
                store.apply(objects);
                let server = Server::builder().http("127.0.0.1:0").https("127.0.0.1:0").build().unwrap();
                let (handle, run) = server.drive(store.watch());
                let started = async {
                    let bound = handle.ready().await.unwrap();
                    let report = handle.report();
                    assert!(report.is_clean(), "{report}");
                    send.send((bound.http()[0], bound.https()[0], handle)).unwrap();
                };
                let (served, ()) = tokio::join!(run, started);
                served.unwrap();
            });
        });
        let (http, https, handle) = receive.recv().unwrap();
        Self { http, https, directory, handle: Some(handle), thread: Some(thread) }
    }

    fn certificate(&self) -> PathBuf {
        self.directory.path().join("crt.pem")
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        drop(self.handle.take());
        let served = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || served.is_some_and(|served| served.is_ok()));
    }
}

/// A backend that answers how many bytes came.
async fn counting() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<Incoming>| async move {
                let received = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
                let body = Full::new(Bytes::from(format!("received {received}\n")));
                Ok::<_, Infallible>(Response::new(body))
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    address
}

fn objects(annotations: &str, endpoint: SocketAddr, certificate: &str, key: &str) -> String {
    let indent = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "
kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {{name: nginx}}
spec: {{controller: k8s.io/ingress-nginx}}
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: foo
  namespace: shop
  annotations: {{nginx.ingress.kubernetes.io/ssl-redirect: \"false\", {annotations}}}
spec:
  ingressClassName: nginx
  tls: [{{hosts: [foo.example], secretName: foo-tls}}]
  rules: [{{host: foo.example, http: {{paths: [{{path: /, pathType: Prefix,
    backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]
---
kind: Service
apiVersion: v1
metadata: {{name: web, namespace: shop}}
spec: {{clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {{name: web-1, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{{name: '', port: {}}}]
endpoints: [{{addresses: [{}]}}]
---
kind: Secret
apiVersion: v1
metadata: {{name: foo-tls, namespace: shop}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
{}  tls.key: |
{}",
        endpoint.port(),
        endpoint.ip(),
        indent(certificate),
        indent(key)
    )
}

/// Whether a program is there; otherwise says which test goes without it.
fn has(test: &str, program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    if !found {
        println!("SKIP {test}: no {program} program here");
    }
    found
}

/// What a program prints, on both outputs.
fn run(program: impl AsRef<Path>, args: &[&str]) -> (bool, String) {
    let output = Command::new(program.as_ref()).args(args).stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn curl_speaks_every_version_and_sends_large_bodies() {
    if !has("curl_speaks_every_version_and_sends_large_bodies", "curl") {
        return;
    }
    let router = Router::new("nginx.ingress.kubernetes.io/proxy-body-size: 8m", None);
    let large = router.directory.path().join("large");
    std::fs::write(&large, vec![b'x'; 6 << 20]).unwrap();
    let (large, certificate) = (large.display().to_string(), router.certificate().display().to_string());
    let (plain, secure) = (router.http.port(), router.https.port());
    let (plain_at, secure_at) =
        (format!("foo.example:{plain}:127.0.0.1"), format!("foo.example:{secure}:127.0.0.1"));
    let (http, https) = (format!("http://foo.example:{plain}/"), format!("https://foo.example:{secure}/"));
    let said = ["-sS", "-m", "30", "-w", "%{http_version} %{http_code}", "--cacert", &certificate];
    let at = ["--resolve", &plain_at, "--resolve", &secure_at];
    let rows: [(&[&str], &str, &str); 9] = [
        (&["--http1.1"], &http, "received 0\n1.1 200"),
        (&["--http1.0"], &http, "received 0\n1 200"),
        (&["--http2-prior-knowledge"], &http, "received 0\n2 200"),
        (&["--http1.1"], &https, "received 0\n1.1 200"),
        (&["--http2", "--tlsv1.3"], &https, "received 0\n2 200"),
        (&["--http2", "--tls-max", "1.2"], &https, "received 0\n2 200"),
        (&["--http1.1", "-T", &large], &http, "received 6291456\n1.1 200"),
        (
            &["--http1.1", "-T", &large, "-H", "Transfer-Encoding: chunked"],
            &http,
            "received 6291456\n1.1 200",
        ),
        (&["--http2", "-T", &large], &https, "received 6291456\n2 200"),
    ];
    for (options, url, expected) in rows {
        let (good, text) = run("curl", &[&said[..], &at, options, &[url]].concat());
        assert!(good, "{options:?} {url}: {text}");
        assert_eq!(text, expected, "{options:?} {url}");
    }
    std::fs::write(&large, vec![b'x'; 9 << 20]).unwrap();
    let (_, text) = run("curl", &[&said[..], &at, &["--http1.1", "-T", &large, &http]].concat());
    assert!(text.ends_with("1.1 413"), "{text}");
    let (good, text) = run("curl", &[&said[..], &at, &["--http2", "-T", &large, &https]].concat());
    assert!(good && text.ends_with("2 413"), "{text}");
    // One that does not say how long it is.
    let unsaid = ["--http2", "-T", &large, "-H", "Content-Length:", &https];
    let (good, text) = run("curl", &[&said[..], &at, &unsaid].concat());
    assert!(good && text.ends_with("2 413"), "{text}");
    let (good, _) = run("curl", &[&said[..], &at, &["--tls-max", "1.1", "--tlsv1.1", &https]].concat());
    assert!(!good, "TLS 1.1 is not spoken");
}

#[test]
fn openssl_sees_the_certificate_by_name_and_no_tickets() {
    if !has("openssl_sees_the_certificate_by_name_and_no_tickets", "openssl") {
        return;
    }
    let router = Router::new("", None);
    let (address, certificate) = (router.https.to_string(), router.certificate().display().to_string());
    let client = |more: &[&str]| {
        let args = ["s_client", "-connect", &address, "-servername", "foo.example", "-CAfile", &certificate];
        run("openssl", &[&args[..], more].concat()).1
    };
    let text = client(&["-tls1_3", "-alpn", "h2,http/1.1"]);
    for part in ["TLSv1.3", "ALPN protocol: h2", "Verify return code: 0"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("Post-Handshake New Session Ticket"), "{text}");
    let text = client(&["-tls1_2", "-alpn", "http/1.1"]);
    assert!(text.contains("TLSv1.2") && text.contains("ALPN protocol: http/1.1"), "{text}");
    assert!(!text.contains("TLS session ticket:"), "{text}");
    let text = run("openssl", &["s_client", "-connect", &address, "-noservername"]).1;
    assert!(text.contains("Kubernetes Ingress Controller Fake Certificate"), "{text}");
}

#[test]
fn nghttp_and_h2load_are_answered_on_many_streams() {
    let test = "nghttp_and_h2load_are_answered_on_many_streams";
    if !(has(test, "nghttp") && has(test, "h2load")) {
        return;
    }
    let router = Router::new("", None);
    let url = format!("http://{}/", router.http);
    let (good, text) = run("nghttp", &["-v", "-H", ":authority: foo.example", &url]);
    assert!(good && text.contains(":status: 200"), "{text}");
    let to = format!("--connect-to={}", router.http);
    let (_, text) = run("h2load", &["-n", "3000", "-c", "6", "-m", "32", &to, "http://foo.example/"]);
    assert!(text.contains("3000 succeeded, 0 failed, 0 errored"), "{text}");
    let to = format!("--connect-to={}", router.https);
    let (_, text) = run("h2load", &["-n", "3000", "-c", "6", "-m", "32", &to, "https://foo.example/"]);
    assert!(text.contains("3000 succeeded, 0 failed, 0 errored"), "{text}");
}

#[test]
fn wrk_sees_no_failure() {
    if !has("wrk_sees_no_failure", "wrk") {
        return;
    }
    let router = Router::new("", None);
    let url = format!("http://{}/", router.http);
    let (good, text) = run("wrk", &["-t1", "-c32", "-d1s", "-H", "Host: foo.example", &url]);
    assert!(good && !text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
}

/// The Python that `cargo xtask test` made, with the packages of these tests.
fn python(test: &str) -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python");
    if !python.is_file() {
        println!("SKIP {test}: no target/python here");
        return None;
    }
    Some(python)
}

/// A Python server that tells its port, until it is dropped.
struct PythonServer {
    child: Child,
    address: SocketAddr,
}

impl PythonServer {
    fn new(python: &Path, script: &str) -> Self {
        let mut command = Command::new(python);
        let mut child = command.args([&path(script), "serve"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], line.trim().parse().unwrap()));
        Self { child, address }
    }
}

impl Drop for PythonServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path(script: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script).display().to_string()
}

#[test]
fn websockets_talks_through_a_tunnel() {
    let Some(python) = python("websockets_talks_through_a_tunnel") else { return };
    let server = PythonServer::new(&python, "websocket.py");
    let router = Router::new("", Some(server.address));
    let (good, text) = run(&python, &[&path("websocket.py"), "ask", &router.http.to_string()]);
    assert!(good, "{text}");
}

#[test]
fn grpcio_calls_and_streams() {
    let Some(python) = python("grpcio_calls_and_streams") else { return };
    let server = PythonServer::new(&python, "grpc.py");
    let router = Router::new("nginx.ingress.kubernetes.io/backend-protocol: GRPC", Some(server.address));
    let (address, certificate) = (router.https.to_string(), router.certificate().display().to_string());
    let (good, text) = run(&python, &[&path("grpc.py"), "ask", &address, &certificate]);
    assert!(good, "{text}");
}

/// HTTP/2 from another maker than the tests within the crate: hyperframe's frames, hpack's blocks.
#[test]
fn hyperframe_s_frames_are_answered_as_rfc_9113_says() {
    let Some(python) = python("hyperframe_s_frames_are_answered_as_rfc_9113_says") else { return };
    let router = Router::new("", None);
    let (good, text) = run(&python, &[&path("frames.py"), "ask", &router.http.to_string()]);
    assert!(good, "{text}");
}
