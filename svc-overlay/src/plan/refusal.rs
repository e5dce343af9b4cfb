//! Peers whose leases cannot be programmed, and why.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::{Config, Stack};
use crate::family::{Family, overlap};
use crate::kernel::Underlay;
use crate::lease::{Backend, Half, Lease};
use crate::mac::Mac;
use crate::netconf::Mode;

/// A peer's lease that is not programmed in one family; all others are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    lease: Lease,
    subnet: IpNet,
    reason: RefusalReason,
}

/// Why a peer's lease is not programmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The subnet lies outside the overlay's network.
    #[error("it lies outside the network {0}; correct the lease or the network")]
    OutsideNetwork(IpNet),
    /// The subnet overlaps this node's own: a route to it would cut off the local pods.
    #[error("it overlaps this node's own subnet {0}; give one of the two nodes another subnet")]
    OverlapsOwn(IpNet),
    /// The subnet overlaps another peer's.
    #[error("it overlaps {0} of {1}; give one of the two nodes another subnet")]
    OverlapsPeer(IpNet, String),
    /// The peer has this node's own address: a stale lease of this node.
    #[error("its public address is this node's own; remove the stale lease")]
    OwnAddress,
    /// The public address is of another family than the subnet.
    #[error("its public address {0} is not an {1} address")]
    OtherFamily(IpAddr, Family),
    /// Without a tunnel packets can be sent only to nodes on the underlay's own network.
    #[error("its public address {0} is not on the network of {1}; use vxlan, or put the nodes on one link")]
    NoNeighbour(IpAddr, String),
    /// The MAC address cannot be a peer's.
    #[error("its VtepMAC {0} is not a unicast address or is this node's own")]
    BadMac(Mac),
    /// The MAC address is another peer's: the FDB can hold one destination only.
    #[error("its VtepMAC {0} is also that of {1}; recreate one of the two devices with another address")]
    DuplicateMac(Mac, String),
    /// The lease is for another VXLAN network identifier.
    #[error("its VNI is {0}, this node's is {1}; all nodes of an overlay need the same")]
    OtherVni(u32, u32),
    /// The lease is for another backend.
    #[error("its backend is {0}, this node's is {1}; all nodes of an overlay need the same")]
    OtherBackend(String, &'static str),
}

impl Refusal {
    pub(super) fn new(lease: &Lease, subnet: IpNet, reason: RefusalReason) -> Self {
        Refusal { lease: lease.clone(), subnet, reason }
    }

    /// The lease.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The one of its subnets that is not reachable.
    #[must_use]
    pub fn subnet(&self) -> IpNet {
        self.subnet
    }

    /// Why it is not programmed.
    #[must_use]
    pub fn reason(&self) -> &RefusalReason {
        &self.reason
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lease {} of {} is not programmed: {}", self.subnet, self.lease.node(), self.reason)
    }
}

/// The peers of one family seen so far, to find the ones that clash with them.
pub(super) struct Accepted<'a> {
    config: &'a Config,
    stack: &'a Stack,
    underlay: &'a Underlay,
    last: Option<(IpNet, String)>,
    macs: BTreeMap<Mac, String>,
}

impl<'a> Accepted<'a> {
    pub(super) fn new(config: &'a Config, stack: &'a Stack, underlay: &'a Underlay) -> Self {
        Accepted { config, stack, underlay, last: None, macs: BTreeMap::new() }
    }

    /// Whether a peer may be programmed beside those accepted. Peers come ordered by their subnets.
    pub(super) fn check(&mut self, lease: &Lease, half: &Half) -> Result<(), RefusalReason> {
        self.check_backend(lease, half)?;
        self.check_place(half)?;
        // One that overlaps any earlier one overlaps the last accepted one.
        if let Some((subnet, owner)) = &self.last
            && overlap(*subnet, half.subnet)
        {
            return Err(RefusalReason::OverlapsPeer(*subnet, owner.clone()));
        }
        if let Some(data) = half.vxlan {
            if let Some(owner) = self.macs.get(&data.vtep_mac) {
                return Err(RefusalReason::DuplicateMac(data.vtep_mac, owner.clone()));
            }
            self.macs.insert(data.vtep_mac, lease.node().to_owned());
        }
        self.last = Some((half.subnet, lease.node().to_owned()));
        Ok(())
    }

    fn check_backend(&self, lease: &Lease, half: &Half) -> Result<(), RefusalReason> {
        let own = match self.config.mode {
            Mode::Vxlan => Backend::Vxlan,
            Mode::HostGw => Backend::HostGw,
        };
        let own_name = if own == Backend::Vxlan { "vxlan" } else { "host-gw" };
        match half.vxlan {
            _ if *lease.backend() != own => {
                Err(RefusalReason::OtherBackend(lease.backend().name().to_owned(), own_name))
            }
            Some(data) if data.vni != self.config.vni => {
                Err(RefusalReason::OtherVni(data.vni, self.config.vni))
            }
            Some(data) if !data.vtep_mac.is_unicast() || data.vtep_mac == self.stack.mac => {
                Err(RefusalReason::BadMac(data.vtep_mac))
            }
            None if own == Backend::Vxlan => {
                Err(RefusalReason::OtherBackend("vxlan without a VTEP".to_owned(), own_name))
            }
            _ => Ok(()),
        }
    }

    fn check_place(&self, half: &Half) -> Result<(), RefusalReason> {
        let Stack { network, subnet, public_ip, .. } = *self.stack;
        if overlap(half.subnet, subnet) {
            return Err(RefusalReason::OverlapsOwn(subnet));
        }
        if !network.contains(&half.subnet) {
            return Err(RefusalReason::OutsideNetwork(network));
        }
        if half.public_ip == public_ip {
            return Err(RefusalReason::OwnAddress);
        }
        if Family::of(half.public_ip) != half.family() {
            return Err(RefusalReason::OtherFamily(half.public_ip, half.family()));
        }
        if self.config.mode == Mode::HostGw && !self.underlay.is_neighbour(half.public_ip) {
            return Err(RefusalReason::NoNeighbour(half.public_ip, self.underlay.name.clone()));
        }
        Ok(())
    }
}
