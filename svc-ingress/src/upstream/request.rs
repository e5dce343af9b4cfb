//! The request: a head built anew from typed parts, with exactly one framing field, ours.

use std::io::Write as _;

use bytes::{BufMut as _, BytesMut};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Method};

/// What most heads fit in.
const HEAD_SIZE: usize = 1000;

/// How the request's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestFraming {
    /// No body and no framing field.
    Empty,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The fields of a message, which need not be in memory as such.
pub trait Fields {
    /// Gives every name and value, in order.
    fn for_each(&self, emit: impl FnMut(&HeaderName, &[u8]));
}

impl Fields for HeaderMap {
    fn for_each(&self, mut emit: impl FnMut(&HeaderName, &[u8])) {
        self.iter().for_each(|(name, value)| emit(name, value.as_bytes()));
    }
}

/// A request's head, ready to be written.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    method: &'a Method,
    target: &'a str,
    host: &'a str,
    framing: RequestFraming,
}

impl<'a> RequestHead<'a> {
    /// A head. `target` is the path and query; `Host`, `Content-Length` and `Transfer-Encoding` in `fields` are passed
    /// over: they are written from the other arguments.
    #[must_use]
    pub fn new(method: &'a Method, target: &'a str, host: &'a str, framing: RequestFraming) -> Self {
        Self { method, target, host, framing }
    }

    /// Appends the head. A control character or space in the target or the host is left out, and a field whose value has a
    /// line end: no argument can begin a line of its own.
    pub fn emit(&self, fields: &impl Fields, buffer: &mut BytesMut) {
        buffer.reserve(HEAD_SIZE + self.target.len());
        buffer.put_slice(self.method.as_str().as_bytes());
        buffer.put_u8(b' ');
        put_visible(buffer, self.target);
        buffer.put_slice(b" HTTP/1.1\r\nhost: ");
        put_visible(buffer, self.host);
        buffer.put_slice(b"\r\n");
        emit_fields(fields, buffer);
        self.emit_framing(buffer);
        buffer.put_slice(b"\r\n");
    }

    fn emit_framing(&self, buffer: &mut BytesMut) {
        match self.framing {
            RequestFraming::Empty => {}
            RequestFraming::Length(length) => {
                let _ = write!(buffer.writer(), "content-length: {length}\r\n");
            }
            RequestFraming::Chunked => buffer.put_slice(b"transfer-encoding: chunked\r\n"),
        }
    }
}

fn put_visible(buffer: &mut BytesMut, text: &str) {
    let is_visible = |byte: u8| byte > b' ' && byte != 0x7f;
    // All bytes rather than up to the first odd one: a loop over vectors.
    if text.bytes().fold(true, |visible, byte| visible & is_visible(byte)) {
        buffer.put_slice(text.as_bytes());
    } else {
        buffer.extend(text.bytes().filter(|byte| is_visible(*byte)));
    }
}

fn has_line_end(value: &[u8]) -> bool {
    value.iter().fold(false, |odd, byte| odd | matches!(byte, b'\r' | b'\n' | 0))
}

/// Appends one chunk of a chunked body; nothing for no data, which would end the body.
pub fn emit_chunk(data: &[u8], buffer: &mut BytesMut) {
    if data.is_empty() {
        return;
    }
    let _ = write!(buffer.writer(), "{:x}\r\n", data.len());
    buffer.put_slice(data);
    buffer.put_slice(b"\r\n");
}

/// Appends the end of a chunked body with the fields that follow it. Fields that frame a message are passed over.
pub fn emit_last_chunk(trailers: &HeaderMap, buffer: &mut BytesMut) {
    buffer.put_slice(b"0\r\n");
    emit_last_fields(trailers, buffer);
}

/// Appends fields and the empty line after them. Fields that frame a message are passed over.
pub fn emit_last_fields(fields: &HeaderMap, buffer: &mut BytesMut) {
    emit_fields(fields, buffer);
    buffer.put_slice(b"\r\n");
}

fn emit_fields(fields: &impl Fields, buffer: &mut BytesMut) {
    fields.for_each(|name, value| {
        let framed = name == HOST || name == CONTENT_LENGTH || name == TRANSFER_ENCODING;
        if !framed && !has_line_end(value) {
            buffer.put_slice(name.as_str().as_bytes());
            buffer.put_slice(b": ");
            buffer.put_slice(value);
            buffer.put_slice(b"\r\n");
        }
    });
}
