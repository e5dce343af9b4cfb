//! Reads `KubeProxyConfiguration` (kubeproxy.config.k8s.io/v1alpha1), the file that kube-proxy is configured by.
//!
//! What cannot be meant is an error that names the field, its value and the rule; what is meant and not done here is a
//! warning.
//!
//! | field | what becomes of it |
//! |--|--|
//! | `mode` | [`mode`](Configuration::mode) |
//! | `clusterCIDR`, `detectLocalMode`, `detectLocal`, `nodePortAddresses`, `bindAddress` | [`node`](Configuration::node) |
//! | `iptables`, `nftables`: `masqueradeBit`, `masqueradeAll`, `localhostNodePorts` | the same, from the section of the mode (`ipvs` takes that of iptables) |
//! | `hostnameOverride` | [`hostname_override`](Configuration::hostname_override) |
//! | `healthzBindAddress`, `metricsBindAddress` | [`healthz_address`](Configuration::healthz_address), [`metrics_address`](Configuration::metrics_address) |
//! | `iptables.syncPeriod` and those of other modes | [`sync_period`](Configuration::sync_period): twice that is what health allows. Changes are followed at once |
//! | `iptables.minSyncPeriod` and those of other modes | [`min_sync_period`](Configuration::min_sync_period) |
//! | `ipvs`: `scheduler`, `excludeCIDRs`, `strictARP`, `tcpTimeout`, `tcpFinTimeout`, `udpTimeout` | [`ipvs`](Configuration::ipvs) |
//! | `conntrack` | [`conntrack`](Configuration::conntrack) |
//! | everything else | a warning, unless it is empty |
//!
//! `localhostNodePorts` is on only where it is written, unlike with kube-proxy; and what [`semantics`](crate::semantics)
//! decides otherwise than kube-proxy stays so, unless the embedder sets [`Compat`](crate::Compat).
//!
//! ```
//! use svc_proxy::{Node, ProxyMode, kube_proxy};
//!
//! let configuration = kube_proxy::read("
//! apiVersion: kubeproxy.config.k8s.io/v1alpha1
//! kind: KubeProxyConfiguration
//! mode: nftables
//! clusterCIDR: 10.244.0.0/16,fd00:10:244::/56
//! nodePortAddresses: [172.20.0.0/16]
//! oomScoreAdj: -999
//! ")?;
//! assert_eq!(configuration.mode(), Some(ProxyMode::Nftables));
//! assert_eq!(configuration.healthz_address(), Some("0.0.0.0:10256".parse()?));
//! assert_eq!(configuration.warnings()[0].field(), "oomScoreAdj");
//! let node = configuration.node(Node::builder("server2").address("172.20.10.2")).build()?;
//!
//! let wrong = kube_proxy::read("
//! apiVersion: kubeproxy.config.k8s.io/v1alpha1
//! kind: KubeProxyConfiguration
//! mode: iptable
//! ").unwrap_err();
//! assert_eq!(
//!     wrong.to_string(),
//!     "KubeProxyConfiguration: mode: `iptable` is not iptables, ipvs or nftables",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Map, Value};
use svc_model::{Problem, yaml};

use crate::ipvs::{self, Scheduler};
use crate::{Detector, NodeBuilder, NodePortAddresses, ProxyMode};

mod change;
mod conntrack;
mod fields;
mod go_duration;
mod section;

#[cfg(test)]
mod tests;

pub use change::Change;
pub use conntrack::Conntrack;
use section::{Findings, Section};

const KIND: &str = "KubeProxyConfiguration";
const VERSION: &str = "kubeproxy.config.k8s.io/v1alpha1";

/// What a file says. Compares equal when it says the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    mode: Option<ProxyMode>,
    hostname_override: Option<String>,
    bind_address: Option<IpAddr>,
    healthz: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    cluster_cidrs: Vec<IpNet>,
    detector: Option<Detector>,
    node_port_addresses: Option<NodePortAddresses>,
    iptables: Masquerading,
    nftables: Masquerading,
    ipvs: Ipvs,
    conntrack: Conntrack,
    warnings: Vec<Problem>,
}

/// What `iptables` and `nftables` say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Masquerading {
    bit: Option<u8>,
    all: bool,
    localhost_node_ports: bool,
    periods: Periods,
}

/// `syncPeriod` and `minSyncPeriod` of a mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Periods {
    sync: Option<Duration>,
    least: Duration,
}

/// What `ipvs` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipvs {
    scheduler: Option<Scheduler>,
    exclude_cidrs: Vec<IpNet>,
    strict_arp: bool,
    timeouts: [Option<Duration>; 3],
    periods: Periods,
}

impl Ipvs {
    /// The mode with all of these settings, for [`ProxyBuilder::ipvs`](crate::ProxyBuilder::ipvs) and
    /// [`Handle::reconfigure_ipvs`](crate::Handle::reconfigure_ipvs).
    #[must_use]
    pub fn backend(&self) -> ipvs::Backend {
        let seconds = |timeout: Option<Duration>| {
            u32::try_from(timeout.unwrap_or_default().as_secs()).unwrap_or(u32::MAX)
        };
        let [tcp, tcp_fin, udp] = self.timeouts.map(seconds);
        let backend = ipvs::Backend::default().exclude(self.exclude_cidrs.iter().copied());
        let backend = backend.strict_arp(self.strict_arp).timeouts(ipvs::Timeouts::new(tcp, tcp_fin, udp));
        self.scheduler.into_iter().fold(backend, ipvs::Backend::scheduler)
    }

    /// `scheduler`; `rr` unless said.
    #[must_use]
    pub fn scheduler(&self) -> Option<Scheduler> {
        self.scheduler
    }

    /// `excludeCIDRs`: virtual servers there are somebody else's.
    #[must_use]
    pub fn exclude_cidrs(&self) -> &[IpNet] {
        &self.exclude_cidrs
    }

    /// `strictARP`
    #[must_use]
    pub fn strict_arp(&self) -> bool {
        self.strict_arp
    }

    /// `tcpTimeout`; `None` leaves it as it is, as of the others.
    #[must_use]
    pub fn tcp_timeout(&self) -> Option<Duration> {
        self.timeouts[0]
    }

    /// `tcpFinTimeout`
    #[must_use]
    pub fn tcp_fin_timeout(&self) -> Option<Duration> {
        self.timeouts[1]
    }

    /// `udpTimeout`
    #[must_use]
    pub fn udp_timeout(&self) -> Option<Duration> {
        self.timeouts[2]
    }
}

/// A file that cannot be meant: everything that is wrong with it. Displays one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    problems: Vec<Problem>,
}

impl Invalid {
    /// Each with field, value and rule.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn one(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.problems.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Invalid {}

/// Reads a file: the one `KubeProxyConfiguration` among its documents. O(length of the text), within the limits of
/// [`yaml`](svc_model::yaml::limits).
///
/// # Errors
///
/// It is not YAML, has no or several such documents, or fields that cannot be meant: all of them.
pub fn read(text: &str) -> Result<Configuration, Invalid> {
    let mut found = Vec::new();
    for document in yaml::documents::<Map<String, Value>>(text) {
        let document = document.map_err(Invalid::one)?;
        if document.get("kind").and_then(Value::as_str) == Some(KIND) {
            found.push(document);
        }
    }
    let wrong = |field: &str, message: String| Invalid::one(Problem::unnamed(KIND, field, message));
    let count = found.len();
    let Some(document) = found.pop().filter(|_| count == 1) else {
        return Err(wrong("kind", format!("{count} documents are of this kind, and it has to be one")));
    };
    let version = document.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if version != VERSION {
        return Err(wrong("apiVersion", format!("`{version}` is not read: write {VERSION}")));
    }
    let mut findings = Findings::default();
    let configuration = fields::configuration(Section::new(document), &mut findings);
    if findings.errors.is_empty() {
        return Ok(Configuration { warnings: findings.warnings, ..configuration });
    }
    Err(Invalid { problems: findings.errors })
}

impl Configuration {
    /// `mode`; `None` where it is not said, which is iptables with kube-proxy.
    #[must_use]
    pub fn mode(&self) -> Option<ProxyMode> {
        self.mode
    }

    /// `hostnameOverride`: the node's name, where it is not that of the host.
    #[must_use]
    pub fn hostname_override(&self) -> Option<&str> {
        self.hostname_override.as_deref()
    }

    /// `bindAddress`: the node's primary address, unless it stands for all.
    #[must_use]
    pub fn bind_address(&self) -> Option<IpAddr> {
        self.bind_address
    }

    /// `healthzBindAddress`: port 10256 at all addresses unless said.
    #[must_use]
    pub fn healthz_address(&self) -> Option<SocketAddr> {
        self.healthz
    }

    /// `metricsBindAddress`: port 10249 at the loopback address unless said.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// The node with what the file says about it; its addresses, after `bindAddress`, and its ranges of pods stay as they
    /// are.
    pub fn node(&self, node: NodeBuilder) -> NodeBuilder {
        let masquerading = self.masquerading();
        let mut node = node.masquerade_all(masquerading.all);
        node = node.localhost_node_ports(masquerading.localhost_node_ports);
        if let Some(address) = self.bind_address {
            node = node.primary_address(address);
        }
        if !self.cluster_cidrs.is_empty() {
            node = node.cluster_cidrs(&self.cluster_cidrs);
        }
        if let Some(detector) = &self.detector {
            node = node.detector(detector.clone());
        }
        if let Some(addresses) = &self.node_port_addresses {
            node = node.node_port_addresses(addresses.clone());
        }
        match masquerading.bit {
            Some(bit) => node.masquerade_bit(bit),
            None => node,
        }
    }

    /// `syncPeriod` of the mode's section: 30 s unless said.
    #[must_use]
    pub fn sync_period(&self) -> Duration {
        self.periods().sync.unwrap_or(Duration::from_secs(30))
    }

    /// `minSyncPeriod` of the mode's section, for
    /// [`ProxyBuilder::min_sync_period`](crate::ProxyBuilder::min_sync_period): none unless said, where kube-proxy takes a second in
    /// some modes.
    #[must_use]
    pub fn min_sync_period(&self) -> Duration {
        self.periods().least
    }

    fn periods(&self) -> Periods {
        match self.mode {
            Some(ProxyMode::Ipvs) => self.ipvs.periods,
            _ => self.masquerading().periods,
        }
    }

    /// `ipvs`
    #[must_use]
    pub fn ipvs(&self) -> &Ipvs {
        &self.ipvs
    }

    /// `conntrack`
    #[must_use]
    pub fn conntrack(&self) -> &Conntrack {
        &self.conntrack
    }

    /// What the file asks for and does not get: fields that have no effect here, and such as there are none.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    fn masquerading(&self) -> &Masquerading {
        match self.mode {
            Some(ProxyMode::Nftables) => &self.nftables,
            _ => &self.iptables,
        }
    }
}
