//! What packets meet: the rules are not only taken and listed, they do what they say.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Duration,
};

use libtest_mimic::Trial;
use svc_nft::*;

const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
const ENDPOINTS: [Ipv4Addr; 4] = [
    Ipv4Addr::new(127, 0, 0, 2),
    Ipv4Addr::new(127, 0, 0, 3),
    Ipv4Addr::new(127, 0, 0, 4),
    Ipv4Addr::new(127, 0, 0, 5),
];
const KEY: [Expr; 3] = [Expr::IpDaddr, Expr::L4Proto, Expr::ThDport];
const WITH_INDEX: [Expr; 4] = [Expr::IpDaddr, Expr::L4Proto, Expr::ThDport, Expr::numgen_random(4)];
const CLIENT: [Expr; 4] = [Expr::IpSaddr, Expr::IpDaddr, Expr::L4Proto, Expr::ThDport];
const ENDPOINT: [Expr; 2] = [Expr::IpDaddr, Expr::ThDport];

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, table: fn() -> Table, expected: usize| {
        Trial::test(format!("packets::{name}"), move || {
            reach(table(), expected);
            Ok(())
        })
    };
    vec![
        trial("spread_over_the_endpoints_of_a_map", spread, 4),
        trial("stay_with_the_endpoint_learnt_after_dnat", learnt_later, 1),
        trial("stay_with_the_endpoint_learnt_from_a_map", learnt_from_map, 1),
    ]
}

/// Sends a hundred connections to the Service and counts the endpoints that get some.
fn reach(table: Table, expected: usize) {
    svc_lab::run(move |lab| async move {
        let host = lab.pod("packets").await?;
        host.add_address("lo", "10.96.0.10/32").await?;
        let reached = host
            .run(move || async move {
                let mut socket = Socket::open().expect("a netlink socket");
                socket.apply(Batch::new().load(&table)).expect("the kernel takes it");
                let listeners = ENDPOINTS.map(|address| {
                    let listener = TcpListener::bind((address, 8080)).expect("an endpoint");
                    listener.set_nonblocking(true).expect("nonblocking");
                    listener
                });
                (0..100).map(|_| connect(&listeners)).collect::<BTreeSet<_>>()
            })
            .await;
        assert_eq!(reached.len(), expected, "reached {reached:?}");
        Ok(())
    });
}

/// The number of the endpoint that gets a new connection.
fn connect(listeners: &[TcpListener]) -> usize {
    let _stream = TcpStream::connect((SERVICE, 80)).expect("a connection");
    loop {
        if let Some(index) = listeners.iter().position(|listener| listener.accept().is_ok()) {
            return index;
        }
        std::thread::yield_now();
    }
}

fn service() -> [Value; 3] {
    [SERVICE.into(), L4Proto::TCP.into(), 80.into()]
}

fn spread() -> Table {
    let mut endpoints = Set::map("endpoints", WITH_INDEX, ENDPOINT);
    for (index, address) in (0..).zip(ENDPOINTS) {
        let key = Key::new(service().into_iter().chain([Value::Integer(index)]));
        endpoints.insert(Element::mapping(key, [address.into(), Value::Port(8080)]));
    }
    Table::new(Family::Ip, "packets")
        .set(Set::vmap("services", KEY).element(Element::mapping(service(), Verdict::goto("service"))))
        .set(endpoints)
        .set(
            Set::map("affinity", CLIENT, ENDPOINT)
                .flag(SetFlag::Dynamic)
                .timeout(Duration::from_secs(60))
                .size(100),
        )
        .chain(Chain::regular("endpoints-4").rule([Statement::dnat_map(WITH_INDEX, "endpoints", false)]))
        .chain(Chain::regular("service").rule([Statement::goto("endpoints-4")]))
        .chain(
            Chain::base("output", ChainType::Nat, Hook::Output, Priority::DSTNAT)
                .rule([Statement::vmap(KEY, "services")]),
        )
}

/// A later chain writes down where the first packet was sent.
fn learnt_later() -> Table {
    let key = [Expr::IpSaddr, Expr::CtOriginalIpDaddr, Expr::L4Proto, Expr::CtOriginalDport];
    spread()
        .chain(
            Chain::regular("service")
                .rule([Statement::dnat_map(CLIENT, "affinity", false)])
                .rule([Statement::goto("endpoints-4")]),
        )
        .chain(Chain::base("learn", ChainType::Filter, Hook::Output, Priority::FILTER).rule([
            Statement::ct_state([CtState::New]),
            Statement::ct_status([CtStatus::Dnat]),
            Statement::update_map("affinity", key, Source::Exprs(ENDPOINT.into())),
        ]))
}

/// An endpoint is drawn and written down for a client that has none; then what is written down counts.
fn learnt_from_map() -> Table {
    let drawn = Source::map(WITH_INDEX, "endpoints", [DataType::Ipv4Addr, DataType::InetService]);
    spread().chain(
        Chain::regular("service")
            .rule([Statement::update_map("affinity", CLIENT, drawn)])
            .rule([Statement::dnat_map(CLIENT, "affinity", false)]),
    )
}
