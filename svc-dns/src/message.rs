//! DNS messages: the wire form, parsed with limits and emitted without allocation.
//!
//! Only what an authority and a forwarder need: the header, one question, EDNS, record sets. Names are kept in wire form,
//! never as lists of strings. RFC 1035 section 4, RFC 6891 (EDNS), RFC 2181 section 9 (truncation).

mod edns;
mod header;
mod kind;
mod name;
mod query;
mod question;
mod reader;
mod records;
mod writer;

pub use edns::Edns;
pub use header::{Header, Opcode};
pub use kind::{Class, Rcode, RecordType};
pub(crate) use name::suffixes;
pub use name::{Labels, Name, NameError};
pub(crate) use query::serial_of_ixfr;
pub use query::{Query, QueryError};
pub use question::{Question, QuestionName};
pub use reader::{Record, RecordData, Reply};
pub(crate) use records::{RecordAt, all_records, records};
pub(crate) use writer::{Owner, Section, Writer, push_pointer};

/// A message that breaks the wire format: where, and what was expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {expected}")]
#[non_exhaustive]
pub struct ParseError {
    /// Offset into the message.
    pub at: usize,
    /// What should have been there.
    pub expected: &'static str,
}

/// Reads a big-endian 16-bit number.
fn u16_at(message: &[u8], at: usize) -> Result<u16, ParseError> {
    match message.get(at..at + 2) {
        Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
        _ => Err(ParseError { at, expected: "two more bytes" }),
    }
}

/// Reads a big-endian 32-bit number.
fn u32_at(message: &[u8], at: usize) -> Result<u32, ParseError> {
    match message.get(at..at + 4) {
        Some(&[a, b, c, d]) => Ok(u32::from_be_bytes([a, b, c, d])),
        _ => Err(ParseError { at, expected: "four more bytes" }),
    }
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
