//! By which addresses a Service takes part in a family. A node forwards the two families apart: what a Service has in one
//! says nothing in the other.

use std::net::IpAddr;

use crate::{AddressType, IpMode, LoadBalancerIngress, Service, ServicePort};

/// Services with this label, whatever its value, belong to another proxy than the cluster's (KEP-2447).
pub const PROXY_NAME_LABEL: &str = "service.kubernetes.io/service-proxy-name";

/// The virtual address by which a node serves `service` in this family. None for headless and ExternalName Services, for
/// those of another proxy ([`PROXY_NAME_LABEL`]), and where the Service has no address of the family; then nothing else of
/// it is served there either.
#[must_use]
pub fn cluster_ip(service: &Service, family: AddressType) -> Option<IpAddr> {
    let is_ours = !service.meta().labels().contains_key(PROXY_NAME_LABEL);
    service.cluster_ips().iter().copied().find(|address| is_ours && AddressType::of(*address) == family)
}

/// The load-balancer addresses of this family that nodes serve themselves: not those with ipMode `Proxy` (KEP-1860), whose
/// packets come with the address of a node.
pub fn balancer_ips(service: &Service, family: AddressType) -> impl Iterator<Item = IpAddr> + '_ {
    let vips = service.load_balancer_ingress().iter().filter(|ingress| ingress.ip_mode() == IpMode::Vip);
    vips.filter_map(LoadBalancerIngress::ip).filter(move |address| AddressType::of(*address) == family)
}

/// `externalIPs` of this family.
pub fn external_ips(service: &Service, family: AddressType) -> impl Iterator<Item = IpAddr> + '_ {
    service.external_ips().iter().copied().filter(move |address| AddressType::of(*address) == family)
}

/// Reached from outside the cluster in this family: by a node port, an externalIP or a load-balancer address that nodes
/// serve.
#[must_use]
pub fn is_externally_accessible(service: &Service, port: &ServicePort, family: AddressType) -> bool {
    port.node_port().is_some()
        || external_ips(service, family).next().is_some()
        || balancer_ips(service, family).next().is_some()
}
