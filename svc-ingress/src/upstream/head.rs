//! The head of a response: status line and fields.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use httparse::ParserConfig;

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

    /// Takes one head from the front of the buffer; `None` until it is whole. `memory` is an empty map, which is taken then.
    pub(super) fn parse(
        buffer: &mut BytesMut,
        memory: &mut HeaderMap,
    ) -> Result<Option<Self>, ResponseError> {
        // httparse would skip empty lines before the status line; there they are bytes of something else.
        if buffer.first().is_some_and(|byte| *byte != b'H') {
            return Err(ResponseError::Head);
        }
        let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut []);
        let parsed =
            ParserConfig::default().parse_response_with_uninit_headers(&mut response, buffer, &mut fields);
        let length = match parsed {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return partial(buffer),
            Err(httparse::Error::TooManyHeaders) => return Err(ResponseError::HeadTooLarge),
            Err(_) => return Err(ResponseError::Head),
        };
        let code = response.code.unwrap_or_default();
        let http_11 = response.version == Some(1);
        let places = Places::of(response.headers, buffer);
        let status = StatusCode::from_u16(code).map_err(|_| ResponseError::Head)?;
        let bytes = buffer.split_to(length).freeze();
        if bytes.len() > MAX_HEAD {
            return Err(ResponseError::HeadTooLarge);
        }
        check_line_ends(&bytes)?;
        Ok(Some(Self { status, http_11, headers: places.collect(&bytes, std::mem::take(memory))? }))
    }
}

fn partial(buffer: &BytesMut) -> Result<Option<ResponseHead>, ResponseError> {
    if buffer.len() > MAX_HEAD { Err(ResponseError::HeadTooLarge) } else { Ok(None) }
}

/// Where fields' names and values stand in a buffer: kept while the head is cut off it, without memory of their own.
struct Places {
    all: [(Place, Place); MAX_FIELDS],
    count: usize,
}

/// Begin and end.
type Place = (u32, u32);

impl Places {
    fn of(fields: &[httparse::Header<'_>], buffer: &[u8]) -> Self {
        let base = buffer.as_ptr().addr();
        let place = |part: &[u8]| {
            let start = part.as_ptr().addr() - base;
            // Only heads far beyond the limit are longer; those are refused before this is used.
            let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            (short(start), short(start + part.len()))
        };
        let mut places = Self { all: [((0, 0), (0, 0)); MAX_FIELDS], count: 0 };
        for (kept, field) in places.all.iter_mut().zip(fields) {
            *kept = (place(field.name.as_bytes()), place(field.value));
            places.count += 1;
        }
        places
    }

    fn collect(&self, bytes: &Bytes, mut headers: HeaderMap) -> Result<HeaderMap, ResponseError> {
        let range = |(start, end): Place| start as usize..end as usize;
        headers.reserve(self.count);
        for (name, value) in &self.all[..self.count] {
            let name = HeaderName::from_bytes(&bytes[range(*name)]).map_err(|_| ResponseError::Head)?;
            let value = bytes.slice(range(*value));
            headers.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| ResponseError::Head)?);
        }
        Ok(headers)
    }
}

/// Lines end in CR LF: a bare LF is read differently by different programs.
pub(super) fn check_line_ends(head: &[u8]) -> Result<(), ResponseError> {
    let mut rest = head;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        if !rest[..end].ends_with(b"\r") {
            return Err(ResponseError::Head);
        }
        rest = &rest[end + 1..];
    }
    Ok(())
}

/// Takes a trailer section, the empty line included, from the front of the buffer; `None` until it is whole.
pub(super) fn parse_trailers(buffer: &mut BytesMut) -> Result<Option<HeaderMap>, ResponseError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let (length, places) = match httparse::parse_headers(buffer, &mut fields) {
        Ok(httparse::Status::Complete((length, fields))) => (length, Places::of(fields, buffer)),
        Ok(httparse::Status::Partial) if buffer.len() > MAX_HEAD => return Err(ResponseError::HeadTooLarge),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(ResponseError::Chunk),
    };
    let bytes = buffer.split_to(length).freeze();
    check_line_ends(&bytes)?;
    places.collect(&bytes, HeaderMap::new()).map(Some)
}
