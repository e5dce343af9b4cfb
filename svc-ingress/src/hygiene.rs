//! What a request must be before any rule sees it (RFC 9110, RFC 9112). hyper alone lets some of this through.
//!
#![doc = include_str!("../docs/http.md")]

use http::header::{HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, StatusCode, Version};

use crate::authority::Authority;

#[cfg(test)]
mod tests;

const MAX_TARGET: usize = 8 * 1024;
const MAX_FIELD: usize = 8 * 1024;

/// The host that a request is for, or the status that refuses it.
///
/// # Errors
///
/// The status for the client; the connection should be closed, since what follows may be read differently by others.
pub fn check(request: &Parts) -> Result<Authority, StatusCode> {
    check_method(&request.method)?;
    check_sizes(request)?;
    check_transfer_encoding(request)?;
    authority(request)
}

fn check_method(method: &Method) -> Result<(), StatusCode> {
    let refused = method == Method::CONNECT || method == Method::TRACE;
    if refused { Err(StatusCode::METHOD_NOT_ALLOWED) } else { Ok(()) }
}

fn check_sizes(request: &Parts) -> Result<(), StatusCode> {
    if request.uri.path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET) {
        return Err(StatusCode::URI_TOO_LONG);
    }
    if request.headers.iter().any(|(name, value)| name.as_str().len() + value.len() > MAX_FIELD) {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    Ok(())
}

/// Only `chunked`, once: RFC 9112 section 6.1 answers 501 to a coding that is not understood.
fn check_transfer_encoding(request: &Parts) -> Result<(), StatusCode> {
    let mut values = request.headers.get_all(TRANSFER_ENCODING).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(()),
        (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(StatusCode::NOT_IMPLEMENTED),
    }
}

/// The one host named by `Host`, `:authority` and an absolute target, all of them that are there.
fn authority(request: &Parts) -> Result<Authority, StatusCode> {
    let parse = |text: &str| Authority::parse(text).ok_or(StatusCode::BAD_REQUEST);
    let mut hosts = request.headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(parse(host.to_str().map_err(|_| StatusCode::BAD_REQUEST)?)?),
        _ => return Err(StatusCode::BAD_REQUEST),
    };
    let target = request.uri.authority().map(|authority| parse(authority.as_str())).transpose()?;
    match (header, target) {
        (Some(header), Some(target)) if header != target => Err(StatusCode::BAD_REQUEST),
        // RFC 9112 section 3.2: HTTP/1.1 has a Host field even when the target is absolute.
        (None, _) if request.version < Version::HTTP_2 => Err(StatusCode::BAD_REQUEST),
        (header, target) => header.or(target).ok_or(StatusCode::BAD_REQUEST),
    }
}
