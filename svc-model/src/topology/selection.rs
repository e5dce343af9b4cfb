//! What policies and hints leave of a port's endpoints on one node.

use std::collections::BTreeSet;

use super::{Backend, Place, is_externally_accessible};
use crate::{AddressType, Service, ServicePort, TrafficPolicy};

/// What a node does with the traffic of one Service port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection<'a> {
    /// For policy Cluster: ready endpoints that topology allows here; when there are none, all that are draining. Empty
    /// where nothing follows this policy.
    pub cluster: Vec<&'a Backend>,
    /// For policy Local: ready endpoints on this node; when there are none, draining ones on this node. Empty where
    /// nothing follows this policy.
    pub local: Vec<&'a Backend>,
    /// Some endpoint somewhere could serve: without any, connections are refused rather than dropped.
    pub any: bool,
    pub(super) internal: TrafficPolicy,
    pub(super) external: TrafficPolicy,
}

impl<'a> Selection<'a> {
    /// Every endpoint that traffic may reach from here, by whichever policy, once, in the order of the lists.
    #[must_use]
    pub fn reachable(&self) -> Vec<&'a Backend> {
        let known: BTreeSet<_> = self.cluster.iter().map(|backend| backend.address).collect();
        let more = self.local.iter().filter(|backend| !known.contains(&backend.address));
        self.cluster.iter().chain(more).copied().collect()
    }
}

/// The choice for `service` at `place` among `backends`, all of one family. What [`Selection::verdict`] says follows from
/// it. O(backends).
#[must_use]
pub fn select<'a>(
    service: &Service,
    port: &ServicePort,
    backends: &'a [Backend],
    place: Place<'_>,
) -> Selection<'a> {
    // Without any endpoint there is nothing to choose, in either family.
    let family = backends.first().map(|backend| AddressType::of(backend.address.ip()));
    let external = family.is_some_and(|family| is_externally_accessible(service, port, family));
    let (internal, external_policy) = (service.internal_traffic_policy(), service.external_traffic_policy());
    let internal_local = internal == TrafficPolicy::Local;
    let external_local = external_policy == TrafficPolicy::Local && external;
    let mut selection = Selection { internal, external: external_policy, ..Selection::default() };
    if !internal_local || external {
        let mode = TopologyMode::of(backends, place);
        selection.cluster = cluster_list(backends, &mode);
    }
    if internal_local || external_local {
        selection.local = ready_else_draining(backends, |backend| backend.is_on(place.node));
        selection.any = backends.iter().any(|backend| backend.is_ready() || backend.is_draining());
    }
    selection.any |= !selection.cluster.is_empty();
    selection
}

/// Hints restrict only the ready endpoints; draining ones are taken cluster-wide.
fn cluster_list<'a>(backends: &'a [Backend], mode: &TopologyMode<'_>) -> Vec<&'a Backend> {
    let ready: Vec<_> =
        backends.iter().filter(|backend| backend.is_ready() && mode.allows(backend)).collect();
    if ready.is_empty() { backends.iter().filter(|backend| backend.is_draining()).collect() } else { ready }
}

pub(super) fn ready_else_draining(backends: &[Backend], here: impl Fn(&Backend) -> bool) -> Vec<&Backend> {
    let these = |wanted: fn(&Backend) -> bool| {
        backends.iter().filter(|backend| wanted(backend) && here(backend)).collect::<Vec<_>>()
    };
    let ready = these(Backend::is_ready);
    if ready.is_empty() { these(Backend::is_draining) } else { ready }
}

enum TopologyMode<'a> {
    Everywhere,
    SameNode(&'a str),
    SameZone(&'a str),
}

impl<'a> TopologyMode<'a> {
    /// Hints count only if every ready endpoint has them and one of them means us.
    fn of(backends: &[Backend], place: Place<'a>) -> Self {
        let ready = || backends.iter().filter(|backend| backend.is_ready());
        let names = |hints: &[String], wanted: &str| hints.iter().any(|hint| hint == wanted);
        if ready().all(|backend| !backend.node_hints.is_empty())
            && ready().any(|backend| names(&backend.node_hints, place.node))
        {
            return TopologyMode::SameNode(place.node);
        }
        match place.zone {
            Some(zone)
                if ready().all(|backend| !backend.zone_hints.is_empty())
                    && ready().any(|backend| names(&backend.zone_hints, zone)) =>
            {
                TopologyMode::SameZone(zone)
            }
            _ => TopologyMode::Everywhere,
        }
    }

    fn allows(&self, backend: &Backend) -> bool {
        match self {
            TopologyMode::Everywhere => true,
            TopologyMode::SameNode(node) => backend.node_hints.iter().any(|hint| hint == node),
            TopologyMode::SameZone(zone) => backend.zone_hints.iter().any(|hint| hint == zone),
        }
    }
}
