//! What a rule asks of a packet beyond addresses, interfaces and protocol: extensions, as iptables-extensions(8) names them.

use std::sync::Arc;

use svc_model::Protocol;

use super::print::{self, Print};

/// A value that is asked for, or that must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "a value and a sign")]
pub struct Negatable<T> {
    /// The value.
    pub value: T,
    /// `!`
    pub negated: bool,
}

impl<T> Negatable<T> {
    /// The value is asked for.
    pub fn is(value: T) -> Self {
        Self { value, negated: false }
    }

    /// Anything but the value.
    pub fn not(value: T) -> Self {
        Self { value, negated: true }
    }

    /// Turns an answer round where it has to be.
    pub(crate) fn holds(&self, yes: bool) -> bool {
        yes != self.negated
    }
}

/// One extension.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Match {
    /// `-m comment`: matches everything.
    Comment(Arc<str>),
    /// `-m tcp --dport`, also for UDP and SCTP: the port lies in a range, both ends included. `None`: the protocol alone.
    Port(Protocol, Option<(u16, u16)>),
    /// `-m addrtype --src-type`
    SourceType(Negatable<AddressKind>),
    /// `-m addrtype --dst-type`
    DestinationType(Negatable<AddressKind>),
    /// `-m conntrack --ctstate`: one of these.
    CtState(Negatable<Vec<CtState>>),
    /// `-m mark --mark VALUE/MASK`
    Mark(Negatable<(u32, u32)>),
    /// `-m statistic --mode random --probability`: so many of 2^31.
    Random(u32),
    /// `-m set --match-set NAME src`: the source is in a set.
    Set(Arc<str>),
}

/// What the routing table says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressKind {
    /// It is the host's own.
    Local,
}

/// A packet's connection. In the order in which iptables lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CtState {
    /// It fits none.
    Invalid,
    /// It begins one.
    New,
    /// Another connection announced it.
    Related,
    /// It is known.
    Established,
    /// It is not tracked.
    Untracked,
    /// Its source was translated.
    Snat,
    /// Its destination was translated.
    Dnat,
}

impl CtState {
    pub(crate) const ALL: [CtState; 7] = [
        CtState::Invalid,
        CtState::New,
        CtState::Related,
        CtState::Established,
        CtState::Untracked,
        CtState::Snat,
        CtState::Dnat,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            CtState::Invalid => "INVALID",
            CtState::New => "NEW",
            CtState::Related => "RELATED",
            CtState::Established => "ESTABLISHED",
            CtState::Untracked => "UNTRACKED",
            CtState::Snat => "SNAT",
            CtState::Dnat => "DNAT",
        }
    }
}

impl Print for Match {
    fn print(&self, out: &mut String) {
        let not = |negated: bool| if negated { "! " } else { "" };
        match self {
            Match::Comment(text) => {
                out.push_str(" -m comment --comment ");
                print::quoted(text, out);
            }
            Match::Port(protocol, ports) => {
                out.push_str(" -m ");
                out.push_str(lower(*protocol));
                let Some((low, high)) = ports else { return };
                out.push_str(" --dport ");
                low.print(out);
                if low != high {
                    out.push(':');
                    high.print(out);
                }
            }
            Match::SourceType(kind) => out.extend([" -m addrtype ", not(kind.negated), "--src-type LOCAL"]),
            Match::DestinationType(kind) => {
                out.extend([" -m addrtype ", not(kind.negated), "--dst-type LOCAL"]);
            }
            Match::CtState(states) => {
                out.extend([" -m conntrack ", not(states.negated), "--ctstate "]);
                for (at, state) in states.value.iter().enumerate() {
                    out.extend([if at > 0 { "," } else { "" }, state.as_str()]);
                }
            }
            Match::Mark(Negatable { value: (value, mask), negated }) => {
                out.extend([" -m mark ", not(*negated), "--mark "]);
                print_mark(*value, *mask, out);
            }
            Match::Random(share) => {
                out.push_str(" -m statistic --mode random --probability ");
                print::probability(*share, out);
            }
            Match::Set(name) => out.extend([" -m set --match-set ", name, " src"]),
        }
    }
}

/// `0x4000/0x4000`
pub(super) fn print_mark(value: u32, mask: u32, out: &mut String) {
    out.push_str("0x");
    print::hexadecimal(value.into(), out);
    out.push_str("/0x");
    print::hexadecimal(mask.into(), out);
}

/// A protocol as iptables writes it.
pub(super) fn lower(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
        _ => "tcp",
    }
}
