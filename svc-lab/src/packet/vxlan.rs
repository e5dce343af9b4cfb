//! VXLAN (RFC 7348).

use std::fmt;

use super::Packet;
use super::cursor::{Cursor, Malformed};

/// The port that IANA assigned.
pub(super) const PORT: u16 = 4789;
/// The port that Linux, and flannel with it, has used since before.
pub(super) const LINUX_PORT: u16 = 8472;

/// A VXLAN header and the packet that it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vxlan {
    /// The VXLAN network identifier, 24 bits.
    pub vni: u32,
    /// The packet inside.
    pub inner: Packet,
}

impl Vxlan {
    pub(super) fn parse(cursor: &mut Cursor<'_>, levels: u8) -> Result<Self, Malformed> {
        // Flags and reserved bits, then the VNI and eight reserved bits.
        cursor.skip(4, "VXLAN header")?;
        let vni = cursor.u32("VXLAN header")? >> 8;
        let inner = Packet::parse_at(cursor, levels)?;
        cursor.truncate(0, "VXLAN payload")?;
        Ok(Self { vni, inner })
    }
}

impl fmt::Display for Vxlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VXLAN, vni {}: {}", self.vni, self.inner)
    }
}
