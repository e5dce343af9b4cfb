//! One client connection: TLS, protocol, requests, and the tunnel that it may turn into.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::sys::{Connect, begins_with_http2};

use super::router::{Peer, Router};

const MAX_HEAD: usize = 40 * 1024;
const MAX_FIELDS: usize = 100;
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
    let builder = builder(&router, http2);
    let tunnel = peer.tunnel.clone();
    let service = service_fn(move |request| {
        let (router, peer) = (Arc::clone(&router), peer.clone());
        async move { Ok::<_, Infallible>(router.handle(request, peer).await) }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    served.map_err(io::Error::other)?;
    if let Some(tunnel) = tunnel.take() {
        tokio::select! {
            () = tunnel => {}
            () = stopped(&mut stop) => {}
        }
    }
    Ok(())
}

fn builder<C: Connect>(router: &Router<C>, http2: bool) -> Builder<TokioExecutor> {
    let patience = router.table.load().config().header_timeout();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(MAX_HEAD);
    builder.http1().max_headers(MAX_FIELDS).writev(false);
    let mut streams = builder.http2();
    streams.timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS).max_header_list_size(32 * 1024);
    streams
        .max_pending_accept_reset_streams(MAX_RESETS)
        .keep_alive_interval(patience)
        .keep_alive_timeout(patience);
    if http2 { builder.http2_only() } else { builder.http1_only() }
}

/// Completes once the server is to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone stops the server too.
    let _ = stop.wait_for(|stop| *stop).await;
}
