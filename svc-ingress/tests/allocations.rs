//! What a plain request over HTTP/1.1 takes in memory, on connections that are open already.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test has sockets, and may panic"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use allocation_counter::measure;
use svc_ingress::Server;
use svc_model::store::Store;
use svc_model::yaml;
use tokio::sync::oneshot;

/// The host as it is looked up, in lower case; the exchange with the backend, which the reply's body takes over; and two of hyper's:
/// a buffer for what a client may send while its request is answered, and the count of those who have a piece of it.
const EACH: u64 = 4;
const REQUESTS: u64 = 200;
const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi";

fn objects(backend: SocketAddr) -> String {
    format!(
        "
kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {{name: nginx}}
spec: {{controller: k8s.io/ingress-nginx}}
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
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {{name: web, namespace: shop}}
spec:
  ingressClassName: nginx
  rules: [{{host: foo.example, http: {{paths: [{{path: /app, pathType: Prefix,
    backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]
",
        backend.port(),
        backend.ip()
    )
}

/// Answers every request on one connection, in a thread of its own.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while ends_with(&mut stream, b"\r\n\r\n") {
            stream.write_all(REPLY).unwrap();
        }
    });
    address
}

/// Reads up to these bytes; `false` at the connection's end.
fn ends_with(stream: &mut TcpStream, end: &[u8]) -> bool {
    let (mut all, mut some) = (Vec::new(), [0; 4096]);
    while !all.ends_with(end) {
        let read = stream.read(&mut some).unwrap();
        if read == 0 {
            return false;
        }
        all.extend_from_slice(&some[..read]);
    }
    true
}

/// Asks so many times from a thread of its own, and gives the connection back.
fn ask(mut stream: TcpStream, times: u64) -> (JoinHandle<TcpStream>, oneshot::Receiver<()>) {
    let (done, is_done) = oneshot::channel();
    let thread = thread::spawn(move || {
        for _ in 0..times {
            stream.write_all(b"GET /app/x HTTP/1.1\r\nHost: foo.example\r\nAccept: */*\r\n\r\n").unwrap();
            assert!(ends_with(&mut stream, b"hi"));
        }
        done.send(()).unwrap();
        stream
    });
    (thread, is_done)
}

#[test]
fn a_plain_request_takes_no_more_memory_than_is_named_here() {
    let store = Store::new();
    let (objects, problems) = yaml::read(&objects(backend())).stored();
    assert_eq!(problems, []);
    store.apply(objects);
    let server = Server::builder().http("127.0.0.1:0").metrics("127.0.0.1:0").build().unwrap();
    let (handle, run) = server.drive(store.watch());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut run = Box::pin(run);
    let bound = runtime.block_on(async {
        tokio::select! {
            ended = &mut run => panic!("the server ended: {ended:?}"),
            bound = handle.ready() => bound.unwrap(),
        }
    });
    let mut load = |stream, times| {
        let (thread, done) = ask(stream, times);
        let counted = measure(|| {
            runtime.block_on(async {
                tokio::select! {
                    ended = &mut run => panic!("the server ended: {ended:?}"),
                    done = done => done.unwrap(),
                }
            });
        });
        (thread.join().unwrap(), counted.count_total)
    };
    // The first has the connections made and the first pieces of memory that are used again.
    let stream = TcpStream::connect(bound.http()[0]).unwrap();
    let (stream, _) = load(stream, 10);
    let (stream, one) = load(stream, 1);
    let (_, all) = load(stream, REQUESTS + 1);
    assert_eq!((all - one) / REQUESTS, EACH, "{one} for one, {all} for {REQUESTS} more");
}
