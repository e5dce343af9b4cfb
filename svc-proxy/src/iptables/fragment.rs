//! One Service's part: chains of its own, and the rules that lead to them.

use std::collections::BTreeMap;

use ipnet::IpNet;
use svc_model::Protocol;
use svc_nft::ipset::IpSet;

use super::base::{MARK_MASQ, REJECT};
use super::dialect::Dialect;
use super::lead::{self, Ending, Lead};
use super::matching::{AddressKind, Match, Negatable};
use super::name;
use super::rule::Rule;
use super::table::{Chain, TableName};
use super::target::{RejectWith, Target};
use super::tree::Key;
use crate::plan::{
    Destination, Endpoint, Frontend, FrontendKind, Masquerade, Outcome, PortPlan, ServicePlan,
};

/// What one Service asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fragment {
    pub(crate) chains: Vec<(TableName, String, Chain)>,
    /// Rules of chains that all Services share, by where they stand there.
    pub(crate) entries: Vec<(Key, Rule)>,
    /// What session affinity remembers clients in.
    pub(crate) sets: Vec<IpSet>,
}

impl Fragment {
    pub(crate) fn new(dialect: &Dialect, service: &ServicePlan) -> Self {
        let mut fragment = Fragment::default();
        for port in lead::ports(dialect, service) {
            Part { dialect, port, name: port.name().to_string(), fragment: &mut fragment }.add();
        }
        if let Some(check) = lead::health_check(dialect, service) {
            let rule = dialect.rule().port(Protocol::Tcp, check.port(), check.port());
            let rule = rule.comment(format!("{} health check node port", service.name()));
            fragment.entries.push((lead::check_key(check), rule.target(Target::Accept)));
        }
        fragment
    }
}

/// One port.
struct Part<'a> {
    dialect: &'a Dialect,
    port: &'a PortPlan,
    /// Its name, with which comments begin.
    name: String,
    fragment: &'a mut Fragment,
}

/// An endpoint with the chain that leads to it, and the set of its clients.
struct Reached {
    endpoint: Endpoint,
    chain: String,
    set: Option<String>,
}

impl Part<'_> {
    fn add(&mut self) {
        for (dispatcher, frontend, lead) in lead::leads(self.dialect, self.port) {
            let rule = self.rule(frontend, lead);
            self.fragment.entries.push((lead::key(dispatcher, frontend), rule));
        }
        let port = self.port;
        let served = || port.frontends_in_force().filter(|frontend| lead::is_served(port, frontend));
        let leads_to = |outcome| {
            served().map(Frontend::outcome).any(|other| other == outcome || other == Outcome::BySource)
        };
        if let Some(refused) = lead::guard(self.dialect, port) {
            self.add_firewall(refused);
        }
        if let Some(frontend) = served().filter(|frontend| frontend.kind().is_external()).last() {
            self.add_external(frontend);
        }
        let (all, here) = (port.cluster_endpoints(), port.local_endpoints());
        let spreads = [("SVC", Outcome::Cluster, all), ("SVL", Outcome::Local, here)];
        let spreads: Vec<_> =
            spreads.into_iter().filter(|(_, outcome, to)| leads_to(*outcome) && !to.is_empty()).collect();
        let endpoints = spreads.iter().flat_map(|(_, _, endpoints)| *endpoints);
        let reached: BTreeMap<Endpoint, Reached> =
            endpoints.map(|endpoint| (*endpoint, self.reached(*endpoint))).collect();
        for (kind, _, endpoints) in spreads {
            let endpoints = endpoints.iter().filter_map(|endpoint| reached.get(endpoint));
            self.add_spread(kind, &endpoints.collect::<Vec<_>>());
        }
        reached.into_values().for_each(|reached| self.add_endpoint(reached));
    }

    fn reached(&self, endpoint: Endpoint) -> Reached {
        let set = || name::of_set(self.port.name(), endpoint, self.dialect.clients);
        Reached {
            endpoint,
            chain: name::of_endpoint(self.port.name(), endpoint),
            set: self.port.affinity().map(|_| set()),
        }
    }

    fn rule(&self, frontend: &Frontend, lead: Lead) -> Rule {
        match lead {
            Lead::End(ending) => self.towards(frontend).target(self.target(ending)),
            Lead::Known => match frontend.key().destination {
                Destination::Address(address) => self.dialect.rule().to(address).jump(REJECT),
                // A ClusterIP is an address.
                Destination::NodePort(_) => self.dialect.rule().jump(REJECT),
            },
            Lead::Stop => self.towards(frontend).target(Target::Accept),
            Lead::On => self.towards(frontend).jump(self.chain_name(lead::entry_kind(frontend))),
            Lead::Guard { refused: true } => self.towards(frontend).jump(self.chain_name("FW")),
            Lead::Guard { refused: false } => self.towards(frontend).target(Target::Drop),
        }
    }

    fn target(&self, ending: Ending) -> Target {
        let by_reset = self.port.name().protocol() == Protocol::Tcp && !self.dialect.compat.reject_by_icmp;
        match ending {
            Ending::Drop => Target::Drop,
            Ending::Reject if by_reset => Target::Reject(RejectWith::TcpReset),
            Ending::Reject => Target::Reject(RejectWith::PortUnreachable),
        }
    }

    fn comment(&self, what: &str) -> String {
        format!("{} {what}", self.name)
    }

    fn chain_name(&self, kind: &str) -> String {
        name::of_port(kind, self.port.name())
    }

    /// A rule for packets to a frontend.
    fn towards(&self, frontend: &Frontend) -> Rule {
        let (protocol, key) = (self.port.name().protocol(), frontend.key());
        let rule = self.dialect.rule();
        let (rule, kind) = match (key.destination, frontend.kind()) {
            (Destination::Address(address), FrontendKind::ClusterIp) => (rule.to(address), "cluster IP"),
            (Destination::Address(address), FrontendKind::LoadBalancer) => {
                (rule.to(address), "loadbalancer IP")
            }
            (Destination::Address(address), _) => (rule.to(address), "external IP"),
            (Destination::NodePort(_), _) => (rule, "node port"),
        };
        rule.protocol(protocol)
            .comment(self.comment(kind))
            .matching(Match::Port(protocol, Some((key.port, key.port))))
    }

    fn chain(&mut self, table: TableName, name: String, rules: Vec<Rule>) {
        self.fragment.chains.push((table, name, Chain::new(rules)));
    }

    /// Who may use a load-balancer address is led on by `KUBE-FW-…`; whom that left alone is dropped before other rules
    /// of the filter. Where there is nothing to lead to, the filter asks itself.
    fn add_firewall(&mut self, refused: bool) {
        let port = self.port;
        let ranges = port.frontends_in_force().find_map(Frontend::sources).unwrap_or_default();
        let comment = self.comment("loadbalancer IP");
        let from = |range: &IpNet| self.dialect.rule().from(*range).comment(&comment);
        let (table, rules) = if refused {
            let mut rules: Vec<_> = ranges.iter().map(|range| from(range).target(Target::Return)).collect();
            rules.push(self.dialect.rule().comment(&comment).target(Target::Drop));
            (TableName::Filter, rules)
        } else {
            let external = self.chain_name("EXT");
            let mut rules: Vec<_> = ranges.iter().map(|range| from(range).jump(&external)).collect();
            rules.push(self.untranslated());
            (TableName::Nat, rules)
        };
        let name = self.chain_name("FW");
        self.chain(table, name, rules);
    }

    fn add_external(&mut self, frontend: &Frontend) {
        let (all, here) = (self.chain_name("SVC"), self.chain_name("SVL"));
        let local = |rule: Rule| rule.matching(Match::SourceType(Negatable::is(AddressKind::Local)));
        let rule = |what: &str| self.dialect.rule().comment(self.comment(what));
        let mut rules = Vec::new();
        match frontend.outcome() {
            Outcome::BySource => {
                let pods = self.dialect.where_from_pods(self.dialect.rule(), true);
                rules.extend(pods.map(|rule| {
                    rule.comment(self.comment("pod traffic for external destinations")).jump(&all)
                }));
                if frontend.masquerade() != Masquerade::Never {
                    rules.push(
                        local(rule("masquerade LOCAL traffic for external destinations")).jump(MARK_MASQ),
                    );
                }
                rules.push(local(rule("route LOCAL traffic for external destinations")).jump(&all));
                rules.push(match self.port.local_endpoints().is_empty() {
                    true => self.untranslated(),
                    false => rule("external destinations").jump(&here),
                });
            }
            outcome => {
                if frontend.masquerade() == Masquerade::Always {
                    rules.push(rule("masquerade traffic for external destinations").jump(MARK_MASQ));
                }
                let to = if outcome == Outcome::Local { here } else { all };
                rules.push(rule("external destinations").jump(to));
            }
        }
        let name = self.chain_name("EXT");
        self.chain(TableName::Nat, name, rules);
    }

    /// Whoever comes as far as this goes to no other Service's node port either: the filter ends it.
    fn untranslated(&self) -> Rule {
        self.dialect.rule().comment(self.comment("goes nowhere")).target(Target::Accept)
    }

    /// To the endpoint that remembers the client, or to any.
    fn add_spread(&mut self, kind: &str, endpoints: &[&Reached]) {
        let mut rules: Vec<_> =
            self.port.frontends_in_force().filter_map(|frontend| self.masquerade(kind, frontend)).collect();
        let comment = |to: &Reached| self.comment(&format!("-> {}", to.endpoint.address()));
        for to in endpoints {
            let remembers = to.set.iter().map(|set| Match::Set(set.clone()));
            rules.extend(remembers.map(|known| {
                self.dialect.rule().comment(comment(to)).matching(known).jump(to.chain.as_str())
            }));
        }
        for (left, to) in (1..=endpoints.len()).rev().zip(endpoints) {
            let mut rule = self.dialect.rule().comment(comment(to));
            if left > 1 {
                rule = rule.matching(Match::Random(one_in(left)));
            }
            rules.push(rule.jump(to.chain.as_str()));
        }
        let name = self.chain_name(kind);
        self.chain(TableName::Nat, name, rules);
    }

    /// The chain is entered from elsewhere too: only traffic to the ClusterIP is meant.
    fn masquerade(&self, kind: &str, frontend: &Frontend) -> Option<Rule> {
        let is_meant = !frontend.kind().is_external()
            && lead::is_served(self.port, frontend)
            && lead::entry_kind(frontend) == kind;
        if !is_meant {
            return None;
        }
        let rule = self.towards(frontend);
        let rule = match frontend.masquerade() {
            Masquerade::Always => rule,
            Masquerade::UnlessPod => self.dialect.where_from_pods(rule, false)?,
            _ => return None,
        };
        Some(rule.jump(MARK_MASQ))
    }

    fn add_endpoint(&mut self, reached: Reached) {
        let Reached { endpoint, chain, set } = reached;
        let (protocol, to) = (self.port.name().protocol(), endpoint.address());
        let rule = || self.dialect.rule().comment(&self.name);
        let mut rules = vec![rule().from(to.ip().into()).jump(MARK_MASQ)];
        if let Some((name, timeout)) = set.zip(self.port.affinity()) {
            rules.push(rule().target(Target::Remember { set: name.clone(), seconds: timeout.as_secs() }));
            self.fragment.sets.push(self.dialect.set(name));
        }
        let dnat = rule().protocol(protocol).matching(Match::Port(protocol, None));
        rules.push(dnat.target(Target::Dnat(to)));
        self.chain(TableName::Nat, chain, rules);
    }
}

/// So many of 2^31, rounded as iptables does.
fn one_in(count: usize) -> u32 {
    let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
    u32::try_from(((1_u64 << 31) + count / 2) / count).unwrap_or(u32::MAX)
}
