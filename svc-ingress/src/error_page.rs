//! Pages of another Service in place of errors: what it is told, and what becomes of the status. Denials of the router's own
//! are never replaced, and those of a backend keep their status: no page makes a success of them.

use http::header::{ACCEPT, ACCEPT_LANGUAGE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::annotation::ErrorPages;
use crate::forward::REQUEST_ID;
use crate::table::Location;

#[cfg(test)]
mod tests;

/// The status for which a page is asked for instead of a reply; `None` if the reply stays. `of_backend`: an endpoint gave it;
/// `unserved`: there was no endpoint to ask.
#[must_use]
pub fn wanted(pages: &ErrorPages, status: StatusCode, of_backend: bool, unserved: bool) -> bool {
    let own = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    let listed = pages.replaces(status.as_u16(), of_backend) && (of_backend || own.contains(&status));
    listed || (unserved && pages.backend().is_some())
}

/// What the Service with the pages is told: the fields of ingress-nginx, and what the client accepts.
#[must_use]
pub fn fields(status: StatusCode, location: &Location, target: &str, client: &HeaderMap) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let ingress = location.ingress();
    let told = [
        ("x-code", status.as_str()),
        ("x-original-uri", target),
        ("x-namespace", ingress.map_or("", |ingress| ingress.namespace())),
        ("x-ingress-name", ingress.map_or("", |ingress| ingress.name())),
        ("x-service-name", location.pool().service().name()),
        ("x-service-port", location.pool().port()),
    ];
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(value) {
            fields.insert(HeaderName::from_static(name), value);
        }
    }
    for name in [ACCEPT, ACCEPT_LANGUAGE, REQUEST_ID] {
        if let Some(value) = client.get(&name) {
            fields.insert(name, value.clone());
        }
    }
    if let Some(format) = client.get(ACCEPT) {
        fields.insert(HeaderName::from_static("x-format"), format.clone());
    }
    fields
}

/// The status of a page in place of a reply: the Service's own, but a denial stays one.
#[must_use]
pub fn status(replaced: StatusCode, of_page: StatusCode) -> StatusCode {
    let denial = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
    if denial.contains(&replaced) { replaced } else { of_page }
}

/// What of a replaced reply the page's reply keeps: how to log in.
pub fn keep(replaced: &HeaderMap, page: &mut HeaderMap) {
    for challenge in replaced.get_all(WWW_AUTHENTICATE) {
        page.append(WWW_AUTHENTICATE, challenge.clone());
    }
}
