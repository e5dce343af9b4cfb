//! Packets of every class, derived from the objects.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use svc_model::{AddressType, Protocol, Snapshot};
use svc_proxy::packet::{Entry, Packet};

use crate::reference::nobody;
use crate::settings::{ADDRESSES, POD_INTERFACE, host, ip};

/// The other node, a pod of each node, clients outside: within and without source ranges.
const STRANGERS: [&str; 10] = [
    "172.20.10.4",
    "172.20.10.77",
    "203.0.113.7",
    "10.244.1.5",
    "10.244.2.6",
    "2001:db8:20::4",
    "2001:db8:77::7",
    "2600::7",
    "fd00:10:244:1::5",
    "fd00:10:244:2::6",
];

/// Every packet worth sending at this cluster: each frontend of every Service from every source. First those to frontends
/// of Services that may have endpoints, then those to all others, to wrong ports, to addresses that nobody has and to
/// endpoints themselves.
pub(crate) fn packets(snapshot: &Snapshot) -> [Vec<Packet>; 2] {
    let sources = sources(snapshot);
    destinations(snapshot).map(|destinations| {
        let from_all = |(protocol, destination): &(Protocol, SocketAddr)| {
            let (protocol, destination) = (*protocol, *destination);
            sources.iter().flat_map(move |source| between(protocol, *source, destination)).collect::<Vec<_>>()
        };
        destinations.iter().flat_map(from_all).collect()
    })
}

/// Packets that rules which ask for less would take for others: to addresses and ports beside those of frontends, and of
/// other protocols.
pub(crate) fn beside(snapshot: &Snapshot) -> Vec<Packet> {
    let [served, unserved] = destinations(snapshot);
    let mut all = Destinations::new();
    for (protocol, to) in served.into_iter().chain(unserved) {
        let other = if protocol == Protocol::Udp { Protocol::Tcp } else { Protocol::Udp };
        all.insert((other, to));
        all.insert((protocol, SocketAddr::new(to.ip(), to.port() ^ 1)));
        let beside = [1, 2, 4, 8, 16].map(|bit| SocketAddr::new(flipped(to.ip(), bit), to.port()));
        all.extend(beside.into_iter().flat_map(|to| [(protocol, to), (other, to)]));
    }
    let clients = ["203.0.113.7", "2600::7"].map(ip);
    let from_all = |(protocol, to)| clients.into_iter().flat_map(move |ip| between(protocol, ip, to));
    all.into_iter().flat_map(from_all).collect()
}

fn flipped(address: IpAddr, bit: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => (u32::from(address) ^ u32::from(bit)).to_be_bytes().into(),
        IpAddr::V6(address) => (u128::from(address) ^ u128::from(bit)).to_be_bytes().into(),
    }
}

/// So many of each kind, spread over all.
pub(crate) fn some(snapshot: &Snapshot, count: usize, start: u64) -> impl Iterator<Item = Packet> {
    packets(snapshot).into_iter().flat_map(move |packets| {
        let step = (packets.len() / count).max(1);
        let start = usize::try_from(start % step as u64).unwrap_or(0);
        packets.into_iter().skip(start).step_by(step)
    })
}

/// The packet as it comes in, and as the node sends it if it is the node's own.
fn between(protocol: Protocol, source: IpAddr, destination: SocketAddr) -> Vec<Packet> {
    let Ok(packet) = Packet::new(protocol, source, destination) else { return Vec::new() };
    let packet = packet.on(&host());
    let interface = if is_in_pod_network(source) { POD_INTERFACE } else { "eth0" };
    let mut packets = vec![packet.clone().input(interface)];
    if host().is_local(source) {
        packets.push(packet.entering(Entry::Output));
    }
    packets
}

fn is_in_pod_network(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(source) => source.octets()[..2] == [10, 244],
        IpAddr::V6(source) => source.segments()[..3] == [0xfd00, 0x10, 0x244],
    }
}

fn sources(snapshot: &Snapshot) -> BTreeSet<IpAddr> {
    let mut sources: BTreeSet<IpAddr> = STRANGERS.iter().chain(&ADDRESSES).map(|text| ip(text)).collect();
    sources.extend([ip("127.0.0.1"), ip("::1")]);
    // Whoever serves also asks.
    let endpoints = snapshot.slices().flat_map(|slice| slice.endpoints());
    sources.extend(endpoints.map(|endpoint| endpoint.address()));
    for service in snapshot.services() {
        sources.extend(service.load_balancer_ingress().iter().filter_map(|entry| entry.ip()));
    }
    sources
}

type Destinations = BTreeSet<(Protocol, SocketAddr)>;

fn destinations(snapshot: &Snapshot) -> [Destinations; 2] {
    let (mut served, mut unserved, mut wrong) = <(Destinations, Destinations, Destinations)>::default();
    for service in snapshot.services() {
        let has_endpoints = snapshot.slices_of(service.name()).any(|slice| !slice.endpoints().is_empty());
        let all = if has_endpoints { &mut served } else { &mut unserved };
        let balancer = service.load_balancer_ingress().iter().filter_map(|entry| entry.ip());
        let addresses: Vec<_> =
            service.cluster_ips().iter().chain(service.external_ips()).copied().chain(balancer).collect();
        for port in service.ports() {
            all.extend(addresses.iter().map(|ip| (port.protocol(), SocketAddr::new(*ip, port.port()))));
            let Some(number) = port.node_port() else { continue };
            let own = ADDRESSES.iter().map(|text| ip(text)).chain(elsewhere());
            all.extend(own.map(|ip| (port.protocol(), SocketAddr::new(ip, number))));
            wrong.insert((Protocol::Sctp, SocketAddr::new(ip(ADDRESSES[0]), number)));
        }
        let check = service.health_check_node_port();
        wrong.extend(
            check.into_iter().flat_map(|port| {
                ADDRESSES.map(|address| (Protocol::Tcp, SocketAddr::new(ip(address), port)))
            }),
        );
        let no_port = addresses.iter().map(|ip| SocketAddr::new(*ip, 7));
        wrong.extend(no_port.flat_map(|to| [(Protocol::Tcp, to), (Protocol::Udp, to)]));
    }
    for slice in snapshot.slices() {
        let numbers = slice.ports().iter().filter_map(|port| Some((port.protocol(), port.port()?)));
        let sockets = |(protocol, number)| {
            slice
                .endpoints()
                .iter()
                .map(move |endpoint| (protocol, SocketAddr::new(endpoint.address(), number)))
        };
        wrong.extend(numbers.flat_map(sockets));
    }
    wrong.extend(nobody().map(|address| (Protocol::Tcp, SocketAddr::new(address, 80))));
    unserved.append(&mut wrong);
    [served, unserved]
}

/// Where node ports are not served, or only on request.
fn elsewhere() -> [IpAddr; 6] {
    ["127.0.0.1", "127.0.0.9", "::1", "172.20.10.9", "172.20.11.9", "2001:db8:21::9"].map(ip)
}

/// The classes by which packets are counted.
pub(crate) fn class(packet: &Packet) -> String {
    let source = packet.source();
    let from = match source {
        _ if source.is_loopback() => "loopback",
        _ if host().is_local(source) => "this node",
        _ if is_in_pod_network(source) => "pod",
        _ => "outside",
    };
    let family = if packet.family() == AddressType::Ipv6 { "IPv6" } else { "IPv4" };
    let entry = if packet.entry() == Entry::Output { "output" } else { "prerouting" };
    format!("{family} {} {from} {entry}", packet.protocol())
}
