//! What several Services use together: chains for a number of endpoints, and elements that two of them may ask for.
use std::collections::BTreeSet;
use std::net::IpAddr;

use svc_model::Protocol;
use svc_nft::{Chain, Key, Name, Rule, Statement, Value};

use super::dialect::Dialect;
use super::map::{Map, proto};
use super::own::{self, count};
use crate::plan::{Destination, Frontend, FrontendKind, Outcome, PortPlan, ServicePlan};

/// Something that exists as long as any Service uses it. Small: there is one for each address and endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shared {
    Chain(SharedChain),
    /// A ClusterIP in use.
    ClusterIp(IpAddr),
    /// An address that is the node's own for IPVS alone.
    Bound(IpAddr),
    /// An endpoint that may talk to itself.
    Hairpin(Protocol, IpAddr, u16),
    /// A port where load balancers ask.
    HealthCheck(u16),
}

impl Shared {
    pub(crate) fn element(&self) -> Option<(Map, Key)> {
        Some(match *self {
            Shared::Chain(_) => return None,
            Shared::ClusterIp(address) => (Map::ClusterIps, Key::from(address)),
            Shared::Bound(address) => (Map::BoundAddresses, Key::from(address)),
            Shared::Hairpin(protocol, address, port) => {
                let (address, proto): (Value, Value) = (address.into(), proto(protocol).into());
                (Map::Hairpins, Key::new([address.clone(), address, proto, Value::Port(port)]))
            }
            Shared::HealthCheck(port) => (Map::HealthChecks, Key::from(Value::Port(port))),
        })
    }

    pub(crate) fn chain(&self, dialect: &Dialect) -> Option<Chain> {
        let Shared::Chain(chain) = self else { return None };
        Some(chain.chain(dialect))
    }
}

/// What a Service has in common with others.
pub(crate) fn of(dialect: &Dialect, service: &ServicePlan) -> BTreeSet<Shared> {
    let mut shared = BTreeSet::new();
    if let Some(check) = service.health_check().filter(|_| dialect.compat.accept_health_checks) {
        shared.insert(Shared::HealthCheck(check.port()));
    }
    for port in service.ports().iter().filter(|port| port.family() == dialect.family) {
        for frontend in port.frontends_in_force() {
            if let (FrontendKind::ClusterIp, Destination::Address(address)) =
                (frontend.kind(), frontend.key().destination)
            {
                shared.insert(Shared::ClusterIp(address));
            }
            shared.extend(dialect.bound_address(frontend).map(Shared::Bound));
            if forwards(frontend) && !own::leads(dialect, port, frontend) {
                shared.insert(Shared::Chain(SharedChain::of(dialect, port, frontend)));
            }
        }
        if port.frontends_in_force().any(forwards) {
            let reachable = port.cluster_endpoints().iter().chain(port.local_endpoints());
            let address = reachable.map(|endpoint| endpoint.address());
            shared.extend(address.map(|to| Shared::Hairpin(port.name().protocol(), to.ip(), to.port())));
        }
    }
    shared
}

/// Whether anything is led on from here.
pub(crate) fn forwards(frontend: &Frontend) -> bool {
    !matches!(frontend.outcome(), Outcome::Reject | Outcome::Drop)
}

/// A chain that depends on nothing but how many endpoints there are to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SharedChain {
    /// ClusterIPs.
    Spread(u32),
    /// Addresses for clients outside.
    External(u32),
    /// The same with policy Local.
    ExternalLocal { cluster: u32, local: u32 },
    /// Node ports.
    NodePort(u32),
    /// The same with policy Local.
    NodePortLocal { cluster: u32, local: u32 },
}

impl SharedChain {
    /// The chain that a frontend leads to.
    pub(crate) fn of(dialect: &Dialect, port: &PortPlan, frontend: &Frontend) -> Self {
        let [cluster, local] = dialect.lots(port, frontend).map(count);
        match (frontend.kind(), frontend.outcome()) {
            (FrontendKind::NodePort, Outcome::Local) => Self::NodePortLocal { cluster: 0, local },
            (_, Outcome::Local) => Self::Spread(local),
            (FrontendKind::ClusterIp, _) => Self::Spread(cluster),
            (FrontendKind::NodePort, Outcome::BySource) => Self::NodePortLocal { cluster, local },
            (FrontendKind::NodePort, _) => Self::NodePort(cluster),
            (_, Outcome::BySource) => Self::ExternalLocal { cluster, local },
            (_, _) => Self::External(cluster),
        }
    }

    pub(crate) fn name(self) -> Name {
        match self {
            SharedChain::Spread(count) => format!("spread-{count}"),
            SharedChain::External(count) => format!("external-{count}"),
            SharedChain::ExternalLocal { cluster, local } => format!("external-local-{cluster}-{local}"),
            SharedChain::NodePort(count) => format!("nodeport-{count}"),
            SharedChain::NodePortLocal { cluster, local } => format!("nodeport-local-{cluster}-{local}"),
        }
        .into()
    }

    pub(crate) fn chain(self, dialect: &Dialect) -> Chain {
        let mut chain = Chain::regular(self.name());
        let rules = match self {
            SharedChain::Spread(count) => Map::Endpoints.spread(dialect, &[], count),
            SharedChain::External(count) => marked(dialect, Map::Endpoints, None, count),
            SharedChain::NodePort(count) => {
                marked(dialect, Map::NodePortEndpoints, dialect.beyond_ipvs(), count)
            }
            SharedChain::ExternalLocal { cluster, local } => {
                by_source(dialect, (Map::Endpoints, cluster), (Map::LocalEndpoints, local))
            }
            SharedChain::NodePortLocal { cluster, local } => {
                by_source(dialect, (Map::NodePortEndpoints, cluster), (Map::NodePortLocalEndpoints, local))
            }
        };
        rules.into_iter().for_each(|rule| chain.push(rule));
        chain
    }
}

fn marked(dialect: &Dialect, map: Map, condition: Option<Statement>, count: u32) -> Vec<Rule> {
    let mut rules = vec![Rule::new([dialect.mark()])];
    rules.extend(map.spread(dialect, condition.as_slice(), count));
    rules
}

/// `externalTrafficPolicy: Local`: pods and the node itself may use every endpoint, others those of this node. A
/// packet that leaves the chain untranslated is dropped later.
fn by_source(dialect: &Dialect, cluster: (Map, u32), local: (Map, u32)) -> Vec<Rule> {
    let mut rules = Vec::new();
    if let (map, count @ 1..) = cluster {
        if let Some(pods_only) = dialect.pods_only() {
            rules.extend(map.spread(dialect, &[pods_only], count));
        }
        rules.push([Statement::from_local(), dialect.mark()].into());
        rules.extend(map.spread(dialect, &[Statement::from_local()], count));
    }
    if let (map, count @ 1..) = local {
        rules.extend(map.spread(dialect, dialect.beyond_ipvs().as_slice(), count));
    }
    rules
}
