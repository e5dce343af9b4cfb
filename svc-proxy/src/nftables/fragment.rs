//! One Service's part of a table.

use svc_nft::{Chain, Element, Key, Set, Value, Verdict};

use super::base::REJECT;
use super::dialect::Dialect;
use super::map::{Map, endpoint_data, frontend_parts};
use super::own::{Affinity, firewall, firewall_name, is_guarded, leads};
use super::shared::{SharedChain, forwards};
use super::whose;
use crate::plan::{Destination, Endpoint, Frontend, FrontendKind, Outcome, PortPlan, ServicePlan};

/// Elements, chains and sets that belong to one Service alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fragment {
    /// Sorted by map and key.
    pub(crate) elements: Vec<(Map, Element)>,
    pub(crate) sets: Vec<Set>,
    pub(crate) chains: Vec<Chain>,
}

impl Fragment {
    pub(crate) fn new(dialect: &Dialect, service: &ServicePlan) -> Self {
        let mut elements = elements(dialect, service);
        elements.sort_by(|(map, a), (other, b)| map.cmp(other).then_with(|| a.key().cmp(b.key())));
        let (sets, chains) = objects(dialect, service);
        Self { elements, sets, chains }
    }
}

/// What a Service puts into the sets and maps that all have in common.
pub(crate) fn elements(dialect: &Dialect, service: &ServicePlan) -> Vec<(Map, Element)> {
    let mut elements = Elements(Vec::new());
    for (port, affinity) in ports(dialect, service) {
        for frontend in port.frontends_in_force() {
            elements.add_frontend(dialect, port, frontend);
            match &affinity {
                _ if !forwards(frontend) => {}
                Some(affinity) if leads(dialect, port, frontend) => {
                    elements.add_verdict(port, frontend, Verdict::goto(affinity.entry(frontend)));
                }
                _ => elements.add_spread(dialect, port, frontend),
            }
        }
    }
    elements.0
}

/// The sets and chains that a Service has for itself.
pub(crate) fn objects(dialect: &Dialect, service: &ServicePlan) -> (Vec<Set>, Vec<Chain>) {
    let (mut sets, mut chains) = (Vec::new(), Vec::new());
    for (port, affinity) in ports(dialect, service) {
        chains.extend(whose::chain(port.name()));
        chains.extend(firewall(dialect, port));
        let is_led = |frontend: &Frontend| forwards(frontend) && leads(dialect, port, frontend);
        if let Some(affinity) = affinity.filter(|_| port.frontends_in_force().any(is_led)) {
            let (more_sets, more_chains) = affinity.objects();
            sets.extend(more_sets);
            chains.extend(more_chains);
        }
    }
    (sets, chains)
}

fn ports<'a>(
    dialect: &'a Dialect,
    service: &'a ServicePlan,
) -> impl Iterator<Item = (&'a PortPlan, Option<Affinity<'a>>)> {
    let ports = service.ports().iter().filter(|port| port.family() == dialect.family);
    ports.map(|port| (port, port.affinity().map(|timeout| Affinity { dialect, port, timeout })))
}

struct Elements(Vec<(Map, Element)>);

impl Elements {
    /// What does not depend on how connections are spread.
    fn add_frontend(&mut self, dialect: &Dialect, port: &PortPlan, frontend: &Frontend) {
        if is_guarded(dialect, frontend) {
            let verdict = Verdict::goto(firewall_name(port.name()));
            self.add(Map::FirewallIps, mapping(port, frontend, verdict));
        }
        let unserved = match frontend.outcome() {
            Outcome::Reject => Verdict::goto(REJECT),
            Outcome::Drop => Verdict::Drop,
            Outcome::BySource if port.local_endpoints().is_empty() => Verdict::Drop,
            _ if dialect.has_ipvs() && matches!(frontend.key().destination, Destination::Address(_)) => {
                let key = Key::new(frontend_parts(frontend.key()));
                return self.add(Map::IpvsServices, Element::new(key).comment(whose::comment(port.name())));
            }
            _ => return,
        };
        let maps = (Map::NoEndpointServices, Map::NoEndpointNodePorts);
        self.add(by_destination(frontend, maps), mapping(port, frontend, unserved));
    }

    fn add_verdict(&mut self, port: &PortPlan, frontend: &Frontend, verdict: Verdict) {
        let maps = (Map::ServiceIps, Map::ServiceNodePorts);
        self.add(by_destination(frontend, maps), mapping(port, frontend, verdict));
    }

    /// A verdict that leads to a shared chain, and the endpoints that this chain will find.
    fn add_spread(&mut self, dialect: &Dialect, port: &PortPlan, frontend: &Frontend) {
        self.add_verdict(port, frontend, Verdict::goto(SharedChain::of(dialect, port, frontend).name()));
        let [cluster, local] = dialect.lots(port, frontend);
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
        for (number, endpoint) in (0..).zip(endpoints) {
            let key = Key::new(frontend_parts(frontend.key()).chain([Value::Integer(number)]));
            self.add(map, Element::mapping(key, endpoint_data(*endpoint)));
        }
    }

    fn add(&mut self, map: Map, element: Element) {
        self.0.push((map, element));
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
    Element::mapping(Key::new(frontend_parts(frontend.key())), verdict).comment(whose::comment(port.name()))
}
