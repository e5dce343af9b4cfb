//! One rule.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use svc_model::{AddressType, Protocol};

use super::matching::{Match, Negatable, lower};
use super::print::Print;
use super::target::Target;

/// An address of which only the bits of a mask count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Masked {
    address: IpAddr,
    mask: IpAddr,
}

impl Masked {
    /// Bits outside the mask are cleared. A mask of the other family counts as none: only the address itself matches.
    #[must_use]
    pub fn new(address: IpAddr, mask: IpAddr) -> Self {
        match (address, mask) {
            (IpAddr::V4(address), IpAddr::V4(mask)) => {
                Self { address: (address & mask).into(), mask: mask.into() }
            }
            (IpAddr::V6(address), IpAddr::V6(mask)) => {
                Self { address: (address & mask).into(), mask: mask.into() }
            }
            _ => IpNet::from(address).into(),
        }
    }

    /// Whether an address has these bits.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Masked::new(address, self.mask) == *self
    }
}

impl From<IpNet> for Masked {
    fn from(net: IpNet) -> Self {
        Self { address: net.network(), mask: net.netmask() }
    }
}

impl Print for Masked {
    fn print(&self, out: &mut String) {
        self.address.print(out);
        out.push('/');
        match ipnet::ip_mask_to_prefix(self.mask) {
            Ok(length) => length.print(out),
            Err(_) => self.mask.print(out),
        }
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.printed())
    }
}

/// What a packet must be, and what is done to it then. Displays as in `iptables-save`, without `-A CHAIN`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rule {
    pub(crate) ipv6: bool,
    pub(crate) source: Option<Negatable<Masked>>,
    pub(crate) destination: Option<Negatable<Masked>>,
    pub(crate) input: Option<Negatable<Arc<str>>>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) matches: Vec<Match>,
    pub(crate) target: Option<Target>,
    /// What is not understood, as it was written.
    pub(crate) foreign: Option<Arc<str>>,
}

impl Rule {
    /// A rule that matches every packet of a family and does nothing.
    #[must_use]
    pub fn new(family: AddressType) -> Self {
        Self { ipv6: family == AddressType::Ipv6, ..Self::default() }
    }

    /// A rule that is not understood, as its tool writes it.
    pub(crate) fn foreign(family: AddressType, text: &str) -> Self {
        Self { foreign: Some(text.into()), ..Self::new(family) }
    }

    /// `-s`
    #[must_use]
    pub fn source(mut self, source: Negatable<Masked>) -> Self {
        self.source = Some(source);
        self
    }

    /// `-d`
    #[must_use]
    pub fn destination(mut self, destination: Negatable<Masked>) -> Self {
        self.destination = Some(destination);
        self
    }

    /// `-i`; with a `+` at the end, every interface whose name begins so.
    #[must_use]
    pub fn input(mut self, interface: Negatable<Arc<str>>) -> Self {
        self.input = Some(interface);
        self
    }

    /// `-p`
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// One more extension.
    #[must_use]
    pub fn matching(mut self, extension: Match) -> Self {
        self.matches.push(extension);
        self
    }

    /// What is done.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    pub(crate) fn comment(self, text: impl Into<Arc<str>>) -> Self {
        self.matching(Match::Comment(text.into()))
    }

    /// `-d ADDRESS`
    pub(crate) fn to(self, address: IpAddr) -> Self {
        self.destination(Negatable::is(IpNet::from(address).into()))
    }

    /// `-s NET`
    pub(crate) fn from(self, net: IpNet) -> Self {
        self.source(Negatable::is(net.into()))
    }

    /// `--dport`
    pub(crate) fn port(self, protocol: Protocol, low: u16, high: u16) -> Self {
        self.protocol(protocol).matching(Match::Port(protocol, Some((low, high))))
    }

    pub(crate) fn jump(self, chain: impl Into<Arc<str>>) -> Self {
        self.target(Target::Jump(chain.into()))
    }

    /// What is done.
    #[must_use]
    pub fn target_ref(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// The chain that the rule leads to. Of rules that are not understood, too.
    #[must_use]
    pub fn leads_to(&self) -> Option<&str> {
        let written = || {
            let mut words = self.foreign.as_deref()?.split(' ');
            words.find(|word| matches!(*word, "-j" | "-g")).and_then(|_| words.next())
        };
        self.target.as_ref().and_then(Target::chain).or_else(written)
    }

    /// The sets that it asks or fills.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &str> {
        let asked = self.matches.iter().filter_map(|extension| match extension {
            Match::Set(name) => Some(&**name),
            _ => None,
        });
        let filled = self.target.iter().filter_map(|target| match target {
            Target::Remember { set, .. } => Some(&**set),
            _ => None,
        });
        asked.chain(filled)
    }

    /// Its comment.
    #[cfg(feature = "driver")]
    pub(crate) fn comment_text(&self) -> Option<&str> {
        self.matches.iter().find_map(|extension| match extension {
            Match::Comment(text) => Some(&**text),
            _ => None,
        })
    }

    /// The first word of its comment, where that can be a Service port.
    pub(crate) fn object(&self) -> Option<&str> {
        self.matches.iter().find_map(|extension| match extension {
            Match::Comment(text) => text.split(' ').next().filter(|word| word.contains('/')),
            _ => None,
        })
    }
}

impl Print for Rule {
    fn print(&self, out: &mut String) {
        if let Some(text) = &self.foreign {
            return out.extend([" ", text]);
        }
        let not = |negated: bool| if negated { " !" } else { "" };
        if let Some(source) = &self.source {
            out.extend([not(source.negated), " -s "]);
            source.value.print(out);
        }
        if let Some(destination) = &self.destination {
            out.extend([not(destination.negated), " -d "]);
            destination.value.print(out);
        }
        if let Some(input) = &self.input {
            out.extend([not(input.negated), " -i ", &input.value]);
        }
        if let Some(protocol) = self.protocol {
            out.extend([" -p ", lower(protocol)]);
        }
        self.matches.iter().for_each(|extension| extension.print(out));
        self.target.iter().for_each(|target| target.print(self.ipv6, out));
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.printed())
    }
}

/// The bits of an address, IPv4 ones in the lower 32.
pub(crate) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// The address of these bits.
pub(crate) fn address(family: AddressType, bits: u128) -> IpAddr {
    match family {
        AddressType::Ipv6 => Ipv6Addr::from(bits).into(),
        _ => Ipv4Addr::from(u32::try_from(bits).unwrap_or(u32::MAX)).into(),
    }
}
