//! What a node's kernel should hold, as a value: own lease and peers in, device, routes, neighbours and FDB out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::config::{Config, OVERHEAD};
use crate::ipam::gateway;
use crate::kernel::{Bridge, Device, FdbEntry, Neighbour, Route, Underlay};
use crate::lease::{Backend, Lease, VxlanData};
use crate::mac::Mac;
use crate::masquerade::Rules;
use crate::registry::{LeaseSet, Revision};

mod diff;

pub use diff::{Obstacle, sysctls_before};

/// The desired state of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    revision: Revision,
    device: Device,
    address: IpNet,
    bridge: Bridge,
    gateway: IpNet,
    routes: BTreeSet<Route>,
    neighbours: BTreeSet<Neighbour>,
    fdb: BTreeSet<FdbEntry>,
    sysctls: BTreeMap<String, String>,
    before: BTreeMap<String, String>,
    rules: Option<Rules>,
    refusals: Vec<Refusal>,
}

/// A peer's lease that is not programmed; all others are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    lease: Lease,
    reason: RefusalReason,
}

/// Why a peer's lease is not programmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The subnet lies outside the overlay's network.
    #[error("it lies outside the network {0}; correct the lease or the network")]
    OutsideNetwork(Ipv4Net),
    /// The subnet overlaps this node's own: a route to it would cut off the local pods.
    #[error("it overlaps this node's own subnet {0}; give one of the two nodes another subnet")]
    OverlapsOwn(Ipv4Net),
    /// The subnet overlaps another peer's.
    #[error("it overlaps {0} of {1}; give one of the two nodes another subnet")]
    OverlapsPeer(Ipv4Net, String),
    /// The peer has this node's own address: a stale lease of this node.
    #[error("its public address is this node's own; remove the stale lease")]
    OwnAddress,
    /// The MAC address cannot be a peer's.
    #[error("its VtepMAC {0} is not a unicast address or is this node's own")]
    BadMac(Mac),
    /// Another peer has the same MAC address: the FDB could reach only one of them.
    #[error("its VtepMAC {0} is also that of {1}; recreate one of the two devices with another address")]
    DuplicateMac(Mac, String),
    /// The peer uses another VNI.
    #[error("its VNI is {0}, this node's is {1}; all nodes of an overlay need the same")]
    OtherVni(u32, u32),
    /// The peer uses a backend that this crate does not speak.
    #[error("its backend is {0}; only vxlan is supported")]
    OtherBackend(String),
}

impl Refusal {
    /// The lease.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &RefusalReason {
        &self.reason
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lease {} of {} is not programmed: {}", self.lease.subnet(), self.lease.node(), self.reason)
    }
}

impl Plan {
    /// What `config`'s node should hold with these leases, over this underlay device.
    #[must_use]
    pub fn new(config: &Config, underlay: &Underlay, leases: &LeaseSet) -> Self {
        let mtu = config.mtu.unwrap_or(underlay.mtu).min(underlay.mtu).saturating_sub(OVERHEAD);
        let mut plan = Plan {
            revision: leases.revision(),
            device: device(config, underlay, mtu),
            address: host_net(config.subnet.network().into()),
            bridge: bridge(config, mtu),
            gateway: bridge_address(config.subnet),
            routes: BTreeSet::new(),
            neighbours: BTreeSet::new(),
            fdb: BTreeSet::new(),
            sysctls: sysctls(config),
            before: BTreeMap::new(),
            rules: config.masquerade.then(|| Rules::new(config.network, config.subnet)),
            refusals: Vec::new(),
        };
        plan.add_peers(config, leases);
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

    /// The VXLAN device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The VXLAN device's address: the subnet's network address with /32, so that no broadcast route appears.
    #[must_use]
    pub fn address(&self) -> IpNet {
        self.address
    }

    /// The pods' bridge, made when the first pod is attached.
    #[must_use]
    pub fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// The bridge's address, which is the pods' gateway, with the subnet's prefix length.
    #[must_use]
    pub fn gateway(&self) -> IpNet {
        self.gateway
    }

    /// One route a peer.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// One neighbour a peer.
    pub fn neighbours(&self) -> impl Iterator<Item = &Neighbour> {
        self.neighbours.iter()
    }

    /// One FDB entry a peer.
    pub fn fdb(&self) -> impl Iterator<Item = &FdbEntry> {
        self.fdb.iter()
    }

    /// The masquerade and forward rules.
    #[must_use]
    pub fn rules(&self) -> Option<&Rules> {
        self.rules.as_ref()
    }

    /// The leases that are not programmed.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    fn add_peers(&mut self, config: &Config, leases: &LeaseSet) {
        let mut accepted = Accepted::default();
        for lease in leases.iter().filter(|lease| !is_own(config, lease)) {
            match accepted.check(config, lease) {
                Ok(data) => self.add_peer(lease, data),
                Err(reason) => self.refusals.push(Refusal { lease: lease.clone(), reason }),
            }
        }
    }

    fn add_peer(&mut self, lease: &Lease, data: VxlanData) {
        let name = &self.device.name;
        let via = IpAddr::V4(lease.subnet().network());
        self.routes.insert(Route::onlink(lease.subnet(), via, name));
        self.neighbours.insert(Neighbour::permanent(via, data.vtep_mac, name));
        self.fdb.insert(FdbEntry::permanent(data.vtep_mac, lease.public_ip().into(), name));
    }
}

/// The own lease is not a peer; a lease of the same subnet under another name is (and is refused).
fn is_own(config: &Config, lease: &Lease) -> bool {
    lease.subnet() == config.subnet && lease.node() == config.node
}

/// The peers seen so far, to find the ones that clash with them.
#[derive(Default)]
struct Accepted {
    last: Option<(Ipv4Net, String)>,
    macs: BTreeMap<Mac, String>,
}

impl Accepted {
    fn check(&mut self, config: &Config, lease: &Lease) -> Result<VxlanData, RefusalReason> {
        let data = backend(config, lease)?;
        check_subnet(config, lease)?;
        // Leases come ordered by subnet: one that overlaps any earlier one overlaps the last accepted one.
        if let Some((subnet, owner)) = &self.last
            && overlap(*subnet, lease.subnet())
        {
            return Err(RefusalReason::OverlapsPeer(*subnet, owner.clone()));
        }
        if let Some(owner) = self.macs.get(&data.vtep_mac) {
            return Err(RefusalReason::DuplicateMac(data.vtep_mac, owner.clone()));
        }
        self.macs.insert(data.vtep_mac, lease.node().to_owned());
        self.last = Some((lease.subnet(), lease.node().to_owned()));
        Ok(data)
    }
}

fn backend(config: &Config, lease: &Lease) -> Result<VxlanData, RefusalReason> {
    match lease.backend() {
        Backend::Other(name) => Err(RefusalReason::OtherBackend(name.clone())),
        Backend::Vxlan(data) if data.vni != config.vni => Err(RefusalReason::OtherVni(data.vni, config.vni)),
        Backend::Vxlan(data) if !data.vtep_mac.is_unicast() || data.vtep_mac == config.mac => {
            Err(RefusalReason::BadMac(data.vtep_mac))
        }
        Backend::Vxlan(data) => Ok(*data),
    }
}

fn check_subnet(config: &Config, lease: &Lease) -> Result<(), RefusalReason> {
    let subnet = lease.subnet();
    if overlap(subnet, config.subnet) {
        return Err(RefusalReason::OverlapsOwn(config.subnet));
    }
    if !config.network.contains(&subnet) {
        return Err(RefusalReason::OutsideNetwork(config.network));
    }
    if lease.public_ip() == config.public_ip {
        return Err(RefusalReason::OwnAddress);
    }
    Ok(())
}

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b) || b.contains(&a)
}

fn device(config: &Config, underlay: &Underlay, mtu: u32) -> Device {
    Device {
        name: config.device(),
        vni: config.vni,
        port: config.port,
        local: config.public_ip.into(),
        underlay: underlay.index,
        mtu,
        mac: config.mac,
        learning: false,
    }
}

fn bridge(config: &Config, mtu: u32) -> Bridge {
    let mac = Mac::derived(&[&config.node, &config.subnet.to_string(), &config.bridge]);
    Bridge { name: config.bridge.clone(), mac, mtu }
}

fn bridge_address(subnet: Ipv4Net) -> IpNet {
    let address = IpAddr::V4(gateway(subnet));
    IpNet::new(address, subnet.prefix_len()).unwrap_or_else(|_| host_net(address))
}

fn host_net(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

fn sysctls(config: &Config) -> BTreeMap<String, String> {
    let scope = config.scope();
    let value = |key: &String| if key == Config::forward_sysctl() { "1" } else { "0" };
    scope.sysctls.iter().map(|key| (key.clone(), value(key).to_owned())).collect()
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
