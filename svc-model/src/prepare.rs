//! What of a manifest is not for its writer to say: the status, and what API servers write down themselves. Upstream does the
//! same before it judges (`rest.BeforeCreate` and `rest.BeforeUpdate`, and `PrepareForCreate` and `PrepareForUpdate` of each kind).

use std::collections::BTreeSet;

use crate::wire::{self, Manifest, ObjectMeta};
use crate::{Endpoint, EndpointSlice, Meta, Object, Service, read, write};

/// Where the topology of an endpoint names its node.
const NODE_LABEL: &str = "kubernetes.io/hostname";

/// Before `manifest` is created, or replaces `old`. Twice is as good as once.
pub(crate) fn manifest(manifest: &mut Manifest, old: Option<&Object>) {
    match (&mut *manifest, old) {
        (Manifest::Service(wire), Some(Object::Service(old))) => return service(wire, Some(old)),
        (Manifest::Service(wire), _) => return service(wire, None),
        (Manifest::Ingress(wire), Some(Object::Ingress(old))) => wire.status = write::ingress_status(old),
        (Manifest::Ingress(wire), _) => wire.status = None,
        (Manifest::Pod(wire), Some(Object::Pod(old))) => wire.status = Some(write::pod_status(old)),
        (Manifest::Pod(wire), _) => wire.status = Some(pending()),
        (Manifest::EndpointSlice(_), old) => topology(manifest, old),
        // Who registers a Node may say what it is like.
        (Manifest::Node(wire), Some(Object::Node(old))) => wire.status = write::node_status(old),
        _ => {}
    }
    metadata(manifest.metadata_mut(), old.map(Object::meta));
}

/// As [`manifest`].
pub(crate) fn service(wire: &mut wire::Service, old: Option<&Service>) {
    wire.status = old.and_then(write::service_status);
    metadata(&mut wire.metadata, old.map(Service::meta));
}

/// `deprecatedTopology` stays on endpoints that are what they were. Else it goes, as from every new slice; an endpoint on a
/// node that only its topology named, and the slice knew, is then said to be on it.
fn topology(manifest: &mut Manifest, old: Option<&Object>) {
    let old = old.and_then(|old| if let Object::EndpointSlice(old) = old { Some(old) } else { None });
    let same = |old: &EndpointSlice| matches!(read::object(manifest), Ok(Object::EndpointSlice(new)) if new.endpoints() == old.endpoints());
    let Manifest::EndpointSlice(slice) = &*manifest else { return };
    let none = slice.endpoints.iter().flatten().all(|endpoint| endpoint.deprecated_topology.is_none());
    if none || old.is_some_and(|old| same(old)) {
        return;
    }
    let known: BTreeSet<_> = old.iter().flat_map(|old| old.endpoints()).filter_map(topology_node).collect();
    let Manifest::EndpointSlice(slice) = manifest else { return };
    for endpoint in slice.endpoints.iter_mut().flatten() {
        let node = endpoint.deprecated_topology.take().and_then(|mut labels| labels.remove(NODE_LABEL));
        let node = node.filter(|node| known.contains(node.as_str()));
        endpoint.node_name = endpoint.node_name.take().or(node);
    }
}

fn topology_node(endpoint: &Endpoint) -> Option<&str> {
    endpoint.deprecated_topology()?.get(NODE_LABEL).map(String::as_str)
}

fn pending() -> wire::PodStatus {
    wire::PodStatus { phase: Some("Pending".to_owned()), ..wire::PodStatus::default() }
}

fn metadata(wire: &mut ObjectMeta, old: Option<&Meta>) {
    // The bookkeeping of an API server: who has none keeps no books.
    (wire.resource_version, wire.generation, wire.self_link, wire.managed_fields) = (None, None, None, None);
    // Whether it is on its way out is said by who deletes it.
    wire.deletion_timestamp = old.and_then(Meta::deletion).map(str::to_owned);
    wire.deletion_grace_period_seconds = old.and_then(Meta::deletion_grace_period_seconds);
    if let Some(old) = old {
        if wire.uid.as_deref().is_none_or(str::is_empty) {
            wire.uid = Some(old.uid().to_owned());
        }
        if let Some(created) = old.created() {
            wire.creation_timestamp = Some(created.to_owned());
        }
    }
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests {
    use super::*;
    use crate::yaml;

    fn slice(endpoints: &str) -> Manifest {
        let text = format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: a}}, addressType: IPv4, \
             ports: [{{port: 80}}], endpoints: [{endpoints}]}}"
        );
        yaml::read(&text).iter().next().unwrap().clone()
    }

    /// Node and whether there is a topology, of each endpoint of `new` once it is prepared.
    fn prepared(new: &str, old: Option<&str>) -> Vec<(Option<String>, bool)> {
        let old = old.map(|old| read::object(&slice(old)).unwrap());
        let mut new = slice(new);
        manifest(&mut new, old.as_ref());
        let Manifest::EndpointSlice(new) = new else { unreachable!() };
        let endpoints = new.endpoints.into_iter().flatten();
        endpoints.map(|it| (it.node_name, it.deprecated_topology.is_some())).collect()
    }

    #[test]
    fn topology_stays_on_endpoints_that_stay() {
        let on = |address: &str, node: &str| {
            format!("{{addresses: [{address}], deprecatedTopology: {{kubernetes.io/hostname: {node}}}}}")
        };
        let (a, b, c) = (on("10.0.0.1", "n"), on("10.0.0.2", "n"), on("10.0.0.3", "unknown"));
        let n = Some("n".to_owned());
        assert_eq!(prepared(&a, None), [(None, false)], "a new slice has none");
        assert_eq!(prepared(&a, Some(&a)), [(None, true)], "nothing changed");
        let with_node = a.replace("addresses", "nodeName: m, addresses");
        assert_eq!(prepared(&with_node, Some(&a)), [(Some("m".to_owned()), false)]);
        let all = [(n.clone(), false), (n, false), (None, false)];
        assert_eq!(
            prepared(&format!("{a}, {b}, {c}"), Some(&a)),
            all,
            "the node is taken over, if it was known"
        );
    }
}
