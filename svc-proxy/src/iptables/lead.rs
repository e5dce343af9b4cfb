//! What a Service asks for in chains that all Services share: where, and to which end.

use super::dialect::Dialect;
use super::rule::bits;
use super::tree::{Dispatcher, Key};
use crate::plan::{Destination, Frontend, FrontendKind, HealthCheck, Outcome, PortPlan, ServicePlan};

/// What a frontend asks for in a chain that all Services share.
#[derive(Clone, Copy)]
pub(super) enum Lead {
    /// What is not translated ends here.
    End(Ending),
    /// A ClusterIP's other ports are refused.
    Known,
    /// An address may be the node's own: what is refused there must not come to another Service's node port.
    Stop,
    /// On to the Service's own chains.
    On,
    /// Only for some sources.
    Guard { refused: bool },
}

/// How a packet ends.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    Drop,
    Reject,
}

/// A rule of a Service in a chain that all Services share, and where it stands there.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) key: Key,
    pub(super) asks: Asks<'a>,
}

/// What a rule in a shared chain is for.
#[derive(Clone, Copy)]
pub(super) enum Asks<'a> {
    Frontend(&'a PortPlan, &'a Frontend, Lead),
    Check(&'a ServicePlan, HealthCheck),
}

/// All of a Service, in the order in which rules with the same key stand.
pub(crate) fn entries<'a>(dialect: &'a Dialect, service: &'a ServicePlan) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    ports(dialect, service).for_each(|port| add_leads(dialect, port, &mut entries));
    entries.extend(health_check(dialect, service).map(|check| Entry {
        key: (Dispatcher::HealthChecks, u128::from(check.port())),
        asks: Asks::Check(service, check),
    }));
    entries
}

/// Where a Service has rules in chains that all share, in order: what the tree is made from, without the rules.
pub(crate) fn keys(dialect: &Dialect, service: &ServicePlan) -> Vec<Key> {
    let mut keys: Vec<Key> = entries(dialect, service).into_iter().map(|entry| entry.key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

pub(super) fn ports<'a>(
    dialect: &'a Dialect,
    service: &'a ServicePlan,
) -> impl Iterator<Item = &'a PortPlan> {
    service.ports().iter().filter(|port| port.family() == dialect.family)
}

fn health_check(dialect: &Dialect, service: &ServicePlan) -> Option<HealthCheck> {
    service.health_check().filter(|_| dialect.compat.accept_health_checks)
}

fn key(dispatcher: Dispatcher, frontend: &Frontend) -> Key {
    match frontend.key().destination {
        Destination::Address(address) => (dispatcher, bits(address)),
        Destination::NodePort(_) => (dispatcher, frontend.key().port.into()),
    }
}

/// What a port asks for in chains that all Services share, in the order in which its rules stand there.
fn add_leads<'a>(dialect: &Dialect, port: &'a PortPlan, entries: &mut Vec<Entry<'a>>) {
    let guard = guard(dialect, port);
    for frontend in port.frontends_in_force() {
        let mut add = |dispatcher, lead| {
            let asks = Asks::Frontend(port, frontend, lead);
            entries.push(Entry { key: key(dispatcher, frontend), asks });
        };
        if let Some(ending) = ending(port, frontend) {
            add(refusal_dispatcher(frontend), Lead::End(ending));
        }
        let is_cluster_ip = frontend.kind() == FrontendKind::ClusterIp;
        if is_cluster_ip && !dialect.compat.pass_wrong_ports {
            add(Dispatcher::ClusterIps, Lead::Known);
        }
        if is_served(port, frontend) {
            add(nat_dispatcher(frontend), Lead::On);
        } else if frontend.kind().is_external() && frontend.kind() != FrontendKind::NodePort {
            add(Dispatcher::Services, Lead::Stop);
        }
        if let Some(refused) = guard.filter(|_| frontend.sources().is_some()) {
            add(Dispatcher::Firewall, Lead::Guard { refused });
        }
    }
}

/// Whether a port has source ranges; and whether whom they let in is refused all the same, as nobody serves.
pub(super) fn guard(dialect: &Dialect, port: &PortPlan) -> Option<bool> {
    let first = port.frontends_in_force().find(|frontend| frontend.sources().is_some())?;
    let refused = !is_served(port, first);
    let told =
        refused && first.outcome() == Outcome::Reject && dialect.compat.reject_blocked_without_endpoints;
    (!told).then_some(refused)
}

/// How packets end that are not translated.
fn ending(port: &PortPlan, frontend: &Frontend) -> Option<Ending> {
    match frontend.outcome() {
        Outcome::Reject => Some(Ending::Reject),
        Outcome::BySource if port.local_endpoints().is_empty() => Some(Ending::Drop),
        _ if !is_served(port, frontend) => Some(Ending::Drop),
        _ => None,
    }
}

/// Any packet leads to an endpoint.
pub(super) fn is_served(port: &PortPlan, frontend: &Frontend) -> bool {
    match frontend.outcome() {
        Outcome::Cluster | Outcome::BySource => !port.cluster_endpoints().is_empty(),
        Outcome::Local => !port.local_endpoints().is_empty(),
        Outcome::Reject | Outcome::Drop => false,
    }
}

/// The kind of chain that the rule for a frontend leads to.
pub(super) fn entry_kind(frontend: &Frontend) -> &'static str {
    match (frontend.kind().is_external(), frontend.outcome()) {
        (true, _) if frontend.sources().is_some() => "FW",
        (true, _) => "EXT",
        (false, Outcome::Local) => "SVL",
        (false, _) => "SVC",
    }
}

fn nat_dispatcher(frontend: &Frontend) -> Dispatcher {
    match frontend.key().destination {
        Destination::Address(_) => Dispatcher::Services,
        Destination::NodePort(_) => Dispatcher::NodePorts(frontend.key().protocol),
    }
}

fn refusal_dispatcher(frontend: &Frontend) -> Dispatcher {
    match (frontend.key().destination, frontend.kind()) {
        (Destination::NodePort(_), _) => Dispatcher::RefusedNodePorts(frontend.key().protocol),
        (_, FrontendKind::ClusterIp) => Dispatcher::Refused,
        _ => Dispatcher::RefusedExternal,
    }
}
