//! One Service's part: chains of its own, and the rules that lead to them.

use ipnet::IpNet;
use svc_model::Protocol;

use super::base::{MARK_MASQ, REJECT};
use super::dialect::Dialect;
use super::matching::{AddressKind, Match, Negatable, Recent};
use super::name;
use super::rule::{Masked, Rule, address, bits};
use super::table::{Chain, TableName};
use super::target::{RejectWith, Target};
use super::tree::{Dispatcher, Key};
use crate::plan::{
    Destination, Endpoint, Frontend, FrontendKind, Masquerade, Outcome, PortPlan, ServicePlan,
};

/// What one Service asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fragment {
    pub(crate) chains: Vec<(TableName, String, Chain)>,
    /// Rules of chains that all Services share, by where they stand there.
    pub(crate) entries: Vec<(Key, Rule)>,
}

impl Fragment {
    pub(crate) fn new(dialect: &Dialect, service: &ServicePlan) -> Self {
        let mut fragment = Fragment::default();
        for port in service.ports().iter().filter(|port| port.family() == dialect.family) {
            Part { dialect, port, fragment: &mut fragment }.add();
        }
        if let Some(check) = service.health_check().filter(|_| dialect.compat.accept_health_checks) {
            let rule = dialect.rule().port(Protocol::Tcp, check.port(), check.port());
            let rule = rule.comment(format!("{} health check node port", service.name()));
            let key = (Dispatcher::HealthChecks, u128::from(check.port()));
            fragment.entries.push((key, rule.target(Target::Accept)));
        }
        fragment
    }
}

/// One port.
struct Part<'a> {
    dialect: &'a Dialect,
    port: &'a PortPlan,
    fragment: &'a mut Fragment,
}

impl Part<'_> {
    fn add(&mut self) {
        let (mut cluster, mut local, mut external) = (false, false, None);
        for frontend in self.port.frontends_in_force() {
            self.add_refusals(frontend);
            self.add_known_address(frontend);
            if !self.is_served(frontend) {
                self.add_stop(frontend);
                continue;
            }
            cluster |= matches!(frontend.outcome(), Outcome::Cluster | Outcome::BySource);
            local |= matches!(frontend.outcome(), Outcome::Local | Outcome::BySource);
            if frontend.kind().is_external() {
                external = Some(frontend);
            }
            let to = self.entry_chain(frontend);
            let rule = self.towards(frontend);
            self.put(nat_dispatcher(frontend), frontend, rule.jump(to));
        }
        self.add_firewalls();
        if let Some(frontend) = external {
            self.add_external(frontend);
        }
        let port = self.port;
        let (all, here) = (port.cluster_endpoints(), port.local_endpoints());
        let mut reachable: Vec<Endpoint> = Vec::new();
        if cluster && !all.is_empty() {
            self.add_spread("SVC", all);
            reachable.extend(all);
        }
        if local && !here.is_empty() {
            self.add_spread("SVL", here);
            reachable.extend(here);
        }
        reachable.sort();
        reachable.dedup();
        reachable.into_iter().for_each(|endpoint| self.add_endpoint(endpoint));
    }

    fn comment(&self, what: &str) -> String {
        format!("{} {what}", self.port.name())
    }

    fn chain_name(&self, kind: &str) -> String {
        name::of_port(kind, self.port.name())
    }

    /// Any packet leads to an endpoint.
    fn is_served(&self, frontend: &Frontend) -> bool {
        match frontend.outcome() {
            Outcome::Cluster | Outcome::BySource => !self.port.cluster_endpoints().is_empty(),
            Outcome::Local => !self.port.local_endpoints().is_empty(),
            Outcome::Reject | Outcome::Drop => false,
        }
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

    fn put(&mut self, dispatcher: Dispatcher, frontend: &Frontend, rule: Rule) {
        let key = match frontend.key().destination {
            Destination::Address(address) => bits(address),
            Destination::NodePort(_) => frontend.key().port.into(),
        };
        self.fragment.entries.push(((dispatcher, key), rule));
    }

    fn chain(&mut self, table: TableName, name: String, rules: Vec<Rule>) {
        self.fragment.chains.push((table, name, Chain::new(rules)));
    }

    /// Where the rule for a frontend leads.
    fn entry_chain(&self, frontend: &Frontend) -> String {
        match (frontend.kind().is_external(), frontend.outcome()) {
            (true, _) if frontend.sources().is_some() => self.chain_name("FW"),
            (true, _) => self.chain_name("EXT"),
            (false, Outcome::Local) => self.chain_name("SVL"),
            (false, _) => self.chain_name("SVC"),
        }
    }

    /// What is not translated ends here.
    fn add_refusals(&mut self, frontend: &Frontend) {
        let target = match frontend.outcome() {
            Outcome::Reject => self.reject(),
            Outcome::BySource if self.port.local_endpoints().is_empty() => Target::Drop,
            _ if !self.is_served(frontend) => Target::Drop,
            _ => return,
        };
        let rule = self.towards(frontend).target(target);
        self.put(refusal_dispatcher(frontend), frontend, rule);
    }

    fn reject(&self) -> Target {
        let by_reset = self.port.name().protocol() == Protocol::Tcp && !self.dialect.compat.reject_by_icmp;
        Target::Reject(if by_reset { RejectWith::TcpReset } else { RejectWith::PortUnreachable })
    }

    /// An address may be the node's own: what is refused there must not come to another Service's node port.
    fn add_stop(&mut self, frontend: &Frontend) {
        if frontend.kind().is_external() && frontend.kind() != FrontendKind::NodePort {
            let rule = self.towards(frontend).target(Target::Accept);
            self.put(Dispatcher::Services, frontend, rule);
        }
    }

    /// A ClusterIP's other ports are refused.
    fn add_known_address(&mut self, frontend: &Frontend) {
        let (FrontendKind::ClusterIp, Destination::Address(address)) =
            (frontend.kind(), frontend.key().destination)
        else {
            return;
        };
        if !self.dialect.compat.pass_wrong_ports {
            let rule = self.dialect.rule().to(address).jump(REJECT);
            self.fragment.entries.push(((Dispatcher::ClusterIps, bits(address)), rule));
        }
    }

    /// Who may use a load-balancer address is led on by `KUBE-FW-…`; whom that left alone is dropped before other rules
    /// of the filter. Where there is nothing to lead to, the filter asks itself.
    fn add_firewalls(&mut self) {
        let port = self.port;
        let mut guarded =
            port.frontends_in_force().filter(|frontend| frontend.sources().is_some()).peekable();
        let Some(first) = guarded.peek() else { return };
        let ranges = first.sources().unwrap_or_default().to_vec();
        let refused = self.is_served(first).then_some(()).is_none();
        if refused
            && first.outcome() == Outcome::Reject
            && self.dialect.compat.reject_blocked_without_endpoints
        {
            return;
        }
        let firewall = self.chain_name("FW");
        let comment = self.comment("loadbalancer IP");
        let from = |range: &IpNet| self.dialect.rule().from(*range).comment(&comment);
        if refused {
            let mut rules: Vec<_> = ranges.iter().map(|range| from(range).target(Target::Return)).collect();
            rules.push(self.dialect.rule().comment(&comment).target(Target::Drop));
            self.chain(TableName::Filter, firewall.clone(), rules);
        } else {
            let external = self.chain_name("EXT");
            let mut rules: Vec<_> = ranges.iter().map(|range| from(range).jump(&external)).collect();
            rules.push(self.untranslated());
            self.chain(TableName::Nat, firewall.clone(), rules);
        }
        for frontend in guarded {
            let rule = self.towards(frontend);
            let rule = if refused { rule.jump(&firewall) } else { rule.target(Target::Drop) };
            self.put(Dispatcher::Firewall, frontend, rule);
        }
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
    fn add_spread(&mut self, kind: &str, endpoints: &[Endpoint]) {
        let mut rules: Vec<_> =
            self.port.frontends_in_force().filter_map(|frontend| self.masquerade(kind, frontend)).collect();
        let to = |endpoint: &Endpoint| name::of_endpoint(self.port.name(), *endpoint);
        let comment = |endpoint: &Endpoint| self.comment(&format!("-> {}", endpoint.address()));
        if let Some(timeout) = self.port.affinity() {
            for endpoint in endpoints {
                for (sources, name) in self.lists(&to(endpoint)) {
                    let check = Match::Recent(Recent::Check { name, seconds: timeout.as_secs() });
                    let rule = Rule { source: sources, ..self.dialect.rule() };
                    rules.push(rule.comment(comment(endpoint)).matching(check).jump(to(endpoint)));
                }
            }
        }
        for (left, endpoint) in (1..=endpoints.len()).rev().zip(endpoints) {
            let mut rule = self.dialect.rule().comment(comment(endpoint));
            if left > 1 {
                rule = rule.matching(Match::Random(one_in(left)));
            }
            rules.push(rule.jump(to(endpoint)));
        }
        let name = self.chain_name(kind);
        self.chain(TableName::Nat, name, rules);
    }

    /// The chain is entered from elsewhere too: only traffic to the ClusterIP is meant.
    fn masquerade(&self, kind: &str, frontend: &Frontend) -> Option<Rule> {
        if frontend.kind().is_external()
            || !self.is_served(frontend)
            || self.entry_chain(frontend) != self.chain_name(kind)
        {
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

    fn add_endpoint(&mut self, endpoint: Endpoint) {
        let name = name::of_endpoint(self.port.name(), endpoint);
        let (protocol, to) = (self.port.name().protocol(), endpoint.address());
        let comment = self.port.name().to_string();
        let rule = || self.dialect.rule().comment(&comment);
        let mut rules = vec![rule().from(to.ip().into()).jump(MARK_MASQ)];
        let dnat = |rule: Rule| {
            rule.protocol(protocol).matching(Match::Port(protocol, None)).target(Target::Dnat(to))
        };
        match self.port.affinity() {
            None => rules.push(dnat(rule())),
            Some(_) => rules.extend(self.lists(&name).into_iter().map(|(sources, list)| {
                let rule = Rule { source: sources, ..rule() };
                dnat(rule.matching(Match::Recent(Recent::Set { name: list })))
            })),
        }
        self.chain(TableName::Nat, name, rules);
    }

    /// The lists of an endpoint, each with the sources that belong there: those with the same last bits.
    fn lists(&self, name: &str) -> Vec<(Option<Negatable<Masked>>, String)> {
        let count = self.dialect.lists;
        if count <= 1 {
            return vec![(None, name.to_owned())];
        }
        let family = self.dialect.family;
        let mask = address(family, u128::from(count - 1));
        let list = |number: u32| {
            let sources = Masked::new(address(family, number.into()), mask);
            (Some(Negatable::is(sources)), format!("{name}.{number}"))
        };
        (0..count).map(list).collect()
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

/// So many of 2^31, rounded as iptables does.
fn one_in(count: usize) -> u32 {
    let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
    u32::try_from(((1_u64 << 31) + count / 2) / count).unwrap_or(u32::MAX)
}
