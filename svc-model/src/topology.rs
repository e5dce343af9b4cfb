//! Which endpoints may serve which traffic: one reading of the rules for proxy, DNS and Ingress.
//!
//! Sources: KEP-1669 (terminating endpoints), KEP-2086 (internalTrafficPolicy), KEP-2433 (hints), KEP-4444.

use std::net::{IpAddr, SocketAddr};

use crate::endpoint_slices::HEADLESS_LABEL;
use crate::{
    AddressType, Endpoint, EndpointSlice, ObjectName, Service, ServicePort, Snapshot, TrafficPolicy,
};

#[cfg(test)]
mod tests;

/// Where a node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place<'a> {
    /// The node's name.
    pub node: &'a str,
    /// Its zone.
    pub zone: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// On `node`, in `zone`.
    #[must_use]
    pub fn new(node: &'a str, zone: Option<&'a str>) -> Self {
        Self { node, zone }
    }
}

/// An endpoint of one Service port: where it listens, and what the choice depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backend {
    address: SocketAddr,
    ready: bool,
    serving: bool,
    terminating: bool,
    node: Option<String>,
    zone_hints: Vec<String>,
    node_hints: Vec<String>,
}

impl Backend {
    /// Address and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes new connections.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// On its way out, but still answering: used when nothing is ready.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.serving && self.terminating
    }

    /// Runs on this node.
    #[must_use]
    pub fn is_on(&self, node: &str) -> bool {
        self.node.as_deref() == Some(node)
    }

    fn of(endpoint: &Endpoint, port: u16) -> Self {
        Self {
            address: SocketAddr::new(endpoint.address(), port),
            ready: endpoint.ready(),
            serving: endpoint.serving(),
            terminating: endpoint.terminating(),
            node: endpoint.node_name().map(str::to_owned),
            zone_hints: endpoint.zone_hints().to_vec(),
            node_hints: endpoint.node_hints().to_vec(),
        }
    }
}

/// All endpoints of a Service port in one family, whatever their state, in the order of `address:port` as text: this is
/// the order in which kube-proxy writes them. An address in several slices counts once: one that is not terminating takes
/// the place of what was there, one that is terminating never does. Only the first address of an endpoint counts; a port
/// without a number forwards nothing; slices marked headless count for headless Services alone. O(endpoints x log).
#[must_use]
pub fn backends(
    snapshot: &Snapshot,
    service: &ObjectName,
    port: &ServicePort,
    family: AddressType,
) -> Vec<Backend> {
    let mut found = std::collections::BTreeMap::new();
    let is_headless = snapshot.service(service).is_some_and(|service| service.is_headless());
    let counts = |slice: &&std::sync::Arc<EndpointSlice>| {
        let marked = slice.meta().labels().contains_key(HEADLESS_LABEL);
        slice.address_type() == family && (is_headless || !marked)
    };
    for slice in snapshot.slices_of(service).filter(counts) {
        let Some(number) = port_number(slice, port) else { continue };
        for endpoint in slice.endpoints() {
            let backend = Backend::of(endpoint, number);
            let known: Option<&Backend> = found.get(&backend.address);
            if known.is_none() || !backend.terminating {
                found.insert(backend.address, backend);
            }
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_cached_key(|backend| backend.address.to_string());
    found
}

/// The number under which the slice's endpoints serve a Service port: matched by name and protocol.
fn port_number(slice: &EndpointSlice, port: &ServicePort) -> Option<u16> {
    let same = |candidate: &&crate::EndpointPort| {
        candidate.name() == port.name() && candidate.protocol() == port.protocol()
    };
    slice.ports().iter().find(same)?.port()
}

/// The addresses that serve a Service port for anyone who does not care where he is (an Ingress router): ready ones,
/// or draining ones when none is ready.
#[must_use]
pub fn serving(snapshot: &Snapshot, service: &ObjectName, port: &ServicePort) -> Vec<SocketAddr> {
    let mut all = backends(snapshot, service, port, AddressType::Ipv4);
    all.extend(backends(snapshot, service, port, AddressType::Ipv6));
    ready_else_draining(&all, |_| true).into_iter().map(Backend::address).collect()
}

/// What a node does with the traffic of one Service port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection<'a> {
    /// For policy Cluster: ready endpoints that topology allows here; when there are none, all that are draining. Empty
    /// where nothing follows this policy.
    pub cluster: Vec<&'a Backend>,
    /// For policy Local: ready endpoints on this node; when there are none, draining ones on this node. Empty where
    /// nothing follows this policy.
    pub local: Vec<&'a Backend>,
    /// Some endpoint somewhere could serve: without any, connections are refused rather than dropped.
    pub any: bool,
}

impl<'a> Selection<'a> {
    /// Every endpoint that traffic may reach from here, by whichever policy, once, in the order of the lists.
    #[must_use]
    pub fn reachable(&self) -> Vec<&'a Backend> {
        let known: std::collections::BTreeSet<_> =
            self.cluster.iter().map(|backend| backend.address).collect();
        let more = self.local.iter().filter(|backend| !known.contains(&backend.address));
        self.cluster.iter().chain(more).copied().collect()
    }
}

/// The choice for `service` at `place`. O(backends).
#[must_use]
pub fn select<'a>(
    service: &Service,
    port: &ServicePort,
    backends: &'a [Backend],
    place: Place<'_>,
) -> Selection<'a> {
    let external = is_externally_accessible(service, port);
    let internal_local = service.internal_traffic_policy() == TrafficPolicy::Local;
    let external_local = service.external_traffic_policy() == TrafficPolicy::Local && external;
    let mut selection = Selection::default();
    if !internal_local || external {
        let mode = TopologyMode::of(backends, place);
        selection.cluster = cluster_list(backends, &mode);
    }
    if internal_local || external_local {
        selection.local = ready_else_draining(backends, |backend| backend.is_on(place.node));
        selection.any = backends.iter().any(|backend| backend.is_ready() || backend.is_draining());
    }
    selection.any |= !selection.cluster.is_empty();
    selection
}

/// Reached from outside the cluster by a node port, an externalIP or a load-balancer address that nodes serve.
#[must_use]
pub fn is_externally_accessible(service: &Service, port: &ServicePort) -> bool {
    let vip = |ingress: &crate::LoadBalancerIngress| {
        ingress.ip().is_some() && ingress.ip_mode() == crate::IpMode::Vip
    };
    port.node_port().is_some()
        || !service.external_ips().is_empty()
        || service.load_balancer_ingress().iter().any(vip)
}

/// Hints restrict only the ready endpoints; draining ones are taken cluster-wide.
fn cluster_list<'a>(backends: &'a [Backend], mode: &TopologyMode<'_>) -> Vec<&'a Backend> {
    let ready: Vec<_> =
        backends.iter().filter(|backend| backend.is_ready() && mode.allows(backend)).collect();
    if ready.is_empty() { backends.iter().filter(|backend| backend.is_draining()).collect() } else { ready }
}

fn ready_else_draining(backends: &[Backend], here: impl Fn(&Backend) -> bool) -> Vec<&Backend> {
    let these = |wanted: fn(&Backend) -> bool| {
        backends.iter().filter(|backend| wanted(backend) && here(backend)).collect::<Vec<_>>()
    };
    let ready = these(Backend::is_ready);
    if ready.is_empty() { these(Backend::is_draining) } else { ready }
}

enum TopologyMode<'a> {
    Everywhere,
    SameNode(&'a str),
    SameZone(&'a str),
}

impl<'a> TopologyMode<'a> {
    /// Hints count only if every ready endpoint has them and one of them means us.
    fn of(backends: &[Backend], place: Place<'a>) -> Self {
        let ready = || backends.iter().filter(|backend| backend.is_ready());
        let names = |hints: &[String], wanted: &str| hints.iter().any(|hint| hint == wanted);
        if ready().all(|backend| !backend.node_hints.is_empty())
            && ready().any(|backend| names(&backend.node_hints, place.node))
        {
            return TopologyMode::SameNode(place.node);
        }
        match place.zone {
            Some(zone)
                if ready().all(|backend| !backend.zone_hints.is_empty())
                    && ready().any(|backend| names(&backend.zone_hints, zone)) =>
            {
                TopologyMode::SameZone(zone)
            }
            _ => TopologyMode::Everywhere,
        }
    }

    fn allows(&self, backend: &Backend) -> bool {
        match self {
            TopologyMode::Everywhere => true,
            TopologyMode::SameNode(node) => backend.node_hints.iter().any(|hint| hint == node),
            TopologyMode::SameZone(zone) => backend.zone_hints.iter().any(|hint| hint == zone),
        }
    }
}

/// The family of an address, for the calls above.
impl From<IpAddr> for AddressType {
    fn from(address: IpAddr) -> Self {
        AddressType::of(address)
    }
}
