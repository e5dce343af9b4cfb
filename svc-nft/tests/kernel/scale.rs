//! Large batches.

use libtest_mimic::Trial;
use svc_nft::*;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, body: fn()| {
        Trial::test(name, move || {
            crate::in_lab(body);
            Ok(())
        })
    };
    vec![
        trial("scale::ten_thousand_services_in_one_batch", ten_thousand_services),
        trial("kernel::names_the_first_of_a_thousand_refusals", thousand_refusals),
        trial("kernel::refuses_a_batch_planned_on_an_older_generation", older_generation),
    ]
}

fn ten_thousand_services() {
    let key = [Expr::IpDaddr, Expr::L4Proto, Expr::ThDport];
    let with_index = [Expr::IpDaddr, Expr::L4Proto, Expr::ThDport, Expr::numgen_random(2)];
    let mut services = Set::vmap("services", key);
    let mut endpoints = Set::map("endpoints", with_index, [Expr::IpDaddr, Expr::ThDport]);
    for service in 0..10_000u32 {
        let address = Value::Ipv4((0x0a60_0000 + service).into());
        let parts = [address, L4Proto::TCP.into(), Value::Port(80)];
        services.insert(Element::mapping(parts.clone(), Verdict::goto("endpoints-2")));
        for index in 0..2 {
            let key = Key::new(parts.iter().cloned().chain([Value::Integer(index)]));
            let endpoint = Value::Ipv4((0x0af4_0000 + service * 2 + index).into());
            endpoints.insert(Element::mapping(key, [endpoint, Value::Port(8080)]));
        }
    }
    let table = Table::new(Family::Ip, "svc-proxy")
        .set(services)
        .set(endpoints)
        .chain(Chain::regular("endpoints-2").rule([Statement::dnat_map(with_index, "endpoints", false)]))
        .chain(
            Chain::base("prerouting", ChainType::Nat, Hook::Prerouting, Priority::DSTNAT)
                .rule([Statement::vmap(key, "services")]),
        );
    let mut socket = Socket::open().expect("a netlink socket");
    let mut batch = Batch::new();
    batch.load(&table);
    // The kernel makes its hash tables larger behind a load: a listing at once has to be right all the same.
    for _ in 0..4 {
        socket.apply(&batch).expect("the kernel takes it");
        assert!(
            socket.list_table(table.id()).expect("the kernel lists it").as_ref() == Some(&table),
            "listed as sent"
        );
        socket.apply(Batch::new().delete_table(table.id())).expect("the table goes");
    }
}

/// Each refusal is answered, so there are many answers to read.
fn thousand_refusals() {
    let id = TableId::new(Family::Ip, "t");
    let mut batch = Batch::new();
    batch.add_table(&id);
    for number in 0..1_000 {
        batch.flush_chain(&id, format!("nowhere-{number}"));
    }
    let mut socket = Socket::open().expect("a netlink socket");
    for _ in 0..3 {
        let error = socket.apply(&batch).expect_err("refused");
        assert!(error.is_not_found());
        assert_eq!((error.command(), error.object()), (Some(1), "ip t nowhere-0"));
    }
    assert_eq!(socket.list_tables(), Ok(vec![]));
}

fn older_generation() {
    let id = TableId::new(Family::Ip, "t");
    let (mut ours, mut theirs) = (Socket::open().expect("a socket"), Socket::open().expect("a socket"));
    let generation = ours.generation().expect("a generation");
    theirs.apply(Batch::new().add_table(&TableId::new(Family::Ip6, "theirs"))).expect("another table");
    let error = ours.apply_at(generation, Batch::new().add_table(&id)).expect_err("refused");
    assert!(error.is_transient(), "{error}");
    assert_eq!(ours.list_table(&id), Ok(None));
    let generation = ours.generation().expect("a generation");
    ours.apply_at(generation, Batch::new().add_table(&id)).expect("nobody came in between");
}
