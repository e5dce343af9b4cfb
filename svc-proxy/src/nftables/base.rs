//! The part of a table that depends on the node alone: base chains and what they call.

use svc_nft::{Chain, ChainType, CtState, CtStatus, Expr, Hook, L4Proto, Priority, Rule, Statement, Verdict};

use super::dialect::Dialect;
use super::map::Map;

const FIREWALL_CHECK: &str = "firewall-check";
const SERVICES: &str = "services";
const NODE_PORTS: &str = "nodeports";
pub(crate) const SERVICES_CHECK: &str = "services-check";
const MASQUERADING: &str = "masquerading";
pub(crate) const REJECT: &str = "reject-chain";
/// What node ports are looked up by.
const NODE_PORT_KEY: [Expr; 2] = [Expr::L4Proto, Expr::ThDport];

/// What no Service can change.
pub(crate) fn chains(dialect: &Dialect) -> Vec<Chain> {
    let mut chains = base_chains(dialect);
    chains.extend(filter_input(dialect));
    chains.extend(filter_forward(dialect));
    chains.extend([
        firewall_check(dialect),
        services(dialect),
        node_ports(dialect),
        services_check(dialect),
        reject_chain(dialect),
        masquerading(dialect),
    ]);
    chains
}

/// Source ranges are checked before translation, on the addresses that the client used. What should have been translated and
/// was not is refused or dropped after it, yet before routing: so a node without a route to the ClusterIPs refuses too.
///
/// All of it stands in chains of the type nat, which the kernel asks for the first packet of a connection only: the packets
/// after it pass no rule.
fn base_chains(dialect: &Dialect) -> Vec<Chain> {
    if dialect.has_ipvs() {
        return around_ipvs(dialect);
    }
    let nat = |name, hook| Chain::base(name, ChainType::Nat, hook, Priority::DSTNAT);
    let decide = |chain: Chain| {
        let steps = [FIREWALL_CHECK, SERVICES, SERVICES_CHECK];
        steps.into_iter().fold(chain, |chain, step| chain.rule([Statement::jump(step)]))
    };
    vec![
        decide(nat("nat-prerouting", Hook::Prerouting)),
        decide(nat("nat-output", Hook::Output)),
        nat_postrouting(),
    ]
}

/// IPVS translates later than any chain here, and its own connections have to pass what checks them.
fn around_ipvs(dialect: &Dialect) -> Vec<Chain> {
    let filter = |name, hook, priority, step| {
        let new = [Statement::ct_state([CtState::New]), Statement::jump(step)];
        Chain::base(name, ChainType::Filter, hook, priority).rule(new)
    };
    let nat = |name, hook| Chain::base(name, ChainType::Nat, hook, Priority::DSTNAT);
    let before_nat = Priority::DSTNAT - 10;
    vec![
        filter("firewall-prerouting", Hook::Prerouting, before_nat, FIREWALL_CHECK),
        filter("firewall-output", Hook::Output, before_nat, FIREWALL_CHECK),
        nat("nat-prerouting", Hook::Prerouting).rule([Statement::jump(SERVICES)]),
        nat("nat-output", Hook::Output).rule(from_bound_address(dialect)).rule([Statement::jump(SERVICES)]),
        filter("filter-prerouting", Hook::Prerouting, Priority::FILTER, SERVICES_CHECK),
        filter("filter-output", Hook::Output, Priority::FILTER, SERVICES_CHECK),
        nat_postrouting(),
    ]
}

/// To an address of its own a node speaks from that address. Where it is one for IPVS, other nodes have it too, and an
/// endpoint's answer would not find the way back.
fn from_bound_address(dialect: &Dialect) -> Rule {
    let from_bound = Statement::lookup([dialect.saddr()], Map::BoundAddresses.name());
    let to_service = Statement::lookup(dialect.service_key(), Map::IpvsServices.name());
    Rule::new([from_bound, to_service, dialect.mark()])
}

fn nat_postrouting() -> Chain {
    let chain = Chain::base("nat-postrouting", ChainType::Nat, Hook::Postrouting, Priority::SRCNAT);
    chain.rule([Statement::jump(MASQUERADING)])
}

/// [`Compat::accept_health_checks`](crate::Compat::accept_health_checks)
fn filter_input(dialect: &Dialect) -> Option<Chain> {
    let to_health_check = || {
        let port = Statement::lookup([Expr::ThDport], Map::HealthChecks.name());
        [Statement::l4proto(L4Proto::TCP), port, Statement::accept()]
    };
    let chain = || Chain::base("filter-input", ChainType::Filter, Hook::Input, Priority::FILTER);
    dialect.compat.accept_health_checks.then(|| chain().rule(to_health_check()))
}

/// [`Compat::drop_invalid`](crate::Compat::drop_invalid), [`Compat::accept_forwarded`](crate::Compat::accept_forwarded)
fn filter_forward(dialect: &Dialect) -> Option<Chain> {
    let mut chain = Chain::base("filter-forward", ChainType::Filter, Hook::Forward, Priority::FILTER);
    if dialect.compat.drop_invalid {
        chain.push([Statement::ct_state([CtState::Invalid]), Statement::drop()]);
    }
    if dialect.compat.accept_forwarded {
        chain.push([Statement::mark_is_not(dialect.mark, 0), Statement::accept()]);
        chain.push([Statement::ct_state([CtState::Established, CtState::Related]), Statement::accept()]);
    }
    (!chain.rules().is_empty()).then_some(chain)
}

fn firewall_check(dialect: &Dialect) -> Chain {
    let mut chain = Chain::regular(FIREWALL_CHECK);
    if let Some(strays) = dialect.strays_to_loopback() {
        chain.push(Rule::new(strays).then(Statement::drop()));
    }
    chain.rule([Statement::vmap(dialect.service_key(), Map::FirewallIps.name())])
}

fn services(dialect: &Dialect) -> Chain {
    let mut chain = Chain::regular(SERVICES);
    let to_cluster_ip = Statement::lookup([dialect.daddr()], Map::ClusterIps.name());
    if dialect.masquerade_all {
        chain.push([to_cluster_ip, dialect.mark()]);
    } else if let Some(pods_excluded) = dialect.pods_excluded() {
        chain.push([to_cluster_ip, pods_excluded, dialect.mark()]);
    }
    chain.push([Statement::vmap(dialect.service_key(), Map::ServiceIps.name())]);
    for mut statements in dialect.to_node_port_address() {
        statements.push(Statement::goto(NODE_PORTS));
        chain.push(Rule::new(statements));
    }
    chain
}

/// A Service that has the address and port itself decides, and be it that nobody can serve: its clients are not for another
/// Service's node port.
fn node_ports(dialect: &Dialect) -> Chain {
    Chain::regular(NODE_PORTS)
        .rule([Statement::vmap(dialect.service_key(), Map::NoEndpointServices.name())])
        .rule([Statement::vmap(NODE_PORT_KEY, Map::ServiceNodePorts.name())])
}

fn services_check(dialect: &Dialect) -> Chain {
    let mut chain = Chain::regular(SERVICES_CHECK);
    chain.push([Statement::vmap(dialect.service_key(), Map::NoEndpointServices.name())]);
    if dialect.has_ipvs() {
        chain.push([Statement::lookup(dialect.service_key(), Map::IpvsServices.name()), Statement::accept()]);
    }
    for mut statements in dialect.to_refused_node_port_address() {
        statements.push(Statement::vmap(NODE_PORT_KEY, Map::NoEndpointNodePorts.name()));
        chain.push(Rule::new(statements));
    }
    if !dialect.compat.pass_wrong_ports {
        let to_cluster_ip = Statement::lookup([dialect.daddr()], Map::ClusterIps.name());
        chain.push([to_cluster_ip, Verdict::goto(REJECT).into()]);
    }
    if dialect.has_ipvs() {
        // Or they would reach what listens on the node.
        let bound = Statement::lookup([dialect.daddr()], Map::BoundAddresses.name());
        chain.push([bound, Verdict::goto(REJECT).into()]);
    }
    if !dialect.compat.pass_unallocated {
        for cidr in &dialect.service_cidrs {
            chain.push([Statement::eq(dialect.daddr(), *cidr), Statement::drop()]);
        }
    }
    chain
}

/// TCP gets a reset: the kernel limits how many ICMP errors it sends to a client, and a client that gets none waits.
fn reject_chain(dialect: &Dialect) -> Chain {
    if dialect.compat.reject_by_icmp {
        return Chain::regular(REJECT).rule([Statement::reject()]);
    }
    let not_tcp = Statement::ne(Expr::L4Proto, L4Proto::TCP);
    Chain::regular(REJECT).rule([not_tcp, Statement::reject()]).rule([Statement::reject_tcp_reset()])
}

fn masquerading(dialect: &Dialect) -> Chain {
    let marked = Statement::mark_is_not(dialect.mark, 0);
    let unmark = Statement::mark_xor(dialect.mark);
    let key = [dialect.saddr(), dialect.daddr(), Expr::L4Proto, Expr::ThDport];
    let translated = if dialect.has_ipvs() {
        // IPVS leaves no status: what is translated was not for an endpoint that talks to itself from the start.
        let original = [dialect.saddr(), dialect.original_daddr(), Expr::L4Proto, Expr::CtOriginalDport];
        Statement::lookup_not(original, Map::Hairpins.name())
    } else {
        Statement::ct_status([CtStatus::Dnat])
    };
    Chain::regular(MASQUERADING).rule([marked, unmark, Statement::masquerade_fully_random()]).rule([
        translated,
        Statement::lookup(key, Map::Hairpins.name()),
        Statement::masquerade_fully_random(),
    ])
}
