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
        trial("kernel::tells_the_first_refusal_when_answers_overrun_the_buffer", overrun),
        trial("kernel::a_batch_beyond_the_send_buffer_is_refused_whole", too_large),
        trial("kernel::lists_one_moment_while_somebody_writes", listing_under_way),
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

/// More answers than there is room for: the first is still told.
fn overrun() {
    let id = TableId::new(Family::Ip, "t");
    let mut batch = Batch::new();
    batch.add_table(&id);
    for number in 0..40_000 {
        batch.flush_chain(&id, format!("nowhere-{number}"));
    }
    let mut socket = Socket::open().expect("a netlink socket");
    for _ in 0..2 {
        let error = socket.apply(&batch).expect_err("refused");
        assert!(error.is_not_found(), "{error}");
        assert_eq!(error.command(), Some(1));
        assert_eq!(socket.list_tables(), Ok(vec![]));
    }
}

/// In a user namespace the send buffer ends at twice `net.core.wmem_max`.
fn too_large() {
    let table = Table::new(Family::Ip, "t").set(Set::new("addresses", DataType::Ipv4Addr));
    let mut socket = Socket::open().expect("a netlink socket");
    socket.apply(Batch::new().load(&table)).expect("a table");
    let set = &table.sets()[0];
    let addresses =
        |from: u32, count: u32| (from..from + count).map(|it| Element::new(Value::Ipv4(it.into())));
    let mut batch = Batch::new();
    batch.add_elements(table.id(), set, addresses(0, 600_000));
    // Taken where the process is privileged over the first user namespace, or the administrator generous.
    if let Err(error) = socket.apply(&batch) {
        assert!(error.is_too_large() && !error.is_transient(), "{error}");
    }
    let mut small = Socket::open().expect("a netlink socket").send_at_most(100_000);
    assert!(small.apply(&batch).expect_err("too large").is_too_large());
    // The socket goes on.
    let mut batch = Batch::new();
    batch.add_elements(table.id(), set, addresses(2_000_000, 10));
    socket.apply(&batch).expect("a small batch");
}

/// Every listing is of one moment, whoever writes meanwhile.
fn listing_under_way() {
    let table = |from: u32| {
        let addresses = (from..from + 2_000).map(|it| Element::new(Value::Ipv4(it.into())));
        let set = addresses.fold(Set::new("addresses", DataType::Ipv4Addr), Set::element);
        let target = Statement::goto(format!("target-{from}"));
        Table::new(Family::Ip, "t")
            .set(set)
            .chain(Chain::regular(format!("target-{from}")))
            .chain(Chain::regular("start").rule([target]))
    };
    let states = [table(0), table(10_000)];
    let mut socket = Socket::open().expect("a netlink socket");
    socket.apply(Batch::new().load(&states[0])).expect("a table");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut socket = Socket::open().expect("a netlink socket");
            let mut turns = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let (from, to) = (&states[turns % 2], &states[(turns + 1) % 2]);
                socket.apply(&to.diff(from)).expect("the other state");
                turns += 1;
                std::thread::yield_now();
            }
            turns
        });
        let mut seen = [0, 0];
        for _ in 0..40 {
            match socket.list_table(states[0].id()) {
                Ok(listed) => {
                    let listed = listed.expect("the table");
                    let which = states.iter().position(|state| state.diff(&listed).is_empty());
                    seen[which.expect("a state that was in force")] += 1;
                }
                // Listing anew was in vain that often.
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(writer.join().expect("the writer ends") > 1 && seen[0] + seen[1] > 0);
    });
}
