//! A server that answers every HTTP request with its own name and what it saw of the request.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, UdpSocket};

/// The response header with the server's name.
pub const SERVER: &str = "x-echo-server";
/// The response header with the address from which the server was called.
pub const CLIENT: &str = "x-echo-client";
/// The response header with the request's target, as the server saw it.
pub const TARGET: &str = "x-echo-target";
/// The response header with the request's Authorization, `none` if it had none.
pub const AUTHORIZATION: &str = "x-echo-authorization";

/// Serves HTTP on `port` of every address of this namespace as `name`, until dropped. Bound when this returns.
///
/// # Errors
/// The port is taken.
pub async fn http(name: &str, port: u16) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("echo server {name} on {address}"))?;
    let name: Arc<str> = name.into();
    Ok(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            // A failed accept (a connection reset in the queue) is the client's affair.
            if let Ok((stream, client)) = listener.accept().await {
                connections.spawn(serve(stream, client, Arc::clone(&name)));
            }
            while connections.try_join_next().is_some() {}
        }
    })
}

async fn serve(stream: tokio::net::TcpStream, client: SocketAddr, name: Arc<str>) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let response = answer(&name, client, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    // A client that goes away in the middle is no fault of the server's.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn answer(name: &str, client: SocketAddr, request: &Request<hyper::body::Incoming>) -> Response<Full<Bytes>> {
    let target = request.uri().to_string();
    let authorization = request
        .headers()
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("none");
    let body = format!("{name} answers {} {target} from {client}\n", request.method());
    Response::builder()
        .header(SERVER, name)
        .header(CLIENT, client.to_string())
        .header(TARGET, target)
        .header(AUTHORIZATION, authorization)
        .body(Full::new(Bytes::from(body)))
        .unwrap_or_else(|_| Response::new(Full::new(Bytes::from_static(b"a header cannot be echoed\n"))))
}

/// Answers every datagram on `port` with `name`. Bound when this returns.
///
/// # Errors
/// The port is taken.
pub async fn udp(name: &str, port: u16) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    let socket =
        UdpSocket::bind(address).await.with_context(|| format!("echo server {name} on UDP {address}"))?;
    let name = name.to_owned();
    Ok(async move {
        let mut buffer = [0; 2048];
        loop {
            if let Ok((_, client)) = socket.recv_from(&mut buffer).await {
                let _ = socket.send_to(name.as_bytes(), client).await;
            }
        }
    })
}
