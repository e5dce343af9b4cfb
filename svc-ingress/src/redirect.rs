//! Redirects that a route itself asks for, in nginx's order.

use http::StatusCode;

use crate::authority::Authority;
use crate::table::{Location, Route};

#[cfg(test)]
mod tests;

/// Locations that cert-manager's own Ingresses have: never redirected, never behind a login.
const ACME: &str = "/.well-known/acme-challenge";

/// The redirect from a stored `/x/` that was asked for as `/x`: status and `Location`.
#[must_use]
pub fn to_slash(
    route: &Route,
    https: bool,
    authority: &Authority,
    target: &str,
) -> Option<(StatusCode, String)> {
    if !route.lacks_slash() {
        return None;
    }
    let scheme = if https { "https" } else { "http" };
    let host = authority.host();
    let port = authority.port().map(|port| format!(":{port}")).unwrap_or_default();
    let (path, query) =
        target.split_once('?').map_or((target, String::new()), |(path, query)| (path, format!("?{query}")));
    Some((StatusCode::MOVED_PERMANENTLY, format!("{scheme}://{host}{port}{path}/{query}")))
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

/// The location is for ACME challenges: by its own path, not the request's.
#[must_use]
pub fn is_acme(location: &Location) -> bool {
    location.path().starts_with(ACME)
}
