//! One client connection: what it is, its requests, and the tunnel that it may turn into.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::sys::Connect;
use crate::tls::Acceptor;

use super::activity::{Activity, Counted};
use super::asked::Peer;
use super::certificates::Shown;
use super::client_stream::ClientStream;
use super::hints::{Hinted, Hints};
use super::measured::Measured;
use super::passthrough;
use super::reply::ReplyBody;
use super::router::Router;
use super::turns::{Turn, Turns};
use super::woken::OnceWoken;

const MAX_HEAD: usize = 40 * 1024;
const MAX_HEADER_LIST: u32 = 32 * 1024;
const MAX_STREAMS: u32 = 128;
const MAX_RESETS: usize = 20;
const MAX_UNSENT: usize = 64 * 1024;
/// As HAProxy and nginx wait for a PROXY protocol header.
const PROXY_PATIENCE: Duration = Duration::from_secs(5);
/// On a plain port behind a load balancer that ended TLS there.
const HTTPS_PORT: u16 = 443;

/// Where a request leaves the tunnel that its connection becomes: the connection's own task carries it.
#[derive(Clone, Default)]
pub(super) struct TunnelSlot(Arc<Mutex<Option<Tunnel>>>);

type Tunnel = Pin<Box<dyn Future<Output = ()> + Send>>;

impl TunnelSlot {
    pub(super) fn set(&self, tunnel: impl Future<Output = ()> + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(tunnel));
    }

    /// Keeps a value until the tunnel has ended.
    pub(super) fn keep(&self, value: impl Send + 'static) {
        if let Some(tunnel) = self.take() {
            self.set(async move {
                tunnel.await;
                drop(value);
            });
        }
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
    tls: Option<Acceptor>,
    router: Arc<Router<C>>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut local = stream.local_addr()?;
    let port = local.port();
    let tunnel = TunnelSlot::default();
    let hints = Hints::default();
    let https = tls.is_some();
    let mut peer = Peer { address, text: Box::default(), https, port, shown: None, tunnel, hints };
    let (patience, body_timeout, proxied) = {
        let table = router.table.load();
        let clients = table.config().clients();
        (table.config().header_timeout(), clients.body_timeout(), clients.proxy_protocol())
    };
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let mut stream = ClientStream::new(stream, body_timeout);
    if proxied {
        let header = timeout(PROXY_PATIENCE, stream.proxy_header()).await.map_err(late)??;
        peer.address = header.source().unwrap_or(peer.address);
        peer.port = header.destination().map_or(peer.port, |destination| destination.port());
        local = header.destination().unwrap_or(local);
        peer.https |= header.destination().is_some() && peer.port == HTTPS_PORT;
    }
    // A dual-stack listener shows IPv4 clients as ::ffff:192.0.2.1.
    peer.address.set_ip(peer.address.ip().to_canonical());
    peer.text = peer.address.ip().to_string().into();
    match tls {
        None => {
            let http2 = timeout(patience, stream.begins_with_http2()).await.map_err(late)??;
            if http2 {
                return over_http2(stream, Arc::new(peer), router, stop).await;
            }
            let turns = await_heads(&mut stream, &router);
            over_http1(stream, turns, Arc::new(peer), router, stop).await
        }
        Some(tls) => {
            let passed = timeout(patience, passthrough::find(&mut stream, &router)).await.map_err(late)??;
            if let Some(location) = passed {
                let addresses = (peer.address, local);
                return Box::pin(passthrough::run(stream, addresses, &location, &router)).await;
            }
            let mut stream = timeout(patience, tls.accept(stream)).await.map_err(late)??;
            peer.shown = Some(Shown::new(stream.get_ref().1));
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                return over_http2(stream, Arc::new(peer), router, stop).await;
            }
            let turns = await_heads(stream.get_mut().0, &router);
            over_http1(stream, turns, Arc::new(peer), router, stop).await
        }
    }
}

/// Has a connection over HTTP/1 end when no request comes.
fn await_heads<C: Connect>(stream: &mut ClientStream<TcpStream>, router: &Router<C>) -> Turns {
    let turns = Turns::default();
    stream.await_heads(turns.clone(), patience(router));
    turns
}

/// How long a client may be silent before a request, and take for its head.
fn patience<C: Connect>(router: &Router<C>) -> Duration {
    let table = router.table.load();
    table.config().header_timeout().min(table.config().clients().keep_alive())
}

fn activity<C: Connect>(router: &Router<C>) -> Activity {
    let table = router.table.load();
    let clients = table.config().clients();
    Activity::new(clients.keep_alive(), clients.keep_alive_requests())
}

async fn over_http2<S, C>(
    stream: S,
    peer: Arc<Peer>,
    router: Arc<Router<C>>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    C: Connect,
{
    let (builder, activity) = (http2_builder(patience(&router)), activity(&router));
    let counted = activity.clone();
    let service = service_fn(move |request| {
        let (router, peer, count) = (Arc::clone(&router), Arc::clone(&peer), counted.begin());
        async move {
            let reply = router.handle(request, peer).await;
            Ok::<_, Infallible>(reply.map(|body| Counted::new(body, count)))
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let over = async {
        tokio::select! {
            () = stopped(&mut stop) => {}
            () = activity.is_over() => {}
        }
    };
    until(over, connection, http2::Connection::graceful_shutdown).await
}

async fn over_http1<S, C>(
    stream: S,
    turns: Turns,
    peer: Arc<Peer>,
    router: Arc<Router<C>>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    C: Connect,
{
    let activity = activity(&router);
    let (tunnel, stream) = (peer.tunnel.clone(), Hinted::new(stream, peer.hints.clone()));
    let service = service_fn(move |request| {
        let (router, peer) = (Arc::clone(&router), Arc::clone(&peer));
        let (last, turn) = (activity.is_last(), turns.begin());
        async move { Ok::<_, Infallible>(handle_http1(&router, request, peer, last, turn).await) }
    });
    let mut builder = http1::Builder::new();
    // Its own limit of 100 fields needs no memory that has to be cleared for every head.
    builder.max_buf_size(MAX_HEAD).writev(false);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    until(stopped(&mut stop), connection, http1::UpgradeableConnection::graceful_shutdown).await?;
    // A tunnel goes on while the server drains: who talks through it may not be able to go elsewhere at once.
    if let Some(tunnel) = tunnel.take() {
        tunnel.await;
    }
    Ok(())
}

type Http1Body<S> = Counted<Measured<ReplyBody<S>>, Option<Turn>>;

async fn handle_http1<C: Connect>(
    router: &Router<C>,
    request: Request<Incoming>,
    peer: Arc<Peer>,
    last: bool,
    turn: Turn,
) -> Response<Http1Body<C::Stream>> {
    let mut reply = router.handle(request, Arc::clone(&peer)).await;
    if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
        peer.tunnel.keep(turn);
        return reply.map(|body| Counted::new(body, None));
    }
    if last {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply.map(|body| Counted::new(body, Some(turn)))
}

/// Drives a connection; once it is `over`, only until its current requests are answered.
async fn until<F: Future<Output = hyper::Result<()>>>(
    over: impl Future<Output = ()>,
    connection: F,
    shutdown: impl FnOnce(Pin<&mut F>),
) -> io::Result<()> {
    let (mut connection, over) = (std::pin::pin!(connection), std::pin::pin!(over));
    let mut over = OnceWoken::new(over);
    let mut shutdown = Some(shutdown);
    let served = std::future::poll_fn(|cx| {
        loop {
            let served = connection.as_mut().poll(cx);
            if served.is_ready() || shutdown.is_none() || Pin::new(&mut over).poll(cx).is_pending() {
                return served;
            }
            if let Some(shutdown) = shutdown.take() {
                shutdown(connection.as_mut());
            }
        }
    });
    served.await.map_err(io::Error::other)
}

fn http2_builder(patience: Duration) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(patience).keep_alive_timeout(patience);
    builder.max_concurrent_streams(MAX_STREAMS).max_header_list_size(MAX_HEADER_LIST);
    builder.max_pending_accept_reset_streams(MAX_RESETS).max_send_buf_size(MAX_UNSENT);
    builder
}

/// Completes once the server is to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone stops the server too.
    let _ = stop.wait_for(|stop| *stop).await;
}
