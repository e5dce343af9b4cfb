//! EDNS: the OPT pseudo record (RFC 6891).

use super::{ParseError, Rcode, RecordType, u16_at, u32_at};

/// What a message says in the fixed part of its OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edns {
    /// The largest UDP payload that the sender can take.
    pub udp_size: u16,
    /// The protocol version; only 0 exists.
    pub version: u8,
    /// DNSSEC records are wanted.
    pub dnssec_ok: bool,
}

impl Edns {
    /// Length on the wire without options.
    pub const LEN: usize = 11;

    /// Version 0 with this payload size.
    #[must_use]
    pub const fn new(udp_size: u16, dnssec_ok: bool) -> Self {
        Self { udp_size, version: 0, dnssec_ok }
    }

    /// Reads the fixed part behind the owner name: `at` is the offset of the type.
    pub(super) fn parse(message: &[u8], at: usize) -> Result<Self, ParseError> {
        let flags = u32_at(message, at + 4)?;
        let [_, version, dnssec_ok, _] = flags.to_be_bytes();
        Ok(Self { udp_size: u16_at(message, at + 2)?, version, dnssec_ok: dnssec_ok & 0x80 != 0 })
    }

    /// Appends an OPT record with the upper bits of `rcode`; the version in it is always 0.
    pub fn emit(&self, rcode: Rcode, out: &mut Vec<u8>) {
        let [_, extended] = (rcode.number() >> 4).to_be_bytes();
        let [kind, size] = [RecordType::OPT.number(), self.udp_size].map(u16::to_be_bytes);
        let dnssec_ok = u8::from(self.dnssec_ok) << 7;
        let opt = [0, kind[0], kind[1], size[0], size[1], extended, 0, dnssec_ok, 0, 0, 0];
        out.extend_from_slice(&opt);
    }
}
