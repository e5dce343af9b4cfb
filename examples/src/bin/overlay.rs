//! One node of a flannel overlay: what would be done, doing it, how the kernel stands, what passes.
#![allow(clippy::print_stdout, reason = "a program prints")]

use std::process::ExitCode;

use anyhow::bail;
use clap::Parser as _;
use examples::overlay::options::{Command, Options};
use examples::overlay::source::Source;
use examples::show;
use svc_lab::Capture;
use svc_overlay::{
    Config, Dataplane as _, Handle, Kernel, LeaseSet, Overlay, Plan, Problem, Status, System, Underlay,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    show::diagnostics();
    let options = Options::parse();
    match &options.command {
        Command::Capture { device, count, vxlan } => capture(device, *count, *vxlan).await?,
        Command::Plan { fresh } => {
            let (config, leases) = Source::new(&options)?.read().await?;
            plan(&config, &leases, *fresh)?;
        }
        Command::Status => {
            let (config, leases) = Source::new(&options)?.read().await?;
            return status(&config, &leases);
        }
        Command::Apply => apply(Source::new(&options)?.join().await?).await?,
        Command::Run { clean_up } => run(Source::new(&options)?.join().await?, *clean_up).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn plan(config: &Config, leases: &LeaseSet, fresh: bool) -> anyhow::Result<()> {
    let kernel = if fresh { Kernel::default() } else { System::new().list(&config.scope())? };
    let plan = plan_for(config, &kernel, leases, fresh)?;
    leases.unreadable().iter().for_each(|error| eprintln!("error: {error}"));
    plan.refusals().for_each(|refusal| eprintln!("error: {refusal}"));
    plan.obstacles(&kernel).iter().for_each(|obstacle| eprintln!("error: {obstacle}"));
    print!("{}", plan.diff(&kernel));
    Ok(())
}

fn status(config: &Config, leases: &LeaseSet) -> anyhow::Result<ExitCode> {
    let kernel = System::new().list(&config.scope())?;
    let report = plan_for(config, &kernel, leases, false)?.report(&kernel);
    print!("{report}");
    leases.unreadable().iter().for_each(|error| println!("error: {error}"));
    Ok(ExitCode::from(u8::from(!report.is_in_step() || !leases.unreadable().is_empty())))
}

fn plan_for(config: &Config, kernel: &Kernel, leases: &LeaseSet, fresh: bool) -> anyhow::Result<Plan> {
    let underlay = match &kernel.underlay {
        Some(underlay) => underlay.clone(),
        None if fresh => Underlay::new("eth0", 1, 1500),
        None => {
            let address = config.stacks()[0].local;
            bail!("no link has our address {address}; set it up, or plan with --fresh")
        }
    };
    Ok(Plan::new(config, &underlay, leases))
}

async fn apply(overlay: Overlay) -> anyhow::Result<()> {
    let (handle, run) = overlay.drive();
    let settled = async {
        let status = handle.until(is_settled).await?;
        status.problems().iter().for_each(|problem| eprintln!("error: {problem}"));
        if status.programmed().is_none() {
            bail!("the kernel is not in step");
        }
        if status.lease().is_none() {
            bail!("the other nodes do not know of this one");
        }
        println!("{} peers are programmed, by {} operations", status.peers(), status.operations());
        Ok(())
    };
    tokio::select! {
        settled = settled => settled,
        () = run => bail!("the overlay ended"),
    }
}

/// Programmed, published and ready, or kept from it.
fn is_settled(status: &Status) -> bool {
    let refused = |problem: &Problem| matches!(problem, Problem::Registry(_));
    match status.programmed() {
        Some(_) => status.is_ready() || status.problems().iter().any(refused),
        None => !status.problems().is_empty(),
    }
}

async fn run(overlay: Overlay, clean_up: bool) -> anyhow::Result<()> {
    let (handle, run) = overlay.drive();
    let (ended, ()) = tokio::join!(until_interrupted(handle, clean_up), run);
    ended
}

async fn until_interrupted(handle: Handle, clean_up: bool) -> anyhow::Result<()> {
    let status = handle.until(is_settled).await?;
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
