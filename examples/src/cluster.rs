//! The lab's cluster: two nodes with the whole stack, an outside, a control plane, and pods that run real servers.

mod nodes;
mod objects;
mod outside;
mod pods;
mod proof;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use ipnet::IpNet;
use svc_lab::{Host, Lab};
use svc_model::allocate::ServiceCidr;
use svc_model::store::Store;
use svc_model::{ControlPlane, ObjectName, ObjectRef};
use svc_overlay::Leases;
use svc_proxy::Backend;

use crate::apps::balancer::{Cloud, Provider};
use nodes::ClusterNode;
use outside::Outside;
use pods::RunningPod;
pub use proof::{Spread, captured};

/// The Service address of cluster DNS.
pub const DNS_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10)), 53);
/// Where the outside servers listen.
pub const OUTSIDE_PORT: u16 = 8080;
/// Without it, bridged packets pass the rules by.
pub const BRIDGE_SYSCTL: &str = "net/bridge/bridge-nf-call-iptables";
/// The hardware address of server2's flannel.1.
pub const SERVER2_VTEP: &str = "2e:57:5f:4d:3f:d4";
/// The hardware address of server3's flannel.1.
pub const SERVER3_VTEP: &str = "e6:33:f0:0a:6b:52";
/// The hardware address of server2's eth0.
pub const SERVER2_MAC: &str = "00:0c:29:4e:1c:02";
/// The hardware address of server3's eth0.
pub const SERVER3_MAC: &str = "00:0c:29:9f:4f:5a";

/// A running cluster. Everything in it is gone when the lab is.
#[derive(Debug)]
pub struct Cluster {
    lab: Lab,
    backend: Backend,
    /// The objects, as every part of the cluster sees them.
    pub store: Store,
    control: ControlPlane,
    service_cidr: IpNet,
    leases: Leases,
    nodes: BTreeMap<String, ClusterNode>,
    pods: BTreeMap<ObjectName, RunningPod>,
    outside: Outside,
    /// What came after the base, to be taken away at the end of a step.
    brought: Vec<ObjectRef>,
    joined: Vec<String>,
    routes: Vec<(Host, String, String)>,
}

impl Cluster {
    /// Builds the outside, two nodes with their stacks, cluster DNS and a pod on each node to call from.
    ///
    /// # Errors
    /// The first thing that does not work, with what it belongs to.
    pub async fn start(backend: Backend, lab: Lab) -> anyhow::Result<Self> {
        let mut cluster = Self::bare(backend, lab).await?;
        cluster.apply(include_str!("../manifests/base.yaml")).await.context("the base of the cluster")?;
        cluster.brought.clear();
        Ok(cluster)
    }

    /// The nodes and the outside, without any object.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn bare(backend: Backend, lab: Lab) -> anyhow::Result<Self> {
        let service_cidr: ServiceCidr = "10.96.0.0/12".parse()?;
        let outside = Outside::start(&lab).await.context("the outside")?;
        let control = ControlPlane::builder()
            .service_cidr(service_cidr)
            .node_ports(30000..=32767)
            .load_balancer(Box::new(Provider::new()?))
            .seed(1)
            .build();
        let mut cluster = Self {
            lab,
            backend,
            store: Store::new(),
            control,
            service_cidr: service_cidr.net(),
            leases: Leases::new(),
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            outside,
            brought: Vec::new(),
            joined: Vec::new(),
            routes: Vec::new(),
        };
        cluster
            .add_node("server2", "172.20.10.2", "10.244.2.0/24", Some((SERVER2_MAC, SERVER2_VTEP)))
            .await?;
        cluster
            .add_node("server3", "172.20.10.3", "10.244.5.0/24", Some((SERVER3_MAC, SERVER3_VTEP)))
            .await?;
        cluster.overlays_settled().await?;
        Ok(cluster)
    }

    /// The mode in which proxies start.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The range of virtual addresses.
    #[must_use]
    pub fn service_cidr(&self) -> IpNet {
        self.service_cidr
    }

    /// A node, or `client`, `dns` or `balancer` outside.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn host(&self, name: &str) -> anyhow::Result<Host> {
        let node = self.nodes.get(name).map(|node| node.host.clone());
        node.or_else(|| self.outside.host(name)).with_context(|| format!("there is no host {name}"))
    }

    /// The balancer's host.
    #[must_use]
    pub fn cloud(&self) -> Cloud {
        self.outside.cloud.clone()
    }

    /// The names that the public name server was asked for.
    #[must_use]
    pub fn asked_outside(&self) -> Vec<String> {
        self.outside.asked.names()
    }

    /// Host by host, as they stand now, the command by which a person outside the lab enters it.
    #[must_use]
    pub fn nsenter(&self) -> Vec<(String, String)> {
        let nodes = self.nodes.values().map(|node| &node.host);
        let pods = self.pods.values().map(|pod| &pod.host);
        let hosts = self.outside.hosts().into_iter().chain(nodes).chain(pods);
        hosts.map(|host| (host.name().to_owned(), host.nsenter())).collect()
    }

    /// Adds a route to a host until the end of the step.
    ///
    /// # Errors
    /// The host refuses it.
    pub async fn route(&mut self, host: &str, to: &str, via: &str) -> anyhow::Result<()> {
        let host = self.host(host)?;
        host.add_route(to, via).await?;
        self.routes.push((host, to.to_owned(), via.to_owned()));
        Ok(())
    }

    /// Takes away what a step brought. Goes on after a failure and returns the first.
    ///
    /// # Errors
    /// What could not be taken away.
    pub async fn tidy(&mut self) -> anyhow::Result<()> {
        let mut result = self.cloud().reset().await;
        for (host, to, via) in std::mem::take(&mut self.routes) {
            result = result.and(host.del_route(&to, &via).await.map_err(anyhow::Error::from));
        }
        result = result.and(self.forget_brought().await);
        for node in std::mem::take(&mut self.joined) {
            result = result.and(self.leave(&node).await);
        }
        result
    }
}
