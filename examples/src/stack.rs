//! The node stack: overlay and proxy of one node, composed. The tour runs it on the lab's nodes, `node` on a real one.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use ipnet::Ipv4Net;
use svc_model::store::Watch;
use svc_overlay::{Leases, Overlay, Pods};
use svc_proxy::iptables::Variant;
use svc_proxy::{Backend, Node, Proxy, SysctlPolicy, health, kube_proxy};

/// What a node has to know of itself and its cluster.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the programs fill it field by field")]
pub struct StackConfig {
    /// The node's name.
    pub name: String,
    /// Its address in the network that connects the nodes.
    pub address: Ipv4Addr,
    /// The addresses of its pods.
    pub pod_cidr: Ipv4Net,
    /// The addresses of all pods.
    pub cluster_cidr: Ipv4Net,
    /// The virtual addresses of Services.
    pub service_cidr: Ipv4Net,
    /// The hardware address of its VXLAN device; made up if there is none.
    pub vtep_mac: Option<String>,
    /// The link to the other nodes.
    pub underlay: String,
    /// How the proxy's rules reach the kernel.
    pub backend: Backend,
    /// Which tables the mode iptables programs; those that a plain `iptables-restore` does if nothing is said.
    pub variant: Option<Variant>,
    /// What kube-proxy's configuration says of the proxy.
    pub kube_proxy: Option<kube_proxy::Configuration>,
    /// Where the proxy answers `/healthz` and `/livez`.
    pub healthz: Option<SocketAddr>,
    /// Where it answers `/metrics`.
    pub metrics: Option<SocketAddr>,
}

impl StackConfig {
    /// A node in the networks of the tour.
    ///
    /// # Errors
    /// `pod_cidr` is none.
    pub fn new(name: &str, address: Ipv4Addr, pod_cidr: &str) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            address,
            pod_cidr: pod_cidr.parse().with_context(|| format!("pod CIDR `{pod_cidr}` of node {name}"))?,
            cluster_cidr: Ipv4Net::new_assert([10, 244, 0, 0].into(), 16),
            service_cidr: Ipv4Net::new_assert([10, 96, 0, 0].into(), 12),
            vtep_mac: None,
            underlay: "eth0".to_owned(),
            backend: Backend::default(),
            variant: None,
            kube_proxy: None,
            healthz: None,
            metrics: None,
        })
    }
}

impl StackConfig {
    /// The node as its proxy knows it.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub fn proxy_node(&self) -> anyhow::Result<Node> {
        let node = Node::builder(&self.name).address(self.address).pod_cidr(self.pod_cidr);
        let node = node.cluster_cidr(self.cluster_cidr).service_cidr(self.service_cidr);
        let Some(configuration) = &self.kube_proxy else { return Ok(node.build()?) };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let tracking = configuration.conntrack().at_least(processors);
        Ok(configuration.node(node).conntrack_at_least(tracking).build()?)
    }

    /// The servers beside the proxy. Every `healthCheckNodePort` is served in any case.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub fn health(&self) -> anyhow::Result<health::Server> {
        let mut server = health::Server::builder(self.proxy_node()?);
        if let Some(configuration) = &self.kube_proxy {
            server = server.stale_after(2 * configuration.sync_period());
        }
        server = self.healthz.into_iter().fold(server, health::ServerBuilder::healthz);
        Ok(self.metrics.into_iter().fold(server, health::ServerBuilder::metrics).build())
    }
}

/// The running parts of a node. Dropping it stops them and leaves the kernel as it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct NodeStack {
    /// The overlay's end.
    pub overlay: svc_overlay::Handle,
    /// Attaches pods.
    pub pods: Pods,
    /// The proxy's end.
    pub proxy: svc_proxy::Handle,
    /// The end of the servers that answer for it.
    pub health: health::Handle,
}

impl NodeStack {
    /// The stack, and the future that drives it: to be polled by a thread in the node's network namespace.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub fn new(
        config: &StackConfig,
        leases: Leases,
        watch: Watch,
    ) -> anyhow::Result<(Self, impl Future<Output = ()> + Send + use<>)> {
        let mut overlay = Overlay::builder(config.cluster_cidr)
            .node(&config.name)
            .subnet(config.pod_cidr)
            .public_ip(config.address)
            .underlay(&config.underlay)
            .registry(leases);
        if let Some(mac) = &config.vtep_mac {
            overlay = overlay.mac(mac.as_str());
        }
        let (overlay, carry) = overlay.build()?.drive();
        let mut proxy =
            Proxy::builder(config.proxy_node()?).sysctls(SysctlPolicy::Set).backend(config.backend);
        if let Some(variant) = config.variant {
            proxy = proxy.variant(variant);
        }
        if let Some(configuration) = &config.kube_proxy {
            proxy =
                proxy.ipvs(configuration.ipvs().backend()).min_sync_period(configuration.min_sync_period());
        }
        let (proxy, program) = proxy.build().drive(watch.clone());
        let (health, answer) = config.health()?.drive(watch, &proxy);
        let pods = overlay.pods();
        let run = async move {
            tokio::join!(carry, program, answer);
        };
        Ok((Self { overlay, pods, proxy, health }, run))
    }

    /// Takes away everything that the stack put in the kernel.
    ///
    /// # Errors
    /// What could not be taken away; the rest is.
    pub async fn clean_up(self) -> anyhow::Result<()> {
        drop(self.health);
        let proxy = self.proxy.clean_up().await.context("proxy");
        let overlay = self.overlay.clean_up().await.context("overlay");
        proxy.map(drop).and(overlay.map(drop))
    }
}
