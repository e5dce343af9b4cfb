//! Chains and sets of one Service port: where clients stay with their endpoint, and where source ranges apply.

use std::time::Duration;

use ipnet::IpNet;
use svc_nft::{Chain, CmpOp, Expr, Name, Rule, Set, SetFlag, Statement, Value};

use super::dialect::Dialect;
use super::map::proto;
use super::whose::own_name;
use crate::plan::{Endpoint, Frontend, Outcome, PortPlan, ServicePortName};

/// Clients whose endpoint one affinity set remembers; beyond that, new ones are spread without being remembered.
const AFFINITY_CLIENTS: u32 = 65_536;

/// Whether chains of its own lead a frontend's clients, because they stay with their endpoint.
pub(crate) fn leads(dialect: &Dialect, port: &PortPlan, frontend: &Frontend) -> bool {
    let is_empty = dialect.lots(port, frontend).iter().all(|lots| lots.is_empty());
    port.affinity().is_some() && !(dialect.has_ipvs() && is_empty)
}

/// The chains and sets of a port with session affinity.
pub(crate) struct Affinity<'a> {
    pub(crate) dialect: &'a Dialect,
    pub(crate) port: &'a PortPlan,
    pub(crate) timeout: Duration,
}

impl Affinity<'_> {
    /// Where a frontend leads.
    pub(crate) fn entry(&self, frontend: &Frontend) -> Name {
        match (frontend.kind().is_external(), frontend.outcome()) {
            (true, _) if self.dialect.has_ipvs() => self.chain_name("external"),
            (_, Outcome::Local) => self.chain_name("local"),
            (true, _) => self.chain_name("external"),
            (false, _) => self.chain_name("service"),
        }
    }

    /// All that the frontends in force need. Chains that name others come after them.
    pub(crate) fn objects(&self) -> (Vec<Set>, Vec<Chain>) {
        let led =
            || self.port.frontends_in_force().filter(|frontend| leads(self.dialect, self.port, frontend));
        let lots = |which: usize| {
            let mut all = led().map(|frontend| self.dialect.lots(self.port, frontend)[which]);
            all.find(|lots| !lots.is_empty()).unwrap_or_default()
        };
        let (cluster, local) = (lots(0), lots(1));
        let mut reachable: Vec<_> = cluster.iter().chain(local).copied().collect();
        reachable.sort();
        reachable.dedup();
        let sets = reachable.iter().map(|endpoint| self.memory(*endpoint)).collect();
        let mut chains: Vec<_> = reachable.iter().map(|endpoint| self.endpoint_chain(*endpoint)).collect();
        chains.push(self.spread_chain("service", cluster));
        if !local.is_empty() {
            chains.push(self.spread_chain("local", local));
        }
        let is_spread = |frontend: &&Frontend| self.entry(frontend) == self.chain_name("external");
        if let Some(external) = led().find(is_spread) {
            chains.push(self.external_chain(external, !local.is_empty()));
        }
        (sets, chains)
    }

    fn chain_name(&self, kind: &str) -> Name {
        own_name(kind, self.port.name()).into()
    }

    fn endpoint_name(&self, kind: &str, endpoint: Endpoint) -> Name {
        // nft reads no colon in a name.
        let address = endpoint.address().ip().to_string().replace(':', ".");
        let port = endpoint.address().port();
        format!("{}/{address}/{port}", own_name(kind, self.port.name())).into()
    }

    /// The clients of an endpoint.
    fn memory(&self, endpoint: Endpoint) -> Set {
        Set::new(self.endpoint_name("affinity", endpoint), self.dialect.address_type())
            .flag(SetFlag::Dynamic)
            .flag(SetFlag::Timeout)
            .size(if self.dialect.compat.affinity_of_100_clients { 100 } else { AFFINITY_CLIENTS })
    }

    fn endpoint_chain(&self, endpoint: Endpoint) -> Chain {
        let remember = Statement::update(self.endpoint_name("affinity", endpoint), [self.dialect.saddr()]);
        let address = endpoint.address();
        Chain::regular(self.endpoint_name("endpoint", endpoint)).rule([remember.timeout(self.timeout)]).rule(
            [
                Statement::l4proto(proto(self.port.name().protocol())),
                Statement::dnat(address.ip(), Some(address.port())),
            ],
        )
    }

    /// To the endpoint that remembers the client, or to any.
    fn spread_chain(&self, kind: &str, endpoints: &[Endpoint]) -> Chain {
        let mut chain = Chain::regular(self.chain_name(kind));
        for endpoint in endpoints {
            let known = Statement::lookup([self.dialect.saddr()], self.endpoint_name("affinity", *endpoint));
            chain.push([known, Statement::goto(self.endpoint_name("endpoint", *endpoint))]);
        }
        for (left, endpoint) in (1_u32..=count(endpoints)).rev().zip(endpoints) {
            let leads = Statement::goto(self.endpoint_name("endpoint", *endpoint));
            match left {
                1 => chain.push([leads]),
                _ => chain.push([one_in(left), leads]),
            }
        }
        chain
    }

    fn external_chain(&self, frontend: &Frontend, has_local: bool) -> Chain {
        let mut chain = Chain::regular(self.chain_name("external"));
        let to_all = || Statement::goto(self.chain_name("service"));
        let led = |to| self.dialect.beyond_ipvs().into_iter().chain([to]);
        match frontend.outcome() {
            Outcome::BySource => {}
            Outcome::Local => return chain.rule(Rule::new(led(Statement::goto(self.chain_name("local"))))),
            _ => return chain.rule([self.dialect.mark()]).rule(Rule::new(led(to_all()))),
        }
        if let Some(pods_only) = self.dialect.pods_only() {
            chain.push([pods_only, to_all()]);
        }
        chain.push([Statement::from_local(), self.dialect.mark()]);
        chain.push([Statement::from_local(), to_all()]);
        if has_local {
            chain.push([Statement::goto(self.chain_name("local"))]);
        }
        chain
    }
}

fn one_in(count: u32) -> Statement {
    Statement::Match { expr: Expr::numgen_random(count), op: CmpOp::Eq, value: Value::Integer(0) }
}

/// Whether a frontend is behind its port's firewall.
pub(crate) fn is_guarded(dialect: &Dialect, frontend: &Frontend) -> bool {
    let refused = dialect.compat.reject_blocked_without_endpoints && frontend.outcome() == Outcome::Reject;
    frontend.sources().is_some() && !refused
}

/// Who may use a port's load-balancer addresses; `None` where everybody may.
pub(crate) fn firewall(dialect: &Dialect, port: &PortPlan) -> Option<Chain> {
    let guarded = port.frontends_in_force().find(|frontend| is_guarded(dialect, frontend))?;
    let chain = Chain::regular(firewall_name(port.name()));
    let admit = |range: &IpNet| [Statement::eq(dialect.saddr(), *range), Statement::return_()];
    let ranges = guarded.sources().unwrap_or_default();
    Some(ranges.iter().map(admit).fold(chain, Chain::rule).rule([Statement::drop()]))
}

pub(crate) fn firewall_name(port: &ServicePortName) -> Name {
    own_name("firewall", port).into()
}

/// Endpoints are far fewer than 2^32.
pub(crate) fn count(endpoints: &[Endpoint]) -> u32 {
    u32::try_from(endpoints.len()).unwrap_or(u32::MAX)
}
