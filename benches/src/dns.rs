//! A cluster for DNS, and the queries that clients in it send.
//!
//! As in the comparison with other name servers: Services with a virtual IP in 20 namespaces, and for each 20 of them a headless
//! one with three endpoints. Of the queries 80 % are for an A record of a Service, 10 % for an AAAA record that it does not have,
//! 5 % for the A records of a headless Service, 5 % for a foreign name with a search domain behind it.

use std::fmt::Write as _;

use svc_model::{ObjectName, Snapshot};

use super::{address, objects};

const NAMESPACES: usize = 20;
const ENDPOINTS: usize = 3;

/// The kinds of question that are measured one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The address of a Service.
    A,
    /// Addresses of the other family.
    NoData,
    /// The addresses of a headless Service's endpoints.
    Headless,
    /// Where a port of a Service is.
    Srv,
    /// Where a port of each endpoint is.
    HeadlessSrv,
    /// The name of an address.
    Ptr,
    /// A foreign name with a search domain behind it.
    NxDomain,
    /// What clients send.
    Mix,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::A,
        Self::NoData,
        Self::Headless,
        Self::Srv,
        Self::HeadlessSrv,
        Self::Ptr,
        Self::NxDomain,
        Self::Mix,
    ];

    /// Query number `number` of this kind in a cluster of `services`.
    #[must_use]
    pub fn query(self, number: usize, services: usize) -> Vec<u8> {
        // Some order in which neighbours do not stand beside one another.
        let one = number * 7919 % services;
        let headless = one % headless(services);
        let (name, kind) = match self {
            Self::A => (format!("{}.svc.cluster.local", service(one)), 1),
            Self::NoData => (format!("{}.svc.cluster.local", service(one)), 28),
            Self::Headless => (format!("{}.svc.cluster.local", headless_service(headless)), 1),
            Self::Srv => (format!("_http._tcp.{}.svc.cluster.local", service(one)), 33),
            Self::HeadlessSrv => (format!("_http._tcp.{}.svc.cluster.local", headless_service(headless)), 33),
            Self::Ptr => (reverse(&address(10, 96, one)), 12),
            Self::NxDomain => (format!("api.example.com.ns-{}.svc.cluster.local", one % NAMESPACES), 1),
            Self::Mix => return Self::mixed(number).query(number, services),
        };
        message(&name, kind)
    }

    fn mixed(number: usize) -> Self {
        match number * 37 % 100 {
            0..80 => Self::A,
            80..90 => Self::NoData,
            90..95 => Self::Headless,
            _ => Self::NxDomain,
        }
    }
}

fn headless(services: usize) -> usize {
    services.div_ceil(20)
}

fn service(number: usize) -> String {
    format!("svc-{number}.ns-{}", number % NAMESPACES)
}

fn headless_service(number: usize) -> String {
    format!("hl-{number}.ns-{}", number % NAMESPACES)
}

fn reverse(address: &str) -> String {
    let mut octets: Vec<&str> = address.split('.').collect();
    octets.reverse();
    format!("{}.in-addr.arpa", octets.join("."))
}

/// A query as it is on the wire (RFC 1035 section 4.1).
fn message(name: &str, kind: u8) -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.extend(u8::try_from(label.len()));
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, kind, 0, 1]);
    query
}

/// A cluster of `services` Services with a virtual IP, and a headless one for each 20 of them.
///
/// # Panics
///
/// If one of the manifests written here is refused.
#[must_use]
pub fn cluster(services: usize) -> Snapshot {
    let mut text = String::new();
    for number in 0..services {
        let (namespace, ip) = (number % NAMESPACES, address(10, 96, number));
        let _ = writeln!(
            text,
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: svc-{number}, namespace: ns-{namespace}}}, spec: {{clusterIP: \
             {ip}, clusterIPs: [{ip}], ports: [{{name: http, port: 80}}]}}}}"
        );
    }
    for number in 0..headless(services) {
        let namespace = number % NAMESPACES;
        let _ = writeln!(
            text,
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: hl-{number}, namespace: ns-{namespace}}}, spec: {{clusterIP: \
             None, clusterIPs: [None], ports: [{{name: http, port: 8080}}]}}}}\n{}",
            slice(number, ENDPOINTS)
        );
    }
    objects(&text).into_iter().collect()
}

/// The same as a zone file (RFC 1035 section 5), for other servers.
#[must_use]
pub fn zone_file(services: usize) -> String {
    let mut text = "$ORIGIN cluster.local.\n$TTL 30\n@ SOA ns.dns hostmaster 1 7200 1800 86400 30\n@ NS ns.dns\nns.dns A 10.96.0.10\n".to_owned();
    for number in 0..services {
        let (name, ip) = (service(number), address(10, 96, number));
        let _ = writeln!(text, "{name}.svc A {ip}\n_http._tcp.{name}.svc SRV 0 100 80 {name}.svc");
    }
    for number in 0..headless(services) {
        let name = headless_service(number);
        for endpoint in 0..ENDPOINTS {
            let ip = address(10, 129, number * 4 + endpoint);
            let _ = writeln!(
                text,
                "{name}.svc A {ip}\nh{endpoint}.{name}.svc A {ip}\n_http._tcp.{name}.svc SRV 0 33 8080 h{endpoint}.{name}.svc"
            );
        }
    }
    text
}

/// One of the headless Services gets another endpoint.
///
/// # Panics
///
/// If the manifest written here is refused.
#[must_use]
pub fn another_endpoint(services: usize) -> Vec<svc_model::Object> {
    objects(&slice(headless(services) / 2, ENDPOINTS + 1))
}

/// The name of a Service with a virtual IP.
#[must_use]
pub fn name(number: usize) -> ObjectName {
    ObjectName::new(format!("ns-{}", number % NAMESPACES), format!("svc-{number}"))
}

fn slice(number: usize, endpoints: usize) -> String {
    let endpoint = |endpoint: usize| {
        format!("{{addresses: [{}], hostname: h{endpoint}}}", address(10, 129, number * 4 + endpoint))
    };
    let endpoints: Vec<String> = (0..endpoints).map(endpoint).collect();
    format!(
        "---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: hl-{number}-a, namespace: \
         ns-{}, labels: {{kubernetes.io/service-name: hl-{number}}}}}, ports: [{{name: http, port: 8080, protocol: TCP}}], \
         endpoints: [{}]}}",
        number % NAMESPACES,
        endpoints.join(", ")
    )
}
