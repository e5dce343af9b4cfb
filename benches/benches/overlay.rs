//! The overlay: planning and comparing for many peers, and, with `--kernel`, a kernel beside `ip -batch` and `bridge -batch`.
//!
//! `cargo bench --package benches --bench overlay -- --kernel` needs no privileges; the tools are those of iproute2.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench has clocks and processes, and its output is for people"
)]

#[path = "overlay/raw.rs"]
mod raw;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_gettime};
use svc_lab::{Host, Lab};
use svc_overlay::fake::Fake;
use svc_overlay::{
    Changes, Config, Dataplane, Kernel, Lease, LeaseSet, Leases, Mac, Operation, Overlay, Plan, Revision,
    System, Underlay,
};

const SIZES: [u16; 3] = [10, 1_000, 5_000];
const ROUNDS: usize = 7;
/// How many join one after the other in each round.
const JOINS: u16 = 21;

fn config() -> Config {
    let overlay = Overlay::builder("10.0.0.0/8").node("server2").subnet("10.255.2.0/24");
    overlay.public_ip("172.20.10.2").config().expect("a valid configuration")
}

fn leases(count: u16) -> LeaseSet {
    let lease = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let subnet = ipnet::Ipv4Net::new_assert([10, high, low, 0].into(), 24);
        let mac = Mac::new([2, 0, 0, 0, high, low]);
        Lease::vxlan(format!("n{number}"), subnet, [172, 21, high, low], 1, mac)
    };
    LeaseSet::new(Revision::new(1), (0..count).map(lease))
}

fn underlay() -> Underlay {
    Underlay::new("eth0", 2, 1500)
}

/// A kernel that holds these leases, its devices with them: without those every entry would have to be made anew.
fn kernel_of(config: &Config, leases: &LeaseSet) -> Kernel {
    let mut fake = Fake::new();
    fake.add_link("eth0", "172.20.10.2/24".parse().expect("an address"), 1500);
    loop {
        let kernel = fake.list(&config.scope()).expect("a kernel in memory");
        let underlay = kernel.underlay.clone().expect("eth0");
        let changes = Plan::new(config, &underlay, leases).diff(&kernel);
        if changes.is_empty() {
            return kernel;
        }
        assert!(fake.apply(changes.operations()).iter().all(Result::is_ok));
    }
}

fn plan_of(config: &Config, kernel: &Kernel, leases: &LeaseSet) -> Plan {
    Plan::new(config, kernel.underlay.as_ref().expect("eth0"), leases)
}

fn plan_from_leases(criterion: &mut Criterion) {
    let (config, underlay) = (config(), underlay());
    let mut group = criterion.benchmark_group("overlay_plan_from_leases");
    for size in SIZES {
        let leases = leases(size);
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| Plan::new(&config, &underlay, black_box(&leases)));
        });
    }
    group.finish();
}

fn diff_of_one_join(criterion: &mut Criterion) {
    let config = config();
    let mut group = criterion.benchmark_group("overlay_diff_of_one_join");
    for size in SIZES {
        let kernel = kernel_of(&config, &leases(size));
        let plan = plan_of(&config, &kernel, &leases(size + 1));
        assert_eq!(plan.diff(&kernel).len(), 3);
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| plan.diff(black_box(&kernel)));
        });
    }
    group.finish();
}

/// The next plan and what is to be made, from the lease alone.
fn update_by_one_join(criterion: &mut Criterion) {
    let (config, underlay) = (config(), underlay());
    let mut group = criterion.benchmark_group("overlay_update_by_one_join");
    for size in SIZES {
        let before = leases(size);
        let mut after = before.clone();
        let more = leases(size + 1);
        let joins = more.iter().filter(|lease| before.lease(lease.subnet()).is_none());
        joins.for_each(|lease| after.put(Revision::new(2), lease.clone()));
        let plan = Plan::new(&config, &underlay, &before);
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            let update = |plan: Plan| plan.update(&config, &underlay, black_box(&before), &after);
            bencher.iter_batched(|| plan.clone(), update, criterion::BatchSize::LargeInput);
        });
    }
    group.finish();
}

/// What one way to do the same took, in milliseconds: by the clock on the wall, and of processors.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    processor: f64,
}

/// On other work's account nothing gets faster: of each the least counts.
fn least(costs: &[Cost]) -> Cost {
    let of = |value: fn(&Cost) -> f64| costs.iter().map(value).fold(f64::INFINITY, f64::min);
    Cost { wall: of(|cost| cost.wall), processor: of(|cost| cost.processor) }
}

/// What has to be stopped to know what something took.
struct Watch {
    begin: Instant,
    processor: fn() -> Duration,
    before: Duration,
}

impl Watch {
    /// Of what this thread does.
    fn of_thread() -> Self {
        Self::of(|| clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock of the thread").into())
    }

    /// Of programs that it starts and waits for.
    fn of_programs() -> Self {
        Self::of(|| {
            let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("usage of programs");
            let times = [usage.user_time(), usage.system_time()];
            times.iter().map(|time| Duration::from_micros(time.num_microseconds().unsigned_abs())).sum()
        })
    }

    fn of(processor: fn() -> Duration) -> Self {
        Watch { begin: Instant::now(), processor, before: processor() }
    }

    fn stop(self) -> Cost {
        let processor = (self.processor)() - self.before;
        Cost { wall: milliseconds(self.begin.elapsed()), processor: milliseconds(processor) }
    }
}

async fn beside_the_tools(lab: Lab) -> svc_lab::Result {
    println!("milliseconds, the least of {ROUNDS} rounds in turn; each in a network namespace of its own");
    println!(
        "{:>6} {:>10} {:>9} {:>9} {:>9} {:>11} {:>9} | {:>9} {:>11} {:>9}",
        "peers",
        "",
        "ours",
        "bare",
        "ours/bare",
        "ip + bridge",
        "ours/it",
        "a join",
        "ip + bridge",
        "ours/it"
    );
    for size in [1_000, 5_000] {
        let mut costs = [(); 5].map(|()| Vec::new());
        for round in 0..ROUNDS {
            let host = |name: &str| lab.host(&format!("{name}-{size}-{round}")).address("172.20.10.2/24");
            let ours = host("ours").create().await?;
            costs[0].push(ours.run(move || async move { all_of_it(size) }).await?);
            ours.remove().await?;
            let bare = host("bare").create().await?;
            costs[1].push(bare.run(move || async move { messages_alone(size) }).await?);
            bare.remove().await?;
            let tools = host("tools").create().await?;
            let (all, one) = tools_once(&tools, size).await?;
            costs[2].push(all);
            costs[4].push(one);
            tools.remove().await?;
            let driven = host("driven").create().await?;
            costs[3].push(driven.run(move || one_join(size)).await?);
            driven.remove().await?;
        }
        let costs = costs.map(|costs| least(&costs));
        row(size, "processor", costs.map(|cost| cost.processor));
        row(size, "wall", costs.map(|cost| cost.wall));
    }
    Ok(())
}

fn row(size: u16, clock: &str, [ours, bare, tools, join, join_tools]: [f64; 5]) {
    println!(
        "{size:>6} {clock:>10} {ours:>9.1} {bare:>9.1} {:>9.2} {tools:>11.1} {:>9.2} | {join:>9.3} {join_tools:>11.3} {:>9.3}",
        ours / bare,
        ours / tools,
        join / join_tools
    );
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// List, plan, compare and program: all peers on an empty device.
fn all_of_it(size: u16) -> svc_lab::Result<Cost> {
    let (mut system, config) = (System::new(), config());
    step(&mut system, &config, &LeaseSet::default())?;
    let all = leases(size);
    let watch = Watch::of_thread();
    step(&mut system, &config, &all)?;
    Ok(watch.stop())
}

/// The same messages to the kernel, and nothing else.
fn messages_alone(size: u16) -> svc_lab::Result<Cost> {
    let (mut system, config) = (System::new(), config());
    step(&mut system, &config, &LeaseSet::default())?;
    let device = system.list(&config.scope())?.devices["flannel.1"].index;
    let messages = raw::messages(size, device);
    let watch = Watch::of_thread();
    raw::program(&messages)?;
    let took = watch.stop();
    let kernel = system.list(&config.scope())?;
    let left = plan_of(&config, &kernel, &leases(size)).diff(&kernel);
    // A new device has sysctls only once it is there.
    let of_device = |operation: &Operation| matches!(operation, Operation::SetSysctl { .. });
    assert!(left.operations().iter().all(of_device), "the raw messages are others: {left}");
    Ok(took)
}

/// From the moment when a driven overlay of so many peers could know of one more until the kernel has it.
async fn one_join(size: u16) -> svc_lab::Result<Cost> {
    let registry = Leases::new();
    leases(size).iter().try_for_each(|lease| registry.put(lease.clone()).map(drop))?;
    let overlay = Overlay::builder("10.0.0.0/8").node("server2").subnet("10.255.2.0/24");
    let overlay = overlay.public_ip("172.20.10.2").registry(registry.clone());
    let (handle, run) = overlay.reconcile_every(Duration::from_secs(86_400)).build()?.drive();
    let driver = tokio::spawn(run);
    handle.until(|status| status.lease().is_some() && status.peers() == usize::from(size)).await?;
    let more: Vec<_> = leases(size + JOINS)
        .iter()
        .filter(|lease| registry.snapshot().lease(lease.subnet()).is_none())
        .cloned()
        .collect();
    let mut costs = Vec::new();
    for lease in more {
        let watch = Watch::of_thread();
        handle.programmed(registry.put(lease)?).await?;
        costs.push(watch.stop());
    }
    drop(handle);
    driver.await?;
    // The middle one: the first few may wait for what the kernel has to say about the new device.
    costs.sort_by(|a, b| a.processor.total_cmp(&b.processor));
    Ok(costs[costs.len() / 2])
}

fn step(system: &mut System, config: &Config, leases: &LeaseSet) -> svc_lab::Result<Changes> {
    let kernel = system.list(&config.scope())?;
    let underlay = kernel.underlay.clone().ok_or("no underlay")?;
    let changes = Plan::new(config, &underlay, leases).diff(&kernel);
    system.apply(changes.operations()).into_iter().collect::<Result<(), _>>()?;
    Ok(changes)
}

/// The same operations as lines for the tools, on a device of ours.
async fn tools_once(host: &Host, size: u16) -> svc_lab::Result<(Cost, Cost)> {
    let config = config();
    host.run(move || async move { step(&mut System::new(), &config, &LeaseSet::default()).map(drop) })
        .await?;
    let lines = |from: u16, to: u16| {
        let kernel = kernel_of(&self::config(), &leases(from));
        let plan = plan_of(&self::config(), &kernel, &leases(to));
        let mut batches = [String::new(), String::new()];
        for operation in plan.diff(&kernel).operations() {
            let text = operation.to_string();
            match operation {
                Operation::SetFdb(_) => writeln!(batches[0], "{}", text.trim_start_matches("bridge ")),
                Operation::SetNeighbour(_) | Operation::AddRoute(_) => {
                    writeln!(batches[1], "{}", text.trim_start_matches("ip "))
                }
                _ => Ok(()),
            }
            .expect("a string takes everything");
        }
        batches
    };
    let (all, one) = (lines(0, size), lines(size, size + 1));
    Ok((batch(host, &all).await?, batch(host, &one).await?))
}

/// From a file each, as a person would.
async fn batch(host: &Host, batches: &[String; 2]) -> svc_lab::Result<Cost> {
    let files =
        ["bridge", "ip"].map(|tool| std::env::temp_dir().join(format!("{tool}-{}", std::process::id())));
    for (file, text) in files.iter().zip(batches) {
        std::fs::write(file, text)?;
    }
    let watch = Watch::of_programs();
    for (tool, file) in ["bridge", "ip"].into_iter().zip(&files) {
        let mut command = std::process::Command::new(tool);
        command.arg("-batch").arg(file);
        let output = host.command(command).output().await?;
        if !output.status.success() {
            return Err(format!("{tool} -batch: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
    }
    let took = watch.stop();
    files.iter().try_for_each(std::fs::remove_file)?;
    Ok(took)
}

fn main() {
    if std::env::args().any(|argument| argument == "--kernel") {
        svc_lab::enter();
        return svc_lab::run(beside_the_tools);
    }
    let mut criterion = Criterion::default().configure_from_args();
    plan_from_leases(&mut criterion);
    diff_of_one_join(&mut criterion);
    update_by_one_join(&mut criterion);
    criterion.final_summary();
}
