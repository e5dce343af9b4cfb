//! What Services there are: every kind of frontend in both families, with every policy.

use svc_model::Protocol;

use super::lab::Net;
use crate::cluster::PORT;

/// What a Service is like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub protocol: Protocol,
    external: &'static str,
    internal: &'static str,
    affinity: &'static str,
    endpoints: &'static [&'static str],
    ranges: &'static str,
    /// Another Service that has the node's address at this one's node port.
    pub own: Option<Own>,
}

/// What such a Service is like.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    is_balancer: bool,
    external: &'static str,
    endpoints: &'static [&'static str],
}

/// Each value of each property with each of the others that it can have to do with.
pub fn shapes(protocols: &[Protocol]) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for &protocol in protocols {
        for (external, internal) in [("Cluster", "Cluster"), ("Local", "Local"), ("Local", "Cluster")] {
            for endpoints in [&["a", "b", "remote"][..], &["a"], &["remote"], &[]] {
                for affinity in ["None", "ClientIP"] {
                    let shape =
                        Shape { protocol, external, internal, affinity, endpoints, ranges: "", own: None };
                    shapes.push(shape);
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
                    let shape =
                        Shape { protocol, external, internal, affinity, endpoints, ranges, own: None };
                    shapes.push(shape);
                }
            }
        }
        for (is_balancer, external, endpoints) in [
            (false, "Cluster", &[][..]),
            (false, "Cluster", &["b"]),
            (false, "Local", &["remote"]),
            (true, "Cluster", &[]),
            (true, "Cluster", &["b"]),
            (true, "Local", &["remote"]),
        ] {
            let own = Some(Own { is_balancer, external, endpoints });
            let (external, internal, affinity) = ("Cluster", "Cluster", "None");
            let endpoints = &["a"];
            shapes.push(Shape { protocol, external, internal, affinity, endpoints, ranges: "", own });
        }
    }
    shapes
}

impl Shape {
    pub fn manifests(&self, number: usize) -> String {
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
        let slices =
            Net::ALL.map(|net| slice(&net, &format!("s{number}"), *protocol, self.endpoints)).concat();
        let own = self.own.map(|own| own.manifests(number, *protocol)).unwrap_or_default();
        service + &slices + &own
    }
}

impl Own {
    /// Its load balancer admits the client outside, but not the other node.
    fn manifests(&self, number: usize, protocol: Protocol) -> String {
        let addresses = Net::ALL.map(|net| format!("'{}'", net.node));
        let vips = addresses.clone().map(|ip| format!("{{ip: {ip}}}")).join(", ");
        let (kind, status) = match self.is_balancer {
            false => (format!("externalIPs: [{}]", addresses.join(", ")), String::new()),
            true => (
                "type: LoadBalancer, allocateLoadBalancerNodePorts: false,
                 loadBalancerSourceRanges: [172.20.10.48/28, 'fd00:20::50/128']"
                    .to_owned(),
                format!(", status: {{loadBalancer: {{ingress: [{vips}]}}}}"),
            ),
        };
        let service = format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: own{number}, namespace: default}},
               spec: {{clusterIPs: [{}], externalTrafficPolicy: {}, {kind},
                       ports: [{{port: {}, protocol: {protocol}}}]}}{status}}}\n---\n",
            Net::ALL.map(|net| format!("'{}'", net.service(0, 100 + number))).join(", "),
            self.external,
            30_000 + number
        );
        service + &Net::ALL.map(|net| slice(&net, &format!("own{number}"), protocol, self.endpoints)).concat()
    }
}

fn slice(net: &Net, service: &str, protocol: Protocol, endpoints: &[&str]) -> String {
    let endpoints = endpoints.iter().map(|name| {
        let (address, node) = match *name {
            "a" => (net.pod(65).to_string(), "server2"),
            "b" => (net.pod(66).to_string(), "server2"),
            _ => (net.remote.to_owned(), "server3"),
        };
        format!("{{addresses: ['{address}'], nodeName: {node}}}")
    });
    format!(
        "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: {family},
           metadata: {{name: {service}-{family}, namespace: default, labels: {{kubernetes.io/service-name: {service}}}}},
           ports: [{{port: {PORT}, protocol: {protocol}}}], endpoints: [{}]}}\n---\n",
        endpoints.collect::<Vec<_>>().join(", "),
        family = net.family(),
    )
}
