//! All the ways in which a table of nftables can be a little different.

use std::time::Duration;

use svc_nft::{
    Chain, CmpOp, Data, Element, Expr, Family, Hook, Key, NatTarget, Numgen, Policy, Rule, Set, SetFlag,
    Statement, Table, Value, Verdict,
};
use svc_proxy::packet::Packet;
use svc_proxy::trace::nftables::Tables;
use svc_proxy::trace::{Outcome, Ruleset as _};
use svc_proxy::{Compiler as _, Plan, nftables};

use super::{Altered, Mutant, Objector, says};
use crate::outcomes::holds;
use crate::reference::Expected;

/// The rules of a plan, and all that differ from them in one place.
pub(super) fn mutants(plan: &Plan) -> (Vec<Box<dyn Altered>>, Vec<Mutant>) {
    let tables = nftables::Backend::default().compile(plan).tables();
    let mut all = Vec::new();
    for table in &tables {
        table.chains().iter().for_each(|chain| of_chain(table, chain, &mut all));
        table.sets().iter().for_each(|set| of_set(table, set, &mut all));
    }
    let tables = tables.into_iter().map(|table| Box::new(table) as _);
    (tables.collect(), all)
}

impl Altered for Table {
    fn is_ipv6(&self) -> bool {
        self.id().family() == Family::Ip6
    }

    fn objector(&self) -> Objector {
        let (rules, raced) = (Tables::new([self.clone()]), Tables::new([with_one_endpoint(self)]));
        Box::new(move |packet, expected| {
            holds(&rules, packet, expected).err().or_else(|| lost_in_a_race(&raced, packet, expected))
        })
    }
}

fn mutant(kind: &'static str, name: String, table: Table) -> Mutant {
    let unseen = UNSEEN.iter().any(|(place, what, _)| name.contains(place) && says(&name, what));
    Mutant { kind, name, unseen, rules: Box::new(table) }
}

/// For pods and the node; outside clients have only that one anyway.
const RACE: &str = "in a race the local endpoint serves too";
const NO_LOOPBACK: &str = "this range is not the loopback's";

/// What may be altered without anybody noticing, and why: place, what is altered (`..` stands for anything), reason.
const UNSEEN: [(&str, &str, &str); 12] = [
    (
        " endpoint-",
        "statement removed: meta l4proto..=>  dnat to",
        "nothing else comes here; nft wants it said before a port",
    ),
    (
        "-local-",
        "-0: statement removed: fib saddr type local meta mark set..=>  meta mark set",
        "others are dropped, marked or not",
    ),
    ("-local-3-1", "rule removed: fib..mod 1 map", RACE),
    ("-local-3-1", "rule removed: i..mod 1 map", RACE),
    ("-local-3-1", "numgen changed: fib..mod 1 map..=>", RACE),
    ("-local-3-1", "numgen changed: i..mod 1 map..=>", RACE),
    ("-local-3-1", "statement removed: fib..mod 1 map..=>  fib", RACE),
    ("-local-3-1", "statement removed: i..mod 1 map..=>  i", RACE),
    (" services", "=>  ip daddr 172.20.11.0/24 fib daddr type local goto", NO_LOOPBACK),
    (" services", "=>  ip daddr 172.20.11.0/24 fib daddr type local meta", NO_LOOPBACK),
    (" services", "=>  ip6 daddr 2001:db8:21::/64 fib daddr type local goto", NO_LOOPBACK),
    (" services", "=>  ip6 daddr 2001:db8:21::/64 fib daddr type local meta", NO_LOOPBACK),
];

fn of_chain(table: &Table, chain: &Chain, all: &mut Vec<Mutant>) {
    let mut add = |kind, what: String, changed: Option<Chain>| {
        let mut mutated = table.clone();
        match changed {
            Some(changed) => mutated.insert_chain(changed),
            None => drop(mutated.remove_chain(chain.name())),
        }
        all.push(mutant(kind, format!("{} {}: {kind}: {what}", table.id(), chain.name()), mutated));
    };
    add("chain removed", String::new(), None);
    if let Some(base) = chain.hook() {
        add("policy drop", String::new(), Some(chain.clone().policy(Policy::Drop)));
        let moved = |hook, priority| {
            with_rules(Chain::base(chain.name(), base.chain_type, hook, priority), chain.rules())
        };
        let hook = if base.hook == Hook::Prerouting { Hook::Output } else { Hook::Prerouting };
        add("hook changed", hook.to_string(), Some(moved(hook, base.priority)));
        // Translations happen at their place in any case.
        if base.chain_type == svc_nft::ChainType::Filter
            && matches!(base.hook, Hook::Prerouting | Hook::Output)
        {
            let other = if base.priority.number() < -100 { base.priority + 200 } else { base.priority - 200 };
            add("priority changed", other.number().to_string(), Some(moved(base.hook, other)));
        }
    }
    for (at, rule) in chain.rules().iter().enumerate() {
        let text = rule.text(table.id().family()).to_string();
        let mut rules = chain.rules().to_vec();
        rules.remove(at);
        add("rule removed", text.clone(), Some(with_rules(chain.header(), &rules)));
        for (kind, changed) in of_rule(rule) {
            let mut rules = chain.rules().to_vec();
            let what = format!("{text}  =>  {}", changed.text(table.id().family()));
            rules[at] = changed;
            add(kind, what, Some(with_rules(chain.header(), &rules)));
        }
    }
}

fn with_rules(chain: Chain, rules: &[Rule]) -> Chain {
    rules.iter().cloned().fold(chain, Chain::rule)
}

fn of_rule(rule: &Rule) -> Vec<(&'static str, Rule)> {
    let statements = rule.statements();
    let mut all = Vec::new();
    for (at, statement) in statements.iter().enumerate() {
        if statements.len() > 1 {
            let mut fewer = statements.to_vec();
            fewer.remove(at);
            all.push(("statement removed", Rule::new(fewer)));
        }
        for (kind, changed) in of_statement(statement) {
            let mut others = statements.to_vec();
            others[at] = changed;
            all.push((kind, Rule::new(others)));
        }
    }
    all
}

fn of_statement(statement: &Statement) -> Vec<(&'static str, Statement)> {
    let statement = statement.clone();
    match statement {
        Statement::Match { expr: Expr::Numgen(Numgen::Random { modulus }), op, value } => {
            let other = Expr::numgen_random(modulus + 1);
            vec![("numgen changed", Statement::Match { expr: other, op, value })]
        }
        Statement::Match { expr, op, value } => {
            vec![("match inverted", Statement::Match { expr, op: inverted(op), value })]
        }
        Statement::MatchMasked { expr, mask, op, value } => vec![
            ("match inverted", Statement::MatchMasked { expr, mask, op: inverted(op), value }),
            ("mark changed", Statement::MatchMasked { expr, mask: mask << 1, op, value }),
        ],
        Statement::CtState(_) => {
            vec![("ct state changed", Statement::ct_state([svc_nft::CtState::Established]))]
        }
        Statement::CtStatus(_) => {
            vec![("ct status changed", Statement::ct_status([svc_nft::CtStatus::Snat]))]
        }
        Statement::Fib { address, op, kind } => {
            vec![("fib inverted", Statement::Fib { address, op: inverted(op), kind })]
        }
        Statement::Lookup { key, set, negated } => {
            vec![("lookup inverted", Statement::Lookup { key, set, negated: !negated })]
        }
        Statement::SetMark { mask, xor } => {
            vec![("mark changed", Statement::SetMark { mask, xor: xor << 1 })]
        }
        Statement::Nat { kind, to, flags } => of_target(to)
            .into_iter()
            .map(|(what, to)| (what, Statement::Nat { kind, to, flags: flags.clone() }))
            .collect(),
        Statement::Masquerade { .. } => vec![("masquerade to accept", Statement::accept())],
        Statement::Reject(_) => vec![("reject to drop", Statement::drop())],
        Statement::Verdict(verdict) => {
            other_verdicts(&verdict).into_iter().map(|(what, verdict)| (what, verdict.into())).collect()
        }
        Statement::Dynset { op, set, key, data, timeout } => {
            let timeout = timeout.map(|timeout| timeout + Duration::from_secs(1));
            vec![("timeout changed", Statement::Dynset { op, set, key, data, timeout })]
        }
        _ => Vec::new(),
    }
}

fn inverted(op: CmpOp) -> CmpOp {
    if op == CmpOp::Eq { CmpOp::Neq } else { CmpOp::Eq }
}

fn of_target(to: NatTarget) -> Vec<(&'static str, NatTarget)> {
    match to {
        NatTarget::Address { address, port } => vec![
            ("dnat port changed", NatTarget::Address { address, port: port.map(|port| port + 1) }),
            ("dnat without port", NatTarget::Address { address, port: None }),
        ],
        NatTarget::Map { key, map, ipv6, port } => {
            let changed = |expr: &Expr| match expr {
                Expr::Numgen(Numgen::Random { modulus }) => Expr::numgen_random(modulus + 1),
                other => *other,
            };
            vec![(
                "numgen changed",
                NatTarget::Map { key: key.iter().map(changed).collect(), map, ipv6, port },
            )]
        }
        _ => Vec::new(),
    }
}

fn other_verdicts(verdict: &Verdict) -> Vec<(&'static str, Verdict)> {
    match verdict {
        Verdict::Drop => vec![("drop to accept", Verdict::Accept)],
        Verdict::Accept => vec![("accept to drop", Verdict::Drop)],
        Verdict::Return => vec![("return to drop", Verdict::Drop)],
        Verdict::Jump(_) => vec![("jump to drop", Verdict::Drop), ("jump to accept", Verdict::Accept)],
        Verdict::Goto(_) => vec![("goto to drop", Verdict::Drop), ("goto to return", Verdict::Return)],
        _ => Vec::new(),
    }
}

fn of_set(table: &Table, set: &Set, all: &mut Vec<Mutant>) {
    let mut add = |kind, what: String, changed: Option<Set>| {
        let mut mutated = table.clone();
        match changed {
            Some(changed) => mutated.insert_set(changed),
            None => drop(mutated.remove_set(set.name())),
        }
        all.push(mutant(kind, format!("{} {}: {kind}: {what}", table.id(), set.name()), mutated));
    };
    add("set removed", String::new(), None);
    if set.has(SetFlag::Dynamic) {
        add("set fixed", String::new(), Some(Set::new(set.name(), set.key_type().clone())));
    }
    for element in set.elements() {
        let mut fewer = set.clone();
        fewer.remove(element.key());
        add("element removed", element.key().to_string(), Some(fewer.clone()));
        add("key changed", element.key().to_string(), Some(fewer.element(elsewhere(element))));
        for (kind, data) in other_data(element) {
            let changed = Element::mapping(element.key().clone(), data)
                .comment(element.comment_text().unwrap_or_default());
            add(kind, element.key().to_string(), Some(set.clone().element(changed)));
        }
    }
}

/// The same element under another key.
fn elsewhere(element: &Element) -> Element {
    let changed = |part: &Value| match part {
        Value::Port(port) => Value::Port(port + 1000),
        Value::Ipv4(address) => Value::Ipv4((u32::from(*address) + 0x0100).into()),
        Value::Ipv6(address) => Value::Ipv6((u128::from(*address) + 0x0001_0000).into()),
        other => other.clone(),
    };
    let key = Key::new(element.key().parts().iter().map(changed));
    match element.data() {
        Some(data) => Element::mapping(key, data.clone()),
        None => Element::new(key),
    }
}

fn other_data(element: &Element) -> Vec<(&'static str, Data)> {
    match element.data() {
        Some(Data::Verdict(verdict)) => other_verdicts(verdict)
            .into_iter()
            .map(|(what, verdict)| (what, Data::Verdict(verdict)))
            .collect(),
        Some(Data::Values(values)) => {
            let changed = |value: &Value| match value {
                Value::Port(port) => Value::Port(port + 1),
                other => other.clone(),
            };
            vec![("data changed", Data::Values(values.iter().map(changed).collect()))]
        }
        _ => Vec::new(),
    }
}

/// The kernel looks at maps anew in each look-up: endpoints may vanish between the choice of the chain for so many and the
/// draw. A client must not be lost then.
fn lost_in_a_race(raced: &Tables, packet: &Packet, expected: &Expected) -> Option<String> {
    if expected.outcome != Outcome::Forward || expected.endpoints.len() < 2 {
        return None;
    }
    match raced.trace(packet) {
        Ok(trace) if trace.ways().iter().all(|way| way.outcome() == Outcome::Forward) => None,
        Ok(trace) => Some(format!("in a race: {trace}")),
        Err(error) => Some(error.to_string()),
    }
}

/// All but the first.
fn with_one_endpoint(table: &Table) -> Table {
    let mut raced = table.clone();
    for set in table.sets() {
        let mut fewer = set.clone();
        for element in set.elements() {
            if matches!(element.key().parts().last(), Some(Value::Integer(1..))) {
                fewer.remove(element.key());
            }
        }
        raced.insert_set(fewer);
    }
    raced
}
