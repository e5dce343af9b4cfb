//! Connections over which DNS over HTTPS is spoken (RFC 8484), HTTP/1.1 and HTTP/2.
//!
//! All of a connection, the streams of HTTP/2 included, is one future of the server's: nothing is spawned.

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::server::TlsStream;

use super::{Shared, handle::count};
use crate::{
    Client, Outcome,
    https::{Asked, LONGEST_QUERY, asked, refused, response},
    message::{Header, Rcode, Writer},
    metrics::Tally,
};

/// Requests of one connection at a time.
const STREAMS: u32 = 64;
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 16 * 1024;
/// Streams that a client may open and reset without having been answered.
const RESETS: usize = 32;
/// Between pings; a client that answers none in that time is gone.
const PING: Duration = Duration::from_secs(10);

/// What the requests of a connection share.
struct Conversation {
    client: Client,
    shared: Arc<Shared>,
    tally: Arc<Tally>,
    /// When the last request began or ended.
    active: Mutex<Instant>,
    open: AtomicUsize,
}

/// Answers the requests of a connection, until it is idle or told to stop.
pub(super) async fn converse(
    stream: TlsStream<TcpStream>,
    client: SocketAddr,
    shared: &Arc<Shared>,
    tally: &Arc<Tally>,
    stop: watch::Receiver<()>,
) -> io::Result<()> {
    let conversation = Arc::new(Conversation {
        client: Client::tls(client),
        shared: Arc::clone(shared),
        tally: Arc::clone(tally),
        active: Mutex::new(Instant::now()),
        open: AtomicUsize::new(0),
    });
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let serving = Arc::clone(&conversation);
    let service = service_fn(move |request| {
        let conversation = Arc::clone(&serving);
        async move { Ok::<_, Infallible>(conversation.handle(request).await) }
    });
    let stream = TokioIo::new(stream);
    if is_http2 {
        let (streams, opened) = mpsc::unbounded_channel();
        let connection = http2_builder(streams).serve_connection(stream, service);
        return conversation.drive(connection, http2::Connection::graceful_shutdown, run(opened), stop).await;
    }
    let connection = http1_builder(shared.limits.idle).serve_connection(stream, service);
    conversation.drive(connection, http1::Connection::graceful_shutdown, pending(), stop).await
}

/// The streams of an HTTP/2 connection. Never ends.
async fn run(mut opened: mpsc::UnboundedReceiver<BoxFuture<'static, ()>>) {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(stream) = opened.recv() => running.push(stream),
            Some(()) = running.next() => {}
            else => pending().await,
        }
    }
}

impl Conversation {
    /// Drives a connection until it is closed. It is shut down when the server stops or when there was no request for some time;
    /// who does not take what is still to be sent is cut off.
    async fn drive<F: Future<Output = hyper::Result<()>>>(
        &self,
        connection: F,
        shut_down: impl Fn(Pin<&mut F>),
        streams: impl Future<Output = ()>,
        mut stop: watch::Receiver<()>,
    ) -> io::Result<()> {
        let (mut connection, mut streams) = (pin!(connection), pin!(streams));
        let mut closing = false;
        loop {
            tokio::select! {
                served = connection.as_mut() => return served.map_err(io::Error::other),
                () = streams.as_mut() => {}
                _ = stop.changed(), if !closing => {}
                () = sleep_until(self.quiet_at()) => match Instant::now() < self.quiet_at() {
                    true => continue,
                    false if closing => return Ok(()),
                    false => *self.active() = Instant::now(),
                },
            }
            closing = true;
            shut_down(connection.as_mut());
        }
    }

    /// When there will have been no request for some time.
    fn quiet_at(&self) -> Instant {
        let waiting = self.open.load(Ordering::Relaxed) == 0;
        let since = if waiting { *self.active() } else { Instant::now() };
        since + self.shared.limits.idle
    }

    fn active(&self) -> MutexGuard<'_, Instant> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let _open = Open::new(self);
        match self.message(request).await {
            Ok(message) => self.answer(&message).await,
            Err(status) => refused(status),
        }
        .map(Full::new)
    }

    async fn message(&self, request: Request<Incoming>) -> Result<Vec<u8>, StatusCode> {
        let asked = asked(request.method(), request.uri(), request.headers())?;
        if let Asked::Message(message) = asked {
            return Ok(message);
        }
        let body = Limited::new(request.into_body(), LONGEST_QUERY).collect();
        match timeout(self.shared.limits.idle, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes().into()),
            Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
        }
    }

    async fn answer(&self, message: &[u8]) -> Response<Bytes> {
        count(&self.shared.counters.tcp);
        let since = Instant::now().into_std();
        let mut answer = Vec::new();
        let (responder, front) = (self.shared.responder.load_full(), self.shared.fronts.current());
        let (outcome, asked) = front.respond_and_tell(&responder, message, self.client, since, &mut answer);
        match outcome {
            Outcome::Answer => {}
            Outcome::Forward(forward) => answer = self.shared.resolve(&forward).await,
            // One message is all there is room for.
            Outcome::Transfer(_) => match Header::parse(message) {
                Ok(header) => Writer::bare(header, Rcode::NOTIMP, &mut answer),
                Err(_) => return refused(StatusCode::BAD_REQUEST),
            },
            Outcome::Drop => {
                count(&self.shared.counters.dropped);
                return refused(StatusCode::BAD_REQUEST);
            }
        }
        if let Some(counted) = self.shared.note(&self.tally, message, asked, self.client, &mut answer, since)
        {
            self.tally.took(counted, since.elapsed());
        }
        response(answer)
    }
}

/// A request that is being answered.
struct Open<'c>(&'c Conversation);

impl<'c> Open<'c> {
    fn new(conversation: &'c Conversation) -> Self {
        conversation.open.fetch_add(1, Ordering::Relaxed);
        *conversation.active() = Instant::now();
        Self(conversation)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        *self.0.active() = Instant::now();
    }
}

/// Where the streams of a connection go: to the connection's own future.
#[derive(Clone)]
struct Streams(mpsc::UnboundedSender<BoxFuture<'static, ()>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        // Closed: the connection is gone, and its streams with it.
        let _closed = self.0.send(Box::pin(stream));
    }
}

fn http1_builder(patience: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(LONGEST_HEAD);
    builder
}

fn http2_builder(streams: mpsc::UnboundedSender<BoxFuture<'static, ()>>) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams(streams));
    builder.timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PING);
    builder.max_concurrent_streams(STREAMS).max_header_list_size(16 * 1024);
    builder.max_pending_accept_reset_streams(RESETS);
    builder
}
