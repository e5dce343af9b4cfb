//! Loading everything and changing one endpoint, through the driver and by the program alone with the same lines: each in a
//! network namespace of its own, one after the other in every round, in processor time of all processes that take part and by the
//! clock on the wall.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use svc_model::store::Store;
use svc_proxy::iptables::{Backend as Compiler, Rules, Tables, Variant};
use svc_proxy::{Backend, Handle, Plan, Proxy};
use tokio::runtime::Runtime;

use crate::cluster;
use crate::cost::{Cost, Pairs, measure};

const LOADS: usize = 7;
const CHANGES: usize = 21;

pub(crate) const COMMAND: &str = "iptables-load-of";
pub(crate) const HEADER: [&str; 9] = [
    "variant",
    "Services x 2",
    "work",
    "processor time",
    "restore alone",
    "ratio",
    "by the clock",
    "restore alone",
    "ratio",
];

/// As root, for the nft variant does not find the room for large changes in a user namespace.
pub(crate) fn measure_and_print(variant: &str, services: usize) {
    let alone = Alone::start(variant.to_owned());
    if let Err(error) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
        eprintln!("no network namespace ({error}): run this as root");
        return;
    }
    let known = Variant::ALL.into_iter().find(|it| it.name() == variant).expect("a variant");
    println!("| {variant} | {services} | full load | {} |", full(known, services, &alone));
    println!("| {variant} | {services} | one endpoint changed | {} |", changes(known, services, &alone));
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

/// What a kernel without rules is told.
fn all(rules: &Rules) -> String {
    let families = rules.families().into_iter();
    families.map(|family| rules.diff_listed(&Tables::new(family)).to_string()).collect()
}

/// From objects to rules in force.
fn full(variant: Variant, services: usize, alone: &Alone) -> Pairs {
    let store = Store::new();
    let revision = store.apply((0..services).flat_map(cluster::objects));
    let input = all(&Plan::new(&cluster::snapshot(services), &cluster::node()).compile(&Compiler::default()));
    let mut pairs = Pairs::default();
    for _ in 0..LOADS {
        alone.restore("*mangle\nCOMMIT\n*filter\nCOMMIT\n*nat\nCOMMIT\n", false);
        let by_program = alone.restore(&input, true);
        let by_us = measure(|| {
            runtime().block_on(async {
                let (handle, run) = start(&store, variant);
                tokio::select! {
                    () = run => {}
                    programmed = handle.programmed(revision) => programmed.expect("rules in force"),
                }
                assert!(handle.status().rejections().is_empty(), "{:?}", handle.status());
            });
        });
        clean_up(variant);
        pairs.add(by_us, by_program);
    }
    pairs
}

fn clean_up(variant: Variant) {
    let proxy = Proxy::builder(cluster::node()).backend(Backend::Iptables).variant(variant).build();
    proxy.clean_up().expect("nothing left");
}

/// What the program is told when an endpoint moves, and when it moves back.
fn moves(services: usize) -> [String; 2] {
    let store = Store::new();
    store.apply((0..services).flat_map(cluster::objects));
    let before = rules(&store);
    store.apply([cluster::slice(services / 2, true)]);
    let after = rules(&store);
    let text = |from: &Rules, to: &Rules| to.diff(from).iter().map(ToString::to_string).collect();
    [text(&before, &after), text(&after, &before)]
}

/// One endpoint moves, and back. The program alone has all rules, too.
fn changes(variant: Variant, services: usize, alone: &Alone) -> Pairs {
    let store = Store::new();
    let revision = store.apply((0..services).flat_map(cluster::objects));
    let inputs = moves(services);
    let mut pairs = Pairs::default();
    runtime().block_on(async {
        let (handle, run) = start(&store, variant);
        let measured = async {
            handle.programmed(revision).await.expect("rules in force");
            for (round, input) in (0..CHANGES).zip(inputs.iter().cycle()) {
                let slice = cluster::slice(services / 2, round % 2 == 0);
                let cost = Cost::now();
                let revision = store.apply([slice]);
                handle.programmed(revision).await.expect("rules in force");
                let by_us = cost.since();
                pairs.add(by_us, alone.restore(input, true));
            }
            assert_eq!(handle.status().repairs(), 0);
        };
        tokio::select! {
            () = run => {}
            () = measured => {}
        }
    });
    clean_up(variant);
    pairs
}

/// The program alone, in a network namespace of its own.
struct Alone {
    inputs: mpsc::Sender<(String, bool)>,
    costs: mpsc::Receiver<Cost>,
}

impl Alone {
    fn start(variant: String) -> Self {
        let (inputs, inbox) = mpsc::channel::<(String, bool)>();
        let (outbox, costs) = mpsc::channel();
        std::thread::spawn(move || {
            if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).is_err() {
                return;
            }
            for (input, keep) in inbox {
                let cost = measure(|| restore(&variant, &input, keep));
                outbox.send(cost).expect("somebody waits");
            }
        });
        Self { inputs, costs }
    }

    /// `keep`: what is not in the input stays.
    fn restore(&self, input: &str, keep: bool) -> Cost {
        self.inputs.send((input.to_owned(), keep)).expect("a thread");
        self.costs.recv().expect("a cost")
    }
}

fn restore(variant: &str, input: &str, keep: bool) {
    let mut command = Command::new(format!("iptables-{variant}-restore"));
    command.args(keep.then_some("--noflush")).args(["-w", "5"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("iptables is installed");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success(), "{input}");
}
