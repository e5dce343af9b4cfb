//! UDP (RFC 768).

use super::cursor::{Cursor, Malformed};

/// A UDP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Udp {
    /// The source port.
    pub src_port: u16,
    /// The destination port.
    pub dst_port: u16,
}

impl Udp {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let layer = "UDP header";
        let udp = Self { src_port: cursor.u16(layer)?, dst_port: cursor.u16(layer)? };
        // Length, which IP tells too, and checksum.
        cursor.skip(4, layer)?;
        Ok(udp)
    }
}
