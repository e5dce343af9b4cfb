//! Tables that use everything.

use std::time::Duration;

use svc_nft::*;

const KEY: [Expr; 3] = [Expr::IpDaddr, Expr::L4Proto, Expr::ThDport];

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().expect("an address")
}

fn net(text: &str) -> Value {
    Value::from(text.parse::<ipnet::IpNet>().expect("a network"))
}

fn service(address: &str, port: u16) -> [Value; 3] {
    [ip(address).into(), L4Proto::TCP.into(), port.into()]
}

/// A Service proxy in the shape without an object for each service.
pub(crate) fn proxy() -> Table {
    let with_index = [Expr::IpDaddr, Expr::L4Proto, Expr::ThDport, Expr::numgen_random(2)];
    let client = [Expr::IpSaddr, Expr::IpDaddr, Expr::L4Proto, Expr::ThDport];
    let backend = [Expr::IpDaddr, Expr::ThDport];
    let mut endpoints = Set::map("endpoints", with_index, backend);
    for index in 0..2u8 {
        let key = Key::new(service("10.96.0.10", 80).into_iter().chain([Value::Integer(index.into())]));
        let data = [ip(&format!("10.244.{index}.5")).into(), Value::Port(8080)];
        endpoints.insert(Element::mapping(key, data));
    }
    Table::new(Family::Ip, "svc-proxy")
        .comment("services of this node")
        .set(
            Set::vmap("services", KEY)
                .comment("ClusterIPs")
                .element(Element::mapping(service("10.96.0.10", 80), Verdict::goto("endpoints-2")))
                .element(Element::mapping(service("10.96.0.11", 443), Verdict::goto("sticky-2")))
                .element(Element::mapping(service("10.96.0.12", 53), Verdict::Drop)),
        )
        .set(endpoints)
        .set(
            Set::new("masqueraded", [DataType::Ipv4Addr, DataType::InetProto, DataType::InetService])
                .element(Element::new(service("10.96.0.10", 80))),
        )
        .set(
            Set::map("affinity", client, backend)
                .flag(SetFlag::Dynamic)
                .timeout(Duration::from_secs(10_800))
                .size(65_535),
        )
        .set(
            Set::new(
                "hairpin",
                [DataType::Ipv4Addr, DataType::Ipv4Addr, DataType::InetProto, DataType::InetService],
            )
            .element(Element::new([
                ip("10.244.0.5").into(),
                ip("10.244.0.5").into(),
                L4Proto::UDP.into(),
                53.into(),
            ])),
        )
        .set(Set::new("no-endpoints", DataType::Ipv4Addr).element(Element::new(ip("10.96.0.99"))))
        .chain(Chain::regular("endpoints-2").comment("two endpoints").rule([Statement::dnat_map(
            with_index,
            "endpoints",
            false,
        )]))
        .chain(
            Chain::regular("sticky-2")
                .rule([Statement::dnat_map(client, "affinity", false)])
                .rule([Statement::goto("endpoints-2")]),
        )
        .chain(
            Chain::base("prerouting", ChainType::Nat, Hook::Prerouting, Priority::DSTNAT)
                .rule([
                    Statement::ne(Expr::IpSaddr, net("10.244.0.0/16")),
                    Statement::lookup(KEY, "masqueraded"),
                    Statement::mark_or(0x4000),
                ])
                .rule(Rule::new([Statement::vmap(KEY, "services")]).comment("every Service")),
        )
        .chain(
            Chain::base("postrouting", ChainType::Nat, Hook::Postrouting, Priority::SRCNAT)
                .rule([
                    Statement::mark_is(0x4000, 0x4000),
                    Statement::mark_xor(0x4000),
                    Statement::counter(),
                    Statement::masquerade_fully_random(),
                ])
                .rule([
                    Statement::ct_state([CtState::New]),
                    Statement::ct_status([CtStatus::Dnat]),
                    Statement::update_map(
                        "affinity",
                        [Expr::IpSaddr, Expr::CtOriginalIpDaddr, Expr::L4Proto, Expr::CtOriginalDport],
                        Source::Exprs(backend.into()),
                    ),
                ])
                .rule([
                    Statement::ct_status([CtStatus::Dnat]),
                    Statement::lookup(
                        [Expr::IpSaddr, Expr::IpDaddr, Expr::L4Proto, Expr::ThDport],
                        "hairpin",
                    ),
                    Statement::masquerade(),
                ]),
        )
        .chain(Chain::base("filter", ChainType::Filter, Hook::Forward, Priority::FILTER - 5).rule([
            Statement::ct_state([CtState::New]),
            Statement::lookup([Expr::IpDaddr], "no-endpoints"),
            Statement::reject(),
        ]))
}

/// The same for IPv6, whose registers are tight.
pub(crate) fn proxy6() -> Table {
    let key = [Expr::Ip6Daddr, Expr::L4Proto, Expr::ThDport];
    let with_index = [Expr::Ip6Daddr, Expr::L4Proto, Expr::ThDport, Expr::numgen_inc(3)];
    let client = [Expr::Ip6Saddr, Expr::Ip6Daddr, Expr::L4Proto, Expr::ThDport];
    let backend = [Expr::Ip6Daddr, Expr::ThDport];
    Table::new(Family::Ip6, "svc-proxy")
        .set(
            Set::vmap("services", key)
                .element(Element::mapping(service("fd00:10:96::a", 80), Verdict::goto("sticky-3"))),
        )
        .set(Set::map("endpoints", with_index, backend).element(Element::mapping(
            [ip("fd00:10:96::a").into(), L4Proto::TCP.into(), 80.into(), Value::Integer(1)],
            [ip("fd00:10:244::5").into(), Value::Port(8080)],
        )))
        .set(
            Set::map("affinity", client, backend)
                .flag(SetFlag::Dynamic)
                .timeout(Duration::from_secs(90))
                .size(1000),
        )
        .chain(Chain::regular("sticky-3").rule([Statement::dnat_map(client, "affinity", true)]))
        .chain(
            Chain::base("output", ChainType::Nat, Hook::Output, Priority::DSTNAT)
                .rule([Statement::vmap(key, "services")])
                .rule([
                    Statement::eq(Expr::Ip6Daddr, net("fd00:10:96::/112")),
                    Statement::l4proto(L4Proto::TCP),
                    Statement::dnat(ip("fd00:10:244::6"), Some(8443)),
                ])
                .rule([Statement::eq(Expr::Ip6Daddr, ip("fd00::1")), Statement::dnat(ip("fd00::2"), None)]),
        )
        .chain(
            Chain::base("filter", ChainType::Filter, Hook::Input, Priority::FILTER)
                .policy(Policy::Drop)
                .rule([Statement::update_map(
                    "affinity",
                    [Expr::Ip6Saddr, Expr::CtOriginalIp6Daddr, Expr::L4Proto, Expr::CtOriginalDport],
                    Source::Exprs(backend.into()),
                )])
                .rule([Statement::reject()])
                .rule([Statement::Reject(RejectWith::AdminProhibited)])
                .rule([Statement::Reject(RejectWith::HostUnreachable)])
                .rule([Statement::Reject(RejectWith::NoRoute)]),
        )
}

/// What an overlay network needs: masquerade and forwarding, in both families at once.
pub(crate) fn overlay() -> Table {
    Table::new(Family::Inet, "svc-overlay")
        .set(
            Set::new("pods", DataType::Ipv4Addr)
                .flag(SetFlag::Interval)
                .element(Element::new(net("10.244.0.0/16")).comment("cluster"))
                .element(Element::new(net("0.0.0.0/8")))
                .element(Element::new(ip("192.168.3.4")))
                .element(Element::new(Value::ipv4_range([10, 0, 0, 5].into(), [10, 0, 0, 9].into())))
                .element(Element::new(net("255.255.255.0/24"))),
        )
        .set(
            Set::new("pods6", DataType::Ipv6Addr)
                .flag(SetFlag::Interval)
                .element(Element::new(net("fd00::/8")))
                .element(Element::new(ip("fe80::1"))),
        )
        .set(
            Set::new("ports", DataType::InetService)
                .flag(SetFlag::Interval)
                .element(Element::new(Value::PortRange(30_000, 32_767)))
                .element(Element::new(80)),
        )
        .chain(
            Chain::base("postrouting", ChainType::Nat, Hook::Postrouting, Priority::SRCNAT + 5)
                .rule(
                    Rule::new([
                        Statement::nfproto_ipv4(),
                        Statement::eq(Expr::IpSaddr, net("10.244.1.0/24")),
                        Statement::lookup_not([Expr::IpDaddr], "pods"),
                        Statement::oifname_not("cni0"),
                        Statement::Masquerade { flags: vec![NatFlag::Random, NatFlag::Persistent] },
                    ])
                    .comment("leaves the overlay"),
                )
                .rule([
                    Statement::nfproto_ipv6(),
                    Statement::lookup([Expr::Ip6Saddr], "pods6"),
                    Statement::masquerade(),
                ])
                .rule([
                    Statement::nfproto_ipv4(),
                    Statement::eq(Expr::IpSaddr, ip("10.1.1.1")),
                    Statement::snat(ip("10.2.2.2")),
                ]),
        )
        .chain(
            Chain::base("forward", ChainType::Filter, Hook::Forward, Priority::FILTER)
                .policy(Policy::Drop)
                .rule([Statement::ct_state([CtState::Established, CtState::Related]), Statement::accept()])
                .rule([Statement::iifname("cni*"), Statement::oifname("flannel.1"), Statement::accept()])
                .rule([Statement::iifname_not("veth*"), Statement::jump("more")])
                .rule([
                    Statement::l4proto(L4Proto::TCP),
                    Statement::lookup([Expr::ThDport], "ports"),
                    Statement::goto("more"),
                ])
                .rule([Statement::l4proto(L4Proto::TCP), Statement::reject_tcp_reset()])
                .rule([Statement::reject()])
                .rule([Statement::Reject(RejectWith::NoRoute)]),
        )
        .chain(
            Chain::regular("more")
                .rule([
                    Statement::l4proto(L4Proto::TCP),
                    Statement::eq(Expr::ThDport, 80),
                    Statement::return_(),
                ])
                .rule([
                    Statement::l4proto(L4Proto::UDP),
                    Statement::ne(Expr::ThSport, 53),
                    Statement::eq(Expr::ThDport, 54),
                    Statement::drop(),
                ])
                .rule([
                    Statement::l4proto(L4Proto::TCP),
                    Statement::eq(Expr::ThDport, Value::PortRange(1, 1024)),
                    Statement::drop(),
                ])
                .rule([Statement::ne(Expr::ThDport, Value::PortRange(1, 1024)), Statement::drop()])
                .rule([
                    Statement::l4proto(L4Proto::SCTP),
                    Statement::nfproto_ipv4(),
                    Statement::eq(Expr::IpDaddr, ip("1.2.3.4")),
                    Statement::eq(Expr::ThDport, 5),
                ])
                .rule([
                    Statement::ne(Expr::L4Proto, L4Proto::UDP),
                    Statement::eq(Expr::Mark, Value::Mark(0x12)),
                ])
                .rule([Statement::from_local(), Statement::to_local(), Statement::mark_is_not(0xff, 0x1)])
                .rule([Statement::Fib {
                    address: FibAddress::DaddrIif,
                    op: CmpOp::Neq,
                    kind: FibType::Local,
                }])
                .rule([
                    Statement::mark_set(0x10),
                    Statement::mark_and(0xff),
                    Statement::SetMark { mask: 0xffff_0fff, xor: 0x1100 },
                ])
                .rule([Statement::Verdict(Verdict::Continue)])
                .rule([Statement::nfproto_ipv4(), Statement::accept()])
                .rule([Statement::l4proto(L4Proto::ICMP), Statement::accept()])
                .rule([Statement::l4proto(L4Proto::new(253)), Statement::accept()]),
        )
}

/// Sets of every type, and what rules do to them.
pub(crate) fn sets() -> Table {
    let marks = [1, 2, 0x3000, 0x400].map(|mark| Element::new(Value::Mark(mark)));
    let ports = (1..=12).map(|port| Element::new(port * 7));
    let addresses = (1..=5u8).map(|last| Element::new(Value::Ipv4([10, 0, last, 9 - last].into())));
    let protocols = [L4Proto::TCP, L4Proto::UDP, L4Proto::SCTP].map(Element::new);
    let names = ["lo", "a", "zz"].map(|name| Element::new(Value::IfName(name.into())));
    let six = ["fd00::1", "fe80::1", "::", "::ffff:1.2.3.4"].map(|address| Element::new(ip(address)));
    let fill = |set: Set, elements: &mut dyn Iterator<Item = Element>| elements.fold(set, Set::element);
    Table::new(Family::Ip, "sets")
        .set(fill(Set::new("marks", DataType::Mark), &mut marks.into_iter()))
        .set(fill(Set::new("ports", DataType::InetService).flag(SetFlag::Constant), &mut ports.into_iter()))
        .set(fill(Set::new("addresses", DataType::Ipv4Addr), &mut addresses.into_iter()))
        .set(fill(Set::new("protocols", DataType::InetProto), &mut protocols.into_iter()))
        .set(fill(Set::new("names", DataType::IfName), &mut names.into_iter()))
        .set(fill(Set::new("six", DataType::Ipv6Addr), &mut six.into_iter()))
        .set(Set::new("typed", Expr::IpSaddr).element(Element::new(ip("1.2.3.4"))))
        .set(Set::new("by-mark", Expr::Mark).element(Element::new(Value::Mark(5))))
        .set(
            Set::new("by-interface", [Expr::Iifname, Expr::Mark])
                .element(Element::new([Value::IfName("eth0".into()), Value::Mark(7)])),
        )
        .set(
            Set::new("clients", [DataType::Ipv4Addr, DataType::InetProto, DataType::InetService])
                .flag(SetFlag::Dynamic)
                .flag(SetFlag::Timeout)
                .size(100),
        )
        .set(
            Set::new("firewall", [DataType::Ipv4Addr, DataType::InetProto, DataType::InetService])
                .flag(SetFlag::Interval)
                .element(Element::new([net("10.0.0.0/8"), L4Proto::TCP.into(), Value::PortRange(1, 80)]))
                .element(Element::new([ip("192.168.3.4").into(), L4Proto::UDP.into(), 5.into()])),
        )
        .set(
            Set::map("by-port", DataType::InetService, DataType::Ipv4Addr)
                .element(Element::mapping(1, ip("1.2.3.4")))
                .element(Element::mapping(2, ip("1.2.3.5")))
                .element(Element::mapping(3, ip("1.2.3.6")).comment("three")),
        )
        .set(
            Set::vmap("verdicts", DataType::Ipv4Addr)
                .element(Element::mapping(ip("1.2.3.4"), Verdict::Drop))
                .element(Element::mapping(ip("1.2.3.5"), Verdict::Accept))
                .element(Element::mapping(ip("1.2.3.6"), Verdict::jump("c")))
                .element(Element::mapping(ip("1.2.3.7"), Verdict::Return))
                .element(Element::mapping(ip("1.2.3.8"), Verdict::Continue)),
        )
        .chain(
            Chain::regular("c")
                .rule([Statement::reject()])
                .rule([Statement::Reject(RejectWith::AdminProhibited)]),
        )
        .chain(
            Chain::base("pre", ChainType::Filter, Hook::Prerouting, Priority::RAW + 1)
                .rule([Statement::vmap([Expr::IpSaddr], "verdicts")])
                .rule([Statement::lookup_not([Expr::Mark], "marks")])
                .rule([
                    Statement::lookup([Expr::Iifname], "names"),
                    Statement::lookup([Expr::L4Proto], "protocols"),
                ])
                .rule([
                    Statement::lookup([Expr::IpSaddr, Expr::L4Proto, Expr::ThDport], "firewall"),
                    Statement::drop(),
                ])
                .rule([Statement::update("clients", [Expr::IpSaddr, Expr::L4Proto, Expr::ThDport])
                    .timeout(Duration::from_secs(90))])
                .rule([Statement::Dynset {
                    op: DynsetOp::Add,
                    set: "clients".into(),
                    key: vec![Expr::IpSaddr, Expr::L4Proto, Expr::ThDport],
                    data: None,
                    timeout: Some(Duration::from_millis(1500)),
                }])
                .rule([Statement::Dynset {
                    op: DynsetOp::Delete,
                    set: "clients".into(),
                    key: vec![Expr::IpSaddr, Expr::L4Proto, Expr::ThDport],
                    data: None,
                    timeout: None,
                }])
                .rule([
                    Statement::l4proto(L4Proto::TCP),
                    Statement::lookup([Expr::IpSaddr, Expr::L4Proto, Expr::ThDport], "firewall"),
                ]),
        )
        .chain(
            Chain::base("nat", ChainType::Nat, Hook::Prerouting, Priority::new(17))
                .rule([Statement::Nat {
                    kind: NatKind::Dnat,
                    to: NatTarget::Map {
                        key: vec![Expr::ThDport],
                        map: "by-port".into(),
                        ipv6: false,
                        port: false,
                    },
                    flags: vec![NatFlag::Persistent],
                }])
                .rule([Statement::l4proto(L4Proto::TCP), Statement::dnat(ip("1.2.3.4"), Some(80))])
                .rule([Statement::dnat(ip("1.2.3.4"), None)]),
        )
}

pub(crate) fn all() -> Vec<Table> {
    vec![proxy(), proxy6(), overlay(), sets()]
}
