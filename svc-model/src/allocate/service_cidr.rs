//! A range of virtual addresses.

use std::fmt;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use crate::AddressType;

/// What a ServiceCIDR (KEP-1880) may be: any IPv4 network, or an IPv6 network of at most 2^64 addresses. Bits beyond the length
/// are passed over, as kube-apiserver does with `--service-cluster-ip-range`.
///
/// ```
/// use svc_model::allocate::ServiceCidr;
///
/// assert_eq!("fd00:10:96::7/112".parse::<ServiceCidr>()?.to_string(), "fd00:10:96::/112");
/// let error = "fd00::/48".parse::<ServiceCidr>().unwrap_err();
/// assert_eq!(error.to_string(), "service CIDR fd00::/48: the prefix of an IPv6 range is 64 bits long at least, such as fd00::/64");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceCidr(IpNet);

/// The shortest prefix of an IPv6 range (`ipallocator.NewIPAllocator` of Kubernetes).
const SHORTEST_V6: u8 = 64;

/// Why a network is no [`ServiceCidr`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidServiceCidr {
    /// It is no network.
    #[error("service CIDR `{0}`: is not a network such as 10.96.0.0/12")]
    Syntax(String),
    /// It has more addresses than an allocator manages.
    #[error("service CIDR {0}: the prefix of an IPv6 range is 64 bits long at least, such as {at}/64", at = .0.addr())]
    TooLarge(IpNet),
}

impl ServiceCidr {
    /// The network.
    #[must_use]
    pub fn net(self) -> IpNet {
        self.0
    }

    /// The family of its addresses.
    #[must_use]
    pub fn family(self) -> AddressType {
        AddressType::of(self.0.addr())
    }
}

impl TryFrom<IpNet> for ServiceCidr {
    type Error = InvalidServiceCidr;

    fn try_from(net: IpNet) -> Result<Self, Self::Error> {
        match net {
            IpNet::V6(v6) if v6.prefix_len() < SHORTEST_V6 => Err(InvalidServiceCidr::TooLarge(net)),
            net => Ok(Self(net.trunc())),
        }
    }
}

impl From<Ipv4Net> for ServiceCidr {
    fn from(net: Ipv4Net) -> Self {
        Self(IpNet::V4(net.trunc()))
    }
}

impl FromStr for ServiceCidr {
    type Err = InvalidServiceCidr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<IpNet>().map_err(|_| InvalidServiceCidr::Syntax(text.to_owned()))?.try_into()
    }
}

impl fmt::Display for ServiceCidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_large_as_an_api_server_takes_it() {
        for (text, fine) in [
            ("0.0.0.0/0", true),
            ("10.96.0.0/12", true),
            ("10.96.0.0/32", true),
            ("fd00::/64", true),
            ("fd00::/128", true),
            ("fd00::/63", false),
            ("::/0", false),
            ("10.96.0.0", false),
            ("10.96.0.0/33", false),
        ] {
            assert_eq!(text.parse::<ServiceCidr>().is_ok(), fine, "{text}");
        }
    }
}
