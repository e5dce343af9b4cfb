//! What a rule does to a packet.

use std::net::SocketAddr;
use std::sync::Arc;

use super::matching::print_mark;
use super::print::Print as _;

/// What becomes of a packet that a rule matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// `-j CHAIN`: and on, when that chain is left.
    Jump(Arc<str>),
    /// `-g CHAIN`: and back to whoever called this chain, when that one is left.
    Goto(Arc<str>),
    /// The table is done with it.
    Accept,
    /// It ends here.
    Drop,
    /// Back to the calling chain.
    Return,
    /// It ends here, and the sender is told.
    Reject(RejectWith),
    /// `MARK --set-xmark VALUE/MASK`: bits of the mask are cleared, then those of the value are flipped.
    #[non_exhaustive]
    Mark {
        /// Bits that are flipped.
        value: u32,
        /// Bits that are cleared before.
        mask: u32,
    },
    /// `SET --add-set`: the source is in a set from now on, for so long, and the next rule goes on.
    #[non_exhaustive]
    Remember {
        /// The set.
        set: Arc<str>,
        /// For how long.
        seconds: u64,
    },
    /// A new destination for its connection.
    Dnat(SocketAddr),
    /// Its connection gets the host's address as source, from a random port.
    Masquerade,
}

/// What the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectWith {
    /// `icmp-port-unreachable`, `icmp6-port-unreachable`
    PortUnreachable,
    /// `tcp-reset`
    TcpReset,
}

impl Target {
    /// Sets these bits.
    #[must_use]
    pub fn mark_or(bits: u32) -> Self {
        Target::Mark { value: bits, mask: bits }
    }

    /// Flips these bits.
    #[must_use]
    pub fn mark_xor(bits: u32) -> Self {
        Target::Mark { value: bits, mask: 0 }
    }

    /// The chain it leads to.
    #[must_use]
    pub fn chain(&self) -> Option<&str> {
        match self {
            Target::Jump(chain) | Target::Goto(chain) => Some(chain),
            _ => None,
        }
    }

    /// As `iptables-save` writes it.
    pub(super) fn print(&self, ipv6: bool, out: &mut String) {
        match self {
            Target::Jump(chain) => out.extend([" -j ", chain]),
            Target::Goto(chain) => out.extend([" -g ", chain]),
            Target::Accept => out.push_str(" -j ACCEPT"),
            Target::Drop => out.push_str(" -j DROP"),
            Target::Return => out.push_str(" -j RETURN"),
            Target::Reject(RejectWith::TcpReset) => out.push_str(" -j REJECT --reject-with tcp-reset"),
            Target::Reject(RejectWith::PortUnreachable) if ipv6 => {
                out.push_str(" -j REJECT --reject-with icmp6-port-unreachable");
            }
            Target::Reject(RejectWith::PortUnreachable) => {
                out.push_str(" -j REJECT --reject-with icmp-port-unreachable");
            }
            Target::Mark { value, mask } => {
                out.push_str(" -j MARK --set-xmark ");
                print_mark(*value, *mask, out);
            }
            Target::Remember { set, seconds } => {
                out.extend([" -j SET --add-set ", set, " src --exist --timeout "]);
                seconds.print(out);
            }
            Target::Dnat(to) => {
                out.push_str(" -j DNAT --to-destination ");
                to.print(out);
            }
            Target::Masquerade => out.push_str(" -j MASQUERADE --random-fully"),
        }
    }
}
