//! Calls that a signal interrupts. What a handler does cannot be timed, so strace makes the kernel's answer seem so: this
//! program runs once more, and half of its calls come back with EINTR.

use std::process::Command;

use libtest_mimic::Trial;
use svc_nft::*;

/// Set for the program that strace watches; it is in a network namespace of its parent already.
pub(crate) const WATCHED: &str = "SVC_NFT_WATCHED";

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("kernel::goes_on_after_interrupted_calls", || {
        crate::in_lab(interrupted);
        Ok(())
    })]
}

fn interrupted() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("SKIP interrupted calls: there is no strace program");
        return;
    }
    let program = std::env::current_exe().expect("this program");
    let inject = "inject=sendmsg,recvfrom:error=EINTR:when=1+2";
    let output = Command::new("strace")
        .args(["-f", "-e", "trace=sendmsg,recvfrom", "-e", inject])
        .arg(program)
        .env(WATCHED, "1")
        .output()
        .expect("strace runs");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let injected =
        |call: &str| log.lines().filter(|line| line.contains(call) && line.contains("(INJECTED)")).count();
    assert!(injected("sendmsg(") >= 8 && injected("recvfrom(") >= 8, "{log}");
}

/// What the watched program does: changes that take effect once, listings that are whole.
pub(crate) fn watched() {
    let id = TableId::new(Family::Ip, "t");
    let addresses = (0..5_000u32).map(|number| Element::new(Value::Ipv4(number.into())));
    let set = addresses.fold(Set::new("addresses", DataType::Ipv4Addr), Set::element);
    let table = Table::with_id(id.clone()).set(set).chain(Chain::regular("c"));
    let mut socket = Socket::open().expect("a netlink socket");
    let generation = socket.generation().expect("a generation");
    socket.apply_at(generation, Batch::new().load(&table)).expect("a table");
    assert_eq!(socket.generation(), Ok(generation + 1));
    assert!(socket.list_table(&id).expect("a listing").as_ref() == Some(&table));
    // A chain that is made twice would be refused.
    socket.apply(Batch::new().create_chain(&id, &Chain::regular("d"))).expect("another chain");
    assert!(
        socket.apply(Batch::new().create_chain(&id, &Chain::regular("d"))).expect_err("refused").is_exists()
    );
    assert_eq!(socket.list_tables(), Ok(vec![id.clone()]));
    socket.apply(Batch::new().delete_table(&id)).expect("the table goes");
    assert_eq!(socket.list_table(&id), Ok(None));
}
