//! What a reply is remembered under.

use std::fmt;

use crate::message::{Header, Name, Query, RecordType};

/// Lower-case name, type, class, and the two bits that change what servers say: DO and CD.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    bytes: Box<[u8]>,
}

/// Type, class and bits.
const TAIL: usize = 5;

impl Key {
    /// `name` is the lower-case wire form of the name that is asked for: that of the query, or of the target of an alias.
    pub(crate) fn new(query: &Query<'_>, name: &[u8], dnssec_ok: bool) -> Self {
        let question = query.question();
        let mut bytes = Vec::with_capacity(name.len() + TAIL);
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&question.kind().number().to_be_bytes());
        bytes.extend_from_slice(&question.class().number().to_be_bytes());
        bytes.push(u8::from(dnssec_ok) | u8::from(query.header().has(Header::CD)) << 1);
        Self { bytes: bytes.into() }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - TAIL]
    }

    pub(crate) fn kind(&self) -> RecordType {
        let at = self.name().len();
        RecordType::new(u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]))
    }

    /// Name, type and class: what a reply has to repeat.
    pub(crate) fn question(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - 1]
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {})", Name::from_wire(self.name()), self.kind())
    }
}
