//! Redirects that a route itself asks for, in nginx's order.

use http::StatusCode;

use crate::authority::Authority;
use crate::table::{Location, Route};
use crate::variable::Scope;

#[cfg(test)]
mod tests;

/// Locations that cert-manager's own Ingresses have: never redirected, never behind a login.
const ACME: &str = "/.well-known/acme-challenge";

/// The redirect from a stored `/x/` that was asked for as `/x`, at our own port: status and `Location`.
#[must_use]
pub fn to_slash(
    route: &Route,
    https: bool,
    (authority, own_port): (&Authority, u16),
    target: &str,
) -> Option<(StatusCode, String)> {
    if !route.lacks_slash() {
        return None;
    }
    let (scheme, usual) = if https { ("https", 443) } else { ("http", 80) };
    let host = authority.host();
    let port = if route.policies().port_in_redirects {
        Some(own_port).filter(|port| *port != usual)
    } else {
        authority.port()
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let (path, query) =
        target.split_once('?').map_or((target, String::new()), |(path, query)| (path, format!("?{query}")));
    let location = if route.policies().relative_redirects {
        format!("{path}/{query}")
    } else {
        format!("{scheme}://{host}{port}{path}/{query}")
    };
    Some((StatusCode::MOVED_PERMANENTLY, location))
}

/// The redirect to HTTPS: status and `Location`. Host without port; a final `/` goes unless an annotation keeps it.
#[must_use]
pub fn to_https(
    route: &Route,
    https: bool,
    authority: &Authority,
    target: &str,
) -> Option<(StatusCode, String)> {
    let (location, policies) = (route.location(), route.policies());
    let asked = policies.force_ssl_redirect() || (policies.ssl_redirect() && location.has_tls());
    if https || !asked || is_acme(location) {
        return None;
    }
    let kept = if policies.preserve_trailing_slash { None } else { target.strip_suffix('/') };
    let location = format!("https://{}{}", authority.host(), kept.unwrap_or(target));
    Some((StatusCode::PERMANENT_REDIRECT, location))
}

/// The redirect of `temporal-redirect` or `permanent-redirect`: status and `Location`.
#[must_use]
pub fn by_annotation<'a>(route: &Route, scope: impl FnOnce() -> Scope<'a>) -> Option<(StatusCode, String)> {
    let (code, url) = route.policies().redirects()?.to()?;
    Some((code, url.fill(scope())))
}

/// The redirect of a host's `/` by `app-root`: status and `Location`.
#[must_use]
pub fn to_app_root(https: bool, authority: &Authority, app_root: &str) -> (StatusCode, String) {
    let scheme = if https { "https" } else { "http" };
    (StatusCode::FOUND, format!("{scheme}://{authority}{app_root}"))
}

/// The redirect from a host with or without `www.` to the other one: status and `Location`. As with ingress-nginx, the port
/// is always said, and a final `/` goes.
#[must_use]
pub fn to_www(https: bool, port: u16, host: &str, target: &str) -> (StatusCode, String) {
    let scheme = if https { "https" } else { "http" };
    let target = target.strip_suffix('/').unwrap_or(target);
    (StatusCode::PERMANENT_REDIRECT, format!("{scheme}://{host}:{port}{target}"))
}

/// The location is for ACME challenges: by its own path, not the request's.
#[must_use]
pub fn is_acme(location: &Location) -> bool {
    location.path().starts_with(ACME)
}
