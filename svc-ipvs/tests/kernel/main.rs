//! IPVS of a real kernel, and the one in memory held to the same.
//!
//! Each trial has a network namespace of its own. Where the kernel has no IPVS, what needs it skips itself;
//! `cargo xtask vm` boots kernels that have.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program: it touches the kernel, says what it skips, and panics where it has to"
)]

mod contract;
mod devices;
mod program;

use libtest_mimic::{Arguments, Failed, Trial};
use nix::sched::{CloneFlags, unshare};
use svc_ipvs::{Socket, fake};

fn main() {
    let arguments = Arguments::from_args();
    let fake = contract::ALL.iter().map(|(name, run)| {
        Trial::test(format!("fake::{name}"), move || run(&mut fake::Kernel::new()).map_err(Failed::from))
    });
    let kernel = contract::ALL.iter().map(|(name, run)| {
        Trial::test(format!("kernel::{name}"), move || on_the_kernel(name, |socket| run(socket)))
    });
    let program = program::ALL
        .iter()
        .map(|(name, run)| Trial::test(format!("program::{name}"), move || on_the_kernel(name, run)));
    let devices = devices::ALL.iter().flat_map(|(name, run)| {
        let fake = Trial::test(format!("fake::{name}"), move || {
            run(&mut fake::Devices::new()).map_err(Failed::from)
        });
        let kernel = Trial::test(format!("kernel::{name}"), move || devices::on_the_kernel(name, *run));
        [fake, kernel]
    });
    libtest_mimic::run(&arguments, fake.chain(kernel).chain(program).chain(devices).collect()).exit();
}

/// Runs in a network namespace of this thread's own, if the kernel has IPVS and lets us.
fn on_the_kernel(name: &str, run: impl FnOnce(&mut Socket) -> Result<(), String>) -> Result<(), Failed> {
    match Socket::open() {
        Err(error) if error.is_unsupported() => {
            println!("SKIP ipvs::{name}: this kernel has no IPVS");
            return Ok(());
        }
        opened => drop(opened?),
    }
    unshare(CloneFlags::CLONE_NEWNET)?;
    // Without it there is no local routing table, and the kernel takes every IPv4 destination for a broadcast.
    let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    assert!(up.success(), "ip link set lo up: {up}");
    Ok(run(&mut Socket::open()?)?)
}
