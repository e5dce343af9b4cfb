//! Where kube-proxy's back ends differ from one another, and which side is taken.

/// kube-proxy's `--proxy-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProxyMode {
    /// `iptables`
    Iptables,
    /// `ipvs`
    Ipvs,
    /// `nftables`
    Nftables,
}

impl ProxyMode {
    /// Every mode.
    pub const ALL: [ProxyMode; 3] = [ProxyMode::Iptables, ProxyMode::Ipvs, ProxyMode::Nftables];

    /// As `--proxy-mode` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ProxyMode::Iptables => "iptables",
            ProxyMode::Ipvs => "ipvs",
            ProxyMode::Nftables => "nftables",
        }
    }
}

impl std::fmt::Display for ProxyMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Questions in which kube-proxy's back ends differ from one another. The plan has one meaning for all back ends, which
/// is the safe one: every setting off. [`upstream`](Self::upstream) takes kube-proxy's side of one mode in all of them;
/// each can be set alone.
///
/// What each means is in [`semantics`](crate::semantics). Those that only one mode can have are named so; other back ends
/// pay no heed to them.
///
/// ```
/// use svc_proxy::{Compat, ProxyMode};
///
/// let ours = Compat::default();
/// assert!(!ours.pass_wrong_ports && Compat::upstream(ProxyMode::Iptables).pass_wrong_ports);
/// let mut almost = Compat::upstream(ProxyMode::Nftables);
/// almost.open_source_ranges = false;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compat {
    /// A ClusterIP's port that no Service has is left alone, rather than refused.
    pub pass_wrong_ports: bool,
    /// An address of the Service range that no Service has is left alone, rather than dropped.
    pub pass_unallocated: bool,
    /// Whom source ranges keep out is refused like everybody else where there are no endpoints, rather than dropped.
    pub reject_blocked_without_endpoints: bool,
    /// Source ranges of which none can be read in a family leave that family's addresses open to everybody, rather than
    /// closed.
    pub open_source_ranges: bool,
    /// [`localhost_node_ports`](crate::NodeBuilder::localhost_node_ports) has no effect.
    pub no_localhost_node_ports: bool,
    /// Node ports are served at all addresses, rather than at the primary ones, unless
    /// [`node_port_addresses`](crate::NodeBuilder::node_port_addresses) says where.
    pub node_ports_on_all_addresses: bool,
    /// Node ports without endpoints are refused at all addresses of the node, also at those that serve none.
    pub reject_node_ports_on_all_addresses: bool,
    /// Packets to health check ports are accepted in the chain `filter-input`, and so in tables where that ends it.
    pub accept_health_checks: bool,
    /// Forwarded packets that connection tracking calls invalid are dropped.
    pub drop_invalid: bool,
    /// Forwarded packets that are marked for masquerading, or belong to known connections, are accepted.
    pub accept_forwarded: bool,
    /// Policy Local without an endpoint on the node takes all endpoints, rather than dropping.
    pub local_falls_back: bool,
    /// `externalTrafficPolicy: Local` holds for pods and the node itself too, rather than for outside clients only.
    pub local_without_short_circuit: bool,
    /// Who is refused gets an ICMP error with TCP too, rather than a reset.
    pub reject_by_icmp: bool,
    /// Affinity remembers at most 100 clients of each endpoint.
    pub affinity_of_100_clients: bool,
    /// Affinity keeps leading to an endpoint that drains, unless the kernel's setting `net.ipv4.vs.expire_quiescent_template`
    /// is on: it is not asked for (IPVS only).
    pub affinity_outlives_endpoints: bool,
    /// Virtual servers that others made are deleted, whenever the kernel is asked for them: at the start, after a failure
    /// and when somebody else changed rules (IPVS only).
    pub delete_foreign: bool,
}

impl Compat {
    /// What kube-proxy does in this mode, in all of these questions.
    #[must_use]
    pub fn upstream(mode: ProxyMode) -> Self {
        let (iptables, ipvs) = (mode == ProxyMode::Iptables, mode == ProxyMode::Ipvs);
        let nftables = mode == ProxyMode::Nftables;
        Self {
            pass_wrong_ports: iptables,
            pass_unallocated: iptables || ipvs,
            reject_blocked_without_endpoints: iptables,
            open_source_ranges: true,
            no_localhost_node_ports: nftables || ipvs,
            node_ports_on_all_addresses: iptables || ipvs,
            reject_node_ports_on_all_addresses: iptables,
            accept_health_checks: iptables || ipvs,
            drop_invalid: iptables,
            accept_forwarded: iptables || ipvs,
            local_falls_back: ipvs,
            local_without_short_circuit: ipvs,
            reject_by_icmp: true,
            affinity_of_100_clients: iptables,
            affinity_outlives_endpoints: ipvs,
            delete_foreign: ipvs,
        }
    }
}
