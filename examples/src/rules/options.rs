//! What the command line says.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use svc_model::AddressType;
use svc_proxy::ipvs::Scheduler;
use svc_proxy::packet::{Entry, Host};
use svc_proxy::{Compat, Node, NodePortAddresses, ProxyMode};

use super::objects::Objects;

/// Shows what the proxy of a node would do with Services, from Kubernetes objects as a cluster holds them.
///
/// Nothing is changed, and no privileges are needed. Values that repeat may be given several times, one after the other,
/// or with commas between them. The exit status is 1 if something among the objects or flows was refused; all the rest
/// is done then too.
#[derive(Debug, Parser)]
#[command(name = "rules", version)]
pub struct Options {
    /// What to show.
    #[command(subcommand)]
    pub command: Command,
}

/// What to show.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The frontends and where each leads to.
    Plan(Compile),
    /// The rules, as the back end's own tool would write them.
    Compile(Compile),
    /// What would change in the kernel from some objects to others, and because of which of them.
    Diff(Diff),
    /// What becomes of packets.
    Trace(Trace),
}

/// Plan and compile.
#[derive(Args, Debug)]
pub struct Compile {
    /// Files and directories of Kubernetes objects, in YAML or JSON.
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., required = true)]
    pub objects: Vec<PathBuf>,
    /// How the proxy is set up.
    #[command(flatten)]
    pub proxy: Proxy,
}

/// From some objects to others.
#[derive(Args, Debug)]
pub struct Diff {
    /// The objects before.
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., required = true)]
    pub from: Vec<PathBuf>,
    /// The objects afterwards.
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., required = true)]
    pub to: Vec<PathBuf>,
    /// How the proxy is set up.
    #[command(flatten)]
    pub proxy: Proxy,
}

/// Packets.
#[derive(Args, Debug)]
pub struct Trace {
    /// Files and directories of Kubernetes objects, in YAML or JSON.
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., required = true)]
    pub objects: Vec<PathBuf>,
    /// How the proxy is set up.
    #[command(flatten)]
    pub proxy: Proxy,
    /// Where packets meet the rules first.
    #[arg(long, value_enum, default_value_t = Hook::Prerouting)]
    pub hook: Hook,
    /// The first packet of a connection: `TCP 10.244.2.65 10.96.0.10:80`, `UDP fd00::65 [fd00:96::a]:53`.
    #[arg(
        long,
        value_name = "PROTO SRC DST:PORT",
        num_args = 1..,
        value_delimiter = ',',
        required_unless_present = "flows",
        conflicts_with = "flows"
    )]
    pub flow: Vec<String>,
    /// A file of such packets, one a line; `-` is standard input. Empty lines and lines that begin with `#` are passed over.
    #[arg(long, value_name = "FILE|-")]
    pub flows: Option<PathBuf>,
    /// Lines of JSON, or an explanation for people.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How the proxy is set up.
#[derive(Args, Debug)]
pub struct Proxy {
    /// The node's name, as EndpointSlices call it.
    #[arg(long, value_name = "NAME")]
    pub node: String,
    /// The node's addresses, the first of each family being its primary one; without any, those of the Node object.
    /// Loopback addresses are always the node's.
    #[arg(long, value_name = "IP", num_args = 1.., value_delimiter = ',')]
    pub node_address: Vec<IpAddr>,
    /// Where pods have their addresses from; without any, pods are not told from others.
    #[arg(long, value_name = "CIDR", num_args = 1.., value_delimiter = ',')]
    pub pod_cidr: Vec<IpNet>,
    /// Where ClusterIPs come from.
    #[arg(long, value_name = "CIDR", num_args = 1.., value_delimiter = ',')]
    pub service_cidr: Vec<IpNet>,
    /// Where node ports are served: `all`, `primary`, or local addresses in these ranges [default: primary, or what
    /// --compat says].
    #[arg(long, value_name = "all|primary|CIDR", num_args = 1.., value_delimiter = ',')]
    pub node_port_addresses: Vec<String>,
    /// Masquerade everything that is sent to ClusterIPs.
    #[arg(long)]
    pub masquerade_all: bool,
    /// Serve node ports at 127.0.0.0/8 too.
    #[arg(long)]
    pub localhost_node_ports: bool,
    /// Take kube-proxy's side wherever its back ends differ from one another, rather than the safe one.
    #[arg(long, value_enum)]
    pub compat: Option<Side>,
    /// Which kind of rules.
    #[arg(long, value_parser = backend, default_value = "nftables")]
    pub backend: Backend,
    /// With kube-proxy's layout, one rule after another, rather than a tree (iptables only).
    #[arg(long)]
    pub flat: bool,
    /// How virtual servers choose among their real servers (ipvs only).
    #[arg(long, value_name = "NAME", default_value = "rr")]
    pub scheduler: Scheduler,
}

/// Whose side is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// kube-proxy's.
    Upstream,
}

/// The back ends there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// nftables
    Nftables,
    /// iptables, of either variant
    Iptables,
    /// IPVS, with nftables around it
    Ipvs,
}

/// Where packets meet the rules first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Hook {
    /// They come in by an interface.
    Prerouting,
    /// The node sends them.
    Output,
}

impl From<Hook> for Entry {
    fn from(hook: Hook) -> Self {
        match hook {
            Hook::Prerouting => Entry::Prerouting,
            Hook::Output => Entry::Output,
        }
    }
}

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For programs: a line each.
    Json,
    /// For people.
    Text,
}

fn backend(name: &str) -> Result<Backend, String> {
    match name {
        "nftables" => Ok(Backend::Nftables),
        "iptables" => Ok(Backend::Iptables),
        "ipvs" => Ok(Backend::Ipvs),
        _ => Err(format!("there is no back end {name}: nftables, iptables and ipvs are all")),
    }
}

impl Proxy {
    /// The node that the rules are for. Both families are served, whatever addresses are known.
    ///
    /// # Errors
    ///
    /// A setting that cannot be meant.
    pub fn node(&self, objects: &Objects) -> anyhow::Result<Node> {
        let families = [AddressType::Ipv4, AddressType::Ipv6];
        let mut node = Node::builder(&self.node).families(families).compat(self.compat());
        for address in self.addresses(objects) {
            node = node.address(address);
        }
        for cidr in &self.pod_cidr {
            node = node.cluster_cidr(cidr);
        }
        for cidr in &self.service_cidr {
            node = node.service_cidr(cidr);
        }
        if let Some(addresses) = self.node_port_addresses()? {
            node = node.node_port_addresses(addresses);
        }
        let node = node.masquerade_all(self.masquerade_all).localhost_node_ports(self.localhost_node_ports);
        let node = node.build().with_context(|| format!("node {}", self.node))?;
        self.warn_of_missing_addresses(&node, objects);
        Ok(node)
    }

    /// The node as packets meet it.
    #[must_use]
    pub fn host(&self, objects: &Objects) -> Host {
        Host::new(self.addresses(objects))
    }

    fn addresses(&self, objects: &Objects) -> Vec<IpAddr> {
        let known = || objects.snapshot().node(&self.node).into_iter().flat_map(|node| node.internal_ips());
        if self.node_address.is_empty() { known().collect() } else { self.node_address.clone() }
    }

    fn compat(&self) -> Compat {
        match (self.compat, self.backend) {
            (None, _) => Compat::default(),
            (Some(Side::Upstream), Backend::Nftables) => Compat::upstream(ProxyMode::Nftables),
            (Some(Side::Upstream), Backend::Iptables) => Compat::upstream(ProxyMode::Iptables),
            (Some(Side::Upstream), Backend::Ipvs) => Compat::upstream(ProxyMode::Ipvs),
        }
    }

    fn node_port_addresses(&self) -> anyhow::Result<Option<NodePortAddresses>> {
        Ok(Some(match &self.node_port_addresses[..] {
            [] => return Ok(None),
            [all] if all == "all" => NodePortAddresses::All,
            [primary] if primary == "primary" => NodePortAddresses::Primary,
            ranges => {
                let ranges: anyhow::Result<Vec<_>> = ranges.iter().map(|range| self::range(range)).collect();
                NodePortAddresses::Cidrs(self.for_every_family(ranges?))
            }
        }))
    }

    /// kube-proxy reads ranges of one family only as "everywhere" in the other.
    fn for_every_family(&self, mut ranges: Vec<IpNet>) -> Vec<IpNet> {
        let everywhere = [IpNet::V4(ipnet::Ipv4Net::default()), IpNet::V6(ipnet::Ipv6Net::default())];
        for all in everywhere {
            let has = ranges.iter().any(|range| AddressType::of(range.addr()) == AddressType::of(all.addr()));
            if !has && self.compat == Some(Side::Upstream) {
                ranges.push(all);
            }
        }
        ranges
    }

    /// Said only where it makes a difference.
    fn warn_of_missing_addresses(&self, node: &Node, objects: &Objects) {
        let has_node_ports = |family| {
            let services = objects.snapshot().services();
            let mut services = services.filter(move |service| service.families().contains(&family));
            services.any(|service| service.ports().iter().any(|port| port.node_port().is_some()))
        };
        for family in node.families() {
            if node.primary_address(family).is_none()
                && *node.node_port_addresses() == NodePortAddresses::Primary
                && has_node_ports(family)
            {
                eprintln!(
                    "warning: node {}: no {family} address is known, so node ports are served at none: give --node-address, \
                     a Node object with status.addresses, or --node-port-addresses",
                    self.node
                );
            }
        }
    }
}

fn range(text: &str) -> anyhow::Result<IpNet> {
    let range = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match range {
        Ok(range) => Ok(range),
        Err(_) => bail!("--node-port-addresses: `{text}` is neither `all` nor `primary` nor a range"),
    }
}
