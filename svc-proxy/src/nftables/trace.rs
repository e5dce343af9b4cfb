//! Packets on compiled rules.

use super::Rules;
use crate::packet::Packet;
use crate::trace::nftables::Tables;
use crate::trace::{Ruleset as _, Trace, TraceError};

impl Rules {
    /// What becomes of a packet. For many packets, index the tables once: `Tables::new(rules.tables())`.
    ///
    /// # Errors
    ///
    /// Never for rules as they were compiled: there is nothing in them that a trace does not understand.
    pub fn trace(&self, packet: &Packet) -> Result<Trace, TraceError> {
        Tables::new(self.tables()).trace(packet)
    }
}
