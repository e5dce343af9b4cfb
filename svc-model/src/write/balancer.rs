//! `status.loadBalancer` of Services and Ingresses.

use super::list;
use crate::wire;
use crate::{IpMode, LoadBalancerIngress};

/// One of an Ingress: the API has no `ipMode` there.
pub(super) fn ingress_entry(ingress: &LoadBalancerIngress) -> wire::LoadBalancerIngress {
    let ports = ingress.ports().iter().map(|port| wire::PortStatus {
        port: Some(port.port().into()),
        protocol: Some(port.protocol().to_string()),
        error: port.error().map(str::to_owned),
    });
    wire::LoadBalancerIngress {
        ip: ingress.ip().map(|ip| ip.to_string()),
        hostname: ingress.hostname().map(str::to_owned),
        ip_mode: None,
        ports: list(ports),
    }
}

pub(super) fn service_entry(ingress: &LoadBalancerIngress) -> wire::LoadBalancerIngress {
    let mode = match ingress.ip_mode() {
        IpMode::Vip => "VIP",
        IpMode::Proxy => "Proxy",
    };
    wire::LoadBalancerIngress { ip_mode: ingress.ip().map(|_| mode.to_owned()), ..ingress_entry(ingress) }
}
