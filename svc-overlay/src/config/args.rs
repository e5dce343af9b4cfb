//! Networks and addresses, as a builder takes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A network, given as a typed value or as text.
#[derive(Clone, Copy, Debug)]
pub struct NetworkArg(pub(super) IpNet);

impl From<IpNet> for NetworkArg {
    fn from(network: IpNet) -> Self {
        NetworkArg(network)
    }
}

impl From<Ipv4Net> for NetworkArg {
    fn from(network: Ipv4Net) -> Self {
        NetworkArg(network.into())
    }
}

impl From<Ipv6Net> for NetworkArg {
    fn from(network: Ipv6Net) -> Self {
        NetworkArg(network.into())
    }
}

impl TryFrom<&str> for NetworkArg {
    type Error = String;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let problem = |_| format!("{text:?} is not a network such as 10.244.0.0/16 or fd00:10:244::/48");
        text.parse().map(NetworkArg).map_err(problem)
    }
}

/// An address, given as a typed value or as text.
#[derive(Clone, Copy, Debug)]
pub struct AddressArg(pub(super) IpAddr);

impl From<IpAddr> for AddressArg {
    fn from(address: IpAddr) -> Self {
        AddressArg(address)
    }
}

impl From<Ipv4Addr> for AddressArg {
    fn from(address: Ipv4Addr) -> Self {
        AddressArg(address.into())
    }
}

impl From<Ipv6Addr> for AddressArg {
    fn from(address: Ipv6Addr) -> Self {
        AddressArg(address.into())
    }
}

impl TryFrom<&str> for AddressArg {
    type Error = String;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let problem = |_| format!("{text:?} is not an address such as 172.20.10.2 or fd00:172:20:10::2");
        text.parse().map(AddressArg).map_err(problem)
    }
}
