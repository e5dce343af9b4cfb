use std::time::Duration;

use svc_nft::{
    Chain, ChainType, CtState, CtStatus, Element, Expr, Hook, Key, L4Proto, Policy, Priority, Rule, Set,
    SetFlag, Source, Statement, Value, Verdict,
};

use super::*;
use crate::packet::{Connection, Entry, Host};
use crate::trace::{Outcome, Trace};

fn packet() -> Packet {
    "TCP 192.0.2.1 198.51.100.1:80".parse().unwrap()
}

fn base(name: &str, hook: Hook, priority: Priority) -> Chain {
    let nat = name.starts_with("nat");
    Chain::base(name, if nat { ChainType::Nat } else { ChainType::Filter }, hook, priority)
}

fn filter() -> Chain {
    base("filter", Hook::Prerouting, Priority::FILTER)
}

fn nat() -> Chain {
    base("nat", Hook::Prerouting, Priority::DSTNAT)
}

fn table(chains: impl IntoIterator<Item = Chain>) -> Table {
    chains.into_iter().fold(Table::new(Family::Ip, "test"), Table::chain)
}

fn walked(table: Table, packet: &Packet) -> Trace {
    Tables::new([table]).trace(packet).unwrap()
}

fn outcome(chains: impl IntoIterator<Item = Chain>) -> Outcome {
    walked(table(chains), &packet()).outcome()
}

fn rejects() -> Chain {
    Chain::regular("rejects").rule([Statement::reject()])
}

fn dnat_to(address: &str, port: u16) -> Statement {
    Statement::dnat(address.parse().unwrap(), Some(port))
}

#[test]
fn verdicts_lead_where_the_kernel_leads() {
    let returns = || Chain::regular("returns").rule([Statement::return_()]).rule([Statement::drop()]);
    let accepts = || Chain::regular("accepts").rule([Statement::accept()]);
    for (name, chains, expected) in [
        ("nothing", vec![], Outcome::Untouched),
        ("empty", vec![filter()], Outcome::Untouched),
        ("drop", vec![filter().rule([Statement::drop()])], Outcome::Drop),
        ("policy", vec![filter().policy(Policy::Drop)], Outcome::Drop),
        ("accept", vec![filter().rule([Statement::accept()])], Outcome::Accept),
        ("reject beside translations", vec![nat().rule([Statement::reject()])], Outcome::Reject),
        (
            "accept ends one base chain, not the next",
            vec![
                filter().rule([Statement::accept()]),
                base("later", Hook::Forward, Priority::FILTER).rule([Statement::reject()]),
            ],
            Outcome::Reject,
        ),
        (
            "jump comes back",
            vec![returns(), filter().rule([Statement::jump("returns")]).rule([Statement::reject()])],
            Outcome::Reject,
        ),
        (
            "goto does not",
            vec![returns(), filter().rule([Statement::goto("returns")]).rule([Statement::reject()])],
            Outcome::Untouched,
        ),
        (
            "goto a chain that accepts, out of one that was jumped to",
            vec![
                accepts(),
                Chain::regular("between").rule([Statement::goto("accepts")]),
                filter().rule([Statement::jump("between")]).rule([Statement::drop()]),
            ],
            Outcome::Accept,
        ),
        (
            "return in a base chain means its policy",
            vec![filter().policy(Policy::Drop).rule([Statement::return_()]).rule([Statement::accept()])],
            Outcome::Drop,
        ),
        ("continue", vec![filter().rule([Verdict::Continue.into(), Statement::drop()])], Outcome::Drop),
    ] {
        assert_eq!(outcome(chains), expected, "{name}");
    }
}

#[test]
fn base_chains_run_by_priority_whatever_their_order() {
    let first = base("first", Hook::Prerouting, Priority::FILTER - 1).rule([Statement::drop()]);
    let second = filter().rule([Statement::reject()]);
    assert_eq!(outcome([second.clone(), first.clone()]), Outcome::Drop);
    let late = base("first", Hook::Prerouting, Priority::FILTER + 1).rule([Statement::drop()]);
    assert_eq!(outcome([late, second]), Outcome::Reject);
}

#[test]
fn filters_after_nat_see_the_translated_destination() {
    let only_new =
        |address: &str| Statement::eq(Expr::IpDaddr, address.parse::<std::net::Ipv4Addr>().unwrap());
    let dnat = nat().rule([dnat_to("10.0.0.7", 8080)]).rule([Statement::drop()]);
    let before = base("before", Hook::Prerouting, Priority::DSTNAT - 10);
    for (chain, expected) in [
        (before.clone().rule([only_new("10.0.0.7"), Statement::drop()]), Outcome::Forward),
        (before.rule([only_new("198.51.100.1"), Statement::drop()]), Outcome::Drop),
        (filter().rule([only_new("10.0.0.7"), Statement::drop()]), Outcome::Drop),
        (filter().rule([only_new("198.51.100.1"), Statement::drop()]), Outcome::Forward),
    ] {
        assert_eq!(outcome([chain, dnat.clone()]), expected);
    }
    assert_eq!(walked(table([dnat]), &packet()).endpoints().count(), 1);
}

#[test]
fn a_connection_is_translated_once() {
    let first = nat().rule([dnat_to("10.0.0.7", 8080)]);
    let second = base("nat-too", Hook::Prerouting, Priority::DSTNAT + 5).rule([dnat_to("10.0.0.8", 8080)]);
    let trace = walked(table([second, first]), &packet());
    assert_eq!(trace.ways()[0].destination(), Some("10.0.0.7:8080".parse().unwrap()));
}

#[test]
fn later_packets_follow_the_first_one() {
    let chains = || {
        let new_only = filter().rule([Statement::ct_state([CtState::New]), Statement::drop()]);
        let hides = base("nat-out", Hook::Postrouting, Priority::SRCNAT).rule([Statement::masquerade()]);
        let translated = base("forward", Hook::Forward, Priority::FILTER);
        let translated = translated.rule([Statement::ct_status([CtStatus::Dnat]), Statement::accept()]);
        table([nat().rule([dnat_to("10.0.0.8", 80)]), new_only, hides, translated])
    };
    let established = |dnat, snat| packet().connection(Connection::Established { dnat, snat });
    let to = "10.0.0.7:8080".parse().ok();
    let trace = walked(chains(), &established(to, true));
    assert_eq!((trace.ways()[0].destination(), trace.ways()[0].is_masqueraded()), (to, true));
    assert_eq!(walked(chains(), &established(None, false)).outcome(), Outcome::Untouched);
    assert_eq!(walked(chains(), &packet()).outcome(), Outcome::Drop);
    for other in [Connection::Invalid, Connection::Untracked] {
        assert_eq!(walked(chains(), &packet().connection(other)).outcome(), Outcome::Untouched);
    }
}

#[test]
fn what_the_host_sends_to_itself_comes_in_again() {
    let host = Host::new(["198.51.100.1".parse().unwrap()]);
    let sent = packet().on(&host).entering(Entry::Output);
    let input = base("input", Hook::Input, Priority::FILTER).rule([Statement::drop()]);
    let forward = base("forward", Hook::Forward, Priority::FILTER).rule([Statement::reject()]);
    assert_eq!(walked(table([input.clone(), forward.clone()]), &sent).outcome(), Outcome::Drop);
    assert_eq!(walked(table([input.clone(), forward.clone()]), &packet().on(&host)).outcome(), Outcome::Drop);
    assert_eq!(walked(table([input, forward]), &packet()).outcome(), Outcome::Reject);
    // Its destination was decided when it was sent.
    let output = base("nat-out", Hook::Output, Priority::DSTNAT);
    assert_eq!(
        walked(table([nat().rule([dnat_to("10.0.0.7", 80)]), output]), &sent).outcome(),
        Outcome::Untouched
    );
}

#[test]
fn marks_are_set_toggled_and_seen_later() {
    let marks = base("mark", Hook::Prerouting, Priority::MANGLE).rule([Statement::mark_or(0x4000)]);
    let sees = |statement| filter().rule([statement, Statement::drop()]);
    for (statement, expected) in [
        (Statement::mark_is(0x4000, 0x4000), Outcome::Drop),
        (Statement::mark_is_not(0x4000, 0), Outcome::Drop),
        (Statement::mark_is(0x8000, 0x8000), Outcome::Untouched),
    ] {
        assert_eq!(outcome([marks.clone(), sees(statement.clone())]), expected);
        assert_eq!(
            outcome([marks.clone().rule([Statement::mark_xor(0x4000)]), sees(statement)]),
            Outcome::Untouched
        );
    }
}

#[test]
fn lots_are_followed_to_every_end() {
    let draw = [Expr::L4Proto, Expr::numgen_random(4)];
    let element = |number, last: u8| {
        let key = Key::new([L4Proto::TCP.into(), Value::Integer(number)]);
        Element::mapping(key, [Value::Ipv4([10, 0, 0, last].into()), Value::Port(80)])
    };
    // Two numbers lead to one endpoint, one to nowhere.
    let map = Set::map("to", draw, [Expr::IpDaddr, Expr::ThDport]);
    let map = map.element(element(0, 7)).element(element(1, 8)).element(element(2, 8));
    let third =
        Statement::Match { expr: Expr::numgen_random(4), op: svc_nft::CmpOp::Eq, value: Value::Integer(0) };
    let chain = nat().rule([Statement::dnat_map(draw, "to", false)]);
    let trace = walked(table([chain, filter().rule([third, Statement::drop()])]).set(map), &packet());
    let ways: Vec<_> =
        trace.ways().iter().map(|way| (way.outcome(), way.destination(), way.probability())).collect();
    let to = |last| format!("10.0.0.{last}:80").parse().ok();
    assert_eq!(
        ways,
        [
            (Outcome::Forward, to(7), 0.1875),
            (Outcome::Forward, to(8), 0.375),
            (Outcome::Drop, None, 0.25),
            (Outcome::Untouched, None, 0.1875)
        ]
    );
    assert_eq!(trace.outcome(), Outcome::Forward);
}

#[test]
fn a_map_without_the_key_ends_the_rule() {
    let map = Set::vmap("ports", Expr::ThDport).element(Element::mapping(Value::Port(81), Verdict::Drop));
    let chain = filter().rule([Statement::vmap([Expr::ThDport], "ports"), Statement::drop()]);
    let trace = walked(table([chain]).set(map), &packet());
    assert_eq!((trace.outcome(), trace.path().len()), (Outcome::Untouched, 0));
}

#[test]
fn ranges_and_negations_are_looked_up() {
    let set = Set::new("nets", Expr::IpSaddr).flag(SetFlag::Interval);
    let set = set.element(Element::new("192.0.2.0/24".parse::<ipnet::IpNet>().unwrap()));
    for (statement, expected) in [
        (Statement::lookup([Expr::IpSaddr], "nets"), Outcome::Drop),
        (Statement::lookup_not([Expr::IpSaddr], "nets"), Outcome::Untouched),
        (Statement::lookup([Expr::IpDaddr], "nets"), Outcome::Untouched),
        (Statement::lookup_not([Expr::IpDaddr], "nets"), Outcome::Drop),
    ] {
        let trace =
            walked(table([filter().rule([statement, Statement::drop()])]).set(set.clone()), &packet());
        assert_eq!(trace.outcome(), expected);
    }
}

#[test]
fn clients_are_remembered_and_found_again() {
    let memory =
        |name: &str| Set::new(name, Expr::IpSaddr).flag(SetFlag::Dynamic).timeout(Duration::from_secs(60));
    let known = |name: &str| Statement::lookup([Expr::IpSaddr], name);
    let chain = |name: &str, last: u8| {
        let remember = Statement::update(name, [Expr::IpSaddr]).timeout(Duration::from_secs(30));
        Chain::regular(name).rule([remember, dnat_to(&format!("10.0.0.{last}"), 80)])
    };
    let half =
        Statement::Match { expr: Expr::numgen_random(2), op: svc_nft::CmpOp::Eq, value: Value::Integer(0) };
    let spread = nat()
        .rule([known("a"), Statement::goto("a")])
        .rule([known("b"), Statement::goto("b")])
        .rule([half, Statement::goto("a")])
        .rule([Statement::goto("b")]);
    let table = table([chain("a", 7), chain("b", 8), spread]).set(memory("a")).set(memory("b"));
    let tables = Tables::new([table]);
    let first = tables.trace(&packet()).unwrap();
    assert_eq!(first.ways().len(), 2);
    for way in first.ways() {
        assert_eq!(way.remembered(), Some(Duration::from_secs(30)));
        let second = tables.trace_remembering(&packet(), way.memory()).unwrap();
        let ends: Vec<_> = second.ways().iter().map(|way| (way.destination(), way.probability())).collect();
        assert_eq!(ends, [(way.destination(), 1.0)]);
        let other: Packet = "TCP 192.0.2.9 198.51.100.1:80".parse().unwrap();
        assert_eq!(tables.trace_remembering(&other, way.memory()).unwrap().ways().len(), 2);
    }
}

#[test]
fn an_update_keeps_the_data_that_is_there() {
    let map = Set::map("sticky", Expr::IpSaddr, Expr::IpDaddr).flag(SetFlag::Dynamic).flag(SetFlag::Timeout);
    let update = |last| {
        Statement::update_map(
            "sticky",
            [Expr::IpSaddr],
            Source::Values(vec![Value::Ipv4([10, 0, 0, last].into())]),
        )
    };
    let to =
        svc_nft::NatTarget::Map { key: vec![Expr::IpSaddr], map: "sticky".into(), ipv6: false, port: false };
    let dnat = Statement::Nat { kind: svc_nft::NatKind::Dnat, to, flags: Vec::new() };
    let chain = nat().rule([update(7)]).rule([update(8), dnat]);
    let trace = walked(table([chain]).set(map), &packet());
    assert_eq!(trace.ways()[0].destination(), Some("10.0.0.7:80".parse().unwrap()));
}

#[test]
fn a_reset_tells_nothing_to_others_than_tcp() {
    let chain = filter().rule([Statement::reject_tcp_reset()]);
    assert_eq!(outcome([chain.clone()]), Outcome::Reject);
    let udp = "UDP 192.0.2.1 198.51.100.1:80".parse().unwrap();
    assert_eq!(walked(table([chain]), &udp).outcome(), Outcome::Drop);
}

#[test]
fn tables_see_the_packets_of_their_family() {
    let dropping = |family| Table::new(family, "test").chain(filter().rule([Statement::drop()]));
    let v6 = "TCP 2001:db8::1 [2001:db8::2]:80".parse().unwrap();
    for (family, four, six) in [
        (Family::Ip, Outcome::Drop, Outcome::Untouched),
        (Family::Ip6, Outcome::Untouched, Outcome::Drop),
        (Family::Inet, Outcome::Drop, Outcome::Drop),
    ] {
        assert_eq!(walked(dropping(family), &packet()).outcome(), four);
        assert_eq!(walked(dropping(family), &v6).outcome(), six);
    }
}

#[test]
fn what_is_not_understood_is_named() {
    let other = Statement::Other { name: "synproxy".into() };
    let interface = Statement::iifname("cni0");
    let rules: [(Vec<Statement>, &str, &str); 9] = [
        (vec![other], "synproxy", "does not understand"),
        (vec![interface, Statement::drop()], "iifname", "interface"),
        (vec![Statement::jump("nowhere")], "nowhere", "no chain"),
        (vec![Statement::goto("filter")], "filter", "circle"),
        (vec![Statement::lookup([Expr::IpSaddr], "nothing"), Statement::drop()], "nothing", "no set"),
        (vec![Statement::update("fixed", [Expr::IpSaddr])], "fixed", "not dynamic"),
        (vec![Statement::lookup([Expr::IpSaddr, Expr::IpDaddr], "fixed")], "fixed", "1 parts, not 2"),
        (vec![dnat_to("10.0.0.7", 80)], "dnat", "no translation"),
        (vec![Statement::eq(Expr::ThSport, 53_u16), Statement::drop()], "th sport", "not known"),
    ];
    for (statements, expression, cause) in rules {
        let chain = filter().rule([Statement::counter()]).rule(Rule::new(statements));
        let table = table([chain, rejects()]).set(Set::new("fixed", Expr::IpSaddr));
        let error = Tables::new([table]).trace(&packet()).unwrap_err();
        assert!(error.expression().contains(expression), "{error}");
        assert!(error.cause().contains(cause), "{error}");
        assert_eq!((error.table(), error.chain(), error.rule()), ("ip test", "filter", 2), "{error}");
    }
}
