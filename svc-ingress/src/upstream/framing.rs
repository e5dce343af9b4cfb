//! Where a response's body ends (RFC 9112 section 6.3), and whether the connection outlives it.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};

use super::{Expected, ResponseError, ResponseHead};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseFraming {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
}

impl ResponseFraming {
    pub(super) fn of(head: &ResponseHead, expected: Expected) -> Result<Self, ResponseError> {
        let length = content_length(head.headers())?;
        let chunked = is_chunked(head)?;
        if chunked && length.is_some() {
            return Err(ResponseError::Framing);
        }
        let bodiless = matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(match length {
            _ if bodiless || expected == Expected::NoBody => Self::Empty,
            _ if chunked => Self::Chunked,
            Some(length) => Self::Length(length),
            None => Self::UntilClose,
        })
    }
}

/// Whether the backend will answer another request on the connection.
pub(super) fn is_persistent(head: &ResponseHead, framing: ResponseFraming) -> bool {
    // A 204 that announces a body may be followed by one.
    let announces = head.headers().contains_key(TRANSFER_ENCODING)
        || head.headers().get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    let odd = head.status() == StatusCode::NO_CONTENT && announces;
    head.is_http_11() && framing != ResponseFraming::UntilClose && !odd && !closes(head.headers())
}

fn closes(headers: &HeaderMap) -> bool {
    let tokens =
        headers.get_all(CONNECTION).into_iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    tokens.into_iter().any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, ResponseError> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let digits =
        value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    match (digits.and_then(|digits| digits.parse().ok()), values.next()) {
        (Some(length), None) => Ok(Some(length)),
        _ => Err(ResponseError::Framing),
    }
}

fn is_chunked(head: &ResponseHead) -> Result<bool, ResponseError> {
    let mut values = head.headers().get_all(TRANSFER_ENCODING).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(false),
        (Some(value), None) if head.is_http_11() && value.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(true)
        }
        _ => Err(ResponseError::Framing),
    }
}
