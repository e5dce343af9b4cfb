//! Netlink dumps to our objects.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as M};

use super::netlink::Netlink;
use crate::error::Error;
use crate::kernel::{Bridge, Device, FdbEntry, Found, Kernel, Neighbour, PodPort, Route, Scope, Underlay};
use crate::mac::Mac;
use crate::mark::Mark;

/// All but sysctls and rules.
pub(super) fn list(netlink: &mut Netlink, scope: &Scope) -> Result<Kernel, Error> {
    let links = Links::list(netlink).map_err(|cause| Error::new("list", "links and addresses", cause))?;
    let mut kernel = links.kernel(scope);
    kernel.routes = routes(netlink, &links.names()).map_err(|cause| Error::new("list", "routes", cause))?;
    let devices: BTreeMap<u32, String> =
        kernel.devices.iter().map(|(name, found)| (found.index, name.clone())).collect();
    if !devices.is_empty() {
        let failed = |cause| Error::new("list", "neighbours", cause);
        kernel.neighbours = neighbours(netlink, &devices).map_err(failed)?;
        kernel.fdb = fdb(netlink, &devices).map_err(|cause| Error::new("list", "FDB entries", cause))?;
    }
    Ok(kernel)
}

/// The VXLAN devices of everybody.
pub(super) fn vxlan_devices(netlink: &mut Netlink) -> io::Result<Vec<Device>> {
    Ok(Links::list(netlink)?.links.iter().filter_map(Link::device).collect())
}

/// All links with their addresses.
struct Links {
    links: Vec<Link>,
}

struct Link {
    index: u32,
    name: String,
    mtu: u32,
    mac: Option<Mac>,
    up: bool,
    controller: Option<u32>,
    mark: Option<Mark>,
    kind: Option<InfoKind>,
    vxlan: Vec<InfoVxlan>,
    addresses: BTreeSet<IpNet>,
}

impl Links {
    fn list(netlink: &mut Netlink) -> io::Result<Self> {
        let mut addresses: BTreeMap<u32, BTreeSet<IpNet>> = BTreeMap::new();
        for message in netlink.dump(&M::GetAddress(AddressMessage::default()))? {
            if let M::NewAddress(message) = message
                && let Some(net) = address(&message)
            {
                addresses.entry(message.header.index).or_default().insert(net);
            }
        }
        let messages = netlink.dump(&M::GetLink(LinkMessage::default()))?;
        let links = messages.into_iter().filter_map(|message| match message {
            M::NewLink(message) => Link::parse(message, &mut addresses),
            _ => None,
        });
        Ok(Links { links: links.collect() })
    }

    fn kernel(&self, scope: &Scope) -> Kernel {
        let bridge = self.named(&scope.bridge);
        let devices = scope.devices.iter().filter_map(|name| Some((name.clone(), self.named(name)?)));
        let index = bridge.map(|bridge| bridge.index);
        let on_bridge = |link: &&Link| index.is_some() && link.controller == index;
        Kernel {
            underlay: self.underlay(scope),
            devices: devices.map(|(name, link)| (name, link.found(Link::device))).collect(),
            bridge: bridge.map(|link| link.found(Link::bridge)),
            ports: self.links.iter().filter(on_bridge).filter_map(Link::pod_port).collect(),
            ..Kernel::default()
        }
    }

    fn underlay(&self, scope: &Scope) -> Option<Underlay> {
        let has = |link: &Link, address: &IpAddr| link.addresses.iter().any(|net| net.addr() == *address);
        let holds = |link: &&Link| scope.locals.iter().all(|address| has(link, address));
        let link = match &scope.underlay {
            Some(name) => self.named(name),
            None => self.links.iter().find(holds),
        }?;
        Some(Underlay::new(&link.name, link.index, link.mtu).with_addresses(link.addresses.clone()))
    }

    fn named(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    fn names(&self) -> BTreeMap<u32, &str> {
        self.links.iter().map(|link| (link.index, link.name.as_str())).collect()
    }
}

impl Link {
    fn parse(message: LinkMessage, addresses: &mut BTreeMap<u32, BTreeSet<IpNet>>) -> Option<Self> {
        let index = message.header.index;
        let mut link = Link {
            index,
            name: String::new(),
            mtu: 0,
            mac: None,
            up: message.header.flags.contains(LinkFlags::Up),
            controller: None,
            mark: None,
            kind: None,
            vxlan: Vec::new(),
            addresses: addresses.remove(&index).unwrap_or_default(),
        };
        message.attributes.into_iter().for_each(|attribute| link.take(attribute));
        (!link.name.is_empty()).then_some(link)
    }

    fn take(&mut self, attribute: LinkAttribute) {
        match attribute {
            LinkAttribute::IfName(name) => self.name = name,
            LinkAttribute::Mtu(mtu) => self.mtu = mtu,
            LinkAttribute::Address(mac) => self.mac = octets(&mac),
            LinkAttribute::Controller(index) => self.controller = Some(index),
            LinkAttribute::IfAlias(alias) => self.mark = Mark::parse(&alias),
            LinkAttribute::LinkInfo(infos) => infos.into_iter().for_each(|info| match info {
                LinkInfo::Kind(kind) => self.kind = Some(kind),
                LinkInfo::Data(InfoData::Vxlan(data)) => self.vxlan = data,
                _ => {}
            }),
            _ => {}
        }
    }

    fn found<T>(&self, shape: impl FnOnce(&Link) -> Option<T>) -> Found<T> {
        let Link { index, up, ref mark, ref addresses, .. } = *self;
        Found { index, up, mark: mark.clone(), addresses: addresses.clone(), link: shape(self) }
    }

    fn device(&self) -> Option<Device> {
        let mut device = Device {
            name: self.name.clone(),
            vni: 0,
            port: 0,
            local: Ipv4Addr::UNSPECIFIED.into(),
            underlay: 0,
            mtu: self.mtu,
            mac: self.mac?,
            learning: false,
            gbp: false,
        };
        for info in &self.vxlan {
            match info {
                InfoVxlan::Id(vni) => device.vni = *vni,
                InfoVxlan::Port(port) => device.port = *port,
                InfoVxlan::Local(local) => device.local = (*local).into(),
                InfoVxlan::Local6(local) => device.local = (*local).into(),
                InfoVxlan::Link(index) => device.underlay = *index,
                InfoVxlan::Learning(on) => device.learning = *on,
                InfoVxlan::Gbp => device.gbp = true,
                _ => {}
            }
        }
        (self.kind == Some(InfoKind::Vxlan)).then_some(device)
    }

    fn bridge(&self) -> Option<Bridge> {
        let bridge = Bridge { name: self.name.clone(), mac: self.mac?, mtu: self.mtu };
        (self.kind == Some(InfoKind::Bridge)).then_some(bridge)
    }

    fn pod_port(&self) -> Option<PodPort> {
        match &self.mark {
            Some(Mark::Pod { pod, addresses }) => {
                Some(PodPort { interface: self.name.clone(), pod: pod.clone(), addresses: addresses.clone() })
            }
            _ => None,
        }
    }
}

fn address(message: &AddressMessage) -> Option<IpNet> {
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => found = Some(*address),
            AddressAttribute::Address(address) if found.is_none() => found = Some(*address),
            _ => {}
        }
    }
    let link_local = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let address = found.filter(|address| !link_local(address))?;
    IpNet::new(address, message.header.prefix_len).ok()
}

/// The unicast routes of the main table that have the metric of ours: those that would clash with them.
fn routes(netlink: &mut Netlink, names: &BTreeMap<u32, &str>) -> io::Result<BTreeSet<Route>> {
    let mut found = BTreeSet::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        for message in netlink.dump(&M::GetRoute(request))? {
            if let M::NewRoute(message) = message {
                found.extend(route(&message, names));
            }
        }
    }
    Ok(found)
}

pub(super) fn route(message: &RouteMessage, names: &BTreeMap<u32, &str>) -> Option<Route> {
    let header = &message.header;
    if header.kind != RouteType::Unicast || header.table != RouteHeader::RT_TABLE_MAIN {
        return None;
    }
    // What a route has that was added without a metric (IP6_RT_PRIO_USER in linux/ipv6_route.h).
    let (mut destination, ours) = match header.address_family {
        AddressFamily::Inet6 => (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 1024),
        _ => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
    };
    let (mut via, mut device, mut metric) = (None, String::new(), 0);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip(address)?,
            RouteAttribute::Gateway(address) => via = ip(address),
            RouteAttribute::Oif(index) => device = names.get(index).copied().unwrap_or_default().to_owned(),
            RouteAttribute::Priority(number) => metric = *number,
            _ => {}
        }
    }
    if metric != ours {
        return None;
    }
    let destination = IpNet::new(destination, header.destination_prefix_length).ok()?;
    let onlink = header.flags.contains(RouteFlags::Onlink);
    Some(Route { destination, via, device, onlink, protocol: header.protocol.into() })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn neighbours(netlink: &mut Netlink, devices: &BTreeMap<u32, String>) -> io::Result<BTreeSet<Neighbour>> {
    let mut found = BTreeSet::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let messages = entries(netlink, family)?;
        found.extend(messages.iter().filter_map(|message| neighbour(message, named(message, devices)?)));
    }
    Ok(found)
}

pub(super) fn neighbour(message: &NeighbourMessage, name: &str) -> Option<Neighbour> {
    let (mut address, mut mac, mut protocol) = (None, None, 0);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => address = Some(IpAddr::V4(*v4)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => address = Some(IpAddr::V6(*v6)),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = octets(bytes),
            NeighbourAttribute::Protocol(number) => protocol = (*number).into(),
            _ => {}
        }
    }
    Some(Neighbour { address: address?, mac: mac?, device: name.to_owned(), protocol })
}

fn fdb(netlink: &mut Netlink, devices: &BTreeMap<u32, String>) -> io::Result<BTreeSet<FdbEntry>> {
    let messages = entries(netlink, AddressFamily::Bridge)?;
    Ok(messages.iter().filter_map(|message| fdb_entry(message, named(message, devices)?)).collect())
}

pub(super) fn fdb_entry(message: &NeighbourMessage, name: &str) -> Option<FdbEntry> {
    let (mut destination, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            // The family is that of the bridge, so the decoder cannot know that this is an address.
            NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => destination = outer(bytes),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = octets(bytes),
            _ => {}
        }
    }
    Some(FdbEntry { mac: mac?, destination: destination?, device: name.to_owned() })
}

fn outer(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Permanent neighbours or FDB entries, of all links.
fn entries(netlink: &mut Netlink, family: AddressFamily) -> io::Result<Vec<NeighbourMessage>> {
    let mut request = NeighbourMessage::default();
    request.header.family = family;
    let messages = netlink.dump(&M::GetNeighbour(request))?;
    let permanent = messages.into_iter().filter_map(|message| match message {
        M::NewNeighbour(message) if is_permanent(message.header.state) => Some(message),
        _ => None,
    });
    Ok(permanent.collect())
}

/// Others may stand beside it: the program `bridge` adds `NUD_NOARP`.
fn is_permanent(state: NeighbourState) -> bool {
    u16::from(state) & u16::from(NeighbourState::Permanent) != 0
}

/// The name of an entry's device, if that is one of these.
fn named<'a>(message: &NeighbourMessage, devices: &'a BTreeMap<u32, String>) -> Option<&'a str> {
    devices.get(&message.header.ifindex).map(String::as_str)
}

fn octets(bytes: &[u8]) -> Option<Mac> {
    <[u8; 6]>::try_from(bytes).ok().map(Mac::new)
}
