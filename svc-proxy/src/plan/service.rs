//! What one Service asks for.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use svc_model::topology::{self, Place};
use svc_model::{AddressType, ObjectName, Service, ServicePort, Snapshot, TrafficPolicy};

use super::claims::Claims;
use super::endpoint::{Choice, Endpoint};
use super::frontend::{
    Destination, Frontend, FrontendKey, FrontendKind, Masquerade, Outcome, ServicePortName, SourceClass,
};
use super::health::HealthCheck;
use crate::Node;

#[cfg(test)]
thread_local! {
    /// How many Services were read by this thread.
    pub(crate) static COMPUTED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// One port of a Service in one family: its frontends and its endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPlan {
    name: Arc<ServicePortName>,
    family: AddressType,
    affinity: Option<Duration>,
    frontends: Vec<Frontend>,
    choice: Choice,
}

impl PortPlan {
    /// Service, port and protocol.
    #[must_use]
    pub fn name(&self) -> &ServicePortName {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> &Arc<ServicePortName> {
        &self.name
    }

    /// The family.
    #[must_use]
    pub fn family(&self) -> AddressType {
        self.family
    }

    /// How long a client stays with its endpoint.
    #[must_use]
    pub fn affinity(&self) -> Option<Duration> {
        self.affinity
    }

    /// The frontends, those of the ClusterIP first.
    #[must_use]
    pub fn frontends(&self) -> &[Frontend] {
        &self.frontends
    }

    /// The frontends in force: not those that another Service has.
    pub fn frontends_in_force(&self) -> impl Iterator<Item = &Frontend> {
        self.frontends.iter().filter(|frontend| frontend.taken_by.is_none())
    }

    /// The endpoints of the whole cluster that may serve.
    #[must_use]
    pub fn cluster_endpoints(&self) -> &[Endpoint] {
        &self.choice.cluster
    }

    /// The endpoints of this node, where a Local policy asks for them.
    #[must_use]
    pub fn local_endpoints(&self) -> &[Endpoint] {
        &self.choice.local
    }

    /// Of a UDP port, all endpoints that answer, wherever they are and whatever policies say: clients that are with one may
    /// stay with it. Empty for other protocols, whose connections end by themselves.
    #[must_use]
    pub fn answering_endpoints(&self) -> &[SocketAddr] {
        &self.choice.answering
    }

    /// What becomes of a new connection from a source of this class: the reference that rule sets are held to.
    /// Source ranges and hairpins aside.
    #[must_use]
    pub fn reading(&self, frontend: &Frontend, class: SourceClass) -> Reading<'_> {
        let endpoints = match (frontend.outcome, class) {
            (Outcome::Reject, _) => return Reading::Reject,
            (Outcome::Drop, _) => return Reading::Drop,
            (Outcome::Local, _) | (Outcome::BySource, SourceClass::Outside) => self.local_endpoints(),
            (Outcome::Cluster | Outcome::BySource, _) => self.cluster_endpoints(),
        };
        if endpoints.is_empty() {
            return Reading::Drop;
        }
        Reading::Forward { endpoints, masquerade: frontend.masquerade.applies_to(class) }
    }
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reading<'a> {
    /// To one of these, each with the same probability.
    #[non_exhaustive]
    Forward {
        /// Where to.
        endpoints: &'a [Endpoint],
        /// The source becomes the node's address.
        masquerade: bool,
    },
    /// Refused.
    Reject,
    /// Dropped.
    Drop,
}

/// All ports of a Service, both families.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePlan {
    name: ObjectName,
    ports: Vec<PortPlan>,
    health_check: Option<HealthCheck>,
}

impl ServicePlan {
    /// The Service.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// Its ports, in the order of the manifest, IPv4 before IPv6.
    #[must_use]
    pub fn ports(&self) -> &[PortPlan] {
        &self.ports
    }

    /// What a load balancer asks this node about the Service, where it has `healthCheckNodePort`.
    #[must_use]
    pub fn health_check(&self) -> Option<HealthCheck> {
        self.health_check
    }

    /// `None` where there is nothing to forward.
    pub(crate) fn new(
        name: &ObjectName,
        snapshot: &Snapshot,
        node: &Node,
        zone: Option<&str>,
    ) -> Option<Self> {
        let service = snapshot.service(name)?;
        let reader = Reader { snapshot, service, node, place: Place::new(node.name(), zone) };
        #[cfg(test)]
        COMPUTED.with(|computed| computed.set(computed.get() + 1));
        let mut ports: Vec<_> = service.ports().iter().flat_map(|port| reader.port_plans(port)).collect();
        // There are as many of these as Services, and most have one port.
        ports.shrink_to_fit();
        let health_check = HealthCheck::new(snapshot, service, node.name());
        (!ports.is_empty()).then(|| Self { name: name.clone(), ports, health_check })
    }

    pub(crate) fn is_contested(&self) -> bool {
        let mut frontends = self.ports.iter().flat_map(PortPlan::frontends);
        frontends.any(|frontend| frontend.taken_by.is_some())
    }

    pub(crate) fn claims(&self) -> impl Iterator<Item = (FrontendKey, FrontendKind, &Arc<ServicePortName>)> {
        self.ports.iter().flat_map(|port| {
            port.frontends.iter().map(|frontend| (frontend.key, frontend.kind, port.shared_name()))
        })
    }

    /// The same plan with every frontend that someone else won marked so; `None` when it is right as it is.
    pub(crate) fn settled(&self, claims: &Claims) -> Option<Self> {
        let winner = |name: &Arc<ServicePortName>, frontend: &Frontend| {
            claims.taken_by(frontend.key, frontend.kind, name)
        };
        let is_settled = |port: &PortPlan| {
            port.frontends.iter().all(|frontend| frontend.taken_by == winner(&port.name, frontend))
        };
        if self.ports.iter().all(is_settled) {
            return None;
        }
        let mut settled = self.clone();
        for port in &mut settled.ports {
            for frontend in &mut port.frontends {
                frontend.taken_by = winner(&port.name, frontend);
            }
        }
        Some(settled)
    }
}

/// Reads one Service.
struct Reader<'a> {
    snapshot: &'a Snapshot,
    service: &'a Service,
    node: &'a Node,
    place: Place<'a>,
}

impl Reader<'_> {
    fn port_plans(&self, port: &ServicePort) -> Vec<PortPlan> {
        let name = ServicePortName::new(self.service.name().clone(), port.name(), port.protocol());
        let name = Arc::new(name);
        let families = self.node.families().into_iter();
        families.filter_map(|family| self.port_plan(port, &name, family)).collect()
    }

    fn port_plan(
        &self,
        port: &ServicePort,
        name: &Arc<ServicePortName>,
        family: AddressType,
    ) -> Option<PortPlan> {
        // A Service takes part in a family by its ClusterIP of that family.
        let cluster_ip = topology::cluster_ip(self.service, family)?;
        let mut addresses = vec![(FrontendKind::ClusterIp, Destination::Address(cluster_ip), port.port())];
        let mut add = |kind, address| addresses.push((kind, Destination::Address(address), port.port()));
        topology::balancer_ips(self.service, family)
            .for_each(|address| add(FrontendKind::LoadBalancer, address));
        topology::external_ips(self.service, family)
            .for_each(|address| add(FrontendKind::ExternalIp, address));
        if let Some(node_port) = port.node_port() {
            addresses.push((FrontendKind::NodePort, Destination::NodePort(family), node_port));
        }
        let mut seen = BTreeSet::new();
        addresses.retain(|&(kind, destination, _)| seen.insert((kind, destination)));
        let choice = Choice::new(self.snapshot, self.service, port, family, self.place, self.node.compat());
        let frontends = addresses.into_iter().map(|(kind, destination, number)| {
            let key = FrontendKey { destination, protocol: port.protocol(), port: number };
            self.frontend(kind, key, &choice)
        });
        let frontends = frontends.collect();
        let affinity = self.service.session_affinity();
        Some(PortPlan { name: Arc::clone(name), family, affinity, frontends, choice })
    }

    fn frontend(&self, kind: FrontendKind, key: FrontendKey, choice: &Choice) -> Frontend {
        let policy = match kind.is_external() {
            true => self.service.external_traffic_policy(),
            false => self.service.internal_traffic_policy(),
        };
        Frontend {
            key,
            kind,
            policy,
            masquerade: self.masquerade(kind, policy, key.destination.family()),
            sources: self.sources(kind, key.destination.family()),
            outcome: if kind.is_external() { choice.external } else { choice.internal },
            taken_by: None,
        }
    }

    fn masquerade(&self, kind: FrontendKind, policy: TrafficPolicy, family: AddressType) -> Masquerade {
        match (kind.is_external(), policy) {
            (true, TrafficPolicy::Local) if self.node.compat().local_without_short_circuit => {
                Masquerade::Never
            }
            (true, TrafficPolicy::Local) => Masquerade::Node,
            (true, _) => Masquerade::Always,
            (false, _) if self.node.masquerade_all() => Masquerade::Always,
            (false, _) if self.node.pod_source(family).is_some() => Masquerade::UnlessPod,
            (false, _) => Masquerade::Never,
        }
    }

    /// Who may use a load-balancer address; `None` is everybody. A range that covers all of a family lifts the
    /// restriction there; one of the other family alone does not, nor one that cannot be read: somebody meant to restrict
    /// the Service.
    fn sources(&self, kind: FrontendKind, family: AddressType) -> Option<Vec<IpNet>> {
        if kind != FrontendKind::LoadBalancer || !self.service.restricts_sources() {
            return None;
        }
        let ranges = self.service.source_ranges().iter().map(IpNet::trunc);
        let mut ranges: Vec<_> = ranges.filter(|range| AddressType::of(range.addr()) == family).collect();
        if ranges.iter().any(|range| range.prefix_len() == 0) {
            return None;
        }
        if ranges.is_empty() && self.node.compat().open_source_ranges {
            return None;
        }
        // A node that may use the address may have it as its own and speak from it.
        let node = self.node.primary_address(family).unwrap_or(Ipv4Addr::LOCALHOST.into());
        if ranges.iter().any(|range| range.contains(&node)) {
            ranges.extend(topology::balancer_ips(self.service, family).map(IpNet::from));
        }
        ranges.sort();
        ranges.dedup();
        Some(ranges)
    }
}
