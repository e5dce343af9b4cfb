//! The whole server on loopback sockets, with real clients and scripted backends.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use svc_model::store::Store;
use svc_model::{Object, Revision, yaml};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Bound, Handle, Server};
use crate::config::{Clients, IngressConfig};

mod access_log;
mod backends;
mod canary;
mod certificates;
mod cors;
mod differential;
mod endpoints;
mod error_pages;
mod explain;
mod external_auth;
mod flow;
mod frames;
mod http1;
mod hygiene;
mod limits;
mod login;
mod mirror;
mod proxied;
mod redirects;
mod replies;
mod retry;
mod status;
mod tls;
mod upgrade;
mod upstream_hash;
mod workers;

const CLASS: &str = "
kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
";

/// A running server over a store.
struct Running {
    store: Store,
    handle: Handle,
    bound: Bound,
}

impl Running {
    /// Puts objects in the store and waits until they are served.
    async fn apply(&self, text: &str) -> Revision {
        let revision = self.store.apply(objects(text));
        self.handle.serving(revision).await.unwrap()
    }

    fn http(&self) -> SocketAddr {
        self.bound.http()[0]
    }

    fn https(&self) -> SocketAddr {
        self.bound.https()[0]
    }
}

/// Runs a test against a server with these objects, all on one thread.
fn with_server<F: Future<Output = ()>>(config: IngressConfig, text: &str, test: impl FnOnce(Running) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::new();
        store.apply(objects(&format!("{CLASS}{text}")));
        let server =
            Server::builder().http("127.0.0.1:0").https("127.0.0.1:0").config(config).build().unwrap();
        let (handle, run) = server.drive(store.watch());
        let test = async {
            let bound = handle.ready().await.unwrap();
            test(Running { store, handle, bound }).await;
        };
        tokio::select! {
            ended = run => panic!("the server ended: {ended:?}"),
            () = test => {}
        }
    });
}

fn objects(text: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(text).stored();
    assert_eq!(problems, []);
    objects
}

/// A Service `web` in namespace `shop` with these endpoints.
fn service(endpoints: &[SocketAddr]) -> String {
    let slice = |(index, endpoint): (usize, &SocketAddr)| {
        format!(
            "
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {{name: web-{index}, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{{name: '', port: {}, protocol: TCP}}]
endpoints: [{{addresses: [{}], conditions: {{ready: true}}}}]
",
            endpoint.port(),
            endpoint.ip()
        )
    };
    let slices: String = endpoints.iter().enumerate().map(slice).collect();
    format!(
        "
---
kind: Service
apiVersion: v1
metadata: {{name: web, namespace: shop}}
spec: {{clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}
{slices}"
    )
}

/// An Ingress of all paths of a host.
fn ingress(host: &str, annotations: &str, tls: &str) -> String {
    let name = host.split('.').next().unwrap_or_default();
    format!(
        "
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}
spec:
  ingressClassName: nginx
  {tls}
  rules: [{{host: {host}, http: {{paths: [{{path: /, pathType: Prefix,
    backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]
"
    )
}

/// A backend whose connections are each served by `script`, on tasks of the test's runtime.
async fn backend<F>(script: impl Fn(usize, TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(script(number, stream));
        }
    });
    address
}

/// A backend that answers every request with the request's head as it arrived, then its body.
async fn echo() -> SocketAddr {
    backend(|number, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let body = read_body(&mut stream, &head).await;
            let text = format!("connection {number}\n{head}{body}");
            let reply =
                format!("HTTP/1.1 200 OK\r\nServer: echo\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    })
    .await
}

/// Reads up to the empty line; `None` at the end of the connection.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Reads a body by the head's framing; a chunked one as it stands.
async fn read_body(stream: &mut (impl AsyncRead + Unpin), head: &str) -> String {
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    if head.contains("transfer-encoding: chunked") {
        while !body.ends_with(b"0\r\n\r\n") {
            body.push(stream.read_u8().await.unwrap());
        }
    }
    String::from_utf8(body).unwrap()
}

type Client = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

/// An HTTP/1.1 client on a connection of its own.
async fn client(address: SocketAddr) -> Client {
    client_over(TcpStream::connect(address).await.unwrap()).await
}

async fn client_over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Client {
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    client
}

fn get(host: &str, path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", host).body(Full::default()).unwrap()
}

async fn text(response: Response<hyper::body::Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn fetch(client: &mut Client, host: &str, path: &str) -> (StatusCode, String) {
    client.ready().await.unwrap();
    text(client.send_request(get(host, path)).await.unwrap()).await
}

/// Sends bytes on a connection of their own and reads until the server closes it.
async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).into_owned()
}

fn quick() -> IngressConfig {
    let short = Duration::from_millis(100);
    let clients = Clients::default().with_body_timeout(short);
    IngressConfig::builder().header_timeout(short).read_timeout(short).clients(clients).build().unwrap()
}
