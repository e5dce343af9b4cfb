//! The process that is not counted: a backend, and clients that ask for it in step, so that every run is like the others.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::Failure;

/// Requests that are under way at one time.
const CONNECTIONS: usize = 16;
const REQUEST: &[u8] = b"GET /app/x HTTP/1.1\r\nHost: h0.example.test\r\n\r\n";
const BODY: usize = 1024;

pub(super) const CLASS: &str = "
kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
";

/// An Ingress with one path of a host.
pub(super) fn ingress(host: &str) -> String {
    format!(
        "
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {{name: {host}, namespace: shop}}
spec:
  ingressClassName: nginx
  rules: [{{host: {host}, http: {{paths: [{{path: /app, pathType: Prefix,
    backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]
"
    )
}

/// One host with one path, for one endpoint.
pub(super) fn objects(backend: SocketAddr) -> String {
    let service = format!(
        "
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
",
        backend.port(),
        backend.ip()
    );
    [CLASS, &ingress("h0.example.test"), &service].concat()
}

/// Says where its backend is, reads where the router is, and asks that so many times.
pub(super) fn run(times: u64) -> Result<(), Failure> {
    let backend = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", backend.local_addr()?);
    std::thread::spawn(move || {
        for stream in backend.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    let mut router = String::new();
    std::io::stdin().lock().read_line(&mut router)?;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(TcpStream::connect(router.trim())?);
    }
    for _ in 0..times.div_ceil(CONNECTIONS as u64) {
        clients.iter_mut().try_for_each(|client| client.write_all(REQUEST))?;
        clients.iter_mut().try_for_each(read_reply)?;
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {BODY}\r\n\r\n");
    let reply = [head.as_bytes(), &[b'x'; BODY]].concat();
    let mut request = Vec::new();
    let mut some = [0; 4096];
    loop {
        let read = stream.read(&mut some)?;
        request.extend_from_slice(&some[..read]);
        if read == 0 {
            return Ok(());
        }
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            stream.write_all(&reply)?;
        }
    }
}

fn read_reply(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut reply = Vec::new();
    let mut some = [0; 4096];
    loop {
        let read = stream.read(&mut some)?;
        reply.extend_from_slice(&some[..read]);
        let end = reply.windows(4).position(|four| four == b"\r\n\r\n");
        if end.is_some_and(|end| reply.len() == end + 4 + BODY) {
            let good = reply.starts_with(b"HTTP/1.1 200 ");
            return if good { Ok(()) } else { Err(std::io::Error::other("not 200")) };
        }
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
