//! Leases: which node owns which pod subnets, and how to reach it.
//!
//! The wire form is flannel's: the key holds the subnets (`10.244.2.0-24`, with both families
//! `10.244.2.0-24&fd00:10:244:2::-64`), the value the attributes
//! (`{"PublicIP": .., "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": ".."}}`).

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::family::Family;
use crate::mac::Mac;

mod wire;

pub use wire::LeaseError;

/// One node's lease: a pod subnet of one family or of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    node: String,
    /// One or two, IPv4 first.
    halves: Vec<Half>,
    backend: Backend,
}

/// The part of a lease that belongs to one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Half {
    /// The pod subnet.
    pub subnet: IpNet,
    /// The node's address on the underlay: the outer destination of packets to it.
    pub public_ip: IpAddr,
    /// The tunnel end point, of a VXLAN lease.
    pub vxlan: Option<VxlanData>,
}

impl Half {
    /// A subnet behind a node's address, without a tunnel.
    #[must_use]
    pub fn direct(subnet: impl Into<IpNet>, public_ip: impl Into<IpAddr>) -> Self {
        Half { subnet: subnet.into().trunc(), public_ip: public_ip.into(), vxlan: None }
    }

    /// A subnet behind a VXLAN tunnel end point.
    #[must_use]
    pub fn vxlan(subnet: impl Into<IpNet>, public_ip: impl Into<IpAddr>, vni: u32, vtep_mac: Mac) -> Self {
        Half { vxlan: Some(VxlanData { vni, vtep_mac }), ..Half::direct(subnet, public_ip) }
    }

    /// The family of the subnet.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of_net(self.subnet)
    }
}

/// How a node's packets travel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// In VXLAN tunnels.
    Vxlan,
    /// As they are, on a link that all nodes share.
    HostGw,
    /// In a way that this crate does not speak; such peers are reported, and skipped.
    Other(String),
}

/// The `BackendData` or `BackendV6Data` of a VXLAN lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VxlanData {
    /// The VXLAN network identifier.
    #[serde(rename = "VNI", default = "default_vni")]
    pub vni: u32,
    /// The MAC address of the node's VXLAN device.
    #[serde(rename = "VtepMAC")]
    pub vtep_mac: Mac,
}

fn default_vni() -> u32 {
    1
}

impl Lease {
    /// The VXLAN lease of `node` in one family.
    #[must_use]
    pub fn vxlan(
        node: impl Into<String>,
        subnet: impl Into<IpNet>,
        public_ip: impl Into<IpAddr>,
        vni: u32,
        vtep_mac: Mac,
    ) -> Self {
        Lease::new(node, Backend::Vxlan, Half::vxlan(subnet, public_ip, vni, vtep_mac))
    }

    /// A lease of any backend in one family.
    #[must_use]
    pub fn new(node: impl Into<String>, backend: Backend, half: Half) -> Self {
        Lease { node: node.into(), halves: vec![half], backend }
    }

    /// The same lease with this half too, in place of one of the same family.
    #[must_use]
    pub fn and(mut self, half: Half) -> Self {
        self.halves.retain(|other| other.family() != half.family());
        self.halves.push(half);
        self.halves.sort_by_key(Half::family);
        self
    }

    /// The node that holds the lease.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The parts of the lease, IPv4 first; at least one.
    #[must_use]
    pub fn halves(&self) -> &[Half] {
        &self.halves
    }

    /// The part that belongs to a family.
    #[must_use]
    pub fn half(&self, family: Family) -> Option<&Half> {
        self.halves.iter().find(|half| half.family() == family)
    }

    /// The first pod subnet: the IPv4 one, where there are two.
    #[must_use]
    pub fn subnet(&self) -> IpNet {
        self.halves[0].subnet
    }

    /// The node's address on the underlay, of the family of [`subnet`](Self::subnet).
    #[must_use]
    pub fn public_ip(&self) -> IpAddr {
        self.halves[0].public_ip
    }

    /// How its packets travel.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The VXLAN data of the first half, for a VXLAN lease.
    #[must_use]
    pub fn vxlan_data(&self) -> Option<VxlanData> {
        self.halves[0].vxlan
    }

    /// The same lease under another node name.
    #[must_use]
    pub fn with_node(mut self, node: impl Into<String>) -> Self {
        self.node = node.into();
        self
    }

    /// The same subnets and addresses before there is a device, or after it is gone: peers pass over the backend `alloc`.
    #[cfg(feature = "etcd")]
    pub(crate) fn unpublished(mut self) -> Self {
        self.backend = Backend::named("alloc");
        self.halves.iter_mut().for_each(|half| half.vxlan = None);
        self
    }

    /// The same lease with another VTEP MAC address in its first half.
    #[must_use]
    pub fn with_vtep_mac(mut self, mac: Mac) -> Self {
        if let Some(data) = &mut self.halves[0].vxlan {
            data.vtep_mac = mac;
        }
        self
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, half) in self.halves.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { " and " }, half.subnet)?;
        }
        write!(f, " of {} at ", self.node)?;
        for (index, half) in self.halves.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { " and " }, half.public_ip)?;
            if let Some(data) = half.vxlan {
                write!(f, " (vni {}, {})", data.vni, data.vtep_mac)?;
            }
        }
        match &self.backend {
            Backend::Vxlan => Ok(()),
            other => write!(f, " ({})", other.name()),
        }
    }
}

impl Backend {
    /// `BackendType`, as flannel writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Backend::Vxlan => "vxlan",
            Backend::HostGw => "host-gw",
            Backend::Other(name) => name,
        }
    }

    /// The backend of a `BackendType`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "vxlan" => Backend::Vxlan,
            "host-gw" => Backend::HostGw,
            other => Backend::Other(other.to_owned()),
        }
    }
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
