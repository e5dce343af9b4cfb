//! What a rule asks of a packet beyond addresses, interfaces and protocol: extensions, as iptables-extensions(8) names them.

use std::fmt;

use svc_model::Protocol;

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
    Comment(String),
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
    Set(String),
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

impl Match {
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: bool| if negated { "! " } else { "" };
        match self {
            Match::Comment(text) => write!(f, " -m comment --comment {}", Quoted(text)),
            Match::Port(protocol, None) => write!(f, " -m {}", Lower(*protocol)),
            Match::Port(protocol, Some((low, high))) if low == high => {
                write!(f, " -m {} --dport {low}", Lower(*protocol))
            }
            Match::Port(protocol, Some((low, high))) => {
                write!(f, " -m {} --dport {low}:{high}", Lower(*protocol))
            }
            Match::SourceType(kind) => write!(f, " -m addrtype {}--src-type LOCAL", not(kind.negated)),
            Match::DestinationType(kind) => write!(f, " -m addrtype {}--dst-type LOCAL", not(kind.negated)),
            Match::CtState(states) => {
                let names: Vec<_> = states.value.iter().map(|state| state.as_str()).collect();
                write!(f, " -m conntrack {}--ctstate {}", not(states.negated), names.join(","))
            }
            Match::Mark(mark) => {
                write!(f, " -m mark {}--mark {:#x}/{:#x}", not(mark.negated), mark.value.0, mark.value.1)
            }
            Match::Random(share) => {
                write!(
                    f,
                    " -m statistic --mode random --probability {:.11}",
                    f64::from(*share) / f64::from(1_u32 << 31)
                )
            }
            Match::Set(name) => write!(f, " -m set --match-set {name} src"),
        }
    }
}

/// A protocol as iptables writes it.
pub(crate) struct Lower(pub(crate) Protocol);

impl fmt::Display for Lower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
            _ => "tcp",
        })
    }
}

/// A word as `xtables_save_string` writes it.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !self.0.is_empty() && self.0.chars().all(plain) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for part in self.0.split_inclusive(['"', '\\', '\'']) {
            match part.strip_suffix(['"', '\\', '\'']) {
                Some(before) => write!(f, "{before}\\{}", &part[before.len()..])?,
                None => f.write_str(part)?,
            }
        }
        f.write_str("\"")
    }
}
