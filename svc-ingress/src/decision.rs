//! What is decided of a request by its head and its rule alone. The server asks here, and so does
//! [`explain`](crate::explain), which is why both say the same.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::annotation::Affinity;
use crate::certificate_auth::CertificateRefusal;
use crate::redirect;
use crate::session::SessionKey;
use crate::table::{Location, Pool, Route};
use crate::variable::{Scope, cookies};

/// Why a request is answered before anybody is asked who its client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal<'a> {
    /// The client is sent there.
    Redirect(Reason, StatusCode, String),
    /// An annotation that protects the backend cannot be obeyed: 503.
    Denied(&'a str),
    /// A browser asked whether another request may be made: 204.
    Preflight,
}

/// What sends a client elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// `app-root`.
    AppRoot,
    /// `from-to-www-redirect`.
    Www,
    /// The rule's path ends with a slash that the request lacks.
    Slash,
    /// `permanent-redirect` or `temporal-redirect`.
    Annotation,
    /// `ssl-redirect` or `force-ssl-redirect`.
    Https,
}

/// The largest body that a route takes, in bytes.
pub(crate) fn body_limit(route: &Route) -> u64 {
    match route.policies().body_size() {
        0 => u64::MAX,
        limit => limit,
    }
}

/// What comes before limits, source addresses and logins, in nginx's order: slash, denial, CORS, redirects. `origin` becomes
/// that of the page that may read whatever reply there will be.
pub(crate) fn first<'a>(
    route: &'a Route,
    scope: Scope<'_>,
    origin: &mut Option<HeaderValue>,
) -> Result<(), Refusal<'a>> {
    let redirect = |reason, (code, location)| Err(Refusal::Redirect(reason, code, location));
    if let Some(found) = redirect::to_slash(route, scope.https, (scope.authority, scope.port), scope.target) {
        return redirect(Reason::Slash, found);
    }
    if let Some(reason) = route.location().denied() {
        return Err(Refusal::Denied(reason));
    }
    *origin = route.policies().cors().and_then(|cors| cors.allowed(scope.headers.get(ORIGIN)));
    if origin.is_some() && scope.method == Method::OPTIONS {
        return Err(Refusal::Preflight);
    }
    if let Some(found) = redirect::by_annotation(route, || scope) {
        return redirect(Reason::Annotation, found);
    }
    match redirect::to_https(route, scope.https, scope.authority, scope.target) {
        Some(found) => redirect(Reason::Https, found),
        None => Ok(()),
    }
}

/// Why a request over plain HTTP that nothing has redirected goes no further: its host asks for certificates, which nobody can
/// show there. There are none for ACME challenges.
pub(crate) fn without_certificate(location: &Location) -> Option<CertificateRefusal> {
    let auth = location.client_auth().filter(|_| !redirect::is_acme(location))?;
    auth.judge_plain()
}

/// The value of the cookie by which a client keeps its endpoint.
pub(crate) fn session_cookie<'a>(affinity: &Affinity, headers: &'a HeaderMap) -> Option<&'a str> {
    cookies(headers).find(|(name, _)| *name == affinity.name()).map(|(_, value)| value)
}

/// Whether the request goes to the location's canary: a session's pool decides before the canary's own rules do. `draw`
/// gives a number below another one, each as likely.
pub(crate) fn takes_canary(
    route: &Route,
    headers: &HeaderMap,
    session: Option<SessionKey<'_>>,
    draw: impl FnOnce(u64) -> u64,
) -> bool {
    let canary = route.location().canary().filter(|canary| canary.pool().can_serve());
    let Some(canary) = canary else { return false };
    let is_of = |pool: &Pool| session.is_some_and(|session| session.is_of(pool));
    if is_of(route.location().pool()) {
        return false;
    }
    let rules = canary.rules();
    (is_of(canary.pool()) && !rules.ignores_affinity()) || rules.takes(headers, draw)
}

/// What a client's address comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It is kept out: 403.
    Forbidden,
    /// It is let in.
    Open,
    /// Its logins decide.
    Login,
}

/// What `allowlist-source-range`, `denylist-source-range` and `satisfy` say of a client. There are no logins for ACME
/// challenges.
pub(crate) fn access(route: &Route, client: IpAddr) -> Access {
    let policies = route.policies();
    let asked = policies.auth().is_some() || policies.external_auth().is_some();
    let login = asked && !redirect::is_acme(route.location());
    let admitted = policies.admits(client);
    match (login, admitted) {
        (true, _) if policies.admits_without_login(client) => Access::Open,
        (true, true) => Access::Login,
        (true, false) if policies.satisfies_by_any() => Access::Login,
        (false, true) => Access::Open,
        (_, false) => Access::Forbidden,
    }
}

/// The host that the backend is asked for, `host` unless an annotation says otherwise.
pub(crate) fn backend_host<'a>(route: &Route, scope: Scope<'_>, host: &'a str) -> Cow<'a, str> {
    let vhost = route.policies().upstream_vhost();
    vhost.map_or(Cow::Borrowed(host), |vhost| Cow::Owned(vhost.fill(scope)))
}
