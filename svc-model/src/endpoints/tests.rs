//! Tables of mirroring.

use super::*;
use crate::{Object, ObjectRef, Snapshot, yaml};

fn objects(text: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(text).stored();
    assert_eq!(problems, []);
    objects
}

fn endpoints(metadata: &str, subsets: &str) -> Endpoints {
    let text = format!("{{apiVersion: v1, kind: Endpoints, metadata: {metadata}, subsets: {subsets}}}");
    match objects(&text).remove(0) {
        Object::Endpoints(endpoints) => Endpoints::clone(&endpoints),
        other => panic!("{other:?}"),
    }
}

/// `family ports: address ready ...` of each slice.
fn shown(endpoints: &Endpoints) -> Vec<String> {
    let shown = |slice: &crate::EndpointSlice| {
        let ports: Vec<_> = slice.ports().iter().map(|port| format!("{}", port.port().unwrap())).collect();
        let addresses = slice.endpoints().iter().map(|endpoint| {
            format!(" {}{}", endpoint.address(), if endpoint.ready() { "" } else { " unready" })
        });
        format!("{} {}:{}", slice.address_type(), ports.join(","), addresses.collect::<String>())
    };
    mirror(endpoints).iter().map(shown).collect()
}

#[test]
fn families_and_ports_divide_and_readiness_does_not() {
    for (subsets, expected) in [
        ("[]", &[][..]),
        ("[{addresses: [{ip: 192.0.2.1}], ports: [{port: 80}]}]", &["IPv4 80: 192.0.2.1"]),
        (
            "[{addresses: [{ip: 192.0.2.1}, {ip: 'fd00::1'}], notReadyAddresses: [{ip: 192.0.2.2}], ports: [{port: 80}]}]",
            &["IPv4 80: 192.0.2.1 192.0.2.2 unready", "IPv6 80: fd00::1"],
        ),
        // Subsets of the same ports meet again, whatever the order of their ports; the first mention counts.
        (
            "[{addresses: [{ip: 192.0.2.1}], ports: [{name: a, port: 80}, {name: b, port: 81}]},
              {notReadyAddresses: [{ip: 192.0.2.1}], addresses: [{ip: 192.0.2.9}], ports: [{name: b, port: 81}, {name: a, port: 80}]},
              {addresses: [{ip: 192.0.2.1}], ports: [{port: 90}]}]",
            &["IPv4 90: 192.0.2.1", "IPv4 80,81: 192.0.2.1 192.0.2.9"],
        ),
        ("[{addresses: [{ip: 010.0.0.08}], ports: [{port: 80}]}]", &["IPv4 80: 10.0.0.8"]),
    ] {
        assert_eq!(shown(&endpoints("{name: web}", subsets)), expected, "{subsets}");
    }
}

#[test]
fn locks_and_skipped_endpoints_have_no_slices() {
    let subsets = "[{addresses: [{ip: 192.0.2.1}], ports: [{port: 80}]}]";
    for (metadata, slices) in [
        ("{name: web}", 1),
        ("{name: web, labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}}", 0),
        ("{name: web, labels: {endpointslice.kubernetes.io/skip-mirror: 'false'}}", 1),
        ("{name: web, annotations: {control-plane.alpha.kubernetes.io/leader: '{}'}}", 0),
    ] {
        assert_eq!(mirror(&endpoints(metadata, subsets)).len(), slices, "{metadata}");
    }
}

#[test]
fn what_is_copied() {
    let metadata = "{name: web, labels: {a: b, endpointslice.kubernetes.io/managed-by: me}, \
        annotations: {c: d, endpoints.kubernetes.io/last-change-trigger-time: now}}";
    let address = "{ip: 192.0.2.1, hostname: h, nodeName: n, targetRef: {kind: Pod, name: p, uid: u}}";
    let slice = &mirror(&endpoints(
        metadata,
        &format!("[{{addresses: [{address}], ports: [{{name: x, port: 80, appProtocol: h2c}}]}}]"),
    ))[0];
    let labels = [
        ("a", "b"),
        (crate::endpoint_slices::MANAGED_BY_LABEL, MIRRORED_BY),
        (crate::SERVICE_NAME_LABEL, "web"),
    ];
    let found: Vec<_> =
        slice.meta().labels().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(found, labels);
    assert_eq!(slice.meta().annotations().keys().collect::<Vec<_>>(), ["c"]);
    let endpoint = &slice.endpoints()[0];
    assert_eq!((endpoint.hostname(), endpoint.node_name()), (Some("h"), Some("n")));
    assert_eq!(endpoint.target(), Some(&ObjectName::new("default", "p")));
    assert_eq!(slice.ports()[0].app_protocol(), Some("h2c"));
}

#[test]
fn no_more_than_a_thousand_addresses_of_a_subset() {
    let addresses: Vec<_> =
        (0..1100).map(|index| format!("{{ip: 10.0.{}.{}}}", index / 250, index % 250)).collect();
    let all = endpoints(
        "{name: web}",
        &format!("[{{addresses: [{}], ports: [{{port: 80}}]}}]", addresses.join(", ")),
    );
    assert_eq!(mirror(&all)[0].endpoints().len(), 1000);
}

#[test]
fn a_snapshot_mirrors_where_the_service_has_no_slice() {
    let slice = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, \
        metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}, \
        endpoints: [{addresses: [192.0.2.5]}], ports: [{port: 80}]}";
    let web = ObjectName::new("default", "web");
    let addresses = |snapshot: &Snapshot| -> Vec<String> {
        let endpoints = snapshot.slices_of(&web).flat_map(|slice| slice.endpoints().to_vec());
        endpoints.map(|endpoint| endpoint.address().to_string()).collect()
    };
    let endpoints = endpoints("{name: web}", "[{addresses: [{ip: 192.0.2.1}], ports: [{port: 80}]}]");
    let (only_endpoints, delta) = Snapshot::default().with([endpoints.clone().into()], []);
    assert_eq!(addresses(&only_endpoints), ["192.0.2.1"]);
    assert!(delta.services().contains(&web));
    let (both, delta) = only_endpoints.with(objects(slice), []);
    assert_eq!(addresses(&both), ["192.0.2.5"], "slices count where there are any");
    assert!(delta.services().contains(&web));
    let slice_gone = both.with([], objects(slice).iter().map(Object::reference)).0;
    assert_eq!(addresses(&slice_gone), ["192.0.2.1"]);
    let reference = ObjectRef::new(crate::Kind::Endpoints, web.clone());
    assert_eq!(addresses(&slice_gone.with([], [reference]).0), Vec::<String>::new());
}
