//! Netlink messages for our objects.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, InfoVxlan, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};

use crate::kernel::{Bridge, Device, FdbEntry, Neighbour, Route};
use crate::mac::Mac;
use crate::mark::Mark;
use crate::pod::Port;

/// A message about the link of this name.
pub(super) fn link(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message
}

pub(super) fn up(mut message: LinkMessage) -> LinkMessage {
    message.header.flags |= LinkFlags::Up;
    message.header.change_mask |= LinkFlags::Up;
    message
}

fn shape(name: &str, mac: Mac, mtu: u32) -> LinkMessage {
    let mut message = link(name);
    message.attributes.push(LinkAttribute::Address(mac.octets().to_vec()));
    message.attributes.push(LinkAttribute::Mtu(mtu));
    message
}

fn info(mut message: LinkMessage, kind: InfoKind, data: Option<InfoData>) -> LinkMessage {
    let data = data.map(LinkInfo::Data);
    let info = std::iter::once(LinkInfo::Kind(kind)).chain(data).collect();
    message.attributes.push(LinkAttribute::LinkInfo(info));
    message
}

pub(super) fn new_device(device: &Device) -> LinkMessage {
    let local = match device.local {
        IpAddr::V4(local) => InfoVxlan::Local(local),
        IpAddr::V6(local) => InfoVxlan::Local6(local),
    };
    let mut data = vec![
        InfoVxlan::Id(device.vni),
        InfoVxlan::Link(device.underlay),
        local,
        InfoVxlan::Port(device.port),
        InfoVxlan::Learning(device.learning),
    ];
    if device.gbp {
        data.push(InfoVxlan::Gbp);
    }
    let message = shape(&device.name, device.mac, device.mtu);
    info(message, InfoKind::Vxlan, Some(InfoData::Vxlan(data)))
}

pub(super) fn set_device(device: &Device) -> LinkMessage {
    up(shape(&device.name, device.mac, device.mtu))
}

/// Alone in its message: together with an MTU the kernel refuses to change a VXLAN device.
pub(super) fn set_learning(device: &Device) -> LinkMessage {
    let data = InfoData::Vxlan(vec![InfoVxlan::Learning(device.learning)]);
    info(link(&device.name), InfoKind::Vxlan, Some(data))
}

pub(super) fn new_bridge(bridge: &Bridge) -> LinkMessage {
    info(shape(&bridge.name, bridge.mac, bridge.mtu), InfoKind::Bridge, None)
}

pub(super) fn set_bridge(bridge: &Bridge) -> LinkMessage {
    up(shape(&bridge.name, bridge.mac, bridge.mtu))
}

/// A veth pair with the other end in the pod's network namespace already.
pub(super) fn new_veth(port: &Port, netns: BorrowedFd<'_>, bridge: u32) -> LinkMessage {
    let mut peer = shape(&port.interface, port.mac, port.mtu);
    peer.attributes.push(LinkAttribute::NetNsFd(netns.as_raw_fd()));
    let mut message = link(&port.host_interface);
    message.attributes.push(LinkAttribute::Mtu(port.mtu));
    message.attributes.push(LinkAttribute::Controller(bridge));
    info(message, InfoKind::Veth, Some(InfoData::Veth(InfoVeth::Peer(peer))))
}

/// The alias cannot be given at creation: the kernel ignores it there.
pub(super) fn marked(name: &str, mark: &Mark) -> LinkMessage {
    let mut message = link(name);
    message.attributes.push(LinkAttribute::IfAlias(mark.to_string()));
    message
}

pub(super) fn hairpin(name: &str) -> LinkMessage {
    let mut message = link(name);
    let data = InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(true)]);
    let info = vec![LinkInfo::PortKind(InfoPortKind::Bridge), LinkInfo::PortData(data)];
    message.attributes.push(LinkAttribute::LinkInfo(info));
    message
}

pub(super) fn address(address: IpNet, index: u32) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address.addr());
    message.header.prefix_len = address.prefix_len();
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(address.addr()));
    message.attributes.push(AddressAttribute::Address(address.addr()));
    match address {
        IpNet::V4(net) if net.prefix_len() < 31 => {
            message.attributes.push(AddressAttribute::Broadcast(net.broadcast()));
        }
        IpNet::V4(_) => {}
        // Nobody else can have it; duplicate address detection would keep it from being used for a second.
        IpNet::V6(_) => message.header.flags |= AddressHeaderFlags::Nodad,
    }
    message
}

pub(super) fn neighbour(neighbour: &Neighbour, index: u32) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(neighbour.address);
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.header.kind = RouteType::Unicast;
    message.attributes.push(NeighbourAttribute::Destination(neighbour.address.into()));
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(neighbour.mac.octets().to_vec()));
    message.attributes.push(NeighbourAttribute::Protocol(RouteProtocol::from(neighbour.protocol)));
    message
}

pub(super) fn fdb(entry: &FdbEntry, index: u32) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.header.flags = NeighbourFlags::Own;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(entry.mac.octets().to_vec()));
    message.attributes.push(NeighbourAttribute::Destination(entry.destination.into()));
    message
}

pub(super) fn route(route: &Route, index: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    let destination = route.destination;
    message.header.address_family = family(destination.addr());
    message.header.destination_prefix_length = destination.prefix_len();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::from(route.protocol);
    // IPv6 routes have no scope.
    message.header.scope = match route.via.is_some() || destination.addr().is_ipv6() {
        true => RouteScope::Universe,
        false => RouteScope::Link,
    };
    message.header.kind = RouteType::Unicast;
    if route.onlink {
        message.header.flags = RouteFlags::Onlink;
    }
    message.attributes.push(RouteAttribute::Destination(RouteAddress::from(destination.network())));
    if let Some(via) = route.via {
        message.attributes.push(RouteAttribute::Gateway(via.into()));
    }
    message.attributes.push(RouteAttribute::Oif(index));
    message
}

pub(super) fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
