//! Which Services are asked after, and where. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use svc_model::{AddressType, ObjectName, Snapshot};

use crate::plan::{HealthCheck, ServicePlan};
use crate::{Node, NodePortAddresses};

/// The health checks of all Services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checks {
    checks: BTreeMap<ObjectName, HealthCheck>,
}

impl Checks {
    /// These Services may be another now.
    pub(super) fn update<'n>(
        &mut self,
        snapshot: &Snapshot,
        node: &Node,
        services: impl IntoIterator<Item = &'n ObjectName>,
    ) {
        for name in services {
            let plan = ServicePlan::new(name, snapshot, node, node.zone());
            match plan.and_then(|plan| plan.health_check()) {
                Some(check) => drop(self.checks.insert(name.clone(), check)),
                None => drop(self.checks.remove(name)),
            }
        }
    }

    /// How many ready endpoints are on this node.
    pub(super) fn endpoints(&self) -> BTreeMap<ObjectName, usize> {
        self.checks.iter().map(|(name, check)| (name.clone(), check.local_endpoints())).collect()
    }

    /// Each Service with its port.
    pub(super) fn ports(&self) -> impl Iterator<Item = (&ObjectName, u16)> {
        self.checks.iter().map(|(name, check)| (name, check.port()))
    }
}

/// The addresses of the node at which such ports are opened: those that serve node ports. One that stands for all, where
/// all do.
pub(super) fn addresses(node: &Node, local: &[IpAddr]) -> BTreeSet<IpAddr> {
    let families = node.families();
    match node.node_port_addresses() {
        NodePortAddresses::All if families.contains(&AddressType::Ipv6) => {
            [Ipv6Addr::UNSPECIFIED.into()].into()
        }
        NodePortAddresses::All => [Ipv4Addr::UNSPECIFIED.into()].into(),
        NodePortAddresses::Primary => {
            families.iter().filter_map(|family| node.primary_address(*family)).collect()
        }
        NodePortAddresses::Cidrs(cidrs) => {
            let own = local.iter().chain(node.addresses()).copied();
            own.filter(|address| cidrs.iter().any(|cidr| cidr.contains(address))).collect()
        }
    }
}

/// The same port at each of these addresses.
pub(super) fn sockets(addresses: &BTreeSet<IpAddr>, port: u16) -> impl Iterator<Item = SocketAddr> {
    addresses.iter().map(move |address| SocketAddr::new(*address, port))
}
