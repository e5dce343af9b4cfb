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
mod iptables;
mod killed;
mod life;
mod policies;
mod programs;
mod switching;
mod text;
mod traffic;
mod trouble;
mod truth;
mod udp;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use svc_proxy::iptables::Variant;

fn main() -> ExitCode {
    if let Ok(manifests) = std::env::var(switching::MANIFESTS) {
        return switching::drive(&manifests);
    }
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
        iptables::trials(),
        switching::trials(),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit_code()
}

/// A test of a variant of iptables in a lab of its own, where its programs are.
fn trial_of<F, Fut>(variant: Variant, name: &str, test: F) -> Trial
where
    F: FnOnce(svc_lab::Lab, Variant) -> Fut + Send + 'static,
    Fut: Future<Output = svc_lab::Result> + 'static,
{
    trial(&format!("iptables_{variant}_{name}"), move |lab| async move {
        let program = format!("iptables-{variant}-restore");
        match std::process::Command::new(&program).arg("--version").output() {
            Ok(_) => test(lab, variant).await,
            Err(error) => {
                println!("SKIP {program}: not here: {error}");
                Ok(())
            }
        }
    })
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
