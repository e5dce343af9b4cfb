//! The overlay in labs of network namespaces: real devices, real packets.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests have sockets and clocks, print what they measured, and may panic"
)]

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};

mod kernel {
    pub(crate) mod cleanup;
    pub(crate) mod cluster;
    pub(crate) mod contract;
    pub(crate) mod families;
    pub(crate) mod faults;
    pub(crate) mod flannel;
    pub(crate) mod known;
    pub(crate) mod peers;
    pub(crate) mod pods;
    pub(crate) mod repair;
    pub(crate) mod routing;
}

fn main() -> ExitCode {
    svc_lab::enter();
    let trials = [
        kernel::cleanup::trials(),
        kernel::contract::trials(),
        kernel::families::trials(),
        kernel::faults::trials(),
        kernel::flannel::trials(),
        kernel::known::trials(),
        kernel::peers::trials(),
        kernel::pods::trials(),
        kernel::repair::trials(),
        kernel::routing::trials(),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit_code()
}

/// A test that waits this long for a report waits for ever.
const HANGS: Duration = Duration::from_secs(60);

/// A test that runs in a lab of its own.
fn trial<F, R>(name: &str, test: F) -> Trial
where
    F: FnOnce(svc_lab::Lab) -> R + Send + 'static,
    R: Future<Output = svc_lab::Result>,
{
    Trial::test(name, move || {
        svc_lab::run(|lab| async move { tokio::time::timeout(HANGS, test(lab)).await? });
        Ok::<(), Failed>(())
    })
}
