//! A request on its way to one endpoint after the other, until one answers.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::PoisonError;
use std::task::{Context, Waker};
use std::time::Instant;

use bytes::BytesMut;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::timeout;

use crate::backend::{Cause, NextUpstream};
use crate::state::Pooled;
use crate::sys::Connect;
use crate::table::{Pool, PoolState, Route};
use crate::upstream::{Event, Expected, RequestFraming, RequestHead, ResponseError, ResponseHead};

use super::asked::Asked;
use super::exchange::{Exchange, ExchangeError, Pauses, Sending};
use super::policy::Permit;
use super::reply::{BackendBody, ReplyBody, status};
use super::router::Router;
use super::tunnel;

/// A request as the backend will see it.
#[derive(Debug)]
pub(super) struct Outgoing {
    parts: Parts,
    body: Option<Incoming>,
    target: String,
    host: String,
    framing: RequestFraming,
    upgrade: bool,
    limit: u64,
}

impl Outgoing {
    pub(super) fn new(
        parts: Parts,
        body: Incoming,
        target: String,
        host: String,
        upgrade: bool,
        limit: u64,
    ) -> Self {
        let empty = body.is_end_stream();
        let announced = parts.headers.contains_key(http::header::CONTENT_LENGTH);
        let framing = match body.size_hint().exact() {
            Some(0) if !announced => RequestFraming::Empty,
            Some(length) => RequestFraming::Length(length),
            None if empty => RequestFraming::Empty,
            None => RequestFraming::Chunked,
        };
        Self { parts, body: (!empty).then_some(body), target, host, framing, upgrade, limit }
    }

    fn expected(&self) -> Expected {
        match self.parts.method {
            _ if self.upgrade => Expected::Upgrade,
            Method::HEAD => Expected::NoBody,
            _ => Expected::Body,
        }
    }

    fn emit(&self) -> BytesMut {
        let mut head = BytesMut::new();
        let Parts { method, headers, .. } = &self.parts;
        RequestHead::new(method, &self.target, &self.host, headers, self.framing).emit(&mut head);
        head
    }

    /// Sending it twice does what sending it once does, and it can be sent twice.
    fn is_repeatable(&self) -> bool {
        let idempotent = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE];
        self.body.is_none() && !self.upgrade && idempotent.contains(&self.parts.method)
    }
}

/// Why one endpoint gave no response.
enum Failure {
    /// It cannot be reached: nothing was sent.
    Connect(io::Error),
    /// No connection in time: nothing was sent.
    ConnectTimeout,
    /// It broke off or answered nonsense; `true` if it never answered at all.
    Exchange(ExchangeError, bool),
}

/// A response's head with the rest of its exchange.
type Answer<S> = (ResponseHead, bool, Exchange<S>);

/// Sends a request to the endpoints of its route in turn, as far as `proxy-next-upstream` lets it; beside the reply
/// stands the endpoint that gave it. After a failure the endpoints are looked up again: they may have changed since, which
/// is the likeliest reason for the failure.
pub(super) async fn send<C: Connect>(
    router: &Router<C>,
    mut outgoing: Outgoing,
    route: &Route,
    permit: &Permit,
    asked: &Asked,
) -> (Response<ReplyBody<C::Stream>>, Option<SocketAddr>) {
    let next = route.policies().next_upstream().clone();
    let begun = Instant::now();
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut route = route.clone();
    let mut code = unserved(permit.pool(&route));
    while let Some(endpoint) = permit.endpoint(permit.pool(&route), &tried) {
        tried.push(endpoint);
        // A body that was begun cannot be sent again.
        let repeatable = outgoing.body.is_none() && !outgoing.upgrade;
        let answered = ask(router, &mut outgoing, &route, endpoint).await;
        let more = tried.len() < next.tries() && next.timeout().is_none_or(|limit| begun.elapsed() < limit);
        match answered {
            Ok(answer) => {
                let cause = Cause::Status(answer.0.status().as_u16());
                let others = permit.pool(&route).endpoints().iter().any(|other| !tried.contains(other));
                if !(more && others && repeatable && next.allows(cause, &outgoing.parts.method, true)) {
                    return (respond(router, outgoing, &route, endpoint, answer, asked), Some(endpoint));
                }
            }
            Err(failure) => {
                tracing::debug!(%endpoint, error = %failure, "no response");
                code = failure.status();
                if !(more && failure.allows(&next, &outgoing.parts.method, repeatable)) {
                    break;
                }
            }
        }
        if let Ok(Some(current)) = router.table.load().find(asked.authority.host(), &asked.target) {
            route = current;
        }
    }
    (status(code), None)
}

/// The status when no endpoint could even be tried.
fn unserved(pool: &Pool) -> StatusCode {
    match pool.state() {
        PoolState::Ready => StatusCode::BAD_GATEWAY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Asks one endpoint: on an idle connection if there is one, on a new one if that turned out to be closed.
async fn ask<C: Connect>(
    router: &Router<C>,
    outgoing: &mut Outgoing,
    route: &Route,
    endpoint: SocketAddr,
) -> Result<Answer<C::Stream>, Failure> {
    // An upgrade gets a connection that is surely open.
    let idle =
        if outgoing.upgrade { None } else { take_idle(router, endpoint, outgoing.is_repeatable()).await };
    if let Some(connection) = idle {
        let repeatable = outgoing.is_repeatable();
        match exchange(connection, outgoing, route).await {
            Err(Failure::Exchange(error, true)) if repeatable && !matches!(error, ExchangeError::Timeout) => {
            }
            result => return result,
        }
    }
    let connecting = timeout(route.policies().connect_timeout(), router.connect.connect(endpoint));
    let stream = connecting.await.map_err(|_| Failure::ConnectTimeout)?.map_err(Failure::Connect)?;
    exchange(Pooled::new(stream, Instant::now()), outgoing, route).await
}

/// An idle connection on which nothing has happened: neither an end nor bytes that nobody asked for.
async fn take_idle<C: Connect>(
    router: &Router<C>,
    endpoint: SocketAddr,
    repeatable: bool,
) -> Option<Pooled<C::Stream>> {
    if !repeatable {
        // Lets the runtime hear of connections that ended meanwhile: this request has one try only.
        tokio::task::yield_now().await;
    }
    loop {
        let mut idle = router.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = idle.take(endpoint, Instant::now())?;
        drop(idle);
        if is_silent(connection.get_mut()) {
            return Some(connection);
        }
    }
}

fn is_silent(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut byte = [0; 1];
    let read = pin!(stream.read(&mut byte));
    read.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

async fn exchange<S>(
    connection: Pooled<S>,
    outgoing: &mut Outgoing,
    route: &Route,
) -> Result<Answer<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let policies = route.policies();
    let pauses = Pauses { read: policies.read_timeout(), send: policies.send_timeout() };
    let chunked = outgoing.framing == RequestFraming::Chunked;
    let sending = Sending { body: outgoing.body.take(), chunked, left: outgoing.limit };
    let mut exchange = Exchange::new(connection, outgoing.emit(), sending, outgoing.expected(), pauses);
    loop {
        match std::future::poll_fn(|cx| exchange.poll_event(cx)).await {
            Ok(Event::Informational(_)) => {}
            Ok(Event::Head(head)) => return Ok((head, false, exchange)),
            Ok(Event::Switched(head)) => return Ok((head, true, exchange)),
            Ok(_) => {
                return Err(Failure::Exchange(ExchangeError::Response(ResponseError::Head), false));
            }
            Err(error) => {
                let unanswered = exchange.is_unanswered();
                return Err(Failure::Exchange(error, unanswered));
            }
        }
    }
}

fn respond<C: Connect>(
    router: &Router<C>,
    mut outgoing: Outgoing,
    route: &Route,
    endpoint: SocketAddr,
    (head, switched, exchange): Answer<C::Stream>,
    asked: &Asked,
) -> Response<ReplyBody<C::Stream>> {
    let code = head.status();
    let body = if switched {
        let (stream, early) = exchange.into_switched();
        if let Some(client) = outgoing.parts.extensions.remove::<OnUpgrade>() {
            let idle = route.policies().read_timeout();
            asked.peer.tunnel.set(async move {
                if let Err(error) = tunnel::run(client, stream, early, idle).await {
                    tracing::debug!(%endpoint, %error, "tunnel ended");
                }
            });
        }
        ReplyBody::Text(bytes::Bytes::new())
    } else {
        ReplyBody::Backend(BackendBody::new(exchange, endpoint, router.idle.clone()))
    };
    let mut response = Response::new(body);
    *response.status_mut() = code;
    *response.headers_mut() = head.into_headers();
    response
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::ConnectTimeout | Self::Exchange(ExchangeError::Timeout, _) => StatusCode::GATEWAY_TIMEOUT,
            Self::Exchange(ExchangeError::ClientTimeout, _) => StatusCode::REQUEST_TIMEOUT,
            Self::Exchange(ExchangeError::BodyTooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Exchange(ExchangeError::Client(_), _) => StatusCode::BAD_REQUEST,
            Self::Connect(_) | Self::Exchange(..) => StatusCode::BAD_GATEWAY,
        }
    }

    /// Whether another endpoint may make it good.
    fn allows(&self, next: &NextUpstream, method: &Method, repeatable: bool) -> bool {
        match self {
            Self::Connect(_) => next.allows(Cause::Error, method, false),
            Self::ConnectTimeout => next.allows(Cause::Timeout, method, false),
            Self::Exchange(ExchangeError::Timeout, true) => {
                repeatable && next.allows(Cause::Timeout, method, true)
            }
            Self::Exchange(ExchangeError::Io(_), true) => {
                repeatable && next.allows(Cause::Error, method, true)
            }
            Self::Exchange(ExchangeError::Response(ResponseError::Truncated), _) => {
                repeatable && next.allows(Cause::Error, method, true)
            }
            Self::Exchange(ExchangeError::Response(_), _) => {
                repeatable && next.allows(Cause::InvalidHeader, method, true)
            }
            Self::Exchange(..) => false,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::ConnectTimeout => f.write_str("no connection in time"),
            Self::Exchange(error, _) => error.fmt(f),
        }
    }
}
