//! TCP (RFC 9293).

use std::fmt;

use super::cursor::{Cursor, Malformed};

/// A TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tcp {
    /// The source port.
    pub src_port: u16,
    /// The destination port.
    pub dst_port: u16,
    /// The sequence number.
    pub seq: u32,
    /// The acknowledgement number, meaningful with the ACK flag.
    pub ack: u32,
    /// The flags.
    pub flags: TcpFlags,
    /// The window as sent, not scaled.
    pub window: u16,
}

impl Tcp {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let layer = "TCP header";
        let (src_port, dst_port) = (cursor.u16(layer)?, cursor.u16(layer)?);
        let (seq, ack) = (cursor.u32(layer)?, cursor.u32(layer)?);
        let header_len = usize::from(cursor.u8(layer)? >> 4) * 4;
        let (flags, window) = (TcpFlags(cursor.u8(layer)?), cursor.u16(layer)?);
        cursor.skip(4, layer)?;
        cursor.skip(header_len.saturating_sub(20), "TCP options")?;
        Ok(Self { src_port, dst_port, seq, ack, flags, window })
    }
}

impl fmt::Display for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags [{}], seq {}", self.flags, self.seq)?;
        if self.flags.ack() { write!(f, ", ack {}", self.ack) } else { Ok(()) }
    }
}

/// The flags of a TCP segment. Written as tcpdump does: `S` for SYN, `S.` for SYN and ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags(u8);

impl TcpFlags {
    /// No more data from the sender.
    #[must_use]
    pub fn fin(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// A connection is begun.
    #[must_use]
    pub fn syn(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// The connection is refused or given up.
    #[must_use]
    pub fn rst(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// To be handed to the application at once.
    #[must_use]
    pub fn psh(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// The acknowledgement number counts.
    #[must_use]
    pub fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters =
            [(self.fin(), 'F'), (self.syn(), 'S'), (self.rst(), 'R'), (self.psh(), 'P'), (self.ack(), '.')];
        letters.iter().filter(|(set, _)| *set).try_for_each(|(_, letter)| write!(f, "{letter}"))
    }
}
