//! One node of a VXLAN overlay, from leases in a file.
#![allow(clippy::print_stdout, reason = "a program prints")]

use std::path::PathBuf;

use anyhow::bail;
use clap::{Parser, Subcommand};
use examples::{leases, show};
use ipnet::Ipv4Net;
use svc_overlay::{
    Config, Dataplane as _, Handle, Kernel, Leases, Overlay, OverlayBuilder, Plan, System, Underlay,
};

/// Runs one node of an overlay as flannel's VXLAN backend does, from a file of leases.
///
/// The file has the form of flannel's registry: a JSON object from subnet to attributes, such as
/// {"10.244.2.0-24": {"PublicIP": "172.20.10.2", "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": ".."}}}
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
    /// The leases of all nodes, this one's among them.
    #[arg(long, value_name = "FILE", global = true, default_value = "leases.json")]
    leases: PathBuf,
    /// This node's subnet: it says which of the leases is ours.
    #[arg(long, value_name = "CIDR", global = true, default_value = "10.244.2.0/24")]
    subnet: Ipv4Net,
    /// The whole overlay's network.
    #[arg(long, value_name = "CIDR", global = true, default_value = "10.244.0.0/16")]
    network: Ipv4Net,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what would be done to this kernel; nothing is changed.
    Plan {
        /// Print what would be done to a kernel that has nothing but an eth0 yet.
        #[arg(long)]
        fresh: bool,
    },
    /// Keep this kernel in step until interrupted (needs CAP_NET_ADMIN).
    Run {
        /// Take everything away again at the end; otherwise traffic goes on and the next run adopts it.
        #[arg(long)]
        clean_up: bool,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    show::diagnostics();
    let options = Options::parse();
    let leases = leases::read(&options.leases)?;
    let overlay = options.overlay(&leases)?;
    match options.command {
        Command::Plan { fresh } => plan(&overlay.config()?, &leases, fresh),
        Command::Run { clean_up } => run(overlay.registry(leases).build()?, clean_up).await,
    }
}

impl Options {
    fn overlay(&self, leases: &Leases) -> anyhow::Result<OverlayBuilder> {
        match leases.snapshot().lease(self.subnet.trunc().into()) {
            Some(own) => Ok(Overlay::builder(self.network).lease(own)),
            None => {
                bail!("leases {}: none of subnet {}; --subnet names ours", self.leases.display(), self.subnet)
            }
        }
    }
}

fn plan(config: &Config, leases: &Leases, fresh: bool) -> anyhow::Result<()> {
    let kernel = if fresh { Kernel::default() } else { System::new().list(&config.scope())? };
    let underlay = match &kernel.underlay {
        Some(underlay) => underlay.clone(),
        None if fresh => Underlay::new("eth0", 1, 1500),
        None => {
            bail!("no link has our address {}; set it up, or plan with --fresh", config.stacks()[0].public_ip)
        }
    };
    let plan = Plan::new(config, &underlay, &leases.snapshot());
    plan.refusals().iter().for_each(|refusal| eprintln!("error: {refusal}"));
    plan.obstacles(&kernel).iter().for_each(|obstacle| eprintln!("error: {obstacle}"));
    print!("{}", plan.diff(&kernel));
    Ok(())
}

async fn run(overlay: Overlay, clean_up: bool) -> anyhow::Result<()> {
    let (handle, run) = overlay.drive();
    let (ended, ()) = tokio::join!(until_interrupted(handle, clean_up), run);
    ended
}

async fn until_interrupted(handle: Handle, clean_up: bool) -> anyhow::Result<()> {
    let status =
        handle.until(|status| status.programmed().is_some() || !status.problems().is_empty()).await?;
    status.problems().iter().for_each(|problem| eprintln!("error: {problem}"));
    println!("{} peers are programmed; runs until it is interrupted (Ctrl-C)", status.peers());
    tokio::signal::ctrl_c().await?;
    if clean_up {
        handle.clean_up().await?;
    }
    Ok(())
}
