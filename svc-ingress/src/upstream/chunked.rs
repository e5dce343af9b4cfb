//! The chunked transfer coding (RFC 9112 section 7.1), read strictly.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::ResponseError;
use super::head::parse_trailers;

const MAX_LINE: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

pub(super) enum Piece {
    Data(Bytes),
    End(HeaderMap),
}

impl Chunked {
    /// Takes the next piece from the front of the buffer; `None` until it is there.
    pub(super) fn poll_piece(&mut self, buffer: &mut BytesMut) -> Result<Option<Piece>, ResponseError> {
        loop {
            match *self {
                Self::Size => match parse_size(buffer)? {
                    None => return Ok(None),
                    Some(0) => *self = Self::Trailers,
                    Some(size) => *self = Self::Data(size),
                },
                Self::Data(left) => {
                    let Some(data) = take(buffer, left) else { return Ok(None) };
                    let left = left - data.len() as u64;
                    *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
                    return Ok(Some(Piece::Data(data)));
                }
                Self::DataEnd => match line(buffer)? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => *self = Self::Size,
                    Some(_) => return Err(ResponseError::Chunk),
                },
                Self::Trailers => return Ok(parse_trailers(buffer)?.map(Piece::End)),
            }
        }
    }
}

/// Up to `left` bytes; `None` if there are none.
pub(super) fn take(buffer: &mut BytesMut, left: u64) -> Option<Bytes> {
    let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    (length > 0).then(|| buffer.split_to(length).freeze())
}

fn parse_size(buffer: &mut BytesMut) -> Result<Option<u64>, ResponseError> {
    let Some(line) = line(buffer)? else { return Ok(None) };
    let text = std::str::from_utf8(&line).map_err(|_| ResponseError::Chunk)?;
    let (size, extension) = text.split_once(';').unwrap_or((text, ""));
    let size = size.trim_end_matches([' ', '\t']);
    let valid = (1..=15).contains(&size.len()) && size.bytes().all(|b| b.is_ascii_hexdigit());
    if !valid || extension.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
        return Err(ResponseError::Chunk);
    }
    u64::from_str_radix(size, 16).map(Some).map_err(|_| ResponseError::Chunk)
}

/// One line without its CR LF.
fn line(buffer: &mut BytesMut) -> Result<Option<Bytes>, ResponseError> {
    let searched = buffer.get(..MAX_LINE).unwrap_or(buffer);
    let Some(end) = searched.iter().position(|byte| *byte == b'\n') else {
        return if buffer.len() >= MAX_LINE { Err(ResponseError::Chunk) } else { Ok(None) };
    };
    let line = buffer.split_to(end + 1).freeze();
    match line.strip_suffix(b"\r\n") {
        Some(text) if !text.contains(&b'\r') => Ok(Some(line.slice(..text.len()))),
        _ => Err(ResponseError::Chunk),
    }
}
