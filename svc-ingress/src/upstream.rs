//! HTTP/1.1 towards backends (RFC 9112), without I/O: a request head out, a response in.
//!
//! A wrongly framed response would leave bytes on a pooled connection, and the next client would get them. So whatever
//! is odd is an error, and an error closes the connection.
//!
//! ```
//! use bytes::BytesMut;
//! use svc_ingress::upstream::{Event, Expected, ResponseDecoder};
//!
//! let mut decoder = ResponseDecoder::new(Expected::Body);
//! let mut buffer = BytesMut::from(&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"[..]);
//! let Some(Event::Head(head)) = decoder.poll_event(&mut buffer)? else { panic!("a whole head is there") };
//! assert_eq!(head.status(), 200);
//! assert_eq!(decoder.poll_event(&mut buffer)?, Some(Event::Data("hi".into())));
//! assert_eq!(decoder.poll_event(&mut buffer)?, Some(Event::End));
//! assert!(decoder.is_reusable() && buffer.is_empty());
//! # Ok::<(), svc_ingress::upstream::ResponseError>(())
//! ```

mod chunked;
mod framing;
mod head;
mod request;
mod response;

pub use head::ResponseHead;
pub use request::{Fields, RequestFraming, RequestHead, emit_chunk, emit_last_chunk, emit_last_fields};
pub use response::{Event, Expected, ResponseDecoder, ResponseError};

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
