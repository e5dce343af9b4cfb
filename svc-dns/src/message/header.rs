//! The twelve bytes in front of every message (RFC 1035 section 4.1.1).

use super::{ParseError, Rcode};

/// What a message asks for. Only queries are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode(u8);

impl Opcode {
    /// A standard query.
    pub const QUERY: Self = Self(0);

    /// The number: four bits.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Chosen by the client, repeated by the server.
    pub id: u16,
    /// The flag word as it is on the wire.
    pub flags: u16,
    /// Entries in the question, answer, authority and additional sections.
    pub counts: [u16; 4],
}

impl Header {
    /// Length on the wire.
    pub const LEN: usize = 12;
    /// This is a response.
    pub const QR: u16 = 0x8000;
    /// The answer is authoritative.
    pub const AA: u16 = 0x0400;
    /// The answer was cut short.
    pub const TC: u16 = 0x0200;
    /// Recursion is desired.
    pub const RD: u16 = 0x0100;
    /// Recursion is available.
    pub const RA: u16 = 0x0080;
    /// The data was found authentic (RFC 4035); in a query: the client wants to know (RFC 6840).
    pub const AD: u16 = 0x0020;
    /// Checking is disabled (RFC 4035).
    pub const CD: u16 = 0x0010;

    /// Reads the header at the front of `message`.
    ///
    /// # Errors
    /// When there are fewer than twelve bytes.
    #[inline]
    pub fn parse(message: &[u8]) -> Result<Self, ParseError> {
        let Some(bytes) = message.first_chunk::<{ Self::LEN }>() else {
            return Err(ParseError { at: message.len(), expected: "a header of twelve bytes" });
        };
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        Ok(Self { id: word(0), flags: word(2), counts: [word(4), word(6), word(8), word(10)] })
    }

    /// The wire form.
    #[inline]
    pub(crate) fn bytes(&self) -> [u8; Self::LEN] {
        let [questions, answers, authorities, additionals] = self.counts;
        let words = [self.id, self.flags, questions, answers, authorities, additionals];
        let mut bytes = [0; Self::LEN];
        for (to, word) in bytes.chunks_exact_mut(2).zip(words) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// Appends the wire form.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }

    /// Whether `flag` (one of the constants here) is set.
    #[must_use]
    pub const fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// What the message asks for.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        Opcode((self.flags >> 11 & 0xf) as u8)
    }

    /// The lower four bits of the response code.
    #[must_use]
    pub const fn rcode(&self) -> Rcode {
        Rcode::new(self.flags & 0xf)
    }
}
