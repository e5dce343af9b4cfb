//! One Service's part: chains of its own, and the rules that lead to them.

use std::sync::Arc;

use ipnet::IpNet;
use svc_model::Protocol;
use svc_nft::ipset::IpSet;

use super::dialect::Dialect;
use super::lead::{self, Asks, Ending, Entry, Lead};
use super::matching::{AddressKind, Match, Negatable};
use super::name;
use super::print::Print as _;
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
    pub(crate) chains: Vec<(TableName, Arc<str>, Chain)>,
    /// Rules of chains that all Services share, by where they stand there.
    pub(crate) entries: Vec<(Key, Rule)>,
    /// What session affinity remembers clients in.
    pub(crate) sets: Vec<IpSet>,
}

impl Fragment {
    pub(crate) fn new(dialect: &Dialect, service: &ServicePlan) -> Self {
        let mut fragment = Fragment::default();
        show(dialect, service, &mut |piece| match piece {
            Piece::Chain(table, name, chain) => fragment.chains.push((table, name, chain)),
            Piece::Set(set) => fragment.sets.push(set),
        });
        let entries = lead::entries(dialect, service).into_iter();
        fragment.entries = entries.map(|entry| (entry.key, rule(dialect, entry))).collect();
        fragment
    }
}

/// Something of a Service's own.
pub(crate) enum Piece {
    Chain(TableName, Arc<str>, Chain),
    Set(IpSet),
}

/// Shows all that is a Service's own, one after the other: nobody has to keep it.
pub(crate) fn show(dialect: &Dialect, service: &ServicePlan, show: &mut impl FnMut(Piece)) {
    lead::ports(dialect, service).for_each(|port| Part::new(dialect, port).show(show));
}

/// A rule in a chain that all Services share.
pub(crate) fn rule(dialect: &Dialect, entry: Entry<'_>) -> Rule {
    match entry.asks {
        Asks::Frontend(port, frontend, lead) => Part::new(dialect, port).rule(frontend, lead),
        Asks::Check(service, check) => {
            let rule = dialect.rule().port(Protocol::Tcp, check.port(), check.port());
            rule.comment(format!("{} health check node port", service.name())).target(Target::Accept)
        }
    }
}

/// One port.
struct Part<'a> {
    dialect: &'a Dialect,
    port: &'a PortPlan,
    text: name::Text,
}

/// An endpoint with the chain that leads to it, and the set of its clients.
struct Reached {
    endpoint: Endpoint,
    chain: Arc<str>,
    set: Option<Arc<str>>,
    /// Of rules that lead there.
    comment: Arc<str>,
}

impl<'a> Part<'a> {
    fn new(dialect: &'a Dialect, port: &'a PortPlan) -> Self {
        Self { dialect, port, text: name::Text::new(port.name()) }
    }

    fn show(&self, show: &mut impl FnMut(Piece)) {
        let port = self.port;
        let served = || port.frontends_in_force().filter(|frontend| lead::is_served(port, frontend));
        let leads_to = |outcome| {
            served().map(Frontend::outcome).any(|other| other == outcome || other == Outcome::BySource)
        };
        if let Some(refused) = lead::guard(self.dialect, port) {
            show(self.firewall(refused));
        }
        if let Some(frontend) = served().filter(|frontend| frontend.kind().is_external()).last() {
            show(self.external(frontend));
        }
        let (all, here) = (port.cluster_endpoints(), port.local_endpoints());
        let spreads = [("SVC", Outcome::Cluster, all), ("SVL", Outcome::Local, here)]
            .map(|(kind, outcome, to)| (kind, if leads_to(outcome) { to } else { &[] }));
        let mut endpoints: Vec<Endpoint> = spreads.iter().flat_map(|(_, to)| *to).copied().collect();
        endpoints.sort_unstable();
        endpoints.dedup();
        let reached: Vec<Reached> = endpoints.into_iter().map(|endpoint| self.reached(endpoint)).collect();
        for (kind, to) in spreads.into_iter().filter(|(_, to)| !to.is_empty()) {
            show(self.spread(kind, to, &reached));
        }
        let name = self.text.port_name().into();
        reached.into_iter().for_each(|reached| self.show_endpoint(&name, reached, show));
    }

    fn reached(&self, endpoint: Endpoint) -> Reached {
        let mut comment = format!("{} -> ", self.text.port_name());
        endpoint.address().print(&mut comment);
        Reached {
            endpoint,
            chain: self.text.endpoint_chain(endpoint),
            set: self.port.affinity().map(|_| self.text.set(endpoint, self.dialect.clients)),
            comment: comment.into(),
        }
    }

    fn rule(&self, frontend: &Frontend, lead: Lead) -> Rule {
        match lead {
            Lead::End(ending) => self.towards(frontend).target(self.target(ending)),
            Lead::Known => match frontend.key().destination {
                Destination::Address(address) => {
                    self.dialect.rule().to(address).jump(self.dialect.reject.clone())
                }
                // A ClusterIP is an address.
                Destination::NodePort(_) => self.dialect.rule().jump(self.dialect.reject.clone()),
            },
            Lead::Stop => self.towards(frontend).target(Target::Accept),
            Lead::On => self.towards(frontend).jump(self.text.chain(lead::entry_kind(frontend))),
            Lead::Guard { refused: true } => self.towards(frontend).jump(self.text.chain("FW")),
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

    fn comment(&self, what: &str) -> Arc<str> {
        let name = self.text.port_name();
        let mut comment = String::with_capacity(name.len() + 1 + what.len());
        comment.extend([name, " ", what]);
        comment.into()
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

    /// Who may use a load-balancer address is led on by `KUBE-FW-…`; whom that left alone is dropped before other rules
    /// of the filter. Where there is nothing to lead to, the filter asks itself.
    fn firewall(&self, refused: bool) -> Piece {
        let port = self.port;
        let ranges = port.frontends_in_force().find_map(Frontend::sources).unwrap_or_default();
        let comment = self.comment("loadbalancer IP");
        let from = |range: &IpNet| self.dialect.rule().from(*range).comment(comment.clone());
        let (table, rules) = if refused {
            let mut rules: Vec<_> = ranges.iter().map(|range| from(range).target(Target::Return)).collect();
            rules.push(self.dialect.rule().comment(comment).target(Target::Drop));
            (TableName::Filter, rules)
        } else {
            let external = self.text.chain("EXT");
            let mut rules: Vec<_> = ranges.iter().map(|range| from(range).jump(external.clone())).collect();
            rules.push(self.untranslated());
            (TableName::Nat, rules)
        };
        Piece::Chain(table, self.text.chain("FW"), Chain::new(rules))
    }

    fn external(&self, frontend: &Frontend) -> Piece {
        let (all, here) = (self.text.chain("SVC"), self.text.chain("SVL"));
        let local = |rule: Rule| rule.matching(Match::SourceType(Negatable::is(AddressKind::Local)));
        let rule = |what: &str| self.dialect.rule().comment(self.comment(what));
        let mut rules = Vec::new();
        match frontend.outcome() {
            Outcome::BySource => {
                let pods = self.dialect.where_from_pods(self.dialect.rule(), true);
                rules.extend(pods.map(|rule| {
                    rule.comment(self.comment("pod traffic for external destinations")).jump(all.clone())
                }));
                if frontend.masquerade() != Masquerade::Never {
                    rules.push(
                        local(rule("masquerade LOCAL traffic for external destinations"))
                            .jump(self.dialect.mark_masq.clone()),
                    );
                }
                rules.push(local(rule("route LOCAL traffic for external destinations")).jump(all.clone()));
                rules.push(match self.port.local_endpoints().is_empty() {
                    true => self.untranslated(),
                    false => rule("external destinations").jump(here),
                });
            }
            outcome => {
                if frontend.masquerade() == Masquerade::Always {
                    rules.push(
                        rule("masquerade traffic for external destinations")
                            .jump(self.dialect.mark_masq.clone()),
                    );
                }
                let to = if outcome == Outcome::Local { here } else { all };
                rules.push(rule("external destinations").jump(to));
            }
        }
        Piece::Chain(TableName::Nat, self.text.chain("EXT"), Chain::new(rules))
    }

    /// Whoever comes as far as this goes to no other Service's node port either: the filter ends it.
    fn untranslated(&self) -> Rule {
        self.dialect.rule().comment(self.comment("goes nowhere")).target(Target::Accept)
    }

    /// To the endpoint that remembers the client, or to any.
    fn spread(&self, kind: &str, endpoints: &[Endpoint], reached: &[Reached]) -> Piece {
        let frontends = self.port.frontends_in_force();
        let mut rules = Vec::with_capacity(endpoints.len() + 1);
        rules.extend(frontends.filter_map(|frontend| self.masquerade(kind, frontend)));
        let reached = |endpoint: &Endpoint| {
            let at = reached.binary_search_by_key(endpoint, |reached| reached.endpoint).ok()?;
            reached.get(at)
        };
        let rule = |to: &Reached| self.dialect.rule().comment(to.comment.clone());
        for to in endpoints.iter().filter_map(reached) {
            let remembers = to.set.clone().map(Match::Set);
            rules.extend(remembers.map(|known| rule(to).matching(known).jump(to.chain.clone())));
        }
        for (left, to) in (1..=endpoints.len()).rev().zip(endpoints.iter().filter_map(reached)) {
            let rule = if left > 1 { rule(to).matching(Match::Random(one_in(left))) } else { rule(to) };
            rules.push(rule.jump(to.chain.clone()));
        }
        Piece::Chain(TableName::Nat, self.text.chain(kind), Chain::new(rules))
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
        Some(rule.jump(self.dialect.mark_masq.clone()))
    }

    fn show_endpoint(&self, name: &Arc<str>, reached: Reached, show: &mut impl FnMut(Piece)) {
        let Reached { endpoint, chain, set, .. } = reached;
        let (protocol, to) = (self.port.name().protocol(), endpoint.address());
        let rule = || self.dialect.rule().comment(name.clone());
        let mut rules = Vec::with_capacity(3);
        rules.push(rule().from(to.ip().into()).jump(self.dialect.mark_masq.clone()));
        if let Some((name, timeout)) = set.zip(self.port.affinity()) {
            show(Piece::Set(self.dialect.set(name.to_string())));
            rules.push(rule().target(Target::Remember { set: name, seconds: timeout.as_secs() }));
        }
        let dnat = rule().protocol(protocol).matching(Match::Port(protocol, None));
        rules.push(dnat.target(Target::Dnat(to)));
        show(Piece::Chain(TableName::Nat, chain, Chain { policy: None, rules }));
    }
}

/// So many of 2^31, rounded as iptables does.
fn one_in(count: usize) -> u32 {
    let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
    u32::try_from(((1_u64 << 31) + count / 2) / count).unwrap_or(u32::MAX)
}
