//! One client connection: TLS, protocol, requests, and the tunnel that it may turn into.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::sys::{Connect, begins_with_http2};

use super::asked::Peer;
use super::router::Router;

const MAX_HEAD: usize = 40 * 1024;
const MAX_FIELDS: usize = 100;
const MAX_HEADER_LIST: u32 = 32 * 1024;
const MAX_STREAMS: u32 = 128;
const MAX_RESETS: usize = 20;

/// Where a request leaves the tunnel that its connection becomes: the connection's own task carries it.
#[derive(Clone, Default)]
pub(super) struct TunnelSlot(Arc<Mutex<Option<Tunnel>>>);

type Tunnel = Pin<Box<dyn Future<Output = ()> + Send>>;

impl TunnelSlot {
    pub(super) fn set(&self, tunnel: impl Future<Output = ()> + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(tunnel));
    }

    fn take(&self) -> Option<Tunnel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for TunnelSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TunnelSlot").finish()
    }
}

/// Serves one accepted connection to its end, or until its current requests are answered once `stop` is true.
pub(super) async fn serve<C: Connect>(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Arc<Router<C>>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let port = stream.local_addr()?.port();
    let peer = Peer { address, https: tls.is_some(), port, tunnel: TunnelSlot::default() };
    let patience = router.table.load().config().header_timeout();
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    match tls {
        None => {
            let http2 = timeout(patience, begins_with_http2(&stream)).await.map_err(late)??;
            requests(stream, http2, peer, router, stop).await
        }
        Some(tls) => {
            let stream = timeout(patience, tls.accept(stream)).await.map_err(late)??;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            requests(stream, http2, peer, router, stop).await
        }
    }
}

async fn requests<S, C>(
    stream: S,
    http2: bool,
    peer: Peer,
    router: Arc<Router<C>>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    C: Connect,
{
    let patience = router.table.load().config().header_timeout();
    let tunnel = peer.tunnel.clone();
    let service = service_fn(move |request| {
        let (router, peer) = (Arc::clone(&router), peer.clone());
        async move { Ok::<_, Infallible>(router.handle(request, peer).await) }
    });
    let stream = TokioIo::new(stream);
    if http2 {
        let connection = http2_builder(patience).serve_connection(stream, service);
        return until_stopped(connection, http2::Connection::graceful_shutdown, &mut stop).await;
    }
    let connection = http1_builder(patience).serve_connection(stream, service).with_upgrades();
    until_stopped(connection, http1::UpgradeableConnection::graceful_shutdown, &mut stop).await?;
    if let Some(tunnel) = tunnel.take() {
        tokio::select! {
            () = tunnel => {}
            () = stopped(&mut stop) => {}
        }
    }
    Ok(())
}

/// Drives a connection; once the server is to stop, only until its current requests are answered.
async fn until_stopped<F: Future<Output = hyper::Result<()>>>(
    connection: F,
    shutdown: impl FnOnce(Pin<&mut F>),
    stop: &mut watch::Receiver<bool>,
) -> io::Result<()> {
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stopped(stop) => {
            shutdown(connection.as_mut());
            connection.await
        }
    };
    served.map_err(io::Error::other)
}

fn http1_builder(patience: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience);
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS).writev(false);
    builder
}

fn http2_builder(patience: Duration) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(patience).keep_alive_timeout(patience);
    builder.max_concurrent_streams(MAX_STREAMS).max_header_list_size(MAX_HEADER_LIST);
    builder.max_pending_accept_reset_streams(MAX_RESETS);
    builder
}

/// Completes once the server is to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone stops the server too.
    let _ = stop.wait_for(|stop| *stop).await;
}
