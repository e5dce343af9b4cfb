//! Real packets through real rules: a client, a node with pods on a bridge and another node, as namespaces.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

mod cluster;
mod frontends;
mod killed;
mod life;
mod policies;
mod text;
mod traffic;
mod trouble;
mod truth;
mod udp;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if let Ok(manifests) = std::env::var(killed::MANIFESTS) {
        return killed::drive(&manifests);
    }
    svc_lab::enter();
    let trials = [
        frontends::trials(),
        policies::trials(),
        life::trials(),
        killed::trials(),
        trouble::trials(),
        truth::trials(),
        text::trials(),
        udp::trials(),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit_code()
}

/// A test in a lab of its own.
fn trial<F, Fut>(name: &str, test: F) -> Trial
where
    F: FnOnce(svc_lab::Lab) -> Fut + Send + 'static,
    Fut: Future<Output = svc_lab::Result> + 'static,
{
    Trial::test(name, move || {
        svc_lab::run(test);
        Ok(())
    })
}
