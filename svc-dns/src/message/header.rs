//! The twelve bytes in front of every message (RFC 1035 section 4.1.1).

use super::{ParseError, Rcode, u16_at};

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
    pub fn parse(message: &[u8]) -> Result<Self, ParseError> {
        let counts = [u16_at(message, 4)?, u16_at(message, 6)?, u16_at(message, 8)?, u16_at(message, 10)?];
        Ok(Self { id: u16_at(message, 0)?, flags: u16_at(message, 2)?, counts })
    }

    /// Appends the wire form.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&self.flags.to_be_bytes());
        self.counts.iter().for_each(|count| out.extend_from_slice(&count.to_be_bytes()));
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
