//! A request on its way to one endpoint after the other, until one answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::backend::Cause;
use crate::sys::Connect;
use crate::table::{Found, Pool, PoolState, Route};

mod exchange;
mod failure;
mod fetch;
mod http1;
mod http2;
mod kept;
mod link;
mod outgoing;
mod page;

pub(super) use exchange::{Exchange, ExchangeError};
use failure::Failure;
pub(super) use fetch::{Fetch, fetch};
pub(super) use http2::{Http2Body, Senders};
pub(super) use kept::Shared;
use link::Hop;
pub(super) use link::Key;
pub(super) use outgoing::{Outgoing, RequestId, Told};
pub(super) use page::in_place;

use super::asked::Asked;
use super::logged::Logged;
use super::policy::Permit;
use super::reply::{BackendBody, ReplyBody, refuse, status};
use super::router::Router;
use super::tunnel;
use http1::Answer;

/// What a backend answered, by the protocol that it speaks.
enum Answered<S> {
    Http1(Answer<S>),
    Http2(Response<Http2Body>),
}

/// Sends a request to the endpoints of its route in turn, as far as `proxy-next-upstream` lets it; beside the reply
/// stands the endpoint that gave it. After a failure the endpoints are looked up again: they may have changed since, which
/// is the likeliest reason for the failure.
pub(super) async fn send<C: Connect>(
    router: &Router<C>,
    outgoing: &mut Outgoing<'_>,
    route: &Route,
    permit: &Permit,
    asked: &Asked,
    logged: &mut Option<Box<Logged>>,
) -> (Response<ReplyBody<C::Stream>>, Option<SocketAddr>) {
    let next = route.policies().next_upstream();
    let begun = Instant::now();
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut newer: Option<Route> = None;
    let mut code = unserved(permit.pool(route));
    loop {
        let current = newer.as_ref().unwrap_or(route);
        let pool = permit.pool(current);
        let Some(endpoint) = permit.endpoint(router, current, &tried) else { break };
        let asked_at = logged.is_some().then(Instant::now);
        let answered = ask(router, outgoing, current, endpoint).await;
        if let (Some(logged), Some(asked_at)) = (logged.as_mut(), asked_at) {
            let status = answered.as_ref().map_or_else(Failure::status, Answered::status);
            logged.tried(endpoint, status.as_u16(), asked_at.elapsed());
        }
        let more =
            tried.len() + 1 < next.tries() && next.timeout().is_none_or(|limit| begun.elapsed() < limit);
        match answered {
            Ok(answered) => {
                let cause = Cause::Status(answered.status().as_u16());
                let others =
                    || pool.endpoints().iter().any(|other| *other != endpoint && !tried.contains(other));
                if !(more
                    && next.allows(cause, outgoing.method(), true)
                    && others()
                    && answered.is_repeatable())
                {
                    return (respond(outgoing, current, endpoint, answered, asked), Some(endpoint));
                }
                outgoing.body = answered.into_body();
                outgoing.rewind();
            }
            Err(failure) => {
                tracing::debug!(%endpoint, error = %failure, "no response");
                if failure.is_of_client() {
                    let incoming = outgoing.body.take().and_then(outgoing::RequestBody::into_incoming);
                    return (refuse(failure.status(), incoming, outgoing.parts.version), None);
                }
                code = failure.status();
                if !(more && failure.allows(next, outgoing.method()) && outgoing.rewind()) {
                    break;
                }
            }
        }
        tried.push(endpoint);
        if let Ok(Some(Found::Route(route))) =
            router.table.load().find(asked.authority.host(), asked.target.as_str())
        {
            newer = Some(route);
        }
    }
    (status(code), None)
}

async fn ask<C: Connect>(
    router: &Router<C>,
    outgoing: &mut Outgoing<'_>,
    route: &Route,
    endpoint: SocketAddr,
) -> Result<Answered<C::Stream>, Failure> {
    let hop = Hop::of(route.location(), endpoint);
    let begun = hop.policies.balances_by_latency().then(Instant::now);
    let answered = if hop.protocol.is_http2() {
        // In a box, so that the future of every HTTP/1.1 request is not as large as this one.
        let asked = Box::pin(http2::ask(router, outgoing, hop));
        asked.await.map(Answered::Http2)
    } else {
        http1::ask(router, outgoing, hop).await.map(Answered::Http1)
    };
    if let Some(begun) = begun {
        // Who fails at once is not fast.
        let least = if answered.is_err() { hop.policies.connect_timeout() } else { Duration::ZERO };
        router.answered(endpoint, begun.elapsed().max(least));
    }
    answered
}

impl<S: AsyncRead + AsyncWrite + Unpin> Answered<S> {
    fn status(&self) -> StatusCode {
        match self {
            Self::Http1(answer) => answer.head.status(),
            Self::Http2(response) => response.status(),
        }
    }

    /// The request can be sent to another endpoint after this answer.
    fn is_repeatable(&self) -> bool {
        match self {
            Self::Http1(answer) => answer.exchange.body().is_some_and(outgoing::RequestBody::is_repeatable),
            Self::Http2(_) => false,
        }
    }

    fn into_body(self) -> Option<outgoing::RequestBody> {
        match self {
            Self::Http1(answer) => answer.exchange.into_body(),
            Self::Http2(_) => None,
        }
    }
}

fn respond<S>(
    outgoing: &mut Outgoing<'_>,
    route: &Route,
    endpoint: SocketAddr,
    answered: Answered<S>,
    asked: &Asked,
) -> Response<ReplyBody<S>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let answer = match answered {
        Answered::Http2(response) => return response.map(ReplyBody::Http2),
        Answered::Http1(answer) => answer,
    };
    let code = answer.head.status();
    let body = if answer.switched {
        let (link, early) = answer.exchange.into_switched();
        if let Some(client) = outgoing.parts.extensions.remove::<OnUpgrade>() {
            let idle = route.policies().read_timeout();
            asked.peer.tunnel.set(async move {
                if let Err(error) = tunnel::run(client, link, early, idle).await {
                    tracing::debug!(%endpoint, %error, "tunnel ended");
                }
            });
        }
        ReplyBody::Text(bytes::Bytes::new())
    } else {
        let key = Hop::of(route.location(), endpoint).key();
        ReplyBody::Backend(BackendBody::new(answer.exchange, key))
    };
    let mut response = Response::new(body);
    *response.status_mut() = code;
    *response.headers_mut() = answer.head.into_headers();
    response
}

/// The status when no endpoint could even be tried.
fn unserved(pool: &Pool) -> StatusCode {
    match pool.state() {
        PoolState::Ready => StatusCode::BAD_GATEWAY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
