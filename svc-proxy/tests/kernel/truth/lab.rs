//! A node with three pods on its bridge, another node with a pod, and a client outside; in both families.

use std::net::IpAddr;

use svc_lab::{Host, Lab, Result, Task};
use svc_model::store::Store;
use svc_model::{AddressType, Object, Protocol, Snapshot, yaml};
use svc_nft::{Dataplane as _, Socket};
use svc_proxy::iptables::{Backend, Change, Tables};
use svc_proxy::trace::{Ruleset, iptables, nftables};
use svc_proxy::{Compiler as _, Handle, Node, Plan, Proxy, SysctlPolicy};

use super::flows::{self, Arrivals, Flow};
use super::shapes::{Shape, shapes};
use crate::cluster::{PORT, add_bridge, attach_pod};
use crate::programs::Programs;
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
    rules: Rules,
}

/// Which rules, and how they come into the kernel.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// nftables, by the driver.
    Nftables,
    /// iptables, by the programs of a variant.
    Iptables { flat: bool, variant: &'static str },
}

/// What put the rules into the kernel.
enum Rules {
    Driven { _handle: Handle, _driver: Task<()> },
    Restored { variant: &'static str },
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
        let rules = match by {
            By::Nftables => drive(&node, config, objects).await?,
            By::Iptables { flat, variant } => restore(&node, &config, objects, flat, variant).await?,
        };
        Ok(Self { client, node, other, pods, arrivals, shapes, rules })
    }

    /// The rules that the kernel lists.
    pub async fn listed(&self) -> Result<Box<dyn Ruleset>> {
        Ok(match self.rules {
            Rules::Driven { .. } => {
                let tables = self.node.run(|| async {
                    let mut kernel = Socket::open()?;
                    let ids = kernel.list_tables()?;
                    ids.iter().map(|id| kernel.list_table(id)).collect::<std::result::Result<Vec<_>, _>>()
                });
                Box::new(nftables::Tables::new(tables.await?.into_iter().flatten()))
            }
            Rules::Restored { variant } => {
                let list = move |family| Programs { variant, family }.tables();
                let tables = self.node.run(move || async move { FAMILIES.map(list) }).await;
                Box::new(iptables::Listing::new(tables))
            }
        })
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

async fn drive(node: &Host, config: Node, objects: Vec<Object>) -> Result<Rules> {
    let store = Store::new();
    let proxy = Proxy::builder(config).sysctls(SysctlPolicy::Set).build();
    let (handle, run) = proxy.drive(store.watch());
    let driver = node.spawn(move || run);
    handle.programmed(store.apply(objects)).await?;
    assert!(handle.status().is_fine(), "{:?}", handle.status());
    Ok(Rules::Driven { _handle: handle, _driver: driver })
}

async fn restore(
    node: &Host,
    config: &Node,
    objects: Vec<Object>,
    flat: bool,
    variant: &'static str,
) -> Result<Rules> {
    for name in [
        "net/ipv4/ip_forward",
        "net/ipv6/conf/all/forwarding",
        "net/bridge/bridge-nf-call-iptables",
        "net/bridge/bridge-nf-call-ip6tables",
    ] {
        node.set_sysctl(name, 1).await?;
    }
    let (config, backend) = (config.clone(), Backend::default().flat(flat).affinity_lists(2));
    node.run(move || async move { step_by_step(&config, &backend, objects, variant) }).await?;
    Ok(Rules::Restored { variant })
}

/// In a user namespace, where no socket's buffer may be as large as it likes, the program of the nft variant takes only so
/// much at once.
fn step_by_step(
    config: &Node,
    backend: &Backend,
    objects: Vec<Object>,
    variant: &'static str,
) -> std::result::Result<(), String> {
    let mut snapshot = Snapshot::default();
    let mut plan = Plan::new(&snapshot, config);
    let mut rules = backend.compile(&plan);
    let restore = |change: &Change| match change.is_empty() {
        true => Ok(()),
        false => Programs { variant, family: change.family() }.restore(change),
    };
    for tables in rules.tables() {
        restore(&Change::between(&Tables::new(tables.family()), &tables))?;
    }
    for some in objects.chunks(9) {
        let (next, delta) = snapshot.with(some.iter().cloned(), []);
        let changed = plan.update(&next, &delta);
        let before = rules.clone();
        rules.update(&plan, &changed);
        rules.diff_of(&before, &changed).iter().try_for_each(restore)?;
        snapshot = next;
    }
    // The program lists what was printed, and what it lists is read as it was meant.
    for tables in backend.compile(&Plan::new(&snapshot, config)).tables() {
        let listed = Programs { variant, family: tables.family() }.tables().owned();
        assert_eq!(listed.to_string(), tables.to_string());
        assert_eq!(listed, tables);
    }
    Ok(())
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
