//! A node with three pods on its bridge, another node with a pod, and a client outside; in both families.

use std::net::IpAddr;

use svc_lab::{Host, Lab, Result, Task};
use svc_model::store::Store;
use svc_model::{AddressType, Object, Protocol, Snapshot, yaml};
use svc_nft::{Dataplane as _, Socket};
use svc_proxy::iptables::{Backend, Dataplane as _, MARKER, TableName, Tables, Variant};
use svc_proxy::sys::Kernel;
use svc_proxy::trace::{Ruleset, iptables, nftables};
use svc_proxy::{Compiler as _, Handle, Node, Plan, Proxy, SysctlPolicy};

use super::flows::{self, Arrivals, Flow};
use super::shapes::{Shape, shapes};
use crate::cluster::{PORT, add_bridge, attach_pod};
use crate::traffic;

/// One family's addresses.
pub struct Net {
    pub v6: bool,
    pub client: &'static str,
    pub node: &'static str,
    pub other: &'static str,
    pub bridge: &'static str,
    /// The pods on the node's bridge without their last part, and the one on the other node.
    pods: &'static str,
    pub remote: &'static str,
    /// The addresses of Services without their last part: ClusterIP, load balancer, externalIP.
    pub services: [&'static str; 3],
    ranges: [&'static str; 3],
}

impl Net {
    pub const ALL: [Net; 2] = [
        Net {
            v6: false,
            client: "172.20.10.50",
            node: "172.20.10.2",
            other: "172.20.10.3",
            bridge: "10.244.2.1",
            pods: "10.244.2.",
            remote: "10.244.5.104",
            services: ["10.96.1.", "203.0.113.", "198.51.100."],
            ranges: ["10.96.0.0/12", "203.0.113.0/24", "198.51.100.0/24"],
        },
        Net {
            v6: true,
            client: "fd00:20::50",
            node: "fd00:20::2",
            other: "fd00:20::3",
            bridge: "fd00:244:2::1",
            pods: "fd00:244:2::",
            remote: "fd00:244:5::104",
            services: ["fd00:96::", "fd00:203::", "fd00:198::"],
            ranges: ["fd00:96::/112", "fd00:203::/112", "fd00:198::/112"],
        },
    ];

    pub fn pod(&self, number: u8) -> IpAddr {
        format!("{}{number}", self.pods).parse().unwrap()
    }

    pub fn service(&self, kind: usize, number: usize) -> IpAddr {
        format!("{}{number}", self.services[kind]).parse().unwrap()
    }

    pub fn node_addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        [self.node, self.bridge].into_iter().map(|address| address.parse().unwrap())
    }

    pub fn family(&self) -> &'static str {
        if self.v6 { "IPv6" } else { "IPv4" }
    }
}

pub struct Truth {
    pub client: Host,
    pub node: Host,
    pub other: Host,
    /// `.65` and `.66` serve, `.67` does not.
    pub pods: Vec<Host>,
    pub arrivals: Arrivals,
    shapes: Vec<Shape>,
    by: By,
    _driver: (Handle, Task<()>),
}

/// Which rules the driver keeps in the kernel.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// nftables.
    Nftables,
    /// iptables of a variant.
    Iptables { flat: bool, variant: Variant },
}

impl Truth {
    pub async fn new(lab: &Lab, config: Node, protocols: &[Protocol], by: By) -> Result<Self> {
        let client = host(lab, "client", |net| net.client).await?;
        let node = host(lab, "server2", |net| net.node).await?;
        let other = host(lab, "server3", |net| net.other).await?;
        node.run(add_bridge).await?;
        node.add_address("cni0", "10.244.2.1/24").await?;
        let mut pods = Vec::new();
        for number in 65..68 {
            pods.push(attach_pod(lab, &node, number).await?);
        }
        node.add_address("cni0", "fd00:244:2::1/64").await?;
        for (number, pod) in (65..).zip(&pods) {
            pod.add_address("eth0", format!("fd00:244:2::{number}/64")).await?;
            pod.add_route("default", "fd00:244:2::1").await?;
            pod.run(|| traffic::until_refused("[fd00:244:2::1]:9")).await;
        }
        lead_the_ways(&client, &node, &other).await?;
        let arrivals = Arrivals::default();
        for (host, name) in [(&pods[0], "a"), (&pods[1], "b"), (&other, "remote")] {
            traffic::serve(host, name, PORT).await?;
            for v6 in [false, true] {
                traffic::serve_udp(host, name, flows::endpoint(name, v6)).await?;
            }
            flows::serve_sctp(host, name, &arrivals).await?;
        }
        let shapes = shapes(protocols);
        let manifests: String =
            shapes.iter().enumerate().map(|(at, shape)| shape.manifests(at + 1)).collect();
        let (objects, _) = yaml::read(&manifests).stored();
        let services = shapes.len() + shapes.iter().filter(|shape| shape.own.is_some()).count();
        assert_eq!(objects.len(), 3 * services);
        let driver = drive(&node, config.clone(), objects.clone(), by).await?;
        let truth = Self { client, node, other, pods, arrivals, shapes, by, _driver: driver };
        if let By::Iptables { flat, variant } = by {
            truth.is_as_printed(&config, objects, flat, variant).await;
        }
        Ok(truth)
    }

    /// The rules that the kernel lists.
    pub async fn listed(&self) -> Result<Box<dyn Ruleset>> {
        Ok(match self.by {
            By::Nftables => {
                let tables = self.node.run(|| async {
                    let mut kernel = Socket::open()?;
                    let ids = kernel.list_tables()?;
                    ids.iter().map(|id| kernel.list_table(id)).collect::<std::result::Result<Vec<_>, _>>()
                });
                Box::new(nftables::Tables::new(tables.await?.into_iter().flatten()))
            }
            By::Iptables { variant, .. } => Box::new(iptables::Listing::new(self.tables(variant).await)),
        })
    }

    /// All tables as the programs list them.
    async fn tables(&self, variant: Variant) -> [Tables; 2] {
        let list = move |family| Kernel::new().list(variant, family, &TableName::ALL).unwrap();
        self.node.run(move || async move { FAMILIES.map(list) }).await
    }

    /// The programs list what was printed, and what they list is read as it was meant. What remembers settings is the driver's.
    async fn is_as_printed(&self, config: &Node, objects: Vec<Object>, flat: bool, variant: Variant) {
        let snapshot: Snapshot = objects.into_iter().collect();
        let compiled = Backend::default().flat(flat).compile(&Plan::new(&snapshot, config)).tables();
        for (mut listed, mut compiled) in self.tables(variant).await.into_iter().zip(compiled) {
            for tables in [&mut listed, &mut compiled] {
                tables.remove(TableName::Mangle, MARKER);
            }
            assert_eq!(listed.owned().to_string(), compiled.to_string());
            assert_eq!(listed.owned(), compiled);
        }
    }

    /// Every frontend from everywhere; and some addresses and ports that no Service has.
    pub fn flows(&self) -> Vec<Flow> {
        let mut flows = Vec::new();
        for net in &Net::ALL {
            for (number, shape) in (1_usize..).zip(&self.shapes) {
                let port = |port: usize| u16::try_from(port).unwrap();
                let mut to: Vec<_> = (0..3).map(|kind| (net.service(kind, number), 80)).collect();
                to.push((net.node.parse().unwrap(), port(30_000 + number)));
                if number % 10 == 0 {
                    to.push((net.service(0, number), 81));
                    to.push((net.service(0, 200 + number / 10), 80));
                    to.push((net.bridge.parse().unwrap(), port(30_000 + number)));
                }
                flows.extend(
                    to.into_iter().flat_map(|to| flows::from_everywhere(net, shape.protocol, to.into())),
                );
            }
        }
        flows
    }
}

const FAMILIES: [AddressType; 2] = [AddressType::Ipv4, AddressType::Ipv6];

async fn drive(node: &Host, config: Node, objects: Vec<Object>, by: By) -> Result<(Handle, Task<()>)> {
    let store = Store::new();
    let proxy = Proxy::builder(config).sysctls(SysctlPolicy::Set);
    let proxy = match by {
        By::Nftables => proxy,
        By::Iptables { flat, variant } => {
            let proxy = proxy.backend(svc_proxy::Backend::Iptables).variant(variant);
            proxy.iptables(Backend::default().flat(flat))
        }
    };
    let (handle, run) = proxy.build().drive(store.watch());
    let driver = node.spawn(move || run);
    // Step by step, so that most of it comes as changes.
    for some in objects.chunks(9) {
        handle.programmed(store.apply(some.to_vec())).await?;
    }
    assert!(handle.status().is_fine(), "{:?}", handle.status());
    Ok((handle, driver))
}

/// Everything goes by the node, and answers come back by it, whoever sees whose address.
async fn lead_the_ways(client: &Host, node: &Host, other: &Host) -> Result {
    for net in &Net::ALL {
        for host in [client, other] {
            for range in net.ranges {
                host.add_route(range, net.node).await?;
            }
        }
        other.add_address("lo", format!("{}/{}", net.remote, if net.v6 { 128 } else { 32 })).await?;
        other.add_route(if net.v6 { "fd00:244:2::/64" } else { "10.244.2.0/24" }, net.node).await?;
        node.add_route(if net.v6 { "fd00:244:5::/64" } else { "10.244.5.0/24" }, net.other).await?;
    }
    for (client, node) in [("172.20.10.50/32", Net::ALL[0].node), ("fd00:20::50/128", Net::ALL[1].node)] {
        other.add_route(client, node).await?;
    }
    for bridged in
        Net::ALL.iter().map(|net| (if net.v6 { "fd00:244:2::/64" } else { "10.244.2.0/24" }, net.node))
    {
        client.add_route(bridged.0, bridged.1).await?;
    }
    for name in ["net/ipv4/conf/all/send_redirects", "net/ipv4/conf/eth0/send_redirects"] {
        node.set_sysctl(name, 0).await?;
    }
    for host in [client, other] {
        host.set_sysctl("net/ipv6/conf/eth0/accept_redirects", 0).await?;
    }
    // Every refusal counts here.
    for (name, value) in
        [("net/ipv4/icmp_ratemask", 0), ("net/ipv6/icmp/ratelimit", 0), ("net/ipv6/icmp/ratemask", 0)]
    {
        node.set_sysctl(name, value).await?;
    }
    Ok(())
}

async fn host(lab: &Lab, name: &str, address: impl Fn(&Net) -> &'static str) -> Result<Host> {
    let [v4, v6] = &Net::ALL;
    let host =
        lab.host(name).address(&*format!("{}/24", address(v4))).default_route("172.20.10.1").create().await?;
    host.add_address("eth0", format!("{}/64", address(v6))).await?;
    host.add_route("default", "fd00:20::1").await?;
    Ok(host)
}
