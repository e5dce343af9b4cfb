//! A host's links and the ways out of it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as M};

use super::netlink::Netlink;
use crate::error::Error;
use crate::family::Family;
use crate::interface::{Interface, Interfaces};

/// Of the calling thread's network namespace.
pub(crate) fn list(targets: impl Iterator<Item = IpAddr>) -> Result<Interfaces, Error> {
    let failed = |cause| Error::new("list", "links, addresses and default routes", cause);
    let mut found = Netlink::open().and_then(|mut netlink| of_kernel(&mut netlink)).map_err(failed)?;
    found.sources = targets.filter_map(|target| Some((target, source(target)?))).collect();
    Ok(found)
}

fn of_kernel(netlink: &mut Netlink) -> io::Result<Interfaces> {
    let mut addresses: BTreeMap<u32, Vec<(Worth, IpAddr)>> = BTreeMap::new();
    for message in netlink.dump(&M::GetAddress(AddressMessage::default()))? {
        if let M::NewAddress(message) = message
            && let Some(address) = usable(&message)
        {
            addresses.entry(message.header.index).or_default().push(address);
        }
    }
    let (mut links, mut names) = (Vec::new(), BTreeMap::new());
    for message in netlink.dump(&M::GetLink(LinkMessage::default()))? {
        let M::NewLink(message) = message else { continue };
        let index = message.header.index;
        let flags = message.header.flags;
        let name = message.attributes.into_iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name),
            _ => None,
        });
        let Some(name) = name else { continue };
        names.insert(index, name.clone());
        if flags.contains(LinkFlags::Up) && !flags.contains(LinkFlags::Loopback) {
            let mut addresses = addresses.remove(&index).unwrap_or_default();
            // Stable: of equal ones the kernel's first, which is the one it sends from.
            addresses.sort_by_key(|(worth, _)| *worth);
            links.push(Interface::new(name, addresses.into_iter().map(|(_, address)| address)));
        }
    }
    let mut found = Interfaces { links, ..Interfaces::default() };
    for (family, of) in [(Family::V4, AddressFamily::Inet), (Family::V6, AddressFamily::Inet6)] {
        let name = default_route(netlink, of)?.and_then(|index| names.get(&index).cloned());
        found.default.extend(name.map(|name| (family, name)));
    }
    Ok(found)
}

/// Less is better: whether an address is of the link only, given out for some time, made up for some time.
type Worth = (bool, bool, bool);

/// Nothing for an address that is not, or should no longer be, sent from.
fn usable(message: &AddressMessage) -> Option<(Worth, IpAddr)> {
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    let (mut local, mut remote) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Flags(all) => flags = *all,
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => remote = Some(*address),
            _ => {}
        }
    }
    // Of a point-to-point link the other one is the peer's.
    let address = local.or(remote)?;
    let unusable = AddressFlags::Deprecated | AddressFlags::Tentative | AddressFlags::Dadfailed;
    let on_link = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    // Of an IPv6 address the bit `secondary` says that it is temporary (IFA_F_TEMPORARY in linux/if_addr.h).
    let temporary = address.is_ipv6() && flags.contains(AddressFlags::Secondary);
    let worth = (on_link, !flags.contains(AddressFlags::Permanent), temporary);
    (!flags.intersects(unusable)).then_some((worth, address))
}

/// The index of the link of the default route with the smallest metric.
fn default_route(netlink: &mut Netlink, family: AddressFamily) -> io::Result<Option<u32>> {
    let mut request = RouteMessage::default();
    request.header.address_family = family;
    let routes = netlink.dump(&M::GetRoute(request))?.into_iter().filter_map(|message| match message {
        M::NewRoute(route) => default_of(&route),
        _ => None,
    });
    Ok(routes.min().map(|(_, index)| index))
}

/// Metric and link.
fn default_of(route: &RouteMessage) -> Option<(u32, u32)> {
    let header = &route.header;
    let (mut metric, mut index) = (0, None);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::Oif(number) => index = Some(*number),
            // One that leads over several links: the first.
            RouteAttribute::MultiPath(hops) if index.is_none() => {
                index = hops.first().map(|hop| hop.interface_index);
            }
            _ => {}
        }
    }
    let is_default = header.destination_prefix_length == 0
        && header.kind == RouteType::Unicast
        && header.table == RouteHeader::RT_TABLE_MAIN;
    Some((metric, index?)).filter(|_| is_default)
}

/// The kernel chooses it when a socket is connected; nothing is sent.
fn source(target: IpAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((target, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
