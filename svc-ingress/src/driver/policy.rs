//! What is decided of a request before it is forwarded, and what is added to its reply. Forwarding itself knows nothing
//! of this: it asks the [`Permit`] which pool and which endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};

use crate::limit::{Exceeded, UnderWay};
use crate::redirect;
use crate::sys::Connect;
use crate::table::{Pool, Route};

use super::asked::Asked;
use super::reply::{ReplyBody, redirect as redirect_to, status, unauthorized};
use super::router::Router;

/// What a request may be forwarded with.
#[derive(Debug, Default)]
pub(super) struct Permit {
    /// The request's place among those that its client may have under way.
    under_way: Option<UnderWay>,
}

impl Permit {
    /// The pool that the request goes to. Asked again before every further try, with the route as it is then.
    #[expect(clippy::unused_self, reason = "a canary or another pool of the location is to be chosen here")]
    pub(super) fn pool<'a>(&self, route: &'a Route) -> &'a Arc<Pool> {
        route.location().pool()
    }

    /// The endpoint to ask next.
    #[expect(clippy::unused_self, reason = "affinity to an endpoint is to be kept here")]
    pub(super) fn endpoint(&self, pool: &Pool, tried: &[SocketAddr]) -> Option<SocketAddr> {
        pool.in_turn().find(|endpoint| !tried.contains(endpoint))
    }
}

/// Whether the request may go on, in nginx's order: slash, denial, redirect, limits, source address, login. `Err` holds the
/// reply instead. The fields in `parts` are those that the backend will see, apart from what every request gets.
pub(super) async fn decide<C: Connect>(
    router: &Router<C>,
    parts: &mut Parts,
    route: &Route,
    asked: &Asked,
) -> Result<Permit, Response<ReplyBody<C::Stream>>> {
    if let Some(found) = redirect::to_slash(route, asked.https, &asked.authority, &asked.target) {
        return Err(redirect_to(found));
    }
    if let Some(reason) = route.location().denied() {
        tracing::debug!(%route, reason, "denied");
        return Err(status(StatusCode::SERVICE_UNAVAILABLE));
    }
    if let Some(found) = redirect::to_https(route, asked.https, &asked.authority, &asked.target) {
        return Err(redirect_to(found));
    }
    let Ok(under_way) = limit(router, route, asked) else {
        tracing::debug!(%route, client = %asked.client, "over a limit");
        return Err(status(router.table.load().config().limit_status()));
    };
    if !route.policies().admits(asked.client) {
        return Err(status(StatusCode::FORBIDDEN));
    }
    login(router, &mut parts.headers, route).await?;
    Ok(Permit { under_way })
}

/// Adds to the reply what the policies ask for: to a backend's, with the endpoint that gave it, and to one of the
/// router's own.
pub(super) fn finish<S>(
    permit: Option<Permit>,
    _route: &Route,
    asked: &Asked,
    _endpoint: Option<SocketAddr>,
    reply: Response<ReplyBody<S>>,
) -> Response<ReplyBody<S>> {
    match permit.and_then(|permit| permit.under_way) {
        Some(under_way) if reply.status() == StatusCode::SWITCHING_PROTOCOLS => {
            asked.peer.tunnel.keep(under_way);
            reply
        }
        Some(under_way) => reply.map(|body| body.keeping(under_way)),
        None => reply,
    }
}

/// Counts the request where its client is limited.
fn limit<C: Connect>(router: &Router<C>, route: &Route, asked: &Asked) -> Result<Option<UnderWay>, Exceeded> {
    let Some(limits) = route.policies().limits() else { return Ok(None) };
    let now = u64::try_from(router.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    router.limiter.admit(route.ingress(), asked.client, limits, now)
}

/// The refusal, unless the client is logged in or need not be.
async fn login<C: Connect>(
    router: &Router<C>,
    headers: &mut HeaderMap,
    route: &Route,
) -> Result<(), Response<ReplyBody<C::Stream>>> {
    let Some(auth) = route.policies().auth().filter(|_| !redirect::is_acme(route.location())) else {
        return Ok(());
    };
    // Users that could not be read have denied the location; this is for whoever changes that.
    let Some(users) = route.location().users() else {
        return Err(status(StatusCode::SERVICE_UNAVAILABLE));
    };
    if !router.logins.verify(headers, users).await {
        return Err(unauthorized(auth.realm()));
    }
    headers.remove(AUTHORIZATION);
    Ok(())
}
