//! The nodes: hosts with the node stack on them.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use svc_lab::{Host, Task};
use svc_model::{AddressType, Revision};
use svc_nft::{Batch, Dataplane as _, Family, Socket, Table, TableId};
use svc_proxy::Backend;
use svc_proxy::iptables::{Dataplane as _, TableName};
use svc_proxy::ipvs::Dataplane as _;
use tokio::time::timeout;

use super::{BRIDGE_SYSCTL, Cluster};
use crate::stack::{NodeStack, StackConfig};

/// How long programming anything may take before something is wrong.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct ClusterNode {
    pub(super) host: Host,
    /// Gone after a clean-up.
    pub(super) stack: Option<NodeStack>,
    running: Task<()>,
    before: String,
    config: StackConfig,
}

impl Cluster {
    /// A host on the switch becomes a node: the stack is started on it, and it has a lease when this returns.
    pub(super) async fn add_node(
        &mut self,
        name: &str,
        address: &str,
        pod_cidr: &str,
        macs: Option<(&str, &str)>,
    ) -> anyhow::Result<()> {
        let mut host = self.lab.host(name).address(format!("{address}/24"));
        if let Some((eth0, _)) = macs {
            host = host.mac(eth0);
        }
        let host = host.create().await?;
        // The tour shows that the stack notices; kernels without br_netfilter have no such switch.
        let _ = host.set_sysctl(BRIDGE_SYSCTL, 0).await;
        foreigners(&host).await.context("foreign rule, route and link")?;
        let before = state(&host).await?;
        lacks(&host, self.backend).await?.map_or(Ok(()), Err)?;
        let mut config = StackConfig::new(name, address.parse()?, pod_cidr)?;
        config.backend = self.backend;
        config.vtep_mac = macs.map(|(_, vtep)| vtep.to_owned());
        let (stack, running) = self.start_stack(&host, &config).await?;
        self.nodes.insert(name.to_owned(), ClusterNode { host, stack: Some(stack), running, before, config });
        Ok(())
    }

    async fn start_stack(&self, host: &Host, config: &StackConfig) -> anyhow::Result<(NodeStack, Task<()>)> {
        let (stack, run) = NodeStack::new(config, self.leases.clone(), self.store.watch())?;
        let running = host.spawn(move || run);
        let synced = timeout(PATIENCE, stack.overlay.synced()).await;
        synced.with_context(|| format!("{} got no lease", config.name))??;
        Ok((stack, running))
    }

    /// Starts the stacks again that were cleaned up, and their pods, whose ports went with them.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn revive(&mut self) -> anyhow::Result<()> {
        let gone = self.nodes.iter().filter(|(_, node)| node.stack.is_none());
        let gone: Vec<_> =
            gone.map(|(name, node)| (name.clone(), node.host.clone(), node.config.clone())).collect();
        for (name, host, config) in &gone {
            let (stack, running) = self.start_stack(host, config).await?;
            if let Some(node) = self.nodes.get_mut(name) {
                (node.stack, node.running) = (Some(stack), running);
            }
        }
        self.overlays_settled().await?;
        for (name, ..) in &gone {
            self.restart_pods(name).await?;
        }
        self.settled(self.store.snapshot().revision()).await
    }

    /// Another node joins; the others know of it when this returns.
    ///
    /// # Errors
    /// The node cannot be started.
    pub async fn join(
        &mut self,
        name: &str,
        address: &str,
        pod_cidr: &str,
        manifest: &str,
    ) -> anyhow::Result<()> {
        self.add_node(name, address, pod_cidr, None).await?;
        self.joined.push(name.to_owned());
        self.apply(manifest).await?;
        self.overlays_settled().await
    }

    /// A node leaves, and its machine is switched off.
    ///
    /// # Errors
    /// The others do not forget it.
    pub async fn leave(&mut self, name: &str) -> anyhow::Result<()> {
        let node = self.nodes.remove(name).with_context(|| format!("there is no node {name}"))?;
        self.joined.retain(|joined| joined != name);
        drop(node.stack);
        drop(node.running);
        self.leases.remove(name);
        node.host.remove().await?;
        self.overlays_settled().await
    }

    /// The hardware address of a node's VXLAN device, as its lease tells the others.
    ///
    /// # Errors
    /// It has no lease.
    pub fn vtep_mac(&self, node: &str) -> anyhow::Result<String> {
        let leases = self.leases.snapshot();
        let lease = leases.iter().find(|lease| lease.node() == node);
        let data = lease.and_then(|lease| lease.vxlan_data());
        Ok(data.with_context(|| format!("{node} has no VXLAN lease"))?.vtep_mac.to_string())
    }

    /// All addresses of a node, from its kernel.
    ///
    /// # Errors
    /// There is no such node.
    pub async fn node_addresses(&self, node: &str) -> anyhow::Result<Vec<IpAddr>> {
        let host = self.host(node)?;
        let found =
            host.run(|| async { nix::ifaddrs::getifaddrs().map(Iterator::collect::<Vec<_>>) }).await?;
        let addresses = found.iter().filter_map(|interface| interface.address.as_ref());
        Ok(addresses.filter_map(|address| Some(IpAddr::V4(address.as_sockaddr_in()?.ip()))).collect())
    }

    /// Waits until every node's overlay has programmed all leases.
    pub(super) async fn overlays_settled(&self) -> anyhow::Result<()> {
        let revision = self.leases.snapshot().revision();
        for (name, node) in &self.nodes {
            let Some(stack) = &node.stack else { continue };
            let programmed = timeout(PATIENCE, stack.overlay.programmed(revision)).await;
            programmed.with_context(|| format!("{name}'s overlay did not program leases {revision}"))??;
        }
        Ok(())
    }

    /// Waits until every node's kernel holds `revision`.
    pub(super) async fn proxies_settled(&self, revision: Revision) -> anyhow::Result<()> {
        for (name, node) in &self.nodes {
            let Some(stack) = &node.stack else { continue };
            let programmed = timeout(PATIENCE, stack.proxy.programmed(revision)).await;
            programmed.with_context(|| format!("{name}'s proxy did not program {revision}"))??;
        }
        Ok(())
    }

    /// The stack of a node takes away what it brought, while the host lives on.
    ///
    /// # Errors
    /// What could not be taken away.
    pub async fn clean_up(&mut self, node: &str) -> anyhow::Result<()> {
        let node = self.nodes.get_mut(node).with_context(|| format!("there is no node {node}"))?;
        let stack = node.stack.take().context("it was cleaned up before")?;
        stack.clean_up().await?;
        (&mut node.running).await;
        Ok(())
    }

    /// Stops the stack of a node and leaves its kernel as it is: a fault removed afterwards is not mended.
    pub fn halt(&mut self, node: &str) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.stack = None;
        }
    }

    /// The proxy of a node goes on in another mode.
    ///
    /// # Errors
    /// The mode cannot be; the former goes on.
    pub async fn switch(&self, node: &str, backend: Backend) -> Result<(), svc_proxy::Error> {
        match self.nodes.get(node).and_then(|node| node.stack.as_ref()) {
            Some(stack) => stack.proxy.switch(backend).await,
            None => Err(svc_proxy::Error::Stopped),
        }
    }

    /// Why a node cannot go over to a mode, where that is known beforehand.
    ///
    /// # Errors
    /// There is no such node.
    pub async fn lacks(&self, node: &str, backend: Backend) -> anyhow::Result<Option<svc_proxy::Error>> {
        lacks(&self.host(node)?, backend).await
    }

    /// How many chains the kernel of a node has of a mode.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn rules(&self, node: &str, backend: Backend) -> anyhow::Result<usize> {
        let count = move || async move {
            let table = match backend {
                Backend::Nftables => Some("svc-proxy"),
                Backend::Ipvs => Some("svc-proxy-ipvs"),
                _ => None,
            };
            if let Some(name) = table {
                let table = Socket::open()?.list_table(&TableId::new(Family::Ip, name))?;
                return anyhow::Ok(table.map_or(0, |table| table.chains().len()));
            }
            let mut kernel = svc_proxy::sys::Kernel::new();
            let variant = kernel.default_variant()?;
            let listed = kernel.list(variant, AddressType::Ipv4, &TableName::ALL)?;
            Ok(listed.owned().tables().values().map(std::collections::BTreeMap::len).sum())
        };
        self.host(node)?.run(count).await
    }

    /// What the proxy of a node plans.
    ///
    /// # Errors
    /// There is no such node.
    pub fn plan(&self, node: &str) -> anyhow::Result<svc_proxy::Plan> {
        let config = &self.nodes.get(node).with_context(|| format!("there is no node {node}"))?.config;
        Ok(svc_proxy::Plan::new(&self.store.snapshot(), &config.proxy_node()?))
    }

    /// Links, addresses, routes, neighbours, FDB, sysctls and nftables of a node, as text.
    ///
    /// # Errors
    /// There is no such node.
    pub async fn state(&self, node: &str) -> anyhow::Result<String> {
        state(&self.host(node)?).await
    }

    /// The same, before its stack was started.
    ///
    /// # Errors
    /// There is no such node.
    pub fn state_before(&self, node: &str) -> anyhow::Result<String> {
        let node = self.nodes.get(node).with_context(|| format!("there is no node {node}"))?;
        ensure!(!node.before.is_empty(), "the state before is empty");
        Ok(node.before.clone())
    }
}

/// Asks IPVS for something that it tells only who may change it.
async fn lacks(host: &Host, backend: Backend) -> anyhow::Result<Option<svc_proxy::Error>> {
    if backend != Backend::Ipvs {
        return Ok(None);
    }
    let asked = host.run(|| async {
        let mut kernel = svc_proxy::sys::Kernel::new();
        Ok::<_, std::convert::Infallible>(kernel.servers().and_then(|servers| servers.timeouts()).err())
    });
    Ok(asked.await?.map(svc_proxy::Error::Ipvs))
}

async fn state(host: &Host) -> anyhow::Result<String> {
    let rules = host.run(|| async {
        let mut socket = Socket::open()?;
        let mut text = String::new();
        for id in socket.list_tables()? {
            if let Some(table) = socket.list_table(&id)? {
                text.push_str(&table.to_string());
            }
        }
        Ok::<_, svc_nft::Error>(text)
    });
    Ok(host.dump().await? + &rules.await?)
}

/// What somebody else put on the node, to see that it survives.
async fn foreigners(host: &Host) -> anyhow::Result<()> {
    host.run(|| async {
        let (connection, links, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        links.link().add(rtnetlink::LinkBridge::new("foreign0").build()).execute().await?;
        let mut batch = Batch::new();
        batch.load(&Table::new(Family::Ip, "foreign"));
        Socket::open()?.apply(&batch)?;
        anyhow::Ok(())
    })
    .await?;
    host.add_route("198.51.100.0/24", "172.20.10.50").await?;
    Ok(())
}
