//! A node with three pods on its bridge, another node with a pod, and a client outside; in both families.

use std::net::IpAddr;

use svc_lab::{Host, Lab, Result, Task};
use svc_model::store::Store;
use svc_model::{Protocol, yaml};
use svc_proxy::{Handle, Node, Proxy, SysctlPolicy};

use super::flows::{self, Arrivals, Flow};
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

    fn family(&self) -> &'static str {
        if self.v6 { "IPv6" } else { "IPv4" }
    }
}

/// What a Service is like.
#[derive(Clone, Copy, Debug)]
struct Shape {
    protocol: Protocol,
    external: &'static str,
    internal: &'static str,
    affinity: &'static str,
    endpoints: &'static [&'static str],
    ranges: &'static str,
}

/// Each value of each property with each of the others that it can have to do with.
fn shapes(protocols: &[Protocol]) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for &protocol in protocols {
        for (external, internal) in [("Cluster", "Cluster"), ("Local", "Local"), ("Local", "Cluster")] {
            for endpoints in [&["a", "b", "remote"][..], &["a"], &["remote"], &[]] {
                for affinity in ["None", "ClientIP"] {
                    shapes.push(Shape { protocol, external, internal, affinity, endpoints, ranges: "" });
                }
            }
        }
        // One for the client and the node, one for nobody here, one of another family, none that can be read.
        for ranges in [
            "172.20.10.48/28, 172.20.10.0/30, 'fd00:20::/64'",
            "192.0.2.0/24, '2001:db8::/32'",
            "192.0.2.0/24",
            "everywhere",
        ] {
            for endpoints in [&["a", "remote"][..], &[]] {
                for external in ["Cluster", "Local"] {
                    let (internal, affinity) = ("Cluster", "None");
                    shapes.push(Shape { protocol, external, internal, affinity, endpoints, ranges });
                }
            }
        }
    }
    shapes
}

pub struct Truth {
    pub client: Host,
    pub node: Host,
    pub other: Host,
    /// `.65` and `.66` serve, `.67` does not.
    pub pods: Vec<Host>,
    pub arrivals: Arrivals,
    shapes: Vec<Shape>,
    _handle: Handle,
    _driver: Task<()>,
}

impl Truth {
    pub async fn new(lab: &Lab, config: Node, protocols: &[Protocol]) -> Result<Self> {
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
        let (store, shapes) = (Store::new(), shapes(protocols));
        let proxy = Proxy::builder(config).sysctls(SysctlPolicy::Set).build();
        let (handle, run) = proxy.drive(store.watch());
        let driver = node.spawn(move || run);
        let manifests: String =
            shapes.iter().enumerate().map(|(at, shape)| shape.manifests(at + 1)).collect();
        let (objects, _) = yaml::read(&manifests).stored();
        assert_eq!(objects.len(), 3 * shapes.len());
        handle.programmed(store.apply(objects)).await?;
        assert!(handle.status().is_fine(), "{:?}", handle.status());
        Ok(Self { client, node, other, pods, arrivals, shapes, _handle: handle, _driver: driver })
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

impl Shape {
    fn manifests(&self, number: usize) -> String {
        let Shape { protocol, external, internal, affinity, ranges, .. } = self;
        let of = |kind: usize| Net::ALL.map(|net| format!("'{}'", net.service(kind, number)));
        let vips = of(1).map(|ip| format!("{{ip: {ip}}}")).join(", ");
        let service = format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: s{number}, namespace: default}},
               spec: {{type: LoadBalancer, clusterIPs: [{}], externalIPs: [{}], sessionAffinity: {affinity},
                       externalTrafficPolicy: {external}, internalTrafficPolicy: {internal},
                       loadBalancerSourceRanges: [{ranges}],
                       ports: [{{port: 80, protocol: {protocol}, nodePort: {}}}]}},
               status: {{loadBalancer: {{ingress: [{vips}]}}}}}}\n---\n",
            of(0).join(", "),
            of(2).join(", "),
            30_000 + number
        );
        service + &Net::ALL.map(|net| self.slice(&net, number)).concat()
    }

    fn slice(&self, net: &Net, number: usize) -> String {
        let endpoints = self.endpoints.iter().map(|name| {
            let (address, node) = match *name {
                "a" => (net.pod(65).to_string(), "server2"),
                "b" => (net.pod(66).to_string(), "server2"),
                _ => (net.remote.to_owned(), "server3"),
            };
            format!("{{addresses: ['{address}'], nodeName: {node}}}")
        });
        format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: {family},
               metadata: {{name: s{number}-{family}, namespace: default, labels: {{kubernetes.io/service-name: s{number}}}}},
               ports: [{{port: {PORT}, protocol: {}}}], endpoints: [{}]}}\n---\n",
            self.protocol,
            endpoints.collect::<Vec<_>>().join(", "),
            family = net.family(),
        )
    }
}
