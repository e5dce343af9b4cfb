//! Loading everything, in processor time; and changing one endpoint, as the clock on the wall says.

use std::time::{Duration, Instant};

use svc_nft::{Batch, Dataplane as _, Socket};
use svc_proxy::nftables::{Backend, Rules};
use svc_proxy::{Compiler as _, Plan};

use crate::{LARGEST_PEER, cluster, ms, peer, processor_time, summary};

const LOADS: usize = 5;
const CHANGES: usize = 51;
const PEER_CHANGES: usize = 5;

/// What one size costs.
struct Cost {
    compile: Duration,
    /// From a Snapshot to rules in force.
    full: Duration,
    /// Sending a batch that is there already, and waiting for the kernel.
    bare: Duration,
    bytes: usize,
    compute_change: Duration,
    change: Duration,
    change_bytes: usize,
    list: Duration,
    peer_full: Option<Duration>,
    peer_change: Option<Duration>,
}

pub(crate) const COMMAND: &str = "load-of";
pub(crate) const HEADER: [&str; 13] = [
    "Services x 2",
    "compile",
    "snapshot to kernel",
    "of that, the kernel's part",
    "bytes",
    "change: compute",
    "change: in force",
    "bytes",
    "list and compare",
    "nft -f, kube-proxy's shape",
    "its change",
    "load, ratio",
    "change, ratio",
];

/// In a network namespace of this process. As root, for the nft program does not find the room for large batches in a
/// user namespace.
pub(crate) fn measure_and_print(services: usize) {
    match nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
        Ok(()) => print_row(services, &measure(services)),
        Err(error) => eprintln!("no network namespace ({error}): run this as root"),
    }
}

fn print_row(services: usize, cost: &Cost) {
    let peer = |time: Option<Duration>| time.map_or("-".to_owned(), ms);
    let ratio = |ours: Duration, theirs: Option<Duration>| {
        theirs.map_or("-".to_owned(), |theirs| format!("1/{:.0}", theirs.as_secs_f64() / ours.as_secs_f64()))
    };
    println!(
        "| {services} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        ms(cost.compile),
        ms(cost.full),
        ms(cost.bare),
        cost.bytes,
        ms(cost.compute_change),
        ms(cost.change),
        cost.change_bytes,
        ms(cost.list),
        peer(cost.peer_full),
        peer(cost.peer_change),
        ratio(cost.full, cost.peer_full),
        ratio(cost.change, cost.peer_change),
    );
}

fn measure(services: usize) -> Cost {
    let (snapshot, node) = (cluster::snapshot(services), cluster::node());
    let mut kernel = Socket::open().expect("a netlink socket");
    let (mut compile, mut full, mut bare, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..LOADS {
        let started = processor_time();
        let rules = Backend::default().compile(&Plan::new(&snapshot, &node));
        let compiled = processor_time();
        let batch = rules.load(None);
        let built = processor_time();
        kernel.apply(&batch).expect("the rules");
        let applied = processor_time();
        bytes = batch.encode().expect("the same rules").len();
        remove(&mut kernel, &rules);
        compile.push(compiled - started);
        bare.push(applied - built);
        full.push(applied - started);
    }
    let (peer_full, peer_change) = measure_peer(services, &mut kernel);
    let cost = Cost {
        compile: summary(compile).1,
        full: summary(full).1,
        bare: summary(bare).1,
        bytes,
        compute_change: Duration::ZERO,
        change: Duration::ZERO,
        change_bytes: 0,
        list: Duration::ZERO,
        peer_full,
        peer_change,
    };
    changes(services, &mut kernel, cost)
}

fn changes(services: usize, kernel: &mut Socket, cost: Cost) -> Cost {
    let mut snapshot = cluster::snapshot(services);
    let mut plan = Plan::new(&snapshot, &cluster::node());
    let mut rules = Backend::default().compile(&plan);
    kernel.apply(&rules.load(None)).expect("the rules");
    let (mut compute, mut change, mut change_bytes) = (Vec::new(), Vec::new(), 0);
    for round in 0..CHANGES {
        let (next, delta) = snapshot.with([cluster::slice(services / 2, round % 2 == 0)], []);
        let started = Instant::now();
        let before = rules.clone();
        let changed = plan.update(&next, &delta);
        rules.update(&plan, &changed);
        let batch = rules.diff_of(&before, &changed);
        compute.push(started.elapsed());
        kernel.apply(&batch).expect("the change");
        change.push(started.elapsed());
        change_bytes = batch.encode().expect("the same change").len();
        snapshot = next;
    }
    let started = Instant::now();
    for table in rules.tables() {
        let listed = kernel.list_table(table.id()).expect("a listing");
        assert!(table.diff(listed.as_ref()).is_empty(), "the kernel holds something else");
    }
    let list = started.elapsed();
    remove(kernel, &rules);
    Cost { compute_change: summary(compute).0, change: summary(change).0, change_bytes, list, ..cost }
}

fn measure_peer(services: usize, kernel: &mut Socket) -> (Option<Duration>, Option<Duration>) {
    if services > LARGEST_PEER {
        return (None, None);
    }
    let Some(full) = peer::nft(&peer::full(services)) else { return (None, None) };
    let changes =
        (0..PEER_CHANGES).filter_map(|round| peer::nft(&peer::change(services / 2, round % 2 == 0)));
    let change = summary(changes.collect()).0;
    let tables = kernel.list_tables().expect("a listing");
    let mut batch = Batch::new();
    tables.iter().for_each(|table| _ = batch.delete_table(table));
    kernel.apply(&batch).expect("their rules go");
    (Some(full), Some(change))
}

fn remove(kernel: &mut Socket, rules: &Rules) {
    let mut batch = Batch::new();
    rules.table_ids().iter().for_each(|table| _ = batch.delete_table(table));
    kernel.apply(&batch).expect("our rules go");
}
