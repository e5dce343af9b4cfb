//! The settings of a control plane.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use super::ControlPlane;
use super::endpoints::SelectorIndex;
use crate::allocate::{ClusterIps, LoadBalancerProvider, NodePorts, ServiceCidr};
use crate::endpoint_slices::Controller;
use crate::validate::Ranges;

/// Settings of a [`ControlPlane`].
#[must_use]
#[derive(Default)]
pub struct ControlPlaneBuilder {
    ranges: Ranges,
    named_cidrs: Vec<ServiceCidr>,
    balancer: Option<Box<dyn LoadBalancerProvider + Send>>,
    controller: Controller,
    seed: u64,
}

impl ControlPlaneBuilder {
    /// Where ClusterIPs come from; the first call names the primary family, and one of the other family makes the
    /// cluster dual stack. Several of one family are used up in this order.
    pub fn service_cidr(mut self, cidr: ServiceCidr) -> Self {
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

    /// How endpoints are put into slices.
    pub fn endpoint_slices(mut self, controller: Controller) -> Self {
        self.controller = controller;
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
            cluster_ips: cluster_ips(&ranges, self.seed),
            node_ports: NodePorts::new(ranges.node_port_range(), self.seed),
            ranges,
            balancer: self.balancer,
            served: BTreeSet::new(),
            unserved: BTreeSet::new(),
            objects: BTreeMap::new(),
            manifests: BTreeMap::new(),
            declared: BTreeMap::new(),
            misstated: BTreeSet::new(),
            selectors: SelectorIndex::default(),
            controller: self.controller,
            skipped: BTreeMap::new(),
            derived: BTreeMap::new(),
        }
    }
}

/// One allocator a family.
fn cluster_ips(ranges: &Ranges, seed: u64) -> Vec<ClusterIps> {
    let mut all: Vec<ClusterIps> = Vec::with_capacity(2);
    for cidr in ranges.cidrs() {
        match all.iter_mut().find(|known| known.family() == cidr.family()) {
            Some(known) => known.add(*cidr),
            None => all.push(ClusterIps::new(*cidr, seed)),
        }
    }
    all
}

impl fmt::Debug for ControlPlaneBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPlaneBuilder")
            .field("ranges", &self.ranges)
            .field("named_cidrs", &self.named_cidrs)
            .field("balancer", &self.balancer.is_some())
            .field("controller", &self.controller)
            .field("seed", &self.seed)
            .finish()
    }
}
