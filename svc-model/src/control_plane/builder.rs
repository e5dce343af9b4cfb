//! The settings of a control plane.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::ControlPlane;
use super::endpoints::SelectorIndex;
use crate::AddressType;
use crate::allocate::{ClusterIps, LoadBalancerProvider, NodePorts};
use crate::validate::Ranges;

/// Settings of a [`ControlPlane`].
#[must_use]
#[derive(Default)]
pub struct ControlPlaneBuilder {
    ranges: Ranges,
    named_cidrs: Vec<IpNet>,
    balancer: Option<Box<dyn LoadBalancerProvider + Send>>,
    seed: u64,
}

impl ControlPlaneBuilder {
    /// Where ClusterIPs come from; the first call names the primary family, a second one of the other family makes the
    /// cluster dual stack. One of the same family replaces the former.
    pub fn service_cidr(mut self, cidr: IpNet) -> Self {
        let family = AddressType::of(cidr.addr());
        self.named_cidrs.retain(|known| AddressType::of(known.addr()) != family);
        self.named_cidrs.push(cidr);
        self
    }

    /// Where node ports come from.
    pub fn node_ports(mut self, range: RangeInclusive<u16>) -> Self {
        self.ranges = self.ranges.node_ports(range);
        self
    }

    /// Who gives Services of type LoadBalancer their addresses.
    pub fn load_balancer(mut self, provider: Box<dyn LoadBalancerProvider + Send>) -> Self {
        self.balancer = Some(provider);
        self
    }

    /// Decides which free address and port is taken: the same seed, the same choices.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The control plane of an empty cluster.
    #[must_use]
    pub fn build(self) -> ControlPlane {
        let ranges = match self.named_cidrs.is_empty() {
            true => self.ranges,
            false => self.ranges.service_cidrs(self.named_cidrs),
        };
        ControlPlane {
            cluster_ips: ranges.cidrs().iter().map(|cidr| ClusterIps::new(*cidr, self.seed)).collect(),
            node_ports: NodePorts::new(ranges.node_port_range(), self.seed),
            ranges,
            balancer: self.balancer,
            unserved: BTreeSet::new(),
            objects: BTreeMap::new(),
            manifests: BTreeMap::new(),
            declared: BTreeMap::new(),
            pod_status: BTreeMap::new(),
            selectors: SelectorIndex::default(),
            derived: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for ControlPlaneBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPlaneBuilder")
            .field("ranges", &self.ranges)
            .field("named_cidrs", &self.named_cidrs)
            .field("balancer", &self.balancer.is_some())
            .field("seed", &self.seed)
            .finish()
    }
}
