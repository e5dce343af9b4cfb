//! DNS over HTTPS (RFC 8484): which message a request holds, and the response around an answer. No I/O.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{
    Method, Response, StatusCode, Uri,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue},
};

use crate::message::{Header, Question, Rcode, RecordType, records};

/// Where questions go.
pub(crate) const PATH: &str = "/dns-query";
/// No query is longer.
pub(crate) const LONGEST_QUERY: usize = 4096;
/// Of messages, in requests and responses.
const MEDIA_TYPE: &str = "application/dns-message";

/// Where the message of a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Here.
    Message(Vec<u8>),
    /// In the body.
    Body,
}

/// Reads a request's head.
///
/// # Errors
/// The status to answer with.
pub(crate) fn asked(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Asked, StatusCode> {
    if uri.path() != PATH {
        return Err(StatusCode::NOT_FOUND);
    }
    match *method {
        Method::GET => parameter(uri.query().unwrap_or_default()).map(Asked::Message),
        Method::POST if headers.get(CONTENT_TYPE).is_some_and(is_message) => Ok(Asked::Body),
        Method::POST => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Without its parameters, in whatever case.
fn is_message(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

/// `dns=`, the message in base64url without padding.
fn parameter(query: &str) -> Result<Vec<u8>, StatusCode> {
    let text = query.split('&').find_map(|pair| pair.strip_prefix("dns="));
    let text = text.ok_or(StatusCode::BAD_REQUEST)?;
    if text.len() > LONGEST_QUERY.div_ceil(3) * 4 {
        return Err(StatusCode::URI_TOO_LONG);
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| StatusCode::BAD_REQUEST)
}

/// Around an answer; caches may keep it as long as its records (RFC 8484 section 5.1).
pub(crate) fn response(answer: Vec<u8>) -> Response<Bytes> {
    let fresh = format!("max-age={}", freshness(&answer));
    let mut response = Response::new(Bytes::from(answer));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers
        .insert(CACHE_CONTROL, HeaderValue::try_from(fresh).unwrap_or(HeaderValue::from_static("no-store")));
    response
}

/// Without an answer.
pub(crate) fn refused(status: StatusCode) -> Response<Bytes> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut response = Response::new(Bytes::from(format!("{reason}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    }
    response
}

/// Seconds: the smallest time to live among the answers, or how long it holds that there is none (RFC 2308 section 5).
fn freshness(answer: &[u8]) -> u32 {
    let Ok(header) = Header::parse(answer) else { return 0 };
    if !matches!(header.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN) || header.has(Header::TC) {
        return 0;
    }
    let Ok(question) = Question::parse(answer) else { return 0 };
    let found = records(answer, question.end()).map_while(Result::ok);
    let found = found.filter(|record| record.kind != RecordType::OPT);
    let denied = header.rcode() == Rcode::NXDOMAIN || header.counts[1] == 0;
    let kept = found.map(|record| match record.kind {
        RecordType::SOA if denied => record.ttl.min(minimum(&answer[record.data])),
        _ => record.ttl,
    });
    kept.min().unwrap_or(0)
}

/// The last number of an SOA record.
fn minimum(data: &[u8]) -> u32 {
    data.last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
