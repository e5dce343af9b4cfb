//! Which endpoints serve a port, read from the slices: KEP-1669, KEP-2086, KEP-2433.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use svc_model::{AddressType, Endpoint, IpMode, Service, ServicePort, Snapshot, TrafficPolicy};

use crate::reference::zone;
use crate::settings::NODE;

/// What there is to choose from.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    pub(crate) cluster: Vec<SocketAddr>,
    pub(crate) local: Vec<SocketAddr>,
    pub(crate) any: bool,
}

type All = BTreeMap<SocketAddr, Endpoint>;

pub(crate) fn choose(
    snapshot: &Snapshot,
    service: &Service,
    port: &ServicePort,
    family: AddressType,
) -> Choice {
    let all = all(snapshot, service, port, family);
    let ours = |address: std::net::IpAddr| AddressType::of(address) == family;
    let vip = service
        .load_balancer_ingress()
        .iter()
        .any(|entry| entry.ip().is_some_and(ours) && entry.ip_mode() != IpMode::Proxy);
    let outside = port.node_port().is_some() || vip || service.external_ips().iter().copied().any(ours);
    let internal_local = service.internal_traffic_policy() == TrafficPolicy::Local;
    let external_local = outside && service.external_traffic_policy() == TrafficPolicy::Local;
    let mut choice = Choice::default();
    if !internal_local || outside {
        choice.cluster = ready_near(&all, zone(snapshot));
        if choice.cluster.is_empty() {
            choice.cluster = those(&all, leaving);
        }
        choice.any = !choice.cluster.is_empty();
    }
    if internal_local || external_local {
        let here = |endpoint: &Endpoint| endpoint.node_name() == Some(NODE);
        choice.local = those(&all, |endpoint| here(endpoint) && endpoint.ready());
        if choice.local.is_empty() {
            choice.local = those(&all, |endpoint| here(endpoint) && leaving(endpoint));
        }
        choice.any |= all.values().any(|endpoint| endpoint.ready() || leaving(endpoint));
    }
    choice
}

/// All endpoints of the port. Of two with the same address, the later one wins unless it is on its way out.
fn all(snapshot: &Snapshot, service: &Service, port: &ServicePort, family: AddressType) -> All {
    let mut all = All::new();
    let mut slices: Vec<_> = snapshot.slices_of(service.name()).collect();
    slices.sort_by_key(|slice| slice.name().clone());
    // Proxies pass over the slices of headless Services, whoever's label they carry.
    slices.retain(|slice| !slice.meta().labels().contains_key("service.kubernetes.io/headless"));
    for slice in slices.into_iter().filter(|slice| slice.address_type() == family) {
        let is_it = |candidate: &&svc_model::EndpointPort| {
            candidate.name() == port.name() && candidate.protocol() == port.protocol()
        };
        let Some(number) = slice.ports().iter().find(is_it).and_then(svc_model::EndpointPort::port) else {
            continue;
        };
        for endpoint in slice.endpoints() {
            let address = SocketAddr::new(endpoint.addresses()[0], number);
            if !endpoint.terminating() || !all.contains_key(&address) {
                all.insert(address, endpoint.clone());
            }
        }
    }
    all
}

/// Ready endpoints, those that hints keep near if every one of them has hints and one means us.
fn ready_near(all: &All, zone: Option<&str>) -> Vec<SocketAddr> {
    let ready: Vec<_> = all.values().filter(|endpoint| endpoint.ready()).collect();
    let hints_node = |endpoint: &Endpoint| endpoint.node_hints().iter().any(|node| node == NODE);
    let hints_zone =
        |endpoint: &Endpoint| endpoint.zone_hints().iter().any(|hint| Some(hint.as_str()) == zone);
    if ready.iter().all(|endpoint| !endpoint.node_hints().is_empty()) && ready.iter().any(|it| hints_node(it))
    {
        return those(all, |endpoint| endpoint.ready() && hints_node(endpoint));
    }
    if ready.iter().all(|endpoint| !endpoint.zone_hints().is_empty()) && ready.iter().any(|it| hints_zone(it))
    {
        return those(all, |endpoint| endpoint.ready() && hints_zone(endpoint));
    }
    those(all, Endpoint::ready)
}

fn leaving(endpoint: &Endpoint) -> bool {
    endpoint.serving() && endpoint.terminating()
}

fn those(all: &All, wanted: impl Fn(&Endpoint) -> bool) -> Vec<SocketAddr> {
    all.iter().filter(|(_, endpoint)| wanted(endpoint)).map(|(address, _)| *address).collect()
}
