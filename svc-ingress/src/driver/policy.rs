//! What is decided of a request before it is forwarded, and what is added to its reply. Forwarding itself knows nothing
//! of this: it asks the [`Permit`] which pool and which endpoint.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{AUTHORIZATION, SET_COOKIE, USER_AGENT, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::annotation::Affinity;
use crate::decision::{self, Access, Refusal};
use crate::external_auth::Verdict;
use crate::forward::REQUEST_ID;
use crate::limit::{Exceeded, UnderWay};
use crate::session::{self, SessionKey, Setting};
use crate::sys::Connect;
use crate::table::{Pool, Route};

use super::asked::Asked;
use super::auth_request;
use super::certificates;
use super::reply::{ReplyBody, preflight, redirect as redirect_to, status, unauthorized};
use super::router::Router;

const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// How often an endpoint that fails is asked for the sake of a session.
const MAX_REPEATS: usize = 3;

/// What a request may be forwarded with.
#[derive(Debug, Default)]
pub(super) struct Permit {
    /// The request's place among those that its client may have under way.
    under_way: Option<UnderWay>,
    canary: bool,
    /// The pool, where it is that of an ExternalName Service.
    external: Option<Arc<Pool>>,
    session: Option<Session>,
    /// What `upstream-hash-by` makes of the request.
    hash: Option<String>,
}

/// How a client's endpoint is kept.
#[derive(Debug)]
struct Session {
    /// The value of the cookie that the client sent.
    sent: Option<String>,
    user_agent: Option<String>,
    /// What a new key is made of.
    seed: u64,
}

/// What is added to a reply, be it a backend's or the router's own.
#[derive(Debug, Default)]
pub(super) struct Additions {
    /// `Access-Control-Allow-Origin`, and with it the other fields of its family.
    origin: Option<HeaderValue>,
    verdict: Option<Verdict>,
}

impl Permit {
    /// The pool that the request goes to. Asked again before every further try, with the route as it is then.
    pub(super) fn pool<'a>(&'a self, route: &'a Route) -> &'a Arc<Pool> {
        let canary = route.location().canary().filter(|_| self.canary);
        let pool = canary.map_or_else(|| route.location().pool(), |canary| canary.pool());
        self.external.as_ref().unwrap_or(pool)
    }

    /// The request goes to its location's canary.
    pub(super) fn takes_canary(&self) -> bool {
        self.canary
    }

    /// The endpoint to ask next.
    pub(super) fn endpoint<C: Connect>(
        &self,
        router: &Router<C>,
        route: &Route,
        tried: &[SocketAddr],
    ) -> Option<SocketAddr> {
        let pool = self.pool(route);
        let Some((affinity, session)) = self.affinity(route) else {
            return match (route.policies().upstream_hash(), &self.hash) {
                (Some(hash), Some(key)) => hashed(pool, key, hash.endpoints(), tried),
                _ if route.policies().balances_by_latency() => router.faster(pool.endpoints(), tried),
                _ => pool.in_turn().find(|endpoint| !tried.contains(endpoint)),
            };
        };
        match session.endpoint(affinity, pool) {
            // As with ingress-nginx, a session does not leave an endpoint that fails, unless it is to.
            Some(kept) if !affinity.changes_on_failure() => (tried.len() < MAX_REPEATS).then_some(kept),
            Some(kept) if tried.is_empty() => Some(kept),
            _ => session::choose(pool, affinity.mode(), session.seed, tried),
        }
    }

    fn affinity<'a>(&'a self, route: &'a Route) -> Option<(&'a Affinity, &'a Session)> {
        let affinity = route.policies().affinity()?;
        let ignored =
            self.canary && route.location().canary().is_some_and(|canary| canary.rules().ignores_affinity());
        Some((affinity, self.session.as_ref().filter(|_| !ignored)?))
    }

    /// The cookie for a client whose session has begun, or moved, with this request.
    fn set_cookie(&self, route: &Route, asked: &Asked, endpoint: SocketAddr) -> Option<HeaderValue> {
        let (affinity, session) = self.affinity(route)?;
        let pool = self.pool(route);
        if session.endpoint(affinity, pool) == Some(endpoint) {
            return None;
        }
        let key = session::key_of(pool, affinity.mode(), session.seed, endpoint)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let setting = Setting {
            path: route.location().path(),
            user_agent: session.user_agent.as_deref(),
            https: asked.https,
            now: i64::try_from(now).unwrap_or(i64::MAX),
        };
        session::set_cookie(affinity, &key, pool, setting)
    }
}

/// One of the endpoints that share the requests of a key, in turn; others once these have failed.
fn hashed(pool: &Pool, key: &str, endpoints: usize, tried: &[SocketAddr]) -> Option<SocketAddr> {
    let sharing = session::by_key(pool, key, endpoints.saturating_add(tried.len()));
    let left: Vec<_> =
        sharing.into_iter().filter(|endpoint| !tried.contains(endpoint)).take(endpoints).collect();
    if left.len() < 2 {
        return left.first().copied();
    }
    pool.in_turn().find(|endpoint| left.contains(endpoint))
}

impl Session {
    fn new<C: Connect>(router: &Router<C>, affinity: &Affinity, headers: &HeaderMap) -> Self {
        let sent = decision::session_cookie(affinity, headers);
        let user_agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        Self {
            sent: sent.map(str::to_owned),
            user_agent: user_agent.map(str::to_owned),
            seed: router.random(),
        }
    }

    fn key(&self) -> Option<SessionKey<'_>> {
        SessionKey::parse(self.sent.as_deref()?)
    }

    /// The endpoint that the client's cookie stands for.
    fn endpoint(&self, affinity: &Affinity, pool: &Pool) -> Option<SocketAddr> {
        session::endpoint_of(pool, affinity.mode(), self.key()?.key)
    }
}

/// Whether the request may go on, in nginx's order: slash, denial, CORS, redirects, limits, source address, logins. `Err`
/// holds the reply instead. The fields in `parts` are those that the backend will see, apart from what every request gets;
/// `additions` is for whatever reply there will be.
pub(super) async fn decide<C: Connect>(
    router: &Router<C>,
    parts: &mut Parts,
    route: &Route,
    asked: &Asked,
    additions: &mut Additions,
) -> Result<Permit, Response<ReplyBody<C::Stream>>> {
    if let Err(refusal) = decision::first(route, asked.scope(parts, route), &mut additions.origin) {
        return Err(refused(refusal, route));
    }
    if asked.peer.shown.is_none()
        && let Some(auth) = route.location().client_auth()
        && let Some(refusal) = decision::without_certificate(route.location())
    {
        return Err(certificates::refused(auth, refusal, parts.version));
    }
    let session = route.policies().affinity().map(|affinity| Session::new(router, affinity, &parts.headers));
    let key = session.as_ref().and_then(Session::key);
    let canary = decision::takes_canary(route, &parts.headers, key, |total| router.random() % total);
    let Ok(under_way) = limit(router, route, asked) else {
        tracing::debug!(%route, client = %asked.client, "over a limit");
        return Err(status(router.table.load().config().limit_status()));
    };
    match decision::access(route, asked.client) {
        Access::Forbidden => return Err(status(StatusCode::FORBIDDEN)),
        Access::Login => authenticate(router, parts, route, asked, additions).await?,
        // Nobody asked for it here, and it is not for the backend where a login would have been.
        Access::Open if route.policies().admits_without_login(asked.client) => {
            if route.policies().auth().is_some() {
                parts.headers.remove(AUTHORIZATION);
            }
        }
        Access::Open => {}
    }
    if let (Some(prefix), Some(_)) = (route.policies().forwarded_prefix(), route.target()) {
        parts.headers.insert(FORWARDED_PREFIX, prefix.clone());
    }
    let hash = route.policies().upstream_hash().map(|hash| hash.by().fill(asked.scope(parts, route)));
    let mut permit = Permit { under_way, canary, external: None, session, hash };
    if permit.pool(route).external().is_some() {
        permit.external = Some(Arc::new(Box::pin(look_up(router, permit.pool(route))).await));
    }
    Ok(permit)
}

/// The pool of an ExternalName Service, with the addresses that its name has now.
async fn look_up<C: Connect>(router: &Router<C>, pool: &Pool) -> Pool {
    let Some(server) = pool.external() else { return pool.at(Vec::new(), 0) };
    let local = router.table.load().config().allows_local_targets();
    let found = router.names.allowed(server.name(), server.port(), local).await;
    let addresses = found.unwrap_or_else(|error| {
        tracing::warn!(service = %pool.service(), %server, error, "no server for an ExternalName");
        Vec::new()
    });
    pool.at(addresses, usize::try_from(router.random() >> 32).unwrap_or_default())
}

fn refused<S>(refusal: Refusal<'_>, route: &Route) -> Response<ReplyBody<S>> {
    match refusal {
        Refusal::Redirect(_, code, location) => redirect_to((code, location)),
        Refusal::Denied(reason) => {
            tracing::debug!(%route, reason, "denied");
            status(StatusCode::SERVICE_UNAVAILABLE)
        }
        Refusal::Preflight => preflight(),
    }
}

/// Adds to the reply what the policies ask for: to a backend's, with the endpoint that gave it, and to one of the
/// router's own.
pub(super) fn finish<S>(
    permit: Option<Permit>,
    additions: Additions,
    route: &Route,
    asked: &Asked,
    endpoint: Option<SocketAddr>,
    mut reply: Response<ReplyBody<S>>,
) -> Response<ReplyBody<S>> {
    if let Some(rewrites) = route.policies().reply_rewrites().filter(|_| endpoint.is_some()) {
        rewrites.apply(reply.headers_mut());
    }
    if let (Some(permit), Some(endpoint)) = (&permit, endpoint)
        && let Some(cookie) = permit.set_cookie(route, asked, endpoint)
    {
        reply.headers_mut().append(SET_COOKIE, cookie);
    }
    if let (Some(origin), Some(cors)) = (additions.origin, route.policies().cors()) {
        cors.set(origin, reply.headers_mut());
    }
    for (name, value) in route.location().custom_headers() {
        reply.headers_mut().insert(name.clone(), value.clone());
    }
    if let Some(rate) = route.policies().rate().filter(|_| reply.status() != StatusCode::SWITCHING_PROTOCOLS)
    {
        reply = reply.map(|body| body.paced(rate));
    }
    if let (Some(verdict), Some(auth)) = (additions.verdict, route.policies().external_auth()) {
        for cookie in verdict.cookies(auth.always_sets_cookie(), reply.status()) {
            reply.headers_mut().append(SET_COOKIE, cookie.clone());
        }
    }
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

/// The refusal, unless the client has every login that it needs.
async fn authenticate<C: Connect>(
    router: &Router<C>,
    parts: &mut Parts,
    route: &Route,
    asked: &Asked,
    additions: &mut Additions,
) -> Result<(), Response<ReplyBody<C::Stream>>> {
    if let Some(auth) = route.policies().auth() {
        // Users that could not be read have denied the location; this is for whoever changes that.
        let Some(users) = route.location().users() else {
            return Err(status(StatusCode::SERVICE_UNAVAILABLE));
        };
        let known = router.logins.verify(&parts.headers, users).await;
        let any = route.policies().satisfies_by_any();
        if known && any {
            parts.headers.remove(AUTHORIZATION);
            return Ok(());
        }
        if !(known || any && route.policies().external_auth().is_some()) {
            return Err(unauthorized(auth.realm()));
        }
    }
    let refused = external(router, parts, route, asked, additions).await;
    if route.policies().auth().is_some() {
        parts.headers.remove(AUTHORIZATION);
    }
    refused?;
    if let Some(verdict) = &additions.verdict {
        verdict.apply(&mut parts.headers);
    }
    Ok(())
}

/// The refusal, unless the server of `auth-url`, if there is one, lets the request pass.
async fn external<C: Connect>(
    router: &Router<C>,
    parts: &mut Parts,
    route: &Route,
    asked: &Asked,
    additions: &mut Additions,
) -> Result<(), Response<ReplyBody<C::Stream>>> {
    let Some(auth) = route.policies().external_auth() else { return Ok(()) };
    let id = parts.headers.entry(REQUEST_ID).or_insert_with(|| router.request_id()).clone();
    let scope = asked.scope(parts, route);
    let verdict = auth_request::ask(router, route, auth, scope, (id, asked.certificate_fields())).await;
    let refusal = (!verdict.is_allowed()).then(|| match auth.sign_in() {
        Some(sign_in) if verdict.status() == StatusCode::UNAUTHORIZED => {
            redirect_to((StatusCode::FOUND, sign_in.fill(scope)))
        }
        _ => {
            let mut reply = status(verdict.status());
            for challenge in verdict.challenges() {
                reply.headers_mut().append(WWW_AUTHENTICATE, challenge.clone());
            }
            reply
        }
    });
    additions.verdict = Some(verdict);
    refusal.map_or(Ok(()), Err)
}
