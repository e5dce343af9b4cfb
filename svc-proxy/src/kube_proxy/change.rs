//! What an edited file asks for.

use crate::ProxyMode;

use super::Configuration;

/// One thing that is another in a newer reading of a file, by what it takes to follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// `mode`: another back end.
    #[non_exhaustive]
    Mode {
        /// Before.
        from: Option<ProxyMode>,
        /// Now.
        to: Option<ProxyMode>,
    },
    /// What [`Configuration::node`] makes of it: [`Handle::reconfigure`](crate::Handle::reconfigure) follows.
    Node,
    /// `healthzBindAddress`, `metricsBindAddress`, `syncPeriod` or `minSyncPeriod`: servers are to be opened anew.
    Servers,
    /// What [`Ipvs::backend`](super::Ipvs::backend) makes of `ipvs`:
    /// [`Handle::reconfigure_ipvs`](crate::Handle::reconfigure_ipvs) follows.
    Ipvs,
    /// `conntrack`
    Conntrack,
    /// `hostnameOverride`: another node.
    Hostname,
}

impl Configuration {
    /// What `newer` has otherwise.
    #[must_use]
    pub fn changes(&self, newer: &Configuration) -> Vec<Change> {
        let servers = |of: &Configuration| (of.healthz, of.metrics, of.periods());
        let node = |of: &Configuration| {
            let masquerading = of.masquerading();
            let marks = (masquerading.bit, masquerading.all, masquerading.localhost_node_ports);
            let ranges = (of.cluster_cidrs.clone(), of.detector.clone(), of.node_port_addresses.clone());
            (of.bind_address, marks, ranges)
        };
        let mode = Change::Mode { from: self.mode, to: newer.mode };
        let changes = [
            (self.mode != newer.mode, mode),
            (node(self) != node(newer), Change::Node),
            (servers(self) != servers(newer), Change::Servers),
            (self.ipvs.backend() != newer.ipvs.backend(), Change::Ipvs),
            (self.conntrack != newer.conntrack, Change::Conntrack),
            (self.hostname_override != newer.hostname_override, Change::Hostname),
        ];
        changes.into_iter().filter_map(|(differs, change)| differs.then_some(change)).collect()
    }
}
