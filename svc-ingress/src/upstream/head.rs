//! The head of a response: status line and fields.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::ResponseError;

const MAX_HEAD: usize = 32 * 1024;
const MAX_FIELDS: usize = 100;

/// A response's status and fields. Field values are slices of the read buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    status: StatusCode,
    http_11: bool,
    headers: HeaderMap,
}

impl ResponseHead {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The fields as sent, hop-by-hop ones included.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The fields, by value.
    #[must_use]
    pub fn into_headers(self) -> HeaderMap {
        self.headers
    }

    /// HTTP/1.1 rather than 1.0.
    pub(super) fn is_http_11(&self) -> bool {
        self.http_11
    }

    /// Takes one head from the front of the buffer; `None` until it is whole.
    pub(super) fn parse(buffer: &mut BytesMut) -> Result<Option<Self>, ResponseError> {
        // httparse would skip empty lines before the status line; there they are bytes of something else.
        if buffer.first().is_some_and(|byte| *byte != b'H') {
            return Err(ResponseError::Head);
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(buffer) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return partial(buffer),
            Err(httparse::Error::TooManyHeaders) => return Err(ResponseError::HeadTooLarge),
            Err(_) => return Err(ResponseError::Head),
        };
        let code = response.code.unwrap_or_default();
        let http_11 = response.version == Some(1);
        let ranges: Vec<_> = response.headers.iter().map(|field| ranges(field, buffer)).collect();
        let status = StatusCode::from_u16(code).map_err(|_| ResponseError::Head)?;
        let bytes = buffer.split_to(length).freeze();
        if bytes.len() > MAX_HEAD {
            return Err(ResponseError::HeadTooLarge);
        }
        check_line_ends(&bytes)?;
        Ok(Some(Self { status, http_11, headers: collect(&bytes, ranges)? }))
    }
}

fn partial(buffer: &BytesMut) -> Result<Option<ResponseHead>, ResponseError> {
    if buffer.len() > MAX_HEAD { Err(ResponseError::HeadTooLarge) } else { Ok(None) }
}

/// Where a field's name and value stand in the buffer, by their addresses.
fn ranges(field: &httparse::Header<'_>, buffer: &[u8]) -> (Range<usize>, Range<usize>) {
    let base = buffer.as_ptr().addr();
    let range = |part: &[u8]| {
        let start = part.as_ptr().addr() - base;
        start..start + part.len()
    };
    (range(field.name.as_bytes()), range(field.value))
}

/// Lines end in CR LF: a bare LF is read differently by different programs.
pub(super) fn check_line_ends(head: &[u8]) -> Result<(), ResponseError> {
    let mut before = 0;
    for &byte in head {
        if byte == b'\n' && before != b'\r' {
            return Err(ResponseError::Head);
        }
        before = byte;
    }
    Ok(())
}

pub(super) fn collect(
    bytes: &Bytes,
    ranges: Vec<(Range<usize>, Range<usize>)>,
) -> Result<HeaderMap, ResponseError> {
    let mut headers = HeaderMap::with_capacity(ranges.len());
    for (name, value) in ranges {
        let name = HeaderName::from_bytes(&bytes[name]).map_err(|_| ResponseError::Head)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice(value)).map_err(|_| ResponseError::Head)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// Takes a trailer section, the empty line included, from the front of the buffer; `None` until it is whole.
pub(super) fn parse_trailers(buffer: &mut BytesMut) -> Result<Option<HeaderMap>, ResponseError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let (length, ranges) = match httparse::parse_headers(buffer, &mut fields) {
        Ok(httparse::Status::Complete((length, fields))) => {
            (length, fields.iter().map(|field| ranges(field, buffer)).collect())
        }
        Ok(httparse::Status::Partial) if buffer.len() > MAX_HEAD => return Err(ResponseError::HeadTooLarge),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(ResponseError::Chunk),
    };
    let bytes = buffer.split_to(length).freeze();
    check_line_ends(&bytes)?;
    collect(&bytes, ranges).map(Some)
}
