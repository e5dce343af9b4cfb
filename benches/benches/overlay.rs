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

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Stdio;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use svc_lab::{Host, Lab};
use svc_overlay::{
    Changes, Config, Dataplane, Kernel, Lease, LeaseSet, Mac, Operation, Overlay, Plan, Revision, System,
    Underlay,
};
use tokio::io::AsyncWriteExt as _;

const SIZES: [u16; 3] = [10, 1_000, 5_000];
const ROUNDS: usize = 5;

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

/// A kernel that holds a plan, as a dump shows it.
fn kernel_of(plan: &Plan) -> Kernel {
    let mut kernel = Kernel::default();
    kernel.routes = plan.routes().cloned().collect();
    kernel.neighbours = plan.neighbours().cloned().collect();
    kernel.fdb = plan.fdb().cloned().collect();
    kernel
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
    let (config, underlay) = (config(), underlay());
    let mut group = criterion.benchmark_group("overlay_diff_of_one_join");
    for size in SIZES {
        let kernel = kernel_of(&Plan::new(&config, &underlay, &leases(size)));
        let plan = Plan::new(&config, &underlay, &leases(size + 1));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| plan.diff(black_box(&kernel)));
        });
    }
    group.finish();
}

/// Milliseconds of one way to do the same.
type Times = Vec<f64>;

fn median(times: &mut Times) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

async fn beside_the_tools(lab: Lab) -> svc_lab::Result {
    println!("milliseconds, medians of {ROUNDS} rounds in turn; each in a network namespace of its own");
    println!(
        "{:>6} {:>12} {:>12} {:>7} {:>16} {:>16} {:>7}",
        "peers", "ours", "ip + bridge", "ratio", "join, all of it", "join, tools", "ratio"
    );
    for size in [1_000, 5_000] {
        let (mut ours, mut tools, mut join, mut join_tools) =
            (Times::new(), Times::new(), Times::new(), Times::new());
        for round in 0..ROUNDS {
            let host = lab.host(&format!("ours-{size}-{round}")).address("172.20.10.2/24").create().await?;
            let (all, one) = host.run(move || async move { ours_once(size) }).await?;
            ours.push(all);
            join.push(one);
            host.remove().await?;
            let host = lab.host(&format!("tools-{size}-{round}")).address("172.20.10.2/24").create().await?;
            let (all, one) = tools_once(&host, size).await?;
            tools.push(all);
            join_tools.push(one);
            host.remove().await?;
        }
        let [ours, tools, join, join_tools] = [&mut ours, &mut tools, &mut join, &mut join_tools].map(median);
        println!(
            "{size:>6} {ours:>12.1} {tools:>12.1} {:>7.2} {join:>16.1} {join_tools:>16.1} {:>7.2}",
            ours / tools,
            join / join_tools
        );
    }
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Dump, plan, compare and program: all peers on an empty device, then one more.
fn ours_once(size: u16) -> svc_lab::Result<(f64, f64)> {
    let mut system = System::new();
    let config = config();
    step(&mut system, &config, &LeaseSet::default())?;
    let (all, more) = (leases(size), leases(size + 1));
    let begin = Instant::now();
    step(&mut system, &config, &all)?;
    let whole = begin.elapsed();
    let begin = Instant::now();
    let changes = step(&mut system, &config, &more)?;
    let one = begin.elapsed();
    assert_eq!(changes.len(), 3);
    Ok((milliseconds(whole), milliseconds(one)))
}

fn step(system: &mut System, config: &Config, leases: &LeaseSet) -> svc_lab::Result<Changes> {
    let kernel = system.list(&config.scope())?;
    let underlay = kernel.underlay.clone().ok_or("no underlay")?;
    let changes = Plan::new(config, &underlay, leases).diff(&kernel);
    system.apply(changes.operations()).into_iter().collect::<Result<(), _>>()?;
    Ok(changes)
}

/// The same operations as lines for the tools, on a device of ours.
async fn tools_once(host: &Host, size: u16) -> svc_lab::Result<(f64, f64)> {
    let config = config();
    host.run(move || async move { step(&mut System::new(), &config, &LeaseSet::default()).map(drop) })
        .await?;
    let lines = |from: u16, to: u16| {
        let (before, after) = (leases(from), leases(to));
        let plan = Plan::new(&self::config(), &underlay(), &after);
        let kernel = kernel_of(&Plan::new(&self::config(), &underlay(), &before));
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

async fn batch(host: &Host, [bridge, ip]: &[String; 2]) -> svc_lab::Result<f64> {
    let begin = Instant::now();
    for (tool, text) in [("bridge", bridge), ("ip", ip)] {
        let mut command = tokio::process::Command::new(tool);
        command.args(["-batch", "-"]).stdin(Stdio::piped());
        let mut process = host.command(command).spawn().await?;
        let mut stdin = process.stdin.take().ok_or("no stdin")?;
        stdin.write_all(text.as_bytes()).await?;
        drop(stdin);
        if !process.wait().await?.success() {
            return Err(format!("{tool} -batch failed").into());
        }
    }
    Ok(milliseconds(begin.elapsed()))
}

fn main() {
    if std::env::args().any(|argument| argument == "--kernel") {
        svc_lab::enter();
        return svc_lab::run(beside_the_tools);
    }
    let mut criterion = Criterion::default().configure_from_args();
    plan_from_leases(&mut criterion);
    diff_of_one_join(&mut criterion);
    criterion.final_summary();
}
