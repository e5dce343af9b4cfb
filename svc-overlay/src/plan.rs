//! What a node's kernel should hold, as a value: own lease and peers in, devices, routes, neighbours and FDB out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::{Config, Stack, forward};
use crate::family::Family;
use crate::ipam::gateway;
use crate::kernel::{Bridge, Device, FdbEntry, Neighbour, Route, Underlay};
use crate::lease::{Half, Lease};
use crate::mac::Mac;
use crate::masquerade::Rules;
use crate::netconf::Mode;
use crate::registry::{LeaseSet, Revision};

mod diff;
mod entries;
mod refusal;
mod report;
mod update;

pub use diff::{Obstacle, sysctls_before};
use entries::{Entries, is_direct};
use refusal::Accepted;
pub use refusal::{Refusal, RefusalReason};
pub use report::Report;
use update::key;

/// A peer's subnet, and the first one of its lease: two leases may hold the same IPv6 subnet.
type Key = (IpNet, IpNet);

/// The desired state of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    revision: Revision,
    networks: Vec<IpNet>,
    tunnels: Vec<Tunnel>,
    bridge: Bridge,
    gateways: BTreeSet<IpNet>,
    entries: Entries,
    sysctls: BTreeMap<String, String>,
    before: BTreeMap<String, String>,
    rules: BTreeMap<Family, Rules>,
    refusals: BTreeMap<Key, Refusal>,
    peers: BTreeMap<Key, Peer>,
    /// How many leases the peers are of.
    nodes: usize,
    /// The MAC addresses that are in no FDB because packets go there without a tunnel.
    direct: BTreeSet<(Mac, IpNet)>,
}

/// A peer that is programmed, in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its name.
    pub node: String,
    /// Its subnet, its address and, of a VXLAN lease, its tunnel end point.
    pub half: Half,
    /// Whether packets go to it without a tunnel.
    pub direct: bool,
}

/// A VXLAN device and what it is set up with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tunnel {
    /// The device.
    pub device: Device,
    /// Its address: the subnet's network address as a host's, so that no broadcast route appears.
    pub address: IpNet,
    /// Whether the network card may compute the checksums of packets on it.
    pub checksum_offload: bool,
}

impl Plan {
    /// What `config`'s node should hold with these leases, over this underlay device. O(leases x log).
    #[must_use]
    pub fn new(config: &Config, underlay: &Underlay, leases: &LeaseSet) -> Self {
        let mtu = config.mtu.unwrap_or(underlay.mtu).min(underlay.mtu);
        let tunnels = match config.mode {
            Mode::Vxlan => config.stacks.iter().map(|stack| tunnel(config, stack, underlay, mtu)).collect(),
            Mode::HostGw => Vec::new(),
        };
        let rules = |stack: &Stack| (stack.family(), Rules::new(stack.network, stack.subnet));
        let mut plan = Plan {
            revision: leases.revision(),
            networks: config.stacks.iter().map(|stack| stack.network).collect(),
            tunnels,
            bridge: bridge(config, mtu.saturating_sub(config.overhead())),
            gateways: config.stacks.iter().map(|stack| bridge_address(stack.subnet)).collect(),
            entries: Entries::default(),
            sysctls: sysctls(config),
            before: BTreeMap::new(),
            rules: config.stacks.iter().filter(|_| config.masquerade).map(rules).collect(),
            refusals: BTreeMap::new(),
            peers: BTreeMap::new(),
            nodes: 0,
            direct: BTreeSet::new(),
        };
        plan.add_peers(config, underlay, leases);
        plan
    }

    /// The same plan, knowing what the host-wide sysctls were before the overlay changed them, for the case that the
    /// links whose marks say so are gone: see [`sysctls_before`].
    #[must_use]
    pub fn remembering(mut self, before: BTreeMap<String, String>) -> Self {
        self.before = before;
        self
    }

    /// The revision of the leases.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The VXLAN devices, IPv4's first; none where packets travel without.
    #[must_use]
    pub fn tunnels(&self) -> &[Tunnel] {
        &self.tunnels
    }

    /// The pods' bridge, made when the first pod is attached.
    #[must_use]
    pub fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// The bridge's addresses, which are the pods' gateways, with their subnets' prefix lengths.
    pub fn gateways(&self) -> impl Iterator<Item = IpNet> {
        self.gateways.iter().copied()
    }

    /// One route for each peer and family.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.entries.routes.iter()
    }

    /// One neighbour for each tunnel to a peer.
    pub fn neighbours(&self) -> impl Iterator<Item = &Neighbour> {
        self.entries.neighbours.iter()
    }

    /// One FDB entry for each tunnel to a peer.
    pub fn fdb(&self) -> impl Iterator<Item = &FdbEntry> {
        self.entries.fdb.iter()
    }

    /// The masquerade and forward rules of each family.
    #[must_use]
    pub fn rules(&self) -> &BTreeMap<Family, Rules> {
        &self.rules
    }

    /// The leases, or halves of leases, that are not programmed.
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.refusals.values()
    }

    /// The peers that are programmed, family by family, ordered by subnet.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// How many leases are programmed, in one family at least.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// One family after the other: what is wrong with a peer in one does not keep the other from it.
    fn add_peers(&mut self, config: &Config, underlay: &Underlay, leases: &LeaseSet) {
        for stack in &config.stacks {
            let of_family = leases.iter().filter_map(|lease| Some((lease, lease.half(stack.family())?)));
            let mut peers: Vec<_> =
                of_family.filter(|(lease, half)| !is_own(config, stack, lease, half)).collect();
            peers.sort_by_key(|(_, half)| half.subnet);
            let mut accepted = Accepted::new(config, stack, underlay);
            for (lease, half) in peers {
                match accepted.check(lease, half) {
                    Ok(()) => {
                        self.entries.add(config, underlay, half);
                        self.add_peer(config, underlay, lease, half);
                    }
                    Err(reason) => self.refuse(lease, half, reason),
                }
            }
        }
    }

    fn add_peer(&mut self, config: &Config, underlay: &Underlay, lease: &Lease, half: &Half) {
        let direct = is_direct(config, underlay, half);
        if let Some(data) = half.vxlan.filter(|_| direct) {
            self.direct.insert((data.vtep_mac, half.subnet));
        }
        self.nodes += usize::from(!self.is_peer_otherwise(lease, half));
        self.peers.insert(key(lease, half), Peer { node: lease.node().to_owned(), half: *half, direct });
    }

    fn refuse(&mut self, lease: &Lease, half: &Half, reason: RefusalReason) {
        self.refusals.insert(key(lease, half), Refusal::new(lease, half.subnet, reason));
    }

    /// Whether the lease is programmed in another family.
    fn is_peer_otherwise(&self, lease: &Lease, half: &Half) -> bool {
        let others = lease.halves().iter().filter(|other| other.family() != half.family());
        others.map(|other| key(lease, other)).any(|key| self.peers.contains_key(&key))
    }
}

/// The own lease is not a peer; a lease of the same subnet by somebody else is (and is refused). A store that keeps no node
/// names, as flannel's, knows the owner by its address.
fn is_own(config: &Config, stack: &Stack, lease: &Lease, half: &Half) -> bool {
    half.subnet == stack.subnet && (lease.node() == config.node || half.public_ip == stack.public_ip)
}

fn tunnel(config: &Config, stack: &Stack, underlay: &Underlay, mtu: u32) -> Tunnel {
    let family = stack.family();
    let device = Device {
        name: config.device(family),
        vni: config.vni,
        port: config.port,
        local: stack.local,
        underlay: underlay.index,
        mtu: mtu.saturating_sub(family.overhead()),
        mac: stack.mac,
        learning: config.learning,
        gbp: config.gbp,
    };
    let address = host_net(stack.subnet.network());
    Tunnel { device, address, checksum_offload: config.checksum_offload }
}

fn bridge(config: &Config, mtu: u32) -> Bridge {
    let mac = Mac::derived(&[&config.node, &config.stacks[0].subnet.to_string(), &config.bridge]);
    Bridge { name: config.bridge.clone(), mac, mtu }
}

fn bridge_address(subnet: IpNet) -> IpNet {
    let address = gateway(subnet);
    IpNet::new(address, subnet.prefix_len()).unwrap_or_else(|_| host_net(address))
}

fn host_net(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

fn sysctls(config: &Config) -> BTreeMap<String, String> {
    let scope = config.scope();
    let forwards = |key: &str| Family::ALL.into_iter().any(|family| key == forward(family));
    let value = |key: &String| if forwards(key) { "1" } else { "0" };
    scope.sysctls.iter().map(|key| (key.clone(), value(key).to_owned())).collect()
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
