//! iptables on paper: tables as values, walked as the kernel walks them.
//!
//! Source of what the kernel does: `ip_tables.c`, `nf_nat_core.c` and `xt_*.c` of Linux 6.1.

mod rule;
mod walk;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::dice::Dice;
use super::{Memory, RuleAt, Ruleset, Trace, TraceError, Way};
use crate::iptables::{self, Policy, Rule, Rules, TableName, Target};
use crate::packet::Packet;
use walk::Walk;

/// Packets that go more ways than this are not followed: no Service has as many endpoints.
const MOST_WAYS: usize = 100_000;

/// The tables of both families: ours, or everything that `iptables-save` and `ip6tables-save` list. Clones are cheap.
///
/// ```
/// use svc_model::AddressType;
/// use svc_proxy::iptables::Tables;
/// use svc_proxy::trace::{Outcome, Ruleset as _, iptables::Listing};
///
/// let listing = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n";
/// let listing = Listing::new([Tables::parse(AddressType::Ipv4, listing)?]);
/// assert_eq!(listing.trace(&"TCP 192.0.2.1 198.51.100.1:80".parse()?)?.outcome(), Outcome::Drop);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Listing {
    chains: Arc<HashMap<(bool, TableName), HashMap<String, IndexedChain>>>,
}

/// A chain with rules that know where they stand.
#[derive(Debug)]
struct IndexedChain {
    policy: Option<Policy>,
    rules: Vec<Arc<PlacedRule>>,
}

#[derive(Debug)]
struct PlacedRule {
    table: (TableName, String),
    chain: String,
    /// From 1.
    number: usize,
    rule: Rule,
    object: Option<Arc<str>>,
    text: OnceLock<String>,
}

impl RuleAt for PlacedRule {
    fn table(&self) -> &str {
        &self.table.1
    }

    fn chain(&self) -> &str {
        &self.chain
    }

    fn rule(&self) -> &str {
        self.text.get_or_init(|| self.rule.to_string().trim_start().to_owned())
    }
}

impl Listing {
    /// Indexes tables. O(size of the tables).
    pub fn new(families: impl IntoIterator<Item = iptables::Tables>) -> Self {
        let mut chains = HashMap::<_, HashMap<_, _>>::new();
        for tables in families {
            let ipv6 = tables.family() == svc_model::AddressType::Ipv6;
            for (table, all) in tables.tables() {
                let program = tables.program();
                let names = all.iter().map(|(name, chain)| {
                    (name.to_string(), indexed((*table, format!("{program} {table}")), name, chain))
                });
                chains.entry((ipv6, *table)).or_default().extend(names);
            }
        }
        Self { chains: Arc::new(chains) }
    }

    fn chain(&self, ipv6: bool, table: TableName, name: &str) -> Option<&IndexedChain> {
        self.chains.get(&(ipv6, table))?.get(name)
    }
}

fn indexed(table: (TableName, String), name: &str, chain: &iptables::Chain) -> IndexedChain {
    let place = |(number, rule): (usize, &Rule)| {
        Arc::new(PlacedRule {
            table: table.clone(),
            chain: name.to_owned(),
            number,
            rule: rule.clone(),
            object: rule.object().map(Arc::from),
            text: OnceLock::new(),
        })
    };
    IndexedChain { policy: chain.policy(), rules: (1..).zip(chain.rules()).map(place).collect() }
}

impl Ruleset for Listing {
    fn ways(&self, packet: &Packet, memory: &Memory) -> Result<Vec<Way>, TraceError> {
        let (mut dice, mut ways) = (Dice::default(), Vec::new());
        loop {
            ways.push(Walk::new(self, packet, memory, &mut dice).finish()?);
            if !dice.turn() || ways.len() >= MOST_WAYS {
                return Ok(ways);
            }
        }
    }
}

impl Rules {
    /// What becomes of a packet. For many packets, index the tables once: `Listing::new(rules.tables())`.
    ///
    /// # Errors
    ///
    /// Never for rules as they were compiled: there is nothing in them that a trace does not understand.
    pub fn trace(&self, packet: &Packet) -> Result<Trace, TraceError> {
        Listing::new(self.tables()).trace(packet)
    }
}

/// Whether a target decides something or leads on: a step worth telling.
fn acts(target: Option<&Target>) -> bool {
    !matches!(target, None | Some(Target::Return))
}
