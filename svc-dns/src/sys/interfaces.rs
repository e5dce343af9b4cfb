//! The host's own addresses.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket},
};

use nix::{ifaddrs::getifaddrs, net::if_::if_nametoindex};

use crate::ServerAddress;

/// The address, with the number of its interface where that is named.
pub(crate) fn resolve(address: ServerAddress) -> io::Result<SocketAddr> {
    match address.interface() {
        None => Ok(address.socket()),
        Some(name) => match if_nametoindex(name) {
            Ok(number) => Ok(address.scoped(number)),
            Err(nix::Error::ENODEV | nix::Error::ENXIO) => Err(io::ErrorKind::AddrNotAvailable.into()),
            Err(error) => Err(error.into()),
        },
    }
}

/// The addresses of an interface, with this port.
pub(crate) fn interface_addresses(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let interfaces = getifaddrs()?.filter(|interface| interface.interface_name == name);
    let mut addresses: Vec<SocketAddr> = interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|address| SocketAddr::new(address.ip().into(), port));
            let v6 = |address: &nix::sys::socket::SockaddrIn6| {
                // Other addresses have no scope.
                let scope = if address.ip().is_unicast_link_local() { address.scope_id() } else { 0 };
                SocketAddrV6::new(address.ip(), port, 0, scope).into()
            };
            v4.or_else(|| address.as_sockaddr_in6().map(v6))
        })
        .collect();
    addresses.dedup();
    if addresses.is_empty() {
        let text = format!("{name:?} is neither an address nor an interface that has one");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(addresses)
}

/// What stands for all addresses: of both families where there are two.
pub(crate) fn any_address() -> IpAddr {
    match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => Ipv6Addr::UNSPECIFIED.into(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    }
}
