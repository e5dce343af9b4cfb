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

#[cfg(feature = "etcd")]
#[path = "etcd/loopback.rs"]
#[allow(dead_code, reason = "a server in a lab has an address of the lab")]
mod loopback;
#[cfg(feature = "etcd")]
#[path = "etcd/server.rs"]
#[allow(dead_code, reason = "other tests ask more of it")]
mod server;

mod kernel {
    pub(crate) mod cleanup;
    pub(crate) mod cluster;
    pub(crate) mod contract;
    pub(crate) mod families;
    pub(crate) mod faults;
    pub(crate) mod flannel;
    pub(crate) mod interfaces;
    pub(crate) mod killed;
    pub(crate) mod known;
    pub(crate) mod moving;
    pub(crate) mod peers;
    pub(crate) mod pods;
    pub(crate) mod repair;
    pub(crate) mod routing;
    #[cfg(feature = "etcd")]
    pub(crate) mod store;
    pub(crate) mod traffic;
}

fn main() -> ExitCode {
    if let Some(ended) = kernel::killed::child() {
        return ended;
    }
    svc_lab::enter();
    let trials = [
        kernel::cleanup::trials(),
        kernel::contract::trials(),
        kernel::families::trials(),
        kernel::faults::trials(),
        kernel::flannel::trials(),
        kernel::interfaces::trials(),
        kernel::killed::trials(),
        kernel::known::trials(),
        kernel::moving::trials(),
        kernel::peers::trials(),
        kernel::pods::trials(),
        kernel::repair::trials(),
        kernel::routing::trials(),
        #[cfg(feature = "etcd")]
        kernel::store::trials(),
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
