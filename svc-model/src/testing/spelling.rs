//! The same object in other words: what old clusters and other programs write.

use proptest::prelude::*;

use crate::wire::{self, Manifest};
use crate::{Object, write};

/// A manifest of `object` in one of the spellings that clusters hold and that mean the same: what is the default unsaid
/// (conditions, protocols, `ipMode`), no port number written as 0, IPv4 addresses with leading zeros, blanks around
/// source ranges. Reading it as stored gives `object`.
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
            Manifest::Service(service) => respell_service(service, terse, old),
            _ => {}
        }
        manifest
    })
}

fn respell_slice(slice: &mut wire::EndpointSlice, terse: bool, old: bool) {
    for port in slice.ports.iter_mut().flatten() {
        if terse {
            unsay(&mut port.protocol, "TCP");
            port.port.get_or_insert(0);
        }
    }
    for endpoint in slice.endpoints.iter_mut().flatten() {
        if old {
            endpoint.addresses.iter_mut().for_each(pad);
        }
        if terse && let Some(conditions) = &mut endpoint.conditions {
            // Nobody can tell what is serving without a word from what is ready: only what is both goes unsaid.
            if conditions.ready == Some(true) && conditions.serving == Some(true) {
                (conditions.ready, conditions.serving) = (None, None);
            }
            conditions.terminating = conditions.terminating.filter(|terminating| *terminating);
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
