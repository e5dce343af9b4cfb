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

mod affinity;
mod cluster;
mod frontends;
mod iptables;
mod ipvs;
mod killed;
mod life;
mod policies;
mod switching;
mod text;
mod traffic;
mod trouble;
mod truth;
mod udp;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use svc_proxy::Backend;
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
        frontends::trials(On::Usual),
        frontends::trials(On::Ipvs),
        policies::trials(On::Usual),
        policies::trials(On::Ipvs),
        life::trials(),
        killed::trials(),
        trouble::trials(),
        truth::trials(),
        text::trials(),
        udp::trials(),
        iptables::trials(),
        affinity::trials(),
        switching::trials(),
        ipvs::trials(),
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

tokio::task_local! {
    static BACKEND: Backend;
}

/// The back end that a trial is about.
pub fn backend() -> Backend {
    BACKEND.try_with(|backend| *backend).unwrap_or_default()
}

/// The back end that trials are about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum On {
    /// The one that a proxy has unless told otherwise.
    Usual,
    /// IPVS, where the kernel has it.
    Ipvs,
}

impl On {
    /// A test in a lab of its own; its clusters have this back end.
    pub fn trial<F, Fut>(self, name: &str, test: F) -> Trial
    where
        F: FnOnce(svc_lab::Lab) -> Fut + Send + 'static,
        Fut: Future<Output = svc_lab::Result> + 'static,
    {
        if matches!(self, On::Usual) {
            return trial(name, test);
        }
        let name = format!("ipvs_{name}");
        trial(&name.clone(), move |lab| async move {
            match svc_ipvs::Socket::open() {
                Err(error) if error.is_unsupported() => {
                    println!("SKIP ipvs::{name}: this kernel has no IPVS");
                    Ok(())
                }
                opened => {
                    drop(opened?);
                    BACKEND.scope(Backend::Ipvs, test(lab)).await
                }
            }
        })
    }
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
