//! The request: a head built anew from typed parts, with exactly one framing field, ours.

use std::io::Write as _;

use bytes::{BufMut as _, BytesMut};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method};

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

/// A request's head, ready to be written.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    method: &'a Method,
    target: &'a str,
    host: &'a str,
    headers: &'a HeaderMap,
    framing: RequestFraming,
}

impl<'a> RequestHead<'a> {
    /// A head. `target` is the path and query; `Host`, `Content-Length` and `Transfer-Encoding` in `headers` are passed
    /// over: they are written from the other arguments.
    #[must_use]
    pub fn new(
        method: &'a Method,
        target: &'a str,
        host: &'a str,
        headers: &'a HeaderMap,
        framing: RequestFraming,
    ) -> Self {
        Self { method, target, host, headers, framing }
    }

    /// Appends the head. A control character or space in the target or the host is left out: no argument can begin a
    /// line of its own.
    pub fn emit(&self, buffer: &mut BytesMut) {
        buffer.reserve(256 + self.target.len() + self.headers.len() * 48);
        buffer.put_slice(self.method.as_str().as_bytes());
        buffer.put_u8(b' ');
        put_visible(buffer, self.target);
        buffer.put_slice(b" HTTP/1.1\r\nhost: ");
        put_visible(buffer, self.host);
        buffer.put_slice(b"\r\n");
        emit_fields(self.headers, buffer);
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
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte >= 0x80) {
        buffer.put_slice(text.as_bytes());
    } else {
        buffer.extend(text.bytes().filter(|byte| byte.is_ascii_graphic() || *byte >= 0x80));
    }
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
    emit_fields(trailers, buffer);
    buffer.put_slice(b"\r\n");
}

fn emit_fields(headers: &HeaderMap, buffer: &mut BytesMut) {
    for (name, value) in headers {
        if name != HOST && name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
            buffer.put_slice(name.as_str().as_bytes());
            buffer.put_slice(b": ");
            buffer.put_slice(value.as_bytes());
            buffer.put_slice(b"\r\n");
        }
    }
}
