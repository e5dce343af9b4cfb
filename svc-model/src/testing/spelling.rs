//! The same object in other words: what old clusters and other programs write.

use proptest::prelude::*;

use super::world::slot_name;
use crate::wire::{self, Manifest};
use crate::{Object, SERVICE_NAME_LABEL, write};

/// A manifest of `object` in one of the spellings that clusters hold and that mean the same: what is the default unsaid
/// (conditions, protocols, `ipMode`, empty names of ports), no port number written as 0, IPv4 addresses with leading zeros,
/// blanks around source ranges. Reading it as stored gives `object`.
///
/// ```
/// use proptest::prelude::*;
/// use svc_model::{Object, read, testing};
///
/// let spelled = testing::object()
///     .prop_flat_map(|object| (Just(object.clone()), testing::manifest(&object)));
/// proptest!(|((object, manifest) in spelled)| {
///     prop_assert_eq!(read::object(&manifest).unwrap(), object);
/// });
/// ```
pub fn manifest(object: &Object) -> impl Strategy<Value = Manifest> + use<> {
    let plain = write::manifest(object);
    (any::<bool>(), any::<bool>()).prop_map(move |(terse, old)| {
        let mut manifest = plain.clone();
        match &mut manifest {
            Manifest::EndpointSlice(slice) => respell_slice(slice, terse, old),
            Manifest::Endpoints(endpoints) => respell_endpoints(endpoints, terse, old),
            Manifest::Service(service) => respell_service(service, terse, old),
            _ => {}
        }
        manifest
    })
}

/// All these objects, in any spelling and any order, and among them what a cluster holds and networking passes over:
/// EndpointSlices of addressType FQDN.
///
/// ```
/// use proptest::prelude::*;
/// use svc_model::{Snapshot, read, testing};
///
/// let cluster = testing::cluster().prop_flat_map(|all| (Just(all.clone()), testing::manifests(&all)));
/// proptest!(ProptestConfig::with_cases(16), |((cluster, manifests) in cluster)| {
///     let read = manifests.iter().filter_map(|manifest| read::stored(manifest).unwrap());
///     prop_assert_eq!(read.collect::<Snapshot>().objects(), cluster.into_iter().collect::<Snapshot>().objects());
/// });
/// ```
pub fn manifests(objects: &[Object]) -> impl Strategy<Value = Vec<Manifest>> + use<> {
    let spelled: Vec<_> = objects.iter().map(|object| manifest(object).boxed()).collect();
    (spelled, prop::collection::vec(slice_of_names(), 0..3))
        .prop_map(|(all, named)| all.into_iter().chain(named).collect::<Vec<_>>())
        .prop_shuffle()
}

/// An EndpointSlice of addressType FQDN: no proxy reads it. Its name is nobody else's.
fn slice_of_names() -> impl Strategy<Value = Manifest> {
    let names = prop::sample::subsequence(vec!["db.example", "db.example.", "a.b.example"], 0..=3);
    ((0..8_u8), names, any::<bool>()).prop_map(|(slot, names, of_a_service)| {
        let service = slot_name(slot);
        let labels =
            of_a_service.then(|| [(SERVICE_NAME_LABEL.to_owned(), service.name().to_owned())].into());
        let endpoint =
            |name: &str| wire::Endpoint { addresses: vec![name.to_owned()], ..wire::Endpoint::default() };
        Manifest::EndpointSlice(Box::new(wire::EndpointSlice {
            metadata: wire::ObjectMeta {
                name: Some(format!("{}-named", service.name())),
                namespace: Some(service.namespace().to_owned()),
                labels,
                ..wire::ObjectMeta::default()
            },
            address_type: Some("FQDN".to_owned()),
            endpoints: Some(names.into_iter().map(endpoint).collect()),
            ports: None,
        }))
    })
}

fn respell_slice(slice: &mut wire::EndpointSlice, terse: bool, old: bool) {
    for port in slice.ports.iter_mut().flatten() {
        if terse {
            unsay(&mut port.name, "");
            unsay(&mut port.protocol, "TCP");
            port.port.get_or_insert(0);
        }
    }
    for endpoint in slice.endpoints.iter_mut().flatten() {
        if old {
            endpoint.addresses.iter_mut().for_each(pad);
        }
        if terse && let Some(conditions) = &mut endpoint.conditions {
            conditions.ready = conditions.ready.filter(|ready| !ready);
            conditions.serving = conditions.serving.filter(|serving| !serving);
            conditions.terminating = conditions.terminating.filter(|terminating| *terminating);
        }
    }
}

fn respell_endpoints(endpoints: &mut wire::Endpoints, terse: bool, old: bool) {
    for subset in endpoints.subsets.iter_mut().flatten() {
        if terse {
            subset.ports.iter_mut().flatten().for_each(|port| unsay(&mut port.protocol, "TCP"));
        }
        if old {
            let addresses = [&mut subset.addresses, &mut subset.not_ready_addresses].into_iter().flatten();
            addresses.flatten().filter_map(|address| address.ip.as_mut()).for_each(pad);
        }
    }
}

fn respell_service(service: &mut wire::Service, terse: bool, old: bool) {
    let spec = &mut service.spec;
    if terse {
        spec.ports.iter_mut().flatten().for_each(|port| unsay(&mut port.protocol, "TCP"));
        let status = service.status.iter_mut().filter_map(|status| status.load_balancer.as_mut());
        for ingress in status.flat_map(|balancer| balancer.ingress.iter_mut().flatten()) {
            unsay(&mut ingress.ip_mode, "VIP");
        }
    }
    if old {
        spec.external_ips.iter_mut().flatten().for_each(pad);
        spec.load_balancer_source_ranges.iter_mut().flatten().for_each(|range| *range = format!(" {range} "));
    }
}

fn unsay(field: &mut Option<String>, default: &str) {
    *field = field.take().filter(|value| value != default);
}

/// 10.0.0.7 as 010.000.000.007: decimal all the same.
fn pad(address: &mut String) {
    if !address.contains(':') {
        let parts: Vec<_> = address.split('.').map(|part| format!("{part:0>3}")).collect();
        *address = parts.join(".");
    }
}
