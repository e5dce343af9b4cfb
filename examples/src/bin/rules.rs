//! What a proxy would do with the Services of a directory of manifests: the plan, the rules, the difference.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use examples::manifests;
use ipnet::IpNet;
use svc_model::Snapshot;
use svc_nft::{Batch, Dataplane as _};
use svc_proxy::{Node, Plan, nftables};

/// Shows what the proxy of a node would do with the Services in a directory of Kubernetes manifests.
///
/// Nothing is changed. The exit status is 1 if something in the manifests was refused.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
    /// The directory.
    #[arg(long, value_name = "DIR", global = true, default_value = ".")]
    manifests: PathBuf,
    /// The node's name, as EndpointSlices call it.
    #[arg(long, value_name = "NAME", global = true, default_value = "server2")]
    node: String,
    /// An address of the node, where the manifests have no Node object with one; may be given several times.
    #[arg(long, value_name = "IP", global = true)]
    address: Vec<IpAddr>,
    /// The addresses of all pods.
    #[arg(long, value_name = "CIDR", global = true, default_value = "10.244.0.0/16")]
    cluster_cidr: IpNet,
    /// Where ClusterIPs come from.
    #[arg(long, value_name = "CIDR", global = true, default_value = "10.96.0.0/12")]
    service_cidr: IpNet,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The frontends and where each leads to.
    Plan,
    /// The rules, as `nft list ruleset` would show them.
    Compile,
    /// What would have to be sent to this kernel (needs CAP_NET_ADMIN to look).
    Diff,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let (snapshot, faults) = manifests::read(&options.manifests, options.service_cidr);
    let plan = Plan::new(&snapshot, &options.node(&snapshot)?);
    let problems = plan.problems();
    problems.iter().for_each(|problem| eprintln!("error: {problem}"));
    let rules = plan.compile(&nftables::Backend::default());
    match options.command {
        Command::Plan => print(plan)?,
        Command::Compile => print(rules)?,
        Command::Diff => print(difference(&rules)?)?,
    }
    Ok(ExitCode::from(u8::from(faults + problems.len() > 0)))
}

impl Options {
    fn node(&self, snapshot: &Snapshot) -> anyhow::Result<Node> {
        let known = snapshot.node(&self.node).into_iter().flat_map(|node| node.internal_ips());
        let addresses = if self.address.is_empty() { known.collect() } else { self.address.clone() };
        if addresses.is_empty() {
            bail!(
                "node {}: no address; give --address, or a Node object with status.addresses in {}",
                self.node,
                self.manifests.display()
            );
        }
        let node = Node::builder(&self.node).cluster_cidr(self.cluster_cidr).service_cidr(self.service_cidr);
        let node = addresses.iter().fold(node, |node, address| node.address(address));
        node.build().with_context(|| format!("node {}", self.node))
    }
}

fn difference(rules: &nftables::Rules) -> anyhow::Result<Batch> {
    let mut kernel = svc_nft::Socket::open()?;
    let mut batch = Batch::new();
    for wanted in rules.tables() {
        let found = kernel.list_table(wanted.id()).context("cannot look at this kernel's rules")?;
        batch.append(wanted.diff(found.as_ref()));
    }
    Ok(batch)
}

/// Whoever reads may stop reading: `rules compile | head`.
fn print(what: impl Display) -> io::Result<()> {
    match write!(io::stdout().lock(), "{what}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
