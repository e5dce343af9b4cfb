//! Large batches.

use libtest_mimic::Trial;
use svc_nft::*;

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("scale::ten_thousand_services_in_one_batch", || {
        crate::in_lab(ten_thousand_services);
        Ok(())
    })]
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
    socket.apply(&batch).expect("the kernel takes it");
    assert!(socket.list_table(table.id()).expect("the kernel lists it") == Some(table), "listed as sent");
}
