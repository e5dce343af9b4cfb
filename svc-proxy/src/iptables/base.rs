//! What no Service can change: jumps from built-in chains, and chains of fixed rules.

use svc_model::Protocol;

use super::dialect::Dialect;
use super::matching::{CtState, Match, Negatable};
use super::rule::Rule;
use super::table::{Chain, Policy, TableName, Tables};
use super::target::{RejectWith, Target};
use crate::trace::Reason;

/// A chain in each table that says that the `KUBE-…` chains are this crate's.
pub const MARKER: &str = "SVC-PROXY-MARKER";

pub(crate) const SERVICES: &str = "KUBE-SERVICES";
pub(crate) const NODE_PORTS: &str = "KUBE-NODEPORTS";
pub(crate) const EXTERNAL: &str = "KUBE-EXTERNAL-SERVICES";
pub(crate) const EXTERNAL_NODE_PORTS: &str = "KUBE-EXTERNAL-NODEPORTS";
pub(crate) const FIREWALL: &str = "KUBE-PROXY-FIREWALL";
pub(crate) const CLUSTER_IPS: &str = "KUBE-CLUSTER-IPS";
pub(crate) const MARK_MASQ: &str = "KUBE-MARK-MASQ";
pub(crate) const REJECT: &str = "KUBE-REJECT";
const FORWARD: &str = "KUBE-FORWARD";
const POSTROUTING: &str = "KUBE-POSTROUTING";
const LOOPBACK: &str = "KUBE-FIREWALL";
const CANARY: &str = "KUBE-PROXY-CANARY";

/// Built-in chain, chain, only for new connections, comment: in the order in which packets meet them.
type Jump = (&'static str, &'static str, bool, &'static str);

/// `KUBE-EXTERNAL-SERVICES` stands in OUTPUT too, where kube-proxy leaves the node's own connections unanswered, and
/// `KUBE-CLUSTER-IPS` behind everything that knows a port.
const FILTER: &[Jump] = &[
    ("INPUT", LOOPBACK, false, "kubernetes localhost"),
    ("INPUT", FIREWALL, true, "kubernetes load balancer firewall"),
    ("INPUT", NODE_PORTS, false, "kubernetes health check service ports"),
    ("INPUT", EXTERNAL, true, "kubernetes externally-visible service portals"),
    ("FORWARD", FIREWALL, true, "kubernetes load balancer firewall"),
    ("FORWARD", FORWARD, false, "kubernetes forwarding rules"),
    ("FORWARD", SERVICES, true, "kubernetes service portals"),
    ("FORWARD", EXTERNAL, true, "kubernetes externally-visible service portals"),
    ("FORWARD", CLUSTER_IPS, true, "kubernetes cluster addresses"),
    ("OUTPUT", LOOPBACK, false, "kubernetes localhost"),
    ("OUTPUT", FIREWALL, true, "kubernetes load balancer firewall"),
    ("OUTPUT", SERVICES, true, "kubernetes service portals"),
    ("OUTPUT", EXTERNAL, true, "kubernetes externally-visible service portals"),
    ("OUTPUT", CLUSTER_IPS, true, "kubernetes cluster addresses"),
];
const NAT: &[Jump] = &[
    ("PREROUTING", SERVICES, false, "kubernetes service portals"),
    ("OUTPUT", SERVICES, false, "kubernetes service portals"),
    ("POSTROUTING", POSTROUTING, false, "kubernetes postrouting rules"),
];

/// All of it. Chains that Services fill are there with what stands behind Services' rules.
pub(crate) fn tables(dialect: &Dialect) -> Tables {
    let mut tables = Tables::new(dialect.family);
    for table in TableName::ALL {
        tables.insert(table, CANARY, Chain::default());
        tables.insert(table, MARKER, Chain::default());
    }
    add_jumps(dialect, TableName::Filter, FILTER, &mut tables);
    add_jumps(dialect, TableName::Nat, NAT, &mut tables);
    let mut filter = |name: &str, rules: Vec<Rule>| tables.insert(TableName::Filter, name, Chain::new(rules));
    if dialect.localhost_node_ports {
        filter(LOOPBACK, vec![strays_to_loopback(dialect)]);
    }
    filter(FORWARD, forward(dialect));
    filter(REJECT, reject(dialect));
    for name in [SERVICES, NODE_PORTS, FIREWALL, EXTERNAL_NODE_PORTS] {
        filter(name, Vec::new());
    }
    filter(EXTERNAL, dialect.refused_node_port_jumps(EXTERNAL_NODE_PORTS));
    filter(CLUSTER_IPS, unallocated(dialect));
    let mut nat = |name: &str, rules: Vec<Rule>| tables.insert(TableName::Nat, name, Chain::new(rules));
    nat(MARK_MASQ, vec![dialect.rule().target(Target::mark_or(dialect.mark))]);
    nat(POSTROUTING, postrouting(dialect));
    nat(SERVICES, dialect.node_port_jumps(NODE_PORTS));
    nat(NODE_PORTS, Vec::new());
    tables
}

fn add_jumps(dialect: &Dialect, table: TableName, jumps: &[Jump], tables: &mut Tables) {
    for (from, to, new_only, comment) in jumps {
        if *to == LOOPBACK && !dialect.localhost_node_ports {
            continue;
        }
        let mut rule = dialect.rule();
        if *new_only {
            rule = rule.matching(Match::CtState(Negatable::is(vec![CtState::New])));
        }
        let mut chain = tables.chain(table, from).cloned().unwrap_or_default();
        chain.policy = Some(Policy::Accept);
        chain.rules.push(rule.comment(*comment).jump(*to));
        tables.insert(table, *from, chain);
    }
}

fn strays_to_loopback(dialect: &Dialect) -> Rule {
    let loopback = dialect.loopback();
    let known = vec![CtState::Related, CtState::Established, CtState::Dnat];
    dialect
        .rule()
        .source(Negatable::not(loopback.into()))
        .destination(Negatable::is(loopback.into()))
        .comment("block incoming localnet connections")
        .matching(Match::CtState(Negatable::not(known)))
        .target(Target::Drop)
}

/// [`Compat::drop_invalid`](crate::Compat::drop_invalid), [`Compat::accept_forwarded`](crate::Compat::accept_forwarded)
fn forward(dialect: &Dialect) -> Vec<Rule> {
    let state = |states| dialect.rule().matching(Match::CtState(Negatable::is(states)));
    let mut rules = Vec::new();
    if dialect.compat.drop_invalid {
        rules.push(state(vec![CtState::Invalid]).target(Target::Drop));
    }
    if dialect.compat.accept_forwarded {
        let marked = Match::Mark(Negatable::is((dialect.mark, dialect.mark)));
        rules.push(
            dialect.rule().comment("kubernetes forwarding rules").matching(marked).target(Target::Accept),
        );
        let known = state(vec![CtState::Related, CtState::Established]);
        rules.push(known.comment("kubernetes forwarding conntrack rule").target(Target::Accept));
    }
    rules
}

/// TCP gets a reset: the kernel limits how many ICMP errors it sends to a client, and a client that gets none waits.
fn reject(dialect: &Dialect) -> Vec<Rule> {
    let icmp = dialect.rule().target(Target::Reject(RejectWith::PortUnreachable));
    let reset = dialect.rule().protocol(Protocol::Tcp).target(Target::Reject(RejectWith::TcpReset));
    if dialect.compat.reject_by_icmp { vec![icmp] } else { vec![reset, icmp] }
}

fn unallocated(dialect: &Dialect) -> Vec<Rule> {
    if dialect.compat.pass_unallocated {
        return Vec::new();
    }
    let drop = |cidr: &ipnet::IpNet| {
        let rule = dialect.rule().destination(Negatable::is((*cidr).into()));
        rule.comment("kubernetes addresses of no service").target(Target::Drop)
    };
    dialect.service_cidrs.iter().map(drop).collect()
}

fn postrouting(dialect: &Dialect) -> Vec<Rule> {
    let unmarked = Match::Mark(Negatable::not((dialect.mark, dialect.mark)));
    vec![
        dialect.rule().matching(unmarked).target(Target::Return),
        dialect.rule().target(Target::mark_xor(dialect.mark)),
        dialect.rule().comment("kubernetes service traffic requiring SNAT").target(Target::Masquerade),
    ]
}

/// Why a packet that came through this chain ends.
pub(crate) fn reason_of_chain(table: TableName, name: &str) -> Option<Reason> {
    match name {
        _ if table != TableName::Filter => None,
        SERVICES | EXTERNAL => Some(Reason::NoEndpoints),
        FIREWALL => Some(Reason::SourceRanges),
        CLUSTER_IPS => Some(Reason::NoSuchService),
        REJECT => Some(Reason::NoSuchPort),
        _ => None,
    }
}
