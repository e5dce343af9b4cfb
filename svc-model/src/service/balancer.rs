//! The load balancer in front of a Service.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Protocol;

/// `ipMode` of a load-balancer address (KEP-1860).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum IpMode {
    /// Packets arrive with the address as destination: nodes serve it.
    #[default]
    Vip,
    /// The balancer is a proxy: nodes must not serve its address.
    Proxy,
}

/// What became of one port of a load-balancer address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortStatus {
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    pub(crate) error: Option<String>,
}

impl PortStatus {
    /// The Service's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Why the balancer does not serve it: a reason such as `MixedProtocolNotSupported`.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// One entry of `status.loadBalancer.ingress`: an address or a host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancerIngress {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) hostname: Option<String>,
    pub(crate) ip_mode: IpMode,
    pub(crate) ports: Vec<PortStatus>,
}

impl LoadBalancerIngress {
    /// An address served in `ip_mode`.
    #[must_use]
    pub fn address(ip: IpAddr, ip_mode: IpMode) -> Self {
        Self { ip: Some(ip), hostname: None, ip_mode, ports: Vec::new() }
    }

    /// A balancer that is known by name only.
    pub fn named(hostname: impl Into<String>) -> Self {
        Self { ip: None, hostname: Some(hostname.into()), ip_mode: IpMode::Vip, ports: Vec::new() }
    }

    /// The address.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The host name.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }

    /// How packets for the address reach the nodes.
    #[must_use]
    pub fn ip_mode(&self) -> IpMode {
        self.ip_mode
    }

    /// What became of the ports; empty where the balancer does not say.
    #[must_use]
    pub fn ports(&self) -> &[PortStatus] {
        &self.ports
    }
}

/// What only Services of type LoadBalancer have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LoadBalancer {
    pub(crate) class: Option<String>,
    /// As it was written: the API server leaves this text to the cloud.
    pub(crate) requested: Option<String>,
    pub(crate) ingress: Vec<LoadBalancerIngress>,
    pub(crate) source_ranges: Vec<IpNet>,
    /// Entries of the source ranges that say nothing to us: they let nobody in, but they do keep others out.
    pub(crate) unreadable_source_ranges: Vec<String>,
    pub(crate) health_check_node_port: Option<u16>,
    pub(crate) allocates_node_ports: bool,
}
