//! One node of a flannel overlay, from leases in a file: what would be done, doing it, how the kernel stands, what passes.
#![allow(clippy::print_stdout, reason = "a program prints")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use examples::{leases, show};
use ipnet::IpNet;
use svc_lab::Capture;
use svc_overlay::{
    Config, Dataplane as _, Handle, Kernel, Leases, Overlay, OverlayBuilder, Plan, System, Underlay,
};

/// One node of an overlay as flannel's VXLAN backend makes it, from a file of leases.
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
    /// This node's subnet, of either family: it says which of the leases is ours.
    #[arg(long, value_name = "CIDR", global = true, default_value = "10.244.2.0/24")]
    subnet: IpNet,
    /// The whole overlay's network; given twice for both families.
    #[arg(long, value_name = "CIDR", global = true, default_value = "10.244.0.0/16")]
    network: Vec<IpNet>,
    /// flannel's network configuration (net-conf.json), in place of --network.
    #[arg(long, value_name = "FILE", global = true)]
    net_conf: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what would be done to this kernel; nothing is changed.
    Plan {
        /// Print what would be done to a kernel that has nothing but an eth0 yet.
        #[arg(long)]
        fresh: bool,
    },
    /// Bring this kernel in step and end; traffic goes on, and the next call adopts what is there (needs CAP_NET_ADMIN).
    Apply,
    /// Keep this kernel in step until interrupted (needs CAP_NET_ADMIN).
    Run {
        /// Take everything away again at the end; otherwise traffic goes on and the next run adopts it.
        #[arg(long)]
        clean_up: bool,
    },
    /// Print the peers, and what in this kernel differs and would be done about it. The exit status is 1 if anything does.
    Status,
    /// Print the packets that pass a device, those in VXLAN tunnels with what is inside (needs CAP_NET_RAW).
    Capture {
        /// The device: the underlay's shows tunnels from outside, flannel.1 what goes into them.
        device: String,
        /// End after this many packets.
        #[arg(long, value_name = "N")]
        count: Option<usize>,
        /// Only packets in VXLAN tunnels.
        #[arg(long)]
        vxlan: bool,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    show::diagnostics();
    let options = Options::parse();
    if let Command::Capture { device, count, vxlan } = &options.command {
        return capture(device, *count, *vxlan).await.map(|()| ExitCode::SUCCESS);
    }
    let leases = leases::read(&options.leases)?;
    let overlay = options.overlay(&leases)?;
    match options.command {
        Command::Plan { fresh } => plan(&overlay.config()?, &leases, fresh)?,
        Command::Status => return status(&overlay.config()?, &leases),
        Command::Apply => apply(overlay.registry(leases).build()?).await?,
        Command::Run { clean_up } => run(overlay.registry(leases).build()?, clean_up).await?,
        Command::Capture { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn overlay(&self, leases: &Leases) -> anyhow::Result<OverlayBuilder> {
        let leases = leases.snapshot();
        let ours =
            leases.iter().find(|lease| lease.halves().iter().any(|half| half.subnet == self.subnet.trunc()));
        let Some(own) = ours else {
            bail!("leases {}: none of subnet {}; --subnet names ours", self.leases.display(), self.subnet)
        };
        Ok(self.networks()?.lease(own))
    }

    fn networks(&self) -> anyhow::Result<OverlayBuilder> {
        if let Some(file) = &self.net_conf {
            return Ok(OverlayBuilder::of_net_conf(&leases::net_conf(file)?));
        }
        let (first, rest) = self.network.split_first().context("--network is missing")?;
        Ok(rest.iter().fold(Overlay::builder(*first), |overlay, network| overlay.network(*network)))
    }
}

fn plan(config: &Config, leases: &Leases, fresh: bool) -> anyhow::Result<()> {
    let kernel = if fresh { Kernel::default() } else { System::new().list(&config.scope())? };
    let plan = plan_for(config, &kernel, leases, fresh)?;
    plan.refusals().for_each(|refusal| eprintln!("error: {refusal}"));
    plan.obstacles(&kernel).iter().for_each(|obstacle| eprintln!("error: {obstacle}"));
    print!("{}", plan.diff(&kernel));
    Ok(())
}

fn status(config: &Config, leases: &Leases) -> anyhow::Result<ExitCode> {
    let kernel = System::new().list(&config.scope())?;
    let report = plan_for(config, &kernel, leases, false)?.report(&kernel);
    print!("{report}");
    Ok(ExitCode::from(u8::from(!report.is_in_step())))
}

fn plan_for(config: &Config, kernel: &Kernel, leases: &Leases, fresh: bool) -> anyhow::Result<Plan> {
    let underlay = match &kernel.underlay {
        Some(underlay) => underlay.clone(),
        None if fresh => Underlay::new("eth0", 1, 1500),
        None => {
            let address = config.stacks()[0].public_ip;
            bail!("no link has our address {address}; set it up, or plan with --fresh")
        }
    };
    Ok(Plan::new(config, &underlay, &leases.snapshot()))
}

async fn apply(overlay: Overlay) -> anyhow::Result<()> {
    let (handle, run) = overlay.drive();
    let settled = async {
        let status =
            handle.until(|status| status.programmed().is_some() || !status.problems().is_empty()).await?;
        status.problems().iter().for_each(|problem| eprintln!("error: {problem}"));
        if status.programmed().is_none() {
            bail!("the kernel is not in step");
        }
        println!("{} peers are programmed, by {} operations", status.peers(), status.operations());
        Ok(())
    };
    tokio::select! {
        settled = settled => settled,
        () = run => bail!("the overlay ended"),
    }
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

async fn capture(device: &str, count: Option<usize>, vxlan: bool) -> anyhow::Result<()> {
    let mut capture = Capture::here(device)?;
    eprintln!("capturing on {device} until interrupted (Ctrl-C)");
    let mut left = count.unwrap_or(usize::MAX);
    while left > 0 {
        let packet = tokio::select! {
            packet = capture.next() => packet,
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        };
        if !vxlan || packet.vxlan().is_some() {
            println!("{} {packet}", if packet.is_outgoing() { "out" } else { "in " });
            left -= 1;
        }
    }
    Ok(())
}
