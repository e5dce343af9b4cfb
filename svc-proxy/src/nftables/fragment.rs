//! One Service's part of a table.

use svc_nft::{Chain, Element, Key, Set, Value, Verdict};

use super::base::REJECT;
use super::dialect::Dialect;
use super::map::{Map, endpoint_data, frontend_parts, proto};
use super::own::{Affinity, count, firewall, firewall_name, is_guarded};
use super::shared::{Shared, SharedChain};
use crate::plan::{Destination, Endpoint, Frontend, FrontendKind, Outcome, PortPlan, ServicePlan};

/// Elements, chains and sets that belong to one Service, and what it shares with others.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fragment {
    /// Sorted by map and key.
    pub(crate) elements: Vec<(Map, Element)>,
    /// Sorted, without duplicates.
    pub(crate) shared: Vec<Shared>,
    pub(crate) sets: Vec<Set>,
    pub(crate) chains: Vec<Chain>,
}

impl Fragment {
    pub(crate) fn new(dialect: &Dialect, service: &ServicePlan) -> Self {
        let mut fragment = Fragment::default();
        if let Some(check) = service.health_check().filter(|_| dialect.compat.accept_health_checks) {
            fragment.shared.push(Shared::Element(Map::HealthChecks, Key::from(Value::Port(check.port()))));
        }
        for port in service.ports().iter().filter(|port| port.family() == dialect.family) {
            fragment.add_port(dialect, port);
        }
        fragment.elements.sort_by(|(map, a), (other, b)| map.cmp(other).then_with(|| a.key().cmp(b.key())));
        fragment.shared.sort();
        fragment.shared.dedup();
        fragment
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.elements.is_empty() && self.shared.is_empty()
    }

    fn add_port(&mut self, dialect: &Dialect, port: &PortPlan) {
        let affinity = port.affinity().map(|timeout| Affinity { dialect, port, timeout });
        let mut forwards = false;
        for frontend in port.frontends_in_force() {
            self.add_frontend(dialect, port, frontend);
            if matches!(frontend.outcome(), Outcome::Reject | Outcome::Drop) {
                continue;
            }
            forwards = true;
            match &affinity {
                Some(affinity) => self.add_verdict(port, frontend, Verdict::goto(affinity.entry(frontend))),
                None => self.add_spread(port, frontend),
            }
        }
        if let Some(chain) = firewall(dialect, port) {
            self.chains.push(chain);
        }
        if forwards {
            self.add_hairpins(port);
            if let Some((sets, chains)) = affinity.map(|affinity| affinity.objects()) {
                self.sets.extend(sets);
                self.chains.extend(chains);
            }
        }
    }

    /// What does not depend on how connections are spread.
    fn add_frontend(&mut self, dialect: &Dialect, port: &PortPlan, frontend: &Frontend) {
        if let (FrontendKind::ClusterIp, Destination::Address(address)) =
            (frontend.kind(), frontend.key().destination)
        {
            self.shared.push(Shared::Element(Map::ClusterIps, Key::from(address)));
        }
        if is_guarded(dialect, frontend) {
            let verdict = Verdict::goto(firewall_name(port.name()));
            self.add_element(Map::FirewallIps, mapping(port, frontend, verdict));
        }
        let unserved = match frontend.outcome() {
            Outcome::Reject => Verdict::goto(REJECT),
            Outcome::Drop => Verdict::Drop,
            Outcome::BySource if port.local_endpoints().is_empty() => Verdict::Drop,
            _ => return,
        };
        let maps = (Map::NoEndpointServices, Map::NoEndpointNodePorts);
        self.add_element(by_destination(frontend, maps), mapping(port, frontend, unserved));
    }

    fn add_verdict(&mut self, port: &PortPlan, frontend: &Frontend, verdict: Verdict) {
        let maps = (Map::ServiceIps, Map::ServiceNodePorts);
        self.add_element(by_destination(frontend, maps), mapping(port, frontend, verdict));
    }

    /// A verdict that leads to a shared chain, and the endpoints that this chain will find.
    fn add_spread(&mut self, port: &PortPlan, frontend: &Frontend) {
        let (cluster, local) = (port.cluster_endpoints(), port.local_endpoints());
        let chain = shared_chain(frontend, count(cluster), count(local));
        self.add_verdict(port, frontend, Verdict::goto(chain.name()));
        self.shared.push(Shared::Chain(chain));
        let map = by_destination(frontend, (Map::Endpoints, Map::NodePortEndpoints));
        let local_map = by_destination(frontend, (Map::LocalEndpoints, Map::NodePortLocalEndpoints));
        match (frontend.outcome(), frontend.kind()) {
            (Outcome::Local, FrontendKind::NodePort) => self.add_endpoints(local_map, frontend, local),
            (Outcome::Local, _) => self.add_endpoints(map, frontend, local),
            _ => self.add_endpoints(map, frontend, cluster),
        }
        if frontend.outcome() == Outcome::BySource {
            self.add_endpoints(local_map, frontend, local);
        }
    }

    fn add_endpoints(&mut self, map: Map, frontend: &Frontend, endpoints: &[Endpoint]) {
        let parts = frontend_parts(frontend.key());
        for (number, endpoint) in (0..).zip(endpoints) {
            let key = Key::new(parts.iter().cloned().chain([Value::Integer(number)]));
            self.add_element(map, Element::mapping(key, endpoint_data(*endpoint)));
        }
    }

    fn add_hairpins(&mut self, port: &PortPlan) {
        let reachable = port.cluster_endpoints().iter().chain(port.local_endpoints());
        for endpoint in reachable {
            let address: Value = endpoint.address().ip().into();
            let proto = proto(port.name().protocol()).into();
            let key = Key::new([address.clone(), address, proto, Value::Port(endpoint.address().port())]);
            self.shared.push(Shared::Element(Map::Hairpins, key));
        }
    }

    fn add_element(&mut self, map: Map, element: Element) {
        self.elements.push((map, element));
    }
}

fn shared_chain(frontend: &Frontend, cluster: u32, local: u32) -> SharedChain {
    match (frontend.kind(), frontend.outcome()) {
        (FrontendKind::NodePort, Outcome::Local) => SharedChain::NodePortLocal { cluster: 0, local },
        (_, Outcome::Local) => SharedChain::Spread(local),
        (FrontendKind::ClusterIp, _) => SharedChain::Spread(cluster),
        (FrontendKind::NodePort, Outcome::BySource) => SharedChain::NodePortLocal { cluster, local },
        (FrontendKind::NodePort, _) => SharedChain::NodePort(cluster),
        (_, Outcome::BySource) => SharedChain::ExternalLocal { cluster, local },
        (_, _) => SharedChain::External(cluster),
    }
}

/// The first map for frontends with an address, the second for node ports.
fn by_destination(frontend: &Frontend, (address, node_port): (Map, Map)) -> Map {
    match frontend.key().destination {
        Destination::Address(_) => address,
        Destination::NodePort(_) => node_port,
    }
}

/// A verdict for a frontend, with the Service port that wants it as comment.
fn mapping(port: &PortPlan, frontend: &Frontend, verdict: Verdict) -> Element {
    Element::mapping(Key::new(frontend_parts(frontend.key())), verdict).comment(port.name().to_string())
}
