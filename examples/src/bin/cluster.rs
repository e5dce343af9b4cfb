//! The tour: a two-node cluster in network namespaces, every kind of Service, real packets, one command.
//!
//! `cargo run --release` runs all steps; `--help` tells the rest.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program prints and writes"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use examples::client::resolver;
use examples::cluster::Cluster;
use examples::show;
use examples::tour::{self, Log, STEPS, Step, Tour, Verdict};
use svc_lab::Lab;

/// A small Kubernetes network on this machine: no root, nothing installed, nothing left behind.
///
/// Builds two nodes, an outside and a cluster DNS in network namespaces, drives every kind of Service through them with
/// real packets and says what came back. The exit status is 0 only if every step held.
#[derive(Debug, Parser)]
struct Options {
    /// Run only this step; may be given several times.
    #[arg(long, value_name = "N", value_parser = known_step)]
    step: Vec<u8>,
    /// Leave the cluster running afterwards, until interrupted.
    #[arg(long)]
    keep: bool,
    /// Build the cluster from the YAML files in this directory instead of running the steps, follow edits, and stay.
    #[arg(long, value_name = "DIR", conflicts_with = "step")]
    manifests: Option<PathBuf>,
    /// Write the picture of the lab and the evidence of each step to this file.
    #[arg(long, value_name = "FILE.html", conflicts_with = "manifests")]
    report: Option<PathBuf>,
    /// What the proxies program.
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Backend {
    #[default]
    Nftables,
    Iptables,
    Ipvs,
}

impl From<Backend> for svc_proxy::Backend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Nftables => Self::Nftables,
            Backend::Iptables => Self::Iptables,
            Backend::Ipvs => Self::Ipvs,
        }
    }
}

fn known_step(text: &str) -> Result<u8, String> {
    let number = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    tour::step(number).map(|step| step.number).ok_or_else(|| {
        let known: Vec<_> = STEPS.iter().map(|step| step.number.to_string()).collect();
        format!("there is no step {number}; there are {}", known.join(", "))
    })
}

fn main() -> ExitCode {
    if let Some(code) = resolver::answer_if_asked() {
        return code;
    }
    let options = Options::parse();
    svc_lab::main(|lab| async move {
        show::diagnostics();
        Ok(run(lab, options).await?)
    })
}

async fn run(lab: Lab, options: Options) -> anyhow::Result<ExitCode> {
    match &options.manifests {
        Some(directory) => {
            let cluster = Cluster::start(options.backend.into(), lab).await?;
            show::hosts(&cluster);
            show::follow(cluster, directory).await?;
            Ok(ExitCode::SUCCESS)
        }
        None => steps(lab, &options).await,
    }
}

async fn steps(lab: Lab, options: &Options) -> anyhow::Result<ExitCode> {
    let mut tour = Tour::begin_in(options.backend.into(), lab, Log::stdout()).await?;
    tour.log
        .line("The cluster is up: server2 and server3 with overlay and proxy, cluster DNS at 10.96.0.10.");
    let chosen = |step: &&Step| options.step.is_empty() || options.step.contains(&step.number);
    let (mut held, mut failed, mut skipped) = (0, Vec::new(), Vec::new());
    for step in STEPS.iter().filter(chosen) {
        match tour.walk(step).await {
            Verdict::Pass => held += 1,
            Verdict::Skipped(_) => skipped.push(step.number.to_string()),
            _ => failed.push(step.number.to_string()),
        }
    }
    tour.log.line(format_args!("\n{held} steps held"));
    for (what, steps) in [("did not", &failed), ("cannot be done by this kernel", &skipped)] {
        if !steps.is_empty() {
            tour.log.line(format_args!("{}: {what}", steps.join(", ")));
        }
    }
    if let Some(file) = &options.report {
        std::fs::write(file, tour.log.report()).with_context(|| format!("report {}", file.display()))?;
    }
    if options.keep {
        // The last step takes the stacks away.
        tour.cluster.revive().await?;
        show::hosts(&tour.cluster);
        tour.log.line("The cluster stays until it is interrupted (Ctrl-C).");
        tokio::signal::ctrl_c().await?;
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
