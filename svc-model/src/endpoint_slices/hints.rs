//! Topology hints: whose traffic an endpoint is meant for.
//!
//! `trafficDistribution` (KEP-4444, KEP-3015) hints each endpoint to its own zone or node. The annotation topology-mode
//! `Auto` (KEP-2433) shares the endpoints among zones by their processors, and wins over it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Wanted;
use crate::{AddressType, Endpoint, Node, Service, TrafficDistribution};

/// Nodes with one of these labels get no Service traffic to speak of: their processors do not count.
const CONTROL_PLANE_LABELS: [&str; 2] =
    ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

pub(crate) fn is_auto(service: &Service) -> bool {
    matches!(service.topology_mode(), Some("Auto" | "auto"))
}

/// The hints of `trafficDistribution`. Only ready endpoints have any.
pub(super) fn distribute(service: &Service, endpoint: &mut Endpoint) {
    if !endpoint.ready || is_auto(service) {
        return;
    }
    let Some(distribution) = service.traffic_distribution() else { return };
    endpoint.zone_hints = endpoint.zone().map(str::to_owned).into_iter().collect();
    if distribution == TrafficDistribution::PreferSameNode {
        endpoint.node_hints = endpoint.node_name().map(str::to_owned).into_iter().collect();
    }
}

/// The hints of topology-mode `Auto`, in each family: every zone gets endpoints by its share of processors, so that none
/// is overloaded by more than a fifth. Endpoints serve their own zone where that is possible. Where it cannot be done
/// well (a node without zone or processors, a single zone, fewer endpoints than zones) there are no hints at all.
pub(super) fn allocate(wanted: &mut Wanted, nodes: &[&Arc<Node>]) {
    let Some(processors) = processors(nodes) else { return };
    for family in [AddressType::Ipv4, AddressType::Ipv6] {
        let groups = wanted.iter_mut().filter(|((of, _), _)| *of == family);
        let mut endpoints: Vec<_> =
            groups.flat_map(|(_, group)| group.values_mut()).filter(|endpoint| endpoint.ready).collect();
        let zones: Option<Vec<_>> =
            endpoints.iter().map(|endpoint| endpoint.zone().map(str::to_owned)).collect();
        let Some(allotted) = zones.and_then(|zones| allot(&processors, zones)) else { continue };
        for (endpoint, zone) in endpoints.iter_mut().zip(allotted) {
            endpoint.zone_hints = [zone].into();
        }
    }
}

/// Thousandths of a processor in each zone, as far as they take part; `None` where that is not known of every node.
fn processors(nodes: &[&Arc<Node>]) -> Option<BTreeMap<String, u64>> {
    let mut zones = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.ready() && !is_control_plane(node)) {
        let processors = node.allocatable_cpu().filter(|processors| *processors > 0)?;
        *zones.entry(node.zone()?.to_owned()).or_default() += processors;
    }
    (zones.len() > 1).then_some(zones)
}

fn is_control_plane(node: &Node) -> bool {
    CONTROL_PLANE_LABELS.iter().any(|label| node.meta().labels().contains_key(*label))
}

/// A zone's part of the endpoints.
struct Part {
    /// Endpoints times all processors; its fair part in the same unit.
    fair: i128,
    /// With fewer, each of its endpoints would get more than 1.2 times a fair load.
    minimum: usize,
    count: usize,
}

/// The zone that each endpoint is hinted to, given the zone that it is in.
fn allot(processors: &BTreeMap<String, u64>, mut zones: Vec<String>) -> Option<Vec<String>> {
    let endpoints = zones.len();
    let total: i128 = processors.values().map(|share| i128::from(*share)).sum();
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    for (zone, share) in processors {
        let fair = i128::from(*share) * endpoints as i128;
        let minimum = usize::try_from((fair * 5 + total * 6 - 1) / (total * 6)).ok()?;
        parts.insert(zone.clone(), Part { fair, minimum, count: 0 });
    }
    let minimum: usize = parts.values().map(|part| part.minimum).sum();
    if endpoints < processors.len() || minimum > endpoints {
        return None;
    }
    for zone in &zones {
        // A zone whose nodes do not count has nothing to claim, and gives first.
        parts.entry(zone.clone()).or_insert(Part { fair: 0, minimum: 0, count: 0 }).count += 1;
    }
    while let Some(poor) = poorest(&parts) {
        let rich = richest(&parts, total)?;
        let moved = zones.iter().rposition(|zone| *zone == rich)?;
        zones[moved].clone_from(&poor);
        parts.get_mut(&rich)?.count -= 1;
        parts.get_mut(&poor)?.count += 1;
    }
    Some(zones)
}

/// The zone that lacks the most endpoints; among equals the first by name.
fn poorest(parts: &BTreeMap<String, Part>) -> Option<String> {
    let lacking = parts.iter().filter(|(_, part)| part.count < part.minimum);
    let poorest = lacking.rev().max_by_key(|(_, part)| part.minimum - part.count);
    poorest.map(|(zone, _)| zone.clone())
}

/// The zone that has the most beyond its fair part and can give; among equals the first by name.
fn richest(parts: &BTreeMap<String, Part>, total: i128) -> Option<String> {
    let giving = parts.iter().filter(|(_, part)| part.count > part.minimum);
    let beyond = |part: &Part| part.count as i128 * total - part.fair;
    giving.rev().max_by_key(|(_, part)| beyond(part)).map(|(zone, _)| zone.clone())
}
