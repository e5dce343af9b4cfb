//! Where a response's body ends (RFC 9112 section 6.3), and whether the connection outlives it.

use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};

use super::{Expected, ResponseError, ResponseHead};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseFraming {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
}

/// What the fields of a head say of its body and its connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    length: Option<u64>,
    chunked: bool,
    closes: bool,
}

impl Said {
    /// Reads them in one pass.
    pub(super) fn of(head: &ResponseHead) -> Result<Self, ResponseError> {
        let mut said = Self::default();
        for (name, value) in head.headers() {
            if name == CONTENT_LENGTH {
                let length = digits(value.as_bytes()).filter(|_| said.length.is_none());
                said.length = Some(length.ok_or(ResponseError::Framing)?);
            } else if name == TRANSFER_ENCODING {
                let chunked = head.is_http_11() && value.as_bytes().eq_ignore_ascii_case(b"chunked");
                if !chunked || said.chunked {
                    return Err(ResponseError::Framing);
                }
                said.chunked = true;
            } else if name == CONNECTION {
                let mut tokens = value.as_bytes().split(|byte| *byte == b',');
                said.closes |= tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"));
            }
        }
        if said.chunked && said.length.is_some() { Err(ResponseError::Framing) } else { Ok(said) }
    }
}

impl ResponseFraming {
    pub(super) fn of(head: &ResponseHead, said: Said, expected: Expected) -> Self {
        let bodiless = matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match said.length {
            _ if bodiless || expected == Expected::NoBody => Self::Empty,
            _ if said.chunked => Self::Chunked,
            Some(length) => Self::Length(length),
            None => Self::UntilClose,
        }
    }
}

/// Whether the backend will answer another request on the connection.
pub(super) fn is_persistent(head: &ResponseHead, said: Said, framing: ResponseFraming) -> bool {
    // A 204 that announces a body may be followed by one.
    let announces = said.chunked || said.length.is_some_and(|length| length > 0);
    let odd = head.status() == StatusCode::NO_CONTENT && announces;
    head.is_http_11() && framing != ResponseFraming::UntilClose && !odd && !said.closes
}

fn digits(text: &[u8]) -> Option<u64> {
    let valid = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| valid)?.parse().ok()
}
