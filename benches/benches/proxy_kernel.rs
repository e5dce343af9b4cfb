//! svc-proxy against a real kernel in a network namespace, beside `nft -f` of rules in kube-proxy's shape in the same run:
//! load, one change, bytes, memory, connections. Prints a table; `cargo xtask bench proxy/kernel` runs it.
//!
//! Every Service has one TCP port and two endpoints, as in the clusters that kube-proxy was measured with.
#![allow(missing_docs, clippy::print_stdout, reason = "a program of measurements")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures programs and time")]

#[path = "proxy_kernel/cluster.rs"]
mod cluster;
#[path = "proxy_kernel/connect.rs"]
mod connect;
#[path = "proxy_kernel/load.rs"]
mod load;
#[path = "proxy_kernel/memory.rs"]
mod memory;
#[path = "proxy_kernel/peer.rs"]
mod peer;
#[path = "proxy_kernel/processor.rs"]
mod processor;
#[path = "proxy_kernel/row.rs"]
mod row;

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

const NAME: &str = "proxy/kernel";
const SIZES: [usize; 4] = [10, 1_000, 10_000, 30_000];
/// kube-proxy's shape takes minutes beyond this.
const LARGEST_PEER: usize = 10_000;

fn main() {
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if let [command, services] = &filters[..] {
        let services = services.parse().expect("a number of Services");
        match command.as_str() {
            // A lab begins a process anew, from `main`.
            memory::COMMAND => return memory::measure(services),
            load::COMMAND => return load::measure_and_print(services),
            connect::COMMAND => return connect::report(services),
            _ => {}
        }
    }
    if !filters.is_empty() && !filters.iter().any(|filter| NAME.contains(filter.as_str())) {
        return;
    }
    println!("| {} |\n|{}", load::HEADER.join(" | "), "--:|".repeat(load::HEADER.len()));
    for services in SIZES {
        print!("{}", ask(load::COMMAND, services));
    }
    println!("\n| Services x 2 | most memory |\n|--:|--:|");
    for services in SIZES {
        let kib: f64 = ask(memory::COMMAND, services).trim().parse().unwrap_or(f64::NAN);
        println!("| {services} | {:.1} MB |", kib / 1024.0);
    }
    print!("\n{}", ask(connect::COMMAND, 10_000));
}

/// What this program prints in a process of its own.
fn ask(command: &str, services: usize) -> String {
    let program = std::env::current_exe().expect("this program");
    let mut child = std::process::Command::new(program);
    let output = child.args([command, &services.to_string()]).stderr(std::process::Stdio::inherit()).output();
    String::from_utf8_lossy(&output.expect("this program runs").stdout).into_owned()
}

/// The processor time of this thread so far: what others do on the machine does not count.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock of the thread").into()
}

/// The middle and the least of several measurements.
fn summary(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[0])
}

fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 1.0 { format!("{ms:.3} ms") } else { format!("{ms:.1} ms") }
}
