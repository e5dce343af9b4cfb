//! Loading everything and changing one endpoint, through the driver and by the program alone, in processor time of all processes
//! that take part, as others use the machine too.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use svc_model::store::Store;
use svc_proxy::iptables::{Backend as Compiler, Change, Rules, Tables, Variant};
use svc_proxy::{Backend, Handle, Plan, Proxy};
use tokio::runtime::Runtime;

use crate::{cluster, ms, processor, processor_time, summary};

const LOADS: usize = 2;
/// Enough of them that steps of 10 ms do not count.
const CHANGES: usize = 30;

pub(crate) const COMMAND: &str = "iptables-load-of";
pub(crate) const HEADER: [&str; 8] = [
    "variant",
    "Services x 2",
    "snapshot to kernel",
    "restore alone",
    "ratio",
    "one endpoint changed",
    "restore of these chains alone",
    "ratio",
];

/// In a network namespace of this process. As root, for the nft variant does not find the room for large changes in a user
/// namespace.
pub(crate) fn measure_and_print(variant: &str, services: usize) {
    if let Err(error) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
        eprintln!("no network namespace ({error}): run this as root");
        return;
    }
    let variant = Variant::ALL.into_iter().find(|it| it.name() == variant).expect("a variant");
    let (ours, alone) = full(variant, services);
    let (change, change_alone) = changes(variant, services);
    let ratio = |ours: Duration, alone: Duration| ours.as_secs_f64() / alone.as_secs_f64();
    println!(
        "| {variant} | {services} | {} | {} | {:.2} x | {} | {} | {:.2} x |",
        ms(ours),
        ms(alone),
        ratio(ours, alone),
        ms(change),
        ms(change_alone),
        ratio(change, change_alone)
    );
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn start(store: &Store, variant: Variant) -> (Handle, impl Future<Output = ()>) {
    let proxy = Proxy::builder(cluster::node()).backend(Backend::Iptables).variant(variant);
    proxy.build().drive(store.watch())
}

fn rules(store: &Store) -> Rules {
    Plan::new(&store.snapshot(), &cluster::node()).compile(&Compiler::default())
}

/// From objects to rules in force, and the program alone with the same input; least of several.
fn full(variant: Variant, services: usize) -> (Duration, Duration) {
    let store = Store::new();
    let revision = store.apply((0..services).flat_map(cluster::objects));
    let wanted = Plan::new(&cluster::snapshot(services), &cluster::node()).compile(&Compiler::default());
    let from_nothing = |tables: &Tables| Change::between(&Tables::new(tables.family()), tables).to_string();
    let input: String = wanted.tables().iter().map(from_nothing).collect();
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..LOADS {
        alone.push(restore(variant, &input));
        clean_up(variant);
        let started = processor_time();
        runtime().block_on(async {
            let (handle, run) = start(&store, variant);
            tokio::select! {
                () = run => {}
                programmed = handle.programmed(revision) => programmed.expect("rules in force"),
            }
            assert!(handle.status().rejections().is_empty(), "{:?}", handle.status());
        });
        ours.push(processor_time() - started);
        clean_up(variant);
    }
    (summary(ours).1, summary(alone).1)
}

fn clean_up(variant: Variant) {
    let proxy = Proxy::builder(cluster::node()).backend(Backend::Iptables).variant(variant).build();
    proxy.clean_up().expect("nothing left");
}

/// One endpoint moves, and back.
fn changes(variant: Variant, services: usize) -> (Duration, Duration) {
    let store = Store::new();
    let revision = store.apply((0..services).flat_map(cluster::objects));
    let (mut ours, mut alone) = (Duration::ZERO, Duration::ZERO);
    runtime().block_on(async {
        let (handle, run) = start(&store, variant);
        let measured = async {
            handle.programmed(revision).await.expect("rules in force");
            for round in 0..CHANGES {
                let before = rules(&store);
                let slice = cluster::slice(services / 2, round % 2 == 0);
                let started = processor_time();
                let revision = store.apply([slice]);
                handle.programmed(revision).await.expect("rules in force");
                ours += processor_time() - started;
                // The same once more: chains are written as they are.
                let change = rules(&store).diff(&before);
                let input: String = change.iter().map(ToString::to_string).collect();
                let stays = input.lines().filter(|line| !line.starts_with("-X "));
                let again: String = stays.map(|line| format!("{line}\n")).collect();
                alone += restore(variant, &again);
            }
        };
        tokio::select! {
            () = run => {}
            () = measured => {}
        }
    });
    clean_up(variant);
    let rounds = u32::try_from(CHANGES).unwrap_or(u32::MAX);
    (ours / rounds, alone / rounds)
}

/// The program alone.
fn restore(variant: Variant, input: &str) -> Duration {
    let started = processor::children();
    let mut command = Command::new(format!("iptables-{variant}-restore"));
    let mut child =
        command.args(["--noflush", "-w", "5"]).stdin(Stdio::piped()).spawn().expect("iptables is installed");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success(), "{input}");
    processor::children() - started
}
