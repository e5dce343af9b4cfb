//! The options. Those that flanneld has too are called as there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use ipnet::IpNet;
use regex::Regex;
use svc_overlay::InterfaceQuery;

/// One node of an overlay as flannel's VXLAN backend makes it.
///
/// The leases of all nodes are in a file, in etcd (--etcd-endpoints) or in the annotations of Kubernetes' Nodes
/// (--kube-subnet-mgr), in flannel's form everywhere: nodes of this program and of flannel share one network. The file is a JSON
/// object from subnet to attributes, such as {"10.244.2.0-24": {"PublicIP": "172.20.10.2", "BackendType": "vxlan",
/// "BackendData": {"VNI": 1, "VtepMAC": ".."}}}
#[derive(Debug, Parser)]
pub struct Options {
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
    /// Leases in a file.
    #[command(flatten)]
    pub file: FileOptions,
    /// Leases in etcd.
    #[command(flatten)]
    pub etcd: EtcdOptions,
    /// Leases in Kubernetes.
    #[command(flatten)]
    pub kube: KubeOptions,
    /// This node.
    #[command(flatten)]
    pub node: NodeOptions,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
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

/// Leases in a file.
#[derive(Debug, Args)]
pub struct FileOptions {
    /// The leases of all nodes, this one's among them.
    #[arg(long, value_name = "FILE", global = true, default_value = "leases.json")]
    pub leases: PathBuf,
    /// With a file of leases: this node's subnet, of either family. It says which of the leases is ours.
    #[arg(long, value_name = "CIDR", global = true, default_value = "10.244.2.0/24")]
    pub subnet: IpNet,
    /// With a file of leases: the whole overlay's network; given twice for both families.
    #[arg(long, value_name = "CIDR", global = true, default_value = "10.244.0.0/16")]
    pub network: Vec<IpNet>,
}

/// Leases in etcd.
#[derive(Debug, Args)]
pub struct EtcdOptions {
    /// Leases are in etcd, at one of these servers; separated by commas.
    #[arg(
        long,
        value_name = "URL",
        global = true,
        value_delimiter = ',',
        conflicts_with = "kube_subnet_mgr"
    )]
    pub etcd_endpoints: Vec<String>,
    /// What all keys in etcd begin with.
    #[arg(long, value_name = "PREFIX", global = true, default_value = "/coreos.com/network")]
    pub etcd_prefix: String,
    /// The authorities of etcd's certificates.
    #[arg(long, value_name = "FILE", global = true)]
    pub etcd_cafile: Option<PathBuf>,
    /// This node's certificate, for an etcd that asks for one.
    #[arg(long, value_name = "FILE", global = true, requires = "etcd_keyfile")]
    pub etcd_certfile: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, value_name = "FILE", global = true, requires = "etcd_certfile")]
    pub etcd_keyfile: Option<PathBuf>,
    /// A user of etcd.
    #[arg(long, value_name = "NAME", global = true)]
    pub etcd_username: Option<String>,
    /// The user's password. The variable FLANNELD_ETCD_PASSWORD is seen by nobody else.
    #[arg(long, value_name = "PASSWORD", global = true)]
    pub etcd_password: Option<String>,
    /// How many minutes before its end a lease in etcd is renewed.
    #[arg(long, value_name = "MINUTES", global = true, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..1440))]
    pub subnet_lease_renew_margin: u64,
}

/// Leases in Kubernetes.
#[derive(Debug, Args)]
pub struct KubeOptions {
    /// Leases are the pod CIDRs and annotations of Kubernetes' Nodes.
    #[arg(long, global = true)]
    pub kube_subnet_mgr: bool,
    /// How to reach the cluster; without it, as a pod of it.
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        visible_alias = "kubeconfig",
        requires = "kube_subnet_mgr"
    )]
    pub kubeconfig_file: Option<PathBuf>,
    /// What flannel's annotations begin with.
    #[arg(long, value_name = "PREFIX", global = true, default_value = "flannel.alpha.coreos.com")]
    pub kube_annotation_prefix: String,
    /// Whether the Node's condition NetworkUnavailable is set to False once this node's kernel is in step.
    #[arg(long, value_name = "BOOL", global = true, default_value_t = true, action = ArgAction::Set)]
    pub set_node_network_unavailable: bool,
    /// flannel's network configuration, of leases in a file (in place of --network) or in Kubernetes. etcd has its own.
    #[arg(long, value_name = "FILE", global = true, visible_alias = "net-conf")]
    pub net_config_path: Option<PathBuf>,
    /// This node's name in the cluster; otherwise the variable NODE_NAME, or the host's name.
    #[arg(long, value_name = "NAME", global = true)]
    pub node_name: Option<String>,
}

/// This node.
#[derive(Debug, Args)]
pub struct NodeOptions {
    /// The address by which the other nodes know this one, where it is not the one of its device: behind a router that
    /// translates.
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub public_ip: Option<Ipv4Addr>,
    /// The same of IPv6.
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub public_ipv6: Option<Ipv6Addr>,
    /// The underlay's device, by its name or an address of it; given more than once, the first that is here. Otherwise
    /// --iface-regex, --iface-can-reach, or the one that has --public-ip, or the one of the default route. A node that runs goes along
    /// when its device gets another address, unless that was named here or with --public-ip.
    #[arg(long, value_name = "NAME|ADDRESS", global = true)]
    pub iface: Vec<String>,
    /// The first device with an address that this regular expression matches, or else with such a name; given more than once,
    /// the first that matches anything.
    #[arg(long, value_name = "REGEX", global = true)]
    pub iface_regex: Vec<Regex>,
    /// The device over which this address is reached.
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub iface_can_reach: Option<IpAddr>,
    /// Where the CNI plugin reads what this node got; the subnets in it are asked for again.
    #[arg(long, value_name = "FILE", global = true)]
    pub subnet_file: Option<PathBuf>,
}

impl NodeOptions {
    /// What was said about the device; nothing if nothing was.
    #[must_use]
    pub fn device(&self) -> Option<InterfaceQuery> {
        let said = !self.iface.is_empty() || !self.iface_regex.is_empty() || self.iface_can_reach.is_some();
        let query = self.iface.iter().fold(InterfaceQuery::new(), InterfaceQuery::iface);
        let query =
            self.iface_regex.iter().cloned().fold(query, |query, regex| {
                query.matching(regex.to_string(), move |text| regex.is_match(text))
            });
        said.then(|| self.iface_can_reach.into_iter().fold(query, InterfaceQuery::can_reach))
    }

    /// The addresses that were given.
    #[must_use]
    pub fn given(&self) -> Vec<IpAddr> {
        let (v4, v6) = (self.public_ip.map(IpAddr::V4), self.public_ipv6.map(IpAddr::V6));
        v4.into_iter().chain(v6).collect()
    }
}
