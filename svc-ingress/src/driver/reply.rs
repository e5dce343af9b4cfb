//! Bodies and short answers of the router's own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::annotation::Rate;
use crate::forward::keep_trailers;
use crate::limit::UnderWay;
use crate::upstream::Event;

use super::deadline::Deadline;
use super::paced::Pace;
use super::upstream::{Exchange, ExchangeError, Http2Body, Key};

/// The body of a response: text of the router's own, or what a backend sends.
pub(super) enum ReplyBody<S> {
    Text(Bytes),
    Backend(BackendBody<S>),
    Http2(Http2Body),
    /// A refusal of a request whose body is still coming.
    Refused(Box<Refused>),
    /// One that is counted until it is sent or given up.
    Counted(Box<(Self, UnderWay)>),
    /// One that goes no faster than an annotation says.
    Paced(Box<(Self, Pace)>),
}

impl<S> ReplyBody<S> {
    /// The body of a request that is counted as under way.
    pub(super) fn keeping(self, under_way: UnderWay) -> Self {
        Self::Counted(Box::new((self, under_way)))
    }

    /// The body of a reply that goes no faster.
    pub(super) fn paced(self, rate: Rate) -> Self {
        Self::Paced(Box::new((self, Pace::new(rate))))
    }
}

/// A refusal's text. Before it ends, what the client still sends is read and lost: a client that is cut off while it sends
/// may never read why.
pub(super) struct Refused {
    text: Bytes,
    incoming: Incoming,
    left: u64,
    until: tokio::time::Instant,
    deadline: Deadline,
}

/// How long a refused client may go on, as nginx's `lingering_timeout` and what it may send meanwhile.
const LINGER: Duration = Duration::from_secs(5);
const MAX_LOST: u64 = 64 * 1024 * 1024;

impl Refused {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ExchangeError>>> {
        if !self.text.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.text)))));
        }
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                    let Some(left) = self.left.checked_sub(length) else { return Poll::Ready(None) };
                    self.left = left;
                }
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => {
                    ready!(self.deadline.poll(cx, self.until));
                    return Poll::Ready(None);
                }
            }
        }
    }
}

impl<S> ReplyBody<S> {
    /// A backend sent it.
    pub(super) fn is_of_backend(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}

/// A response as it is read from its connection; the connection goes back to the pool at the exact end.
pub(super) struct BackendBody<S> {
    exchange: Option<Box<Exchange<S>>>,
    key: Key,
}

impl<S: AsyncRead + AsyncWrite + Unpin> BackendBody<S> {
    /// The rest of an exchange after its head.
    pub(super) fn new(mut exchange: Box<Exchange<S>>, key: Key) -> Self {
        exchange.commit();
        let mut body = Self { exchange: Some(exchange), key };
        body.finish_if_over();
        body
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ExchangeError>>> {
        let Some(exchange) = &mut self.exchange else { return Poll::Ready(None) };
        match ready!(exchange.poll_event(cx)) {
            Ok(Event::Data(data)) => {
                self.finish_if_over();
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Ok(Event::Trailers(mut trailers)) => {
                keep_trailers(&mut trailers);
                self.finish_if_over();
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Ok(_) => {
                self.finish();
                Poll::Ready(None)
            }
            Err(error) => {
                tracing::debug!(endpoint = %self.key.0, %error, "response broken off");
                self.exchange = None;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    /// hyper does not poll a body again of which nothing is left.
    fn finish_if_over(&mut self) {
        let Some(exchange) = &mut self.exchange else { return };
        if exchange.remaining() != Some(0) {
            return;
        }
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match exchange.poll_event(&mut cx) {
            Poll::Ready(Ok(Event::End)) => self.finish(),
            _ => self.exchange = None,
        }
    }

    fn finish(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.finish(self.key);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Body for ReplyBody<S> {
    type Data = Bytes;
    type Error = ExchangeError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeError>>> {
        match self.get_mut() {
            Self::Text(text) if text.is_empty() => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Self::Backend(body) => body.poll(cx),
            Self::Http2(body) => body.poll(cx),
            Self::Refused(refused) => refused.poll(cx),
            Self::Counted(counted) => Pin::new(&mut counted.0).poll_frame(cx),
            Self::Paced(paced) => {
                let (body, pace) = &mut **paced;
                ready!(pace.poll(cx));
                let frame = ready!(Pin::new(body).poll_frame(cx));
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                pace.add(data.map_or(0, Bytes::len));
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Backend(body) => body.exchange.is_none(),
            Self::Http2(body) => body.is_end_stream(),
            Self::Refused(_) => false,
            Self::Counted(counted) => counted.0.is_end_stream(),
            Self::Paced(paced) => paced.0.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.len() as u64),
            Self::Backend(body) => {
                let known = body.exchange.as_ref().map_or(Some(0), |exchange| exchange.remaining());
                known.map_or_else(SizeHint::new, SizeHint::with_exact)
            }
            Self::Http2(body) => body.size_hint(),
            Self::Refused(refused) => SizeHint::with_exact(refused.text.len() as u64),
            Self::Counted(counted) => counted.0.size_hint(),
            Self::Paced(paced) => paced.0.size_hint(),
        }
    }
}

/// A response of the router's own: the status, and a line that says it.
pub(super) fn status<S>(status: StatusCode) -> Response<ReplyBody<S>> {
    let mut response = Response::new(ReplyBody::Text(format!("{status}\n").into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    response
}

/// Ends the client's connection after the reply: what follows on it may not be what it seems.
pub(super) fn close<S>(mut response: Response<ReplyBody<S>>, version: Version) -> Response<ReplyBody<S>> {
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Refuses a request of which `incoming` is still to come. Over HTTP/1 the connection ends, which hyper does in good order;
/// over HTTP/2 the stream has to.
pub(super) fn refuse<S>(
    code: StatusCode,
    incoming: Option<Incoming>,
    version: Version,
) -> Response<ReplyBody<S>> {
    let mut response = close(status(code), version);
    if let (Version::HTTP_2, Some(incoming), ReplyBody::Text(text)) = (version, incoming, response.body_mut())
    {
        let (text, until) = (std::mem::take(text), tokio::time::Instant::now() + LINGER);
        let refused = Refused { text, incoming, left: MAX_LOST, until, deadline: Deadline::default() };
        *response.body_mut() = ReplyBody::Refused(Box::new(refused));
    }
    response
}

/// A redirect; 400 if the address cannot stand in a header.
pub(super) fn redirect<S>((code, location): (StatusCode, String)) -> Response<ReplyBody<S>> {
    let Ok(location) = HeaderValue::from_str(&location) else { return status(StatusCode::BAD_REQUEST) };
    let mut response = status(code);
    response.headers_mut().insert(LOCATION, location);
    response
}

/// The reply to a request by which a browser asks whether another one may be made.
pub(super) fn preflight<S>() -> Response<ReplyBody<S>> {
    let mut response = Response::new(ReplyBody::Text(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain charset=UTF-8"));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// 401 that asks for a login.
pub(super) fn unauthorized<S>(realm: &str) -> Response<ReplyBody<S>> {
    let mut response = status(StatusCode::UNAUTHORIZED);
    if let Ok(value) = HeaderValue::from_str(&format!("Basic realm=\"{realm}\"")) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}
