//! Generated rules and tables.

use std::{net::IpAddr, time::Duration};

use proptest::{collection::vec, option, prelude::*, sample::select};
use svc_nft::*;

/// Sets that generated rules look things up in; the key tells which.
const SETS: [(&str, &[Expr]); 4] = [
    ("by-source", &[Expr::IpSaddr]),
    ("by-service", &[Expr::IpDaddr, Expr::L4Proto, Expr::ThDport]),
    ("by-interface", &[Expr::Iifname]),
    ("by-mark", &[Expr::Mark]),
];
const ENDPOINT_KEY: [Expr; 4] = [Expr::IpDaddr, Expr::L4Proto, Expr::ThDport, Expr::numgen_random(4)];

fn types(key: &[Expr]) -> KeyType {
    KeyType::Types(key.iter().filter_map(|expr| expr.data_type()).collect())
}

/// A table of everything that generated rules name, with these rules in one chain.
pub(crate) fn table_of(rules: Vec<Rule>) -> Table {
    let mut table = Table::new(Family::Ip, "generated");
    for (name, key) in SETS {
        table.insert_set(Set::new(name, types(key)));
    }
    table.insert_set(Set::vmap("verdicts", types(SETS[1].1)));
    table.insert_set(Set::map("endpoints", ENDPOINT_KEY, [Expr::IpDaddr, Expr::ThDport]));
    let seen = Set::new("seen", types(SETS[1].1)).flag(SetFlag::Dynamic).timeout(Duration::from_secs(60));
    table.insert_set(seen.size(100));
    table.insert_chain(Chain::regular("target"));
    let mut chain = Chain::regular("rules");
    rules.into_iter().for_each(|rule| chain.push(rule));
    table.insert_chain(chain);
    table
}

pub(crate) fn rule() -> impl Strategy<Value = Rule> {
    let comment = option::weighted(0.2, "[a-z0-9 ]{1,20}");
    (vec(middle(), 0..4), last(), comment).prop_map(|(mut statements, last, comment)| {
        statements.push(last);
        match comment {
            Some(comment) => Rule::new(statements).comment(comment),
            None => Rule::new(statements),
        }
    })
}

/// An element, and the set of [`table_of`] that it belongs to.
pub(crate) fn element() -> impl Strategy<Value = (&'static str, Element)> {
    let proto = || any::<u8>().prop_map(|number| Value::Proto(L4Proto::new(number)));
    let service = || {
        (address(), proto(), any::<u16>())
            .prop_map(|(address, proto, port)| [address.into(), proto, port.into()])
    };
    let target = select(vec![Verdict::Drop, Verdict::Accept, Verdict::goto("target")]);
    let endpoint = (address(), any::<u16>()).prop_map(|(address, port)| [address.into(), Value::Port(port)]);
    prop_oneof![
        address().prop_map(|address| ("by-source", Element::new(address))),
        service().prop_map(|key| ("by-service", Element::new(key))),
        "[a-z]{1,15}".prop_map(|name| ("by-interface", Element::new(Value::IfName(name.into())))),
        any::<u32>().prop_map(|mark| ("by-mark", Element::new(Value::Mark(mark)))),
        (service(), target).prop_map(|(key, verdict)| ("verdicts", Element::mapping(key, verdict))),
        (service(), 0..4u32, endpoint).prop_map(|(key, index, endpoint)| {
            let key = Key::new(key.into_iter().chain([Value::Integer(index)]));
            ("endpoints", Element::mapping(key, endpoint))
        }),
    ]
}

fn middle() -> impl Strategy<Value = Statement> {
    let flow = SETS[1].1;
    let set = (select(&SETS[..]), any::<bool>());
    prop_oneof![
        3 => matched(),
        2 => set.prop_map(|((name, key), negated)| match negated {
            true => Statement::lookup_not(key.iter().copied(), name),
            false => Statement::lookup(key.iter().copied(), name),
        }),
        1 => marks(),
        1 => subset(vec![CtState::Invalid, CtState::Established, CtState::Related, CtState::New]).prop_map(Statement::ct_state),
        1 => subset(vec![CtStatus::Assured, CtStatus::Snat, CtStatus::Dnat]).prop_map(Statement::ct_status),
        1 => (any::<bool>(), select(vec![FibType::Local, FibType::Broadcast]), fib_address())
            .prop_map(|(not, kind, address)| Statement::Fib { address, op: if not { CmpOp::Neq } else { CmpOp::Eq }, kind }),
        1 => Just(Statement::counter()),
        1 => option::of(1..100_000u64).prop_map(move |timeout| {
            let update = Statement::update("seen", flow.iter().copied());
            timeout.map_or(update.clone(), |seconds| update.timeout(Duration::from_secs(seconds)))
        }),
    ]
}

fn fib_address() -> impl Strategy<Value = FibAddress> {
    select(vec![FibAddress::Saddr, FibAddress::Daddr, FibAddress::DaddrIif])
}

fn subset<T: Clone + std::fmt::Debug + 'static>(all: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    let len = all.len();
    proptest::sample::subsequence(all, 1..=len)
}

fn matched() -> impl Strategy<Value = Statement> {
    let name = "[a-z]{1,8}[0-9]?";
    let pair = prop_oneof![
        (
            select(vec![Expr::IpSaddr, Expr::IpDaddr, Expr::CtOriginalIpDaddr]),
            address().prop_map(Value::from)
        ),
        (select(vec![Expr::IpSaddr, Expr::IpDaddr]), network()),
        (select(vec![Expr::ThSport, Expr::ThDport]), any::<u16>().prop_map(Value::Port)),
        (
            select(vec![Expr::ThSport, Expr::ThDport]),
            (1..30_000u16, 1..30_000u16).prop_map(|(low, more)| Value::PortRange(low, low + more))
        ),
        (Just(Expr::L4Proto), select(vec![L4Proto::TCP, L4Proto::UDP, L4Proto::SCTP]).prop_map(Value::Proto)),
        (select(vec![Expr::Iifname, Expr::Oifname]), name.prop_map(|name| Value::IfName(name.into()))),
        (select(vec![Expr::Iifname, Expr::Oifname]), name.prop_map(|name| Value::IfPrefix(name.into()))),
        (select(vec![Expr::Mark, Expr::CtMark]), any::<u32>().prop_map(Value::Mark)),
    ];
    (pair, any::<bool>()).prop_map(|((expr, value), not)| match not {
        true => Statement::ne(expr, value),
        false => Statement::eq(expr, value),
    })
}

fn marks() -> impl Strategy<Value = Statement> {
    let bits = 1..u32::MAX;
    let part = (1..u32::MAX, any::<u32>()).prop_map(|(mask, value)| (mask, value & mask));
    prop_oneof![
        (part, any::<bool>()).prop_map(|((mask, value), not)| match not {
            true => Statement::mark_is_not(mask, value),
            false => Statement::mark_is(mask, value),
        }),
        bits.clone().prop_map(Statement::mark_set),
        bits.clone().prop_map(Statement::mark_or),
        bits.clone().prop_map(Statement::mark_and),
        bits.clone().prop_map(Statement::mark_xor),
        (bits.clone(), bits).prop_map(|(mask, xor)| Statement::SetMark { mask, xor }),
    ]
}

fn last() -> impl Strategy<Value = Statement> {
    let flags = || subset(vec![NatFlag::Random, NatFlag::FullyRandom, NatFlag::Persistent]);
    prop_oneof![
        Just(Statement::accept()),
        Just(Statement::drop()),
        Just(Statement::return_()),
        Just(Statement::goto("target")),
        Just(Statement::jump("target")),
        Just(Statement::reject()),
        Just(Statement::Reject(RejectWith::HostUnreachable)),
        Just(Statement::vmap(SETS[1].1.iter().copied(), "verdicts")),
        Just(Statement::dnat_map(ENDPOINT_KEY, "endpoints", false)),
        (address(), option::of(1..u16::MAX)).prop_map(|(address, port)| Statement::dnat(address, port)),
        address().prop_map(Statement::snat),
        flags().prop_map(|flags| Statement::Masquerade { flags }),
    ]
}

fn address() -> impl Strategy<Value = IpAddr> {
    any::<[u8; 4]>().prop_map(IpAddr::from)
}

fn network() -> impl Strategy<Value = Value> {
    (any::<[u8; 4]>(), 1..32u8)
        .prop_map(|(address, len)| ipnet::Ipv4Net::new(address.into(), len).expect("at most 32"))
        .prop_map(|net| Value::from(ipnet::IpNet::V4(net)))
}

/// Small tables out of few names, so that two of them have much in common.
pub(crate) fn small_table() -> impl Strategy<Value = Table> {
    let chains = proptest::collection::btree_map(select(vec!["a", "b", "c"]), any::<bool>(), 0..=3);
    let ports = proptest::collection::btree_map(1..6u16, 0..4u8, 0..5);
    let kind = select(vec![DataType::Ipv4Addr, DataType::InetService, DataType::Mark]);
    (chains, ports, option::of(kind), any::<bool>(), vec(0..6u8, 0..4), 0..3).prop_map(
        |(chains, ports, kind, drop, rules, priority)| {
            let mut table = Table::new(Family::Ip, "small");
            let verdict = |choice: u8| match (choice, chains.keys().nth(usize::from(choice))) {
                (_, Some(chain)) => Verdict::goto(*chain),
                (0, None) => Verdict::Accept,
                _ => Verdict::Drop,
            };
            let mut services = Set::vmap("services", DataType::InetService);
            for (port, choice) in &ports {
                services.insert(Element::mapping(*port, verdict(*choice)));
            }
            table.insert_set(services);
            if let Some(kind) = kind {
                table.insert_set(Set::new("varying", kind));
            }
            for (name, counted) in &chains {
                let chain = Chain::regular(*name);
                table.insert_chain(if *counted { chain.rule([Statement::counter()]) } else { chain });
            }
            let mut base = Chain::base("base", ChainType::Filter, Hook::Input, Priority::new(priority));
            if drop {
                base = base.policy(Policy::Drop);
            }
            for rule in rules {
                base.push(Rule::new([small_statement(rule, kind, &verdict)]));
            }
            table.insert_chain(base);
            table
        },
    )
}

fn small_statement(choice: u8, kind: Option<DataType>, verdict: &dyn Fn(u8) -> Verdict) -> Statement {
    match (choice, kind) {
        (0, _) => Statement::vmap([Expr::ThDport], "services"),
        (1, Some(DataType::Ipv4Addr)) => Statement::lookup([Expr::IpSaddr], "varying"),
        (1, Some(DataType::Mark)) => Statement::lookup([Expr::Mark], "varying"),
        (1, Some(_)) => Statement::lookup([Expr::ThDport], "varying"),
        (choice, _) => Statement::Verdict(verdict(choice)),
    }
}
