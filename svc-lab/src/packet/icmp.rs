//! ICMP (RFC 792) and ICMPv6 (RFC 4443): what all their messages begin with.

use std::fmt;

use super::cursor::{Cursor, Malformed};

/// The beginning of an ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Icmp {
    /// The type: 8 is an echo request of ICMP, 128 of ICMPv6.
    pub kind: u8,
    /// The code, a subdivision of the type.
    pub code: u8,
}

impl Icmp {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let layer = "ICMP header";
        let [kind, code] = cursor.array(layer)?;
        // The checksum.
        cursor.skip(2, layer)?;
        Ok(Self { kind, code })
    }
}

impl fmt::Display for Icmp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            0 | 129 => "echo reply",
            3 | 1 => "destination unreachable",
            5 | 137 => "redirect",
            8 | 128 => "echo request",
            11 => "time exceeded",
            133 => "router solicitation",
            134 => "router advertisement",
            135 => "neighbor solicitation",
            136 => "neighbor advertisement",
            143 => "multicast listener report",
            other => return write!(f, "ICMP type {other} code {}", self.code),
        };
        if self.code == 0 { write!(f, "ICMP {name}") } else { write!(f, "ICMP {name}, code {}", self.code) }
    }
}
