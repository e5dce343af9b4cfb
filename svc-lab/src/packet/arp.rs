//! ARP (RFC 826) for IPv4 over Ethernet.

use std::fmt;
use std::net::Ipv4Addr;

use super::cursor::{Cursor, Malformed};
use super::ethernet::Mac;

/// An ARP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arp {
    /// Question or answer.
    pub operation: ArpOperation,
    /// Who speaks: its hardware address.
    pub sender_mac: Mac,
    /// Who speaks: its address.
    pub sender: Ipv4Addr,
    /// Who is asked for or answered: its hardware address, zero in a question.
    pub target_mac: Mac,
    /// Who is asked for or answered: its address.
    pub target: Ipv4Addr,
}

/// What an ARP message does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArpOperation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
    /// Something else.
    Other(u16),
}

impl Arp {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let layer = "ARP message";
        // Hardware type, protocol type and their lengths: Ethernet and IPv4 in all that is met here.
        cursor.skip(6, layer)?;
        let operation = match cursor.u16(layer)? {
            1 => ArpOperation::Request,
            2 => ArpOperation::Reply,
            other => ArpOperation::Other(other),
        };
        let (sender_mac, sender) = (cursor.array(layer)?, cursor.array(layer)?);
        let (target_mac, target) = (cursor.array(layer)?, cursor.array(layer)?);
        cursor.truncate(0, layer)?;
        Ok(Self {
            operation,
            sender_mac: Mac::from(sender_mac),
            sender: Ipv4Addr::from(sender),
            target_mac: Mac::from(target_mac),
            target: Ipv4Addr::from(target),
        })
    }
}

impl fmt::Display for Arp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation {
            ArpOperation::Request => write!(f, "request who-has {} tell {}", self.target, self.sender),
            ArpOperation::Reply => write!(f, "reply {} is-at {}", self.sender, self.sender_mac),
            ArpOperation::Other(number) => write!(f, "operation {number}"),
        }
    }
}
