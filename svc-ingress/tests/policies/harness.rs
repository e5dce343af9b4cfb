//! Our router and nginx before one and the same backend, and curl in front of either.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use svc_ingress::{Handle, IngressConfig, Server};
use svc_model::store::Store;
use svc_model::{Object, yaml};

/// Whether a program is there; says so where it is not.
pub(crate) fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        println!("SKIP policies: no {program} program here");
    }
    found
}

/// Threads with a runtime of their own, each ended by dropping this.
pub(crate) struct Background {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Runs a task until this is dropped.
    fn run<F: Future<Output = ()>>(task: impl FnOnce() -> F + Send + 'static) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = task() => {}
                    _ = stopped => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

/// What a backend answers.
pub(crate) type Script = fn(&Request<Incoming>) -> Response<Full<Bytes>>;

/// Answers with the request's line and fields.
pub(crate) fn echo(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let fields =
        request.headers().iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
    let text = format!("{} {}\n{}", request.method(), request.uri(), fields.collect::<String>());
    Response::new(Full::new(Bytes::from(text)))
}

/// A backend, until it is dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    _task: Background,
}

impl Backend {
    pub(crate) fn new(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let task = Background::run(move || async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let service = service_fn(move |request| async move { Ok::<_, Infallible>(script(&request)) });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, _task: task }
    }
}

/// Our router with an Ingress of host `foo.example`, until it is dropped.
pub(crate) struct Ours {
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    store: Store,
    handle: Option<Handle>,
    thread: Option<JoinHandle<()>>,
}

impl Ours {
    /// All paths of the host to one endpoint, with these annotations (`key: value` lines, without the prefix) and further
    /// objects.
    pub(crate) fn new(annotations: &[&str], endpoint: SocketAddr, more: &str) -> Self {
        Self::with(
            IngressConfig::default(),
            &(ingress("foo", "foo.example", annotations, "web") + &service("web", endpoint) + more),
        )
    }

    /// With these objects.
    pub(crate) fn with(config: IngressConfig, text: &str) -> Self {
        let text = format!("{CLASS}{text}");
        let (send, receive) = std::sync::mpsc::channel();
        let store = Store::new();
        store.apply(objects(&text));
        let watch = store.watch();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::builder().http("127.0.0.1:0").https("127.0.0.1:0");
                let server = server.config(config).build().unwrap();
                let (handle, run) = server.drive(watch);
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
        Self { http, https, store, handle: Some(handle), thread: Some(thread) }
    }

    /// Puts objects in the store and waits until they are served.
    pub(crate) fn apply(&self, text: &str) {
        let revision = self.store.apply(objects(text));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.handle.as_ref().unwrap().serving(revision)).unwrap();
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        drop(self.handle.take());
        let served = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || served.is_some_and(|served| served.is_ok()));
    }
}

fn objects(text: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(text).stored();
    assert_eq!(problems, []);
    objects
}

const CLASS: &str = "
kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
";

/// An Ingress of all paths of a host.
pub(crate) fn ingress(name: &str, host: &str, annotations: &[&str], service: &str) -> String {
    let lines: String =
        annotations.iter().map(|line| format!("    nginx.ingress.kubernetes.io/{line}\n")).collect();
    format!(
        "
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: {name}
  namespace: shop
  annotations:
    a: b
{lines}spec:
  ingressClassName: nginx
  rules: [{{host: {host}, http: {{paths: [{{path: /, pathType: Prefix,
    backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}]}}}}]
"
    )
}

/// A Service with one endpoint.
pub(crate) fn service(name: &str, endpoint: SocketAddr) -> String {
    format!(
        "
---
kind: Service
apiVersion: v1
metadata: {{name: {name}, namespace: shop}}
spec: {{clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {{name: {name}-1, namespace: shop, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: '', port: {}}}]
endpoints: [{{addresses: [{}]}}]
",
        endpoint.port(),
        endpoint.ip(),
    )
}

/// A real nginx, until it is dropped.
pub(crate) struct Nginx {
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    process: Child,
    _directory: tempfile::TempDir,
}

impl Nginx {
    /// With these directives in `http` (where `ADDRESS` is what it listens on, and `SECURE` is free for TLS) and in the `server` of `foo.example`; files stand
    /// in its directory by their names.
    pub(crate) fn new(http: &str, server: &str, files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().display().to_string();
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [address, secure] = free.map(|listener| listener.local_addr().unwrap());
        files.iter().for_each(|(name, text)| std::fs::write(directory.path().join(name), text).unwrap());
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("  {name}_temp_path {home}/{name};\n"))
            .collect();
        let text = format!(
            "daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; server_tokens off;
{temporary}  {http}
  server {{ listen {address}; server_name foo.example; {server} }}
}}
"
        );
        let text = text.replace("DIR/", &format!("{home}/")).replace("ADDRESS", &address.to_string());
        let text = text.replace("SECURE", &secure.to_string());
        std::fs::write(directory.path().join("nginx.conf"), text).unwrap();
        let process = Command::new("nginx")
            .args(["-p", &home, "-c", &format!("{home}/nginx.conf")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self { http: address, https: secure, process, _directory: directory };
        nginx.wait();
        nginx
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.http).is_err() {
            let log =
                || std::fs::read_to_string(self._directory.path().join("error.log")).unwrap_or_default();
            assert!(self.process.try_wait().unwrap().is_none(), "nginx ended: {}", log());
            assert!(Instant::now() < deadline, "nginx does not listen: {}", log());
            std::thread::yield_now();
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What curl got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// Names in lower case; values of one name in their order.
    pub(crate) fields: BTreeMap<String, Vec<String>>,
    pub(crate) body: String,
}

/// Asks `address` for a path of `foo.example`, with further arguments for curl.
pub(crate) fn curl(address: SocketAddr, path: &str, arguments: &[&str]) -> Reply {
    curl_url(address, &format!("http://foo.example{path}"), arguments)
}

/// Asks `address` for a URL.
pub(crate) fn curl_url(address: SocketAddr, url: &str, arguments: &[&str]) -> Reply {
    let to = format!("::{}:{}", address.ip(), address.port());
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--path-as-is", "--max-time", "60", "--noproxy", "*"])
        .args(["--connect-to", &to])
        .args(arguments)
        .arg(url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        fields.entry(name.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
    }
    Reply { status, fields, body: body.to_owned() }
}

/// Asks both; what they answer in status and in these fields is the same. Returns ours.
pub(crate) fn same(ours: &Ours, nginx: &Nginx, path: &str, arguments: &[&str], fields: &[&str]) -> Reply {
    let (mine, theirs) = (curl(ours.http, path, arguments), curl(nginx.http, path, arguments));
    assert_eq!(mine.status, theirs.status, "{path} {arguments:?}\n{mine:?}\n{theirs:?}");
    for name in fields {
        let place = |reply: &Reply, address: SocketAddr| {
            let values = reply.fields.get(*name).cloned().unwrap_or_default();
            // Each has a port of its own.
            values
                .iter()
                .map(|value| value.replace(&format!(":{}", address.port()), ":PORT"))
                .collect::<Vec<_>>()
        };
        let (mine, theirs) = (place(&mine, ours.http), place(&theirs, nginx.http));
        assert_eq!(mine, theirs, "{name} of {path} {arguments:?}");
    }
    mine
}
