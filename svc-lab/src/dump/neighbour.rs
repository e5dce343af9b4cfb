//! One line for a permanent neighbour or an entry of a forwarding database.

use std::net::IpAddr;

use netlink_packet_route::AddressFamily;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};

use super::{Names, mac, name_of, push};

/// `None` for what was learned.
pub(super) fn line(neighbour: &NeighbourMessage, names: &Names) -> Option<String> {
    let header = &neighbour.header;
    if !is_permanent(header.state) || is_joined_group(neighbour) {
        return None;
    }
    let mut line = name_of(names, header.ifindex);
    for attribute in &neighbour.attributes {
        match attribute {
            NeighbourAttribute::Destination(it) => push(&mut line, "dst", text(it)),
            NeighbourAttribute::LinkLayerAddress(it) => push(&mut line, "lladdr", mac(it)),
            NeighbourAttribute::Controller(it) => push(&mut line, "master", name_of(names, *it)),
            NeighbourAttribute::Vlan(it) => push(&mut line, "vlan", it),
            NeighbourAttribute::Port(it) => push(&mut line, "port", it),
            NeighbourAttribute::Vni(it) => push(&mut line, "vni", it),
            _ => {}
        }
    }
    if header.family == AddressFamily::Bridge && header.flags.contains(NeighbourFlags::Own) {
        line.push_str(" self");
    }
    Some(line)
}

/// A static entry of a VXLAN device is `NUD_NOARP | NUD_PERMANENT` or one of them; the kernel's own multicast
/// neighbours are plain `NUD_NOARP`.
fn is_permanent(state: NeighbourState) -> bool {
    const NUD_PERMANENT: u16 = 0x80;
    u16::from(state) & NUD_PERMANENT != 0
}

/// The groups that a link listens to follow from its addresses, and are entries of its own database.
fn is_joined_group(neighbour: &NeighbourMessage) -> bool {
    let attributes = &neighbour.attributes;
    let is_group = |it: &_| matches!(it, NeighbourAttribute::LinkLayerAddress(mac) if mac.first().is_some_and(|it| it & 1 == 1));
    let is_remote = |it: &_| matches!(it, NeighbourAttribute::Destination(_));
    attributes.iter().any(is_group) && !attributes.iter().any(is_remote)
}

fn text(address: &NeighbourAddress) -> String {
    match address {
        NeighbourAddress::Inet(it) => it.to_string(),
        NeighbourAddress::Inet6(it) => it.to_string(),
        // In the forwarding database the family of an address is told by its length alone.
        NeighbourAddress::Other(bytes) => remote(bytes).map_or_else(|| mac(bytes), |it| it.to_string()),
        other => format!("{other:?}"),
    }
}

fn remote(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}
