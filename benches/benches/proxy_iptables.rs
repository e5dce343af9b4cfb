//! svc-proxy's mode iptables against a real kernel in a network namespace, beside `iptables-restore` alone of the same rules in
//! the same run: load and one change, by both variants; and connections through the tree of chains, kube-proxy's flat layout and
//! nftables. Prints tables; `cargo xtask bench proxy/iptables` runs it, as root.
#![allow(missing_docs, clippy::print_stdout, reason = "a program of measurements")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures programs and time")]

#[path = "proxy_kernel/cluster.rs"]
mod cluster;
#[path = "proxy_iptables/cost.rs"]
mod cost;
#[path = "proxy_iptables/load.rs"]
mod load;
#[path = "proxy_kernel/row.rs"]
mod row;
#[path = "proxy_iptables/through.rs"]
mod through;

use std::time::Duration;

const NAME: &str = "proxy/iptables";
const SERVICES: usize = 10_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if let [command, rest @ ..] = &arguments[..] {
        // A lab begins a process anew, from `main`.
        match command.as_str() {
            load::COMMAND => return load::measure_and_print(&rest[0], rest[1].parse().expect("a number")),
            through::COMMAND => return through::report(rest[0].parse().expect("a number")),
            _ => {}
        }
    }
    if !arguments.is_empty() && !arguments.iter().any(|filter| NAME.contains(filter.as_str())) {
        return;
    }
    println!("| {} |\n|{}", load::HEADER.join(" | "), "--:|".repeat(load::HEADER.len()));
    for variant in ["legacy", "nft"] {
        for services in [1_000, SERVICES] {
            print!("{}", ask(&[load::COMMAND, variant, &services.to_string()]));
        }
    }
    print!("\n{}", ask(&[through::COMMAND, &SERVICES.to_string()]));
}

/// What this program prints in a process of its own.
fn ask(arguments: &[&str]) -> String {
    let program = std::env::current_exe().expect("this program");
    let mut child = std::process::Command::new(program);
    let output = child.args(arguments).stderr(std::process::Stdio::inherit()).output();
    String::from_utf8_lossy(&output.expect("this program runs").stdout).into_owned()
}

/// The middle and the least of several measurements.
fn summary(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[0])
}
