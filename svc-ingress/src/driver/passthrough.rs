//! `ssl-passthrough`: a client's bytes go to an endpoint as they are, by the name that its handshake asks for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::time::timeout;

use crate::client_hello::server_name;
use crate::sys::Connect;
use crate::table::Location;

use super::client_stream::ClientStream;
use super::router::Router;

/// Endpoints that are tried.
const MAX_TRIES: usize = 3;

/// Where a handshake goes that is not ours: none of its bytes is taken off the stream. What is no handshake is left to
/// whoever tells the client so.
pub(super) async fn find<S, C>(
    stream: &mut ClientStream<S>,
    router: &Router<C>,
) -> io::Result<Option<Arc<Location>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Connect,
{
    if !router.table.load().passes_through() {
        return Ok(None);
    }
    let asked = loop {
        match server_name(stream.early()) {
            Ok(Some(asked)) => break asked,
            Ok(None) => stream.read_ahead().await?,
            Err(_) => return Ok(None),
        }
    };
    Ok(asked.name().and_then(|name| router.table.load().passthrough(name).cloned()))
}

/// Carries the connection to its end.
pub(super) async fn run<S, C>(
    mut client: ClientStream<S>,
    (address, local): (SocketAddr, SocketAddr),
    location: &Location,
    router: &Router<C>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Connect,
{
    let mut backend = connect(location, router).await?;
    if router.table.load().config().passthrough_proxy_header() {
        backend.write_all(proxy_line(address, local).as_bytes()).await?;
    }
    copy_bidirectional(&mut client, &mut backend).await.map(|_| ())
}

async fn connect<C: Connect>(location: &Location, router: &Router<C>) -> io::Result<C::Stream> {
    let mut last = io::Error::other("no endpoint of the Service is ready");
    for endpoint in location.pool().in_turn().take(MAX_TRIES) {
        let connecting = router.connect.connect(endpoint);
        match timeout(location.policies().connect_timeout(), connecting).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
        tracing::debug!(%endpoint, error = %last, "no connection to pass TLS through");
    }
    Err(last)
}

/// The PROXY protocol, version 1.
fn proxy_line(client: SocketAddr, router: SocketAddr) -> String {
    match (client.ip().to_canonical(), router.ip().to_canonical()) {
        (from @ std::net::IpAddr::V4(_), to @ std::net::IpAddr::V4(_)) => {
            format!("PROXY TCP4 {from} {to} {} {}\r\n", client.port(), router.port())
        }
        (from @ std::net::IpAddr::V6(_), to @ std::net::IpAddr::V6(_)) => {
            format!("PROXY TCP6 {from} {to} {} {}\r\n", client.port(), router.port())
        }
        _ => "PROXY UNKNOWN\r\n".to_owned(),
    }
}
