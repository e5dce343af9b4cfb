//! HTTP/2 to an endpoint, for gRPC: one connection for all its requests, kept by hyper.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, TE, UPGRADE};
use http::{HeaderValue, Request, Response, Uri};
use http_body::{Body, SizeHint};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::annotation::Policies;
use crate::backend::BackendProtocol;
use crate::driver::deadline::Deadline;
use crate::driver::router::Router;
use crate::forward::keep_trailers;
use crate::sys::Connect;

use super::link::{Hop, Key, Link};
use super::outgoing::RequestBody;
use super::{ExchangeError, Failure, Outgoing};

/// A connection that answers no ping for as long is given up.
const PING: Duration = Duration::from_secs(30);

/// The open connections of a worker.
#[derive(Default)]
pub(in crate::driver) struct Senders {
    open: Mutex<BTreeMap<Key, SendRequest<Upload>>>,
    /// Ends with the router.
    tasks: Mutex<JoinSet<()>>,
}

impl Senders {
    fn find(&self, key: Key) -> Option<SendRequest<Upload>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, sender| !sender.is_closed());
        open.get(&key).cloned()
    }

    fn insert(
        &self,
        key: Key,
        sender: SendRequest<Upload>,
        connection: impl Future<Output = ()> + Send + 'static,
    ) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(key, sender);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(connection);
        while tasks.try_join_next().is_some() {}
    }
}

impl fmt::Debug for Senders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Senders").finish_non_exhaustive()
    }
}

/// Asks one endpoint: on its connection if there is one, on a new one if that turned out to be closed.
pub(super) async fn ask<C: Connect>(
    router: &Router<C>,
    outgoing: &mut Outgoing<'_>,
    hop: Hop<'_>,
) -> Result<Response<Http2Body>, Failure> {
    let policies = hop.policies;
    let progress = Progress::default();
    let mut request = request(outgoing, hop.protocol, &progress);
    if let Some(sender) = router.senders.find(hop.key()) {
        outgoing.connected = Some(Duration::ZERO);
        match exchange(sender, request, &progress, policies).await {
            Err((_, Some(unsent))) => request = *unsent,
            result => return result.map_err(|(failure, _)| failure),
        }
    }
    let begun = Instant::now();
    let sender = connect(router, hop).await?;
    outgoing.connected = Some(begun.elapsed());
    exchange(sender, request, &progress, policies).await.map_err(|(failure, _)| failure)
}

async fn connect<C: Connect>(router: &Router<C>, hop: Hop<'_>) -> Result<SendRequest<Upload>, Failure> {
    let link = Link::connect(router, hop).await?;
    let mut builder = Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PING);
    let handshake = builder.handshake(TokioIo::new(link)).await;
    let (sender, connection) = handshake.map_err(|error| Failure::Connect(std::io::Error::other(error)))?;
    let endpoint = hop.endpoint;
    router.senders.insert(hop.key(), sender.clone(), async move {
        if let Err(error) = connection.await {
            tracing::debug!(%endpoint, %error, "connection to the endpoint ended");
        }
    });
    Ok(sender)
}

type Unsent = Option<Box<Request<Upload>>>;

async fn exchange(
    mut sender: SendRequest<Upload>,
    request: Request<Upload>,
    progress: &Progress,
    policies: &Policies,
) -> Result<Response<Http2Body>, (Failure, Unsent)> {
    let pause = policies.read_timeout();
    let mut deadline = Deadline::default();
    let mut answering = pin!(async move {
        if let Err(error) = sender.ready().await {
            return Err((error, Some(request)));
        }
        let sent = sender.try_send_request(request).await;
        sent.map_err(|mut error| {
            let unsent = error.take_message();
            (error.into_error(), unsent)
        })
    });
    let answered = std::future::poll_fn(|cx| match answering.as_mut().poll(cx) {
        Poll::Ready(answered) => Poll::Ready(Some(answered)),
        Poll::Pending => deadline.poll(cx, progress.last() + pause).map(|()| None),
    });
    match answered.await {
        None => Err((Failure::Exchange(ExchangeError::Timeout, true), None)),
        Some(Ok(response)) => Ok(response.map(|incoming| Http2Body::new(incoming, deadline, pause))),
        Some(Err((error, unsent))) => {
            let error = progress.take_failure().unwrap_or(ExchangeError::Http2(error));
            Err((Failure::Exchange(error, true), unsent.map(Box::new)))
        }
    }
}

/// The request with the pseudo-fields of HTTP/2 as its target.
fn request(outgoing: &mut Outgoing<'_>, protocol: BackendProtocol, progress: &Progress) -> Request<Upload> {
    let body = Upload { body: outgoing.body.take(), progress: progress.clone() };
    let mut request = Request::new(body);
    *request.method_mut() = outgoing.parts.method.clone();
    *request.headers_mut() = outgoing.headers();
    let scheme = if protocol.is_secure() { "https" } else { "http" };
    // Host and target were checked when they came; what cannot be built goes to `/`, never elsewhere.
    let uri = Uri::builder().scheme(scheme).authority(outgoing.host).path_and_query(outgoing.target).build();
    *request.uri_mut() = uri.unwrap_or_default();
    for name in [HOST, CONNECTION, UPGRADE] {
        request.headers_mut().remove(name);
    }
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    request
}

/// When the client's body last moved, and why it will move no more.
#[derive(Clone, Debug)]
struct Progress(Arc<Mutex<(Instant, Option<ExchangeError>)>>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), None))))
    }
}

impl Progress {
    fn last(&self) -> Instant {
        self.lock().0
    }

    fn take_failure(&self) -> Option<ExchangeError> {
        self.lock().1.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Instant, Option<ExchangeError>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client's body as hyper takes it.
struct Upload {
    body: Option<RequestBody>,
    progress: Progress,
}

/// hyper is told no more than that the body ends here; the client's reply says why.
#[derive(Debug, thiserror::Error)]
#[error("the client's body broke off")]
struct BrokenOff;

impl Body for Upload {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(body.poll_frame(cx));
        let mut progress = self.progress.lock();
        progress.0 = Instant::now();
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                progress.1 = Some(error);
                BrokenOff
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(RequestBody::is_over)
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() { SizeHint::with_exact(0) } else { SizeHint::new() }
    }
}

/// A response of HTTP/2.
#[derive(Debug)]
pub(in crate::driver) struct Http2Body {
    incoming: Incoming,
    deadline: Deadline,
    pause: Duration,
    progress: Instant,
}

impl Http2Body {
    fn new(incoming: Incoming, deadline: Deadline, pause: Duration) -> Self {
        Self { incoming, deadline, pause, progress: Instant::now() }
    }

    pub(in crate::driver) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeError>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.progress = Instant::now();
                Poll::Ready(frame.map(|frame| frame.map(clean).map_err(ExchangeError::Http2)))
            }
            Poll::Pending => {
                let late = self.deadline.poll(cx, self.progress + self.pause);
                late.map(|()| Some(Err(ExchangeError::Timeout)))
            }
        }
    }

    pub(in crate::driver) fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub(in crate::driver) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn clean(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            keep_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}
