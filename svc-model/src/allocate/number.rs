//! Addresses as numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::AddressType;

pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

pub(super) fn address(family: AddressType, number: u128) -> IpAddr {
    match family {
        AddressType::Ipv4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
        AddressType::Ipv6 => IpAddr::V6(Ipv6Addr::from(number)),
    }
}
