//! Texts, as the program has them; tests/kernel.rs asks the program itself.

use std::time::Duration;

use super::duration_text;
use crate::*;

fn net(text: &str) -> Value {
    Value::from(text.parse::<ipnet::IpNet>().expect("a network"))
}

fn text(family: Family, statements: impl IntoIterator<Item = Statement>) -> String {
    Rule::new(statements).text(family).to_string()
}

#[test]
fn statements() {
    let port = |port: u16| Statement::eq(Expr::ThDport, port);
    let cases: [(&str, Vec<Statement>); 18] = [
        (
            "ip saddr 10.0.0.0/8 accept",
            vec![Statement::eq(Expr::IpSaddr, net("10.0.0.1/8")), Statement::accept()],
        ),
        (
            "ip daddr != 10.0.0.1 drop",
            vec![Statement::ne(Expr::IpDaddr, net("10.0.0.1/32")), Statement::drop()],
        ),
        ("th dport 80", vec![port(80)]),
        ("tcp dport 80", vec![Statement::l4proto(L4Proto::TCP), port(80)]),
        ("udp dport 80 jump c", vec![Statement::l4proto(L4Proto::UDP), port(80), Statement::jump("c")]),
        ("meta l4proto tcp return", vec![Statement::l4proto(L4Proto::TCP), Statement::return_()]),
        (
            "meta l4proto tcp counter packets 0 bytes 0 tcp dport 80",
            vec![Statement::l4proto(L4Proto::TCP), Statement::counter(), port(80)],
        ),
        (
            "iifname \"cni*\" oifname != \"eth0\"",
            vec![Statement::iifname("cni*"), Statement::oifname_not("eth0")],
        ),
        ("meta mark & 0x00004000 == 0x00004000", vec![Statement::mark_is(0x4000, 0x4000)]),
        ("meta mark set meta mark | 0x00004000", vec![Statement::mark_or(0x4000)]),
        ("meta mark set meta mark ^ 0x00004000", vec![Statement::mark_xor(0x4000)]),
        ("meta mark set 0x00000001", vec![Statement::mark_set(1)]),
        ("ct state established,related", vec![Statement::ct_state([CtState::Related, CtState::Established])]),
        ("fib daddr type local fib saddr type local", vec![Statement::to_local(), Statement::from_local()]),
        ("ip saddr != @s", vec![Statement::lookup_not([Expr::IpSaddr], "s")]),
        (
            "update @s { ip saddr timeout 3h }",
            vec![Statement::update("s", [Expr::IpSaddr]).timeout(Duration::from_secs(10_800))],
        ),
        ("dnat to 10.0.0.1:80", vec![Statement::dnat([10, 0, 0, 1].into(), Some(80))]),
        ("masquerade fully-random", vec![Statement::masquerade_fully_random()]),
    ];
    for (expected, statements) in cases {
        assert_eq!(text(Family::Ip, statements), expected);
    }
}

#[test]
fn what_depends_on_the_family() {
    let dnat = || [Statement::dnat([10, 0, 0, 1].into(), None)];
    assert_eq!(text(Family::Ip, dnat()), "dnat to 10.0.0.1");
    assert_eq!(text(Family::Inet, dnat()), "dnat ip to 10.0.0.1");
    let unreachable = || [Statement::Reject(RejectWith::HostUnreachable)];
    assert_eq!(text(Family::Ip, unreachable()), "reject with icmp host-unreachable");
    assert_eq!(text(Family::Ip6, unreachable()), "reject with icmpv6 addr-unreachable");
    assert_eq!(text(Family::Inet, unreachable()), "reject with icmpx host-unreachable");
    let guarded = [Statement::nfproto_ipv4(), Statement::eq(Expr::IpSaddr, net("10.0.0.0/8"))];
    assert_eq!(text(Family::Inet, guarded), "ip saddr 10.0.0.0/8");
}

#[test]
fn durations() {
    let cases =
        [(0, "0s"), (90_000, "1m30s"), (10_800_000, "3h"), (1_500, "1s500ms"), (93_784_005, "1d2h3m4s5ms")];
    for (milliseconds, expected) in cases {
        assert_eq!(duration_text(Duration::from_millis(milliseconds)), expected);
    }
}

#[test]
fn priorities_are_told_by_the_nearest_name() {
    let chain = |hook, priority| Chain::base("c", ChainType::Filter, hook, priority).base_text(Family::Ip);
    let text = |hook, priority| chain(hook, priority).replace("; policy accept;", "");
    assert!(text(Hook::Prerouting, Priority::DSTNAT - 10).ends_with("priority dstnat - 10"));
    assert!(text(Hook::Output, Priority::DSTNAT).ends_with("priority -100"));
    assert!(text(Hook::Postrouting, Priority::SRCNAT).ends_with("priority srcnat"));
    assert!(text(Hook::Input, Priority::FILTER + 5).ends_with("priority filter + 5"));
    assert!(text(Hook::Input, Priority::new(17)).ends_with("priority 17"));
}

#[test]
fn keys_come_in_the_order_of_their_reversed_bytes() {
    let key = |address: [u8; 4], port: u16| Key::from([Value::Ipv4(address.into()), Value::Port(port)]);
    let mut keys =
        [key([10, 0, 0, 1], 256), key([1, 0, 0, 9], 80), key([9, 0, 0, 1], 80), key([1, 0, 0, 1], 1)];
    keys.sort();
    let texts: Vec<_> = keys.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["10.0.0.1 . 256", "1.0.0.1 . 1", "9.0.0.1 . 80", "1.0.0.9 . 80"]);
    let mut single = ["10.0.0.2", "9.0.0.3", "10.0.0.0/8"].map(|text| {
        Key::from(net(&match text.contains('/') {
            true => text.to_owned(),
            false => format!("{text}/32"),
        }))
    });
    single.sort();
    assert_eq!(single.map(|key| key.to_string()), ["9.0.0.3", "10.0.0.0/8", "10.0.0.2"]);
}

#[test]
fn a_batch_is_a_script() {
    let id = TableId::new(Family::Ip, "t");
    let set = Set::new("s", DataType::Ipv4Addr).flag(SetFlag::Interval).comment("mine");
    let base = Chain::base("c", ChainType::Nat, Hook::Prerouting, Priority::DSTNAT);
    let mut batch = Batch::new();
    batch
        .add_table(&id)
        .add_chain(&id, &base)
        .create_set(&id, &set)
        .add_elements(
            &id,
            &set,
            [Element::new(net("10.0.0.0/8")), Element::new(net("192.168.0.0/16")).comment("x")],
        )
        .add_rule(&id, "c", Rule::from([Statement::drop()]).comment("all"))
        .insert_rule(&id, "c", [Statement::counter()])
        .replace_rule(&id, "c", 7, [Statement::accept()])
        .delete_rule(&id, "c", 8)
        .flush_chain(&id, "c")
        .delete_elements(&id, &set, [net("10.0.0.0/8").into()])
        .destroy_set(&id, &set)
        .delete_table(&id);
    assert_eq!(
        batch.to_string(),
        "add table ip t\n\
         add chain ip t c { type nat hook prerouting priority dstnat; policy accept; }\n\
         create set ip t s { type ipv4_addr; flags interval; comment \"mine\"; }\n\
         add element ip t s { 10.0.0.0/8, 192.168.0.0/16 comment \"x\" }\n\
         add rule ip t c drop comment \"all\"\n\
         insert rule ip t c counter packets 0 bytes 0\n\
         replace rule ip t c handle 7 accept\n\
         delete rule ip t c handle 8\n\
         flush chain ip t c\n\
         delete element ip t s { 10.0.0.0/8 }\n\
         destroy set ip t s\n\
         delete table ip t\n"
    );
}

#[test]
fn ranges_that_are_networks_are_networks() {
    let range = |first: [u8; 4], last: [u8; 4]| Value::ipv4_range(first.into(), last.into()).to_string();
    assert_eq!(range([10, 0, 0, 0], [10, 0, 0, 255]), "10.0.0.0/24");
    assert_eq!(range([10, 0, 0, 1], [10, 0, 0, 255]), "10.0.0.1-10.0.0.255");
    assert_eq!(range([10, 0, 0, 7], [10, 0, 0, 7]), "10.0.0.7");
    assert_eq!(range([0, 0, 0, 0], [255, 255, 255, 255]), "0.0.0.0/0");
    let six =
        Value::ipv6_range("fd00::".parse().expect("an address"), "fd00::ffff".parse().expect("an address"));
    assert_eq!(six.to_string(), "fd00::/112");
}
