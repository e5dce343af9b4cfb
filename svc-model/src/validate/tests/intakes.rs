//! The two intakes side by side: each row of the table in the module's documentation.

use super::*;
use crate::{Object, Service};

/// What both intakes say: `create` as its faults, `stored` as its faults or what it read.
fn both(manifest: &Manifest) -> (Vec<String>, Result<Object, Vec<String>>) {
    let read = read::object(manifest);
    (said(validate::create(manifest, &ranges())), read.map_err(|problems| said(Err::<(), _>(problems))))
}

fn manifest(kind: &str, object: Value) -> Manifest {
    match kind {
        "Service" => Manifest::Service(typed(object)),
        "EndpointSlice" => Manifest::EndpointSlice(typed(object)),
        "Endpoints" => Manifest::Endpoints(typed(object)),
        "Ingress" => Manifest::Ingress(typed(object)),
        "Secret" => Manifest::Secret(typed(object)),
        other => panic!("{other}"),
    }
}

/// `create` refuses these for exactly one reason, `stored` takes them.
fn only_create_refuses<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str, String)>) {
    for (rule, kind, text) in rows {
        let (created, stored) = both(&manifest(kind, json(&text)));
        assert_eq!(created.len(), 1, "{rule}: {created:?}");
        assert!(stored.is_ok(), "{rule}: {stored:?}");
    }
}

#[test]
fn services_that_only_create_refuses() {
    let stored_ip = r#""clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]"#;
    let port = r#""ports": [{"port": 80}]"#;
    let service =
        |rest: &str| format!(r#"{{"metadata": {{"name": "web"}}, "spec": {{{stored_ip}, {rest}}}}}"#);
    let services = [
        ("names", format!(r#"{{"metadata": {{"name": "My_App"}}, "spec": {{{stored_ip}, {port}}}}}"#)),
        ("labels", format!(r#"{{"metadata": {{"name": "web", "labels": {{"a b": "c"}}}}, "spec": {{{stored_ip}, {port}}}}}"#)),
        ("address ranges", format!(r#"{{"metadata": {{"name": "web"}}, "spec": {{"clusterIP": "192.0.2.1", {port}}}}}"#)),
        ("node port range", service(r#""type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]"#)),
        ("health check range", service(&format!(r#""type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 80, {port}"#))),
        ("leading zeros", format!(r#"{{"metadata": {{"name": "web"}}, "spec": {{"clusterIP": "010.096.000.009", {port}}}}}"#)),
        ("IPv4 as IPv6", service(&format!(r#""externalIPs": ["::ffff:192.0.2.1"], {port}"#))),
        ("spelling of IPv6", service(&format!(r#""externalIPs": ["2001:DB8::1"], {port}"#))),
        ("loopback", service(&format!(r#""externalIPs": ["127.0.0.1"], {port}"#))),
        ("node port of a ClusterIP Service", service(r#""ports": [{"port": 80, "nodePort": 30080}]"#)),
        ("a balancer's field elsewhere", service(&format!(r#""allocateLoadBalancerNodePorts": true, {port}"#))),
        ("health check without Local", service(&format!(r#""type": "LoadBalancer", "healthCheckNodePort": 32000, {port}"#))),
        ("source ranges", service(&format!(r#""type": "LoadBalancer", "loadBalancerSourceRanges": ["all"], {port}"#))),
        ("trafficDistribution", service(&format!(r#""trafficDistribution": "PreferSameRack", {port}"#))),
        ("names of ports", service(r#""ports": [{"name": "a", "port": 80}, {"port": 81}]"#)),
        ("numbers twice", service(r#""ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]"#)),
        ("no ports", service(r#""ports": []"#)),
    ]
    .map(|(rule, text)| (rule, "Service", text));
    only_create_refuses(services);
}

#[test]
fn other_objects_that_only_create_refuses() {
    let slice = |labels: &str, address: &str| {
        format!(
            r#"{{"metadata": {{"name": "web-1", "labels": {{{labels}}}}}, "addressType": "IPv4",
                "endpoints": [{{"addresses": ["{address}"]}}], "ports": [{{"port": 80}}]}}"#
        )
    };
    let named = r#""kubernetes.io/service-name": "web""#;
    let ingress =
        |rule: &str| format!(r#"{{"metadata": {{"name": "front"}}, "spec": {{"rules": [{rule}]}}}}"#);
    let others = [
        ("loopback endpoints", "EndpointSlice", slice(named, "127.0.0.1")),
        ("old spellings of endpoints", "EndpointSlice", slice(named, "192.000.002.001")),
        (
            "link-local endpoints",
            "Endpoints",
            r#"{"metadata": {"name": "web"}, "subsets": [{"addresses": [{"ip": "169.254.1.1"}], "ports": [{"port": 80}]}]}"#.to_owned(),
        ),
        ("hosts", "Ingress", ingress(r#"{"host": "192.0.2.1"}"#)),
        (
            "paths",
            "Ingress",
            ingress(r#"{"http": {"paths": [{"path": "/a//b", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}"#),
        ),
        ("neither rules nor a backend", "Ingress", r#"{"metadata": {"name": "front"}, "spec": {}}"#.to_owned()),
        ("keys of a certificate", "Secret", r#"{"metadata": {"name": "cert"}, "type": "kubernetes.io/tls", "data": {"tls.crt": ""}}"#.to_owned()),
    ];
    only_create_refuses(others);
}

/// Neither intake can make anything of these.
#[test]
fn what_both_refuse() {
    for spec in [
        r#""type": "Clusterip", "ports": [{"port": 80}]"#,
        r#""clusterIPs": ["10.96.0.9", "10.96.0.10"], "ports": [{"port": 80}]"#,
        r#""clusterIPs": ["10.96.0.9", "web"], "ports": [{"port": 80}]"#,
        r#""ports": [{"port": 0}]"#,
        r#""ports": [{"port": 80, "protocol": "QUIC"}]"#,
        r#""ports": [{"port": 80}], "internalTrafficPolicy": "Node""#,
        r#""ports": [{"port": 80}], "sessionAffinity": "Cookie""#,
        r#""ports": [{"port": 80}], "externalIPs": ["here"]"#,
        r#""type": "ExternalName""#,
    ] {
        let alone = if spec.contains("clusterIPs") || spec.contains("ExternalName") {
            ""
        } else {
            r#", "clusterIPs": ["10.96.0.9"]"#
        };
        let object = json(&format!(
            r#"{{"metadata": {{"name": "web"}}, "spec": {{"clusterIP": "10.96.0.9", {spec}{alone}}}}}"#
        ));
        let (created, stored) = both(&manifest("Service", object));
        assert!(!created.is_empty() && stored.is_err(), "{spec}: {created:?} {stored:?}");
    }
}

fn stored(object: &str) -> Service {
    match read::object(&manifest("Service", json(object))).unwrap() {
        Object::Service(service) => Service::clone(&service),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_allocated_on_creation_must_be_there_in_what_is_stored() {
    let (created, read) = both(&Manifest::Service(service(r#"{"ports": [{"port": 80}]}"#)));
    assert_eq!(created, NOTHING);
    assert_eq!(
        read.unwrap_err(),
        [
            "spec.clusterIP: no address is allocated: create the object through the control plane, or write one"
        ]
    );
    let spec = r#"{"metadata": {"name": "web"}, "spec": {"clusterIP": "10.96.0.9", "type": "NodePort", "ports": [{"port": 80}]}}"#;
    assert_eq!(stored(spec).ports()[0].node_port(), None);
}

#[test]
fn old_spellings_are_read_as_they_were_meant() {
    for (text, meant) in [
        ("10.96.0.9", Some("10.96.0.9")),
        ("010.096.000.009", Some("10.96.0.9")),
        ("0000010.96.0.9", Some("10.96.0.9")),
        ("::ffff:10.96.0.9", Some("10.96.0.9")),
        ("FD00:0:0::1", Some("fd00::1")),
        ("10.96.0", None),
        ("10.96.0.256", None),
        ("10.96.0.+9", None),
        ("10.96.0.0x9", None),
        ("10.96..9", None),
        ("", None),
    ] {
        assert_eq!(read::address(text).ok().map(|ip| ip.to_string()).as_deref(), meant, "{text}");
    }
    for (text, meant) in [
        ("10.0.0.0/8", Some("10.0.0.0/8")),
        ("010.1.2.3/08", Some("10.0.0.0/8")),
        ("fd00::1/64", Some("fd00::/64")),
        ("10.0.0.0/33", None),
        ("10.0.0.0/+8", None),
        ("10.0.0.0", None),
        ("10.0.0.0/", None),
    ] {
        assert_eq!(read::cidr(text).ok().map(|net| net.to_string()).as_deref(), meant, "{text}");
    }
}

#[test]
fn an_unreadable_range_does_not_open_the_address() {
    let with = |ranges: &str| {
        stored(&format!(
            r#"{{"metadata": {{"name": "web"}}, "spec": {{"type": "LoadBalancer", "clusterIP": "10.96.0.9",
                "ports": [{{"port": 80}}], "loadBalancerSourceRanges": {ranges}}}}}"#
        ))
    };
    for (ranges, readable, restricts) in [
        ("[]", 0, false),
        (r#"[" "]"#, 0, false),
        (r#"["10.0.0.0/8"]"#, 1, true),
        (r#"["any"]"#, 0, true),
        (r#"["any", " 010.0.0.0/8 "]"#, 1, true),
    ] {
        let service = with(ranges);
        assert_eq!(
            (service.source_ranges().len(), service.restricts_sources()),
            (readable, restricts),
            "{ranges}"
        );
    }
}

/// Validation reads the annotation, proxies do not.
#[test]
fn an_annotation_restricts_nobody() {
    let key = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let service = stored(&format!(
        r#"{{"metadata": {{"name": "web", "annotations": {{"{key}": "10.0.0.0/8"}}}},
            "spec": {{"type": "LoadBalancer", "clusterIP": "10.96.0.9", "ports": [{{"port": 80}}]}}}}"#
    ));
    assert!(!service.restricts_sources() && service.source_ranges().is_empty());
}

#[test]
fn a_missing_ip_mode_is_vip() {
    let service = stored(
        r#"{"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.9", "ports": [{"port": 80}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"ip": "192.0.2.2", "ipMode": "Proxy"}]}}}"#,
    );
    let modes: Vec<_> =
        service.load_balancer_ingress().iter().map(crate::LoadBalancerIngress::ip_mode).collect();
    assert_eq!(modes, [crate::IpMode::Vip, crate::IpMode::Proxy]);
}

#[test]
fn one_that_is_refused_stops_no_other() {
    let text = "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIP: here, ports: [{port: 80}]}}\n---\n\
        {apiVersion: v1, kind: Service, metadata: {name: b}, spec: {clusterIP: 10.96.0.9, ports: [{port: 80}]}}";
    let manifests = crate::yaml::read(text);
    let (objects, problems) = manifests.stored();
    assert_eq!((objects.len(), problems.len()), (1, 1));
    let outcome = crate::ControlPlane::builder().build().apply(&manifests);
    assert_eq!((outcome.set().len(), outcome.problems().len()), (1, 1), "{:?}", outcome.problems());
}

#[test]
fn a_slice_of_names_is_none_of_our_business_once_it_is_stored() {
    let text = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: FQDN, \
        metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}, endpoints: []}";
    assert_eq!(crate::yaml::read(text).stored(), (vec![], vec![]));
    let outcome = crate::ControlPlane::builder().build().apply(&crate::yaml::read(text));
    assert!(outcome.is_empty(), "{outcome:?}");
}

/// What the API server takes although nobody here has a use for it.
#[test]
fn create_is_not_stricter_than_the_api_server() {
    let slice = |rest: &str| {
        let text = format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: web-1}}, {rest}}}"
        );
        said(validate::create(crate::yaml::read(&text).iter().next().unwrap(), &ranges()))
    };
    assert_eq!(slice("addressType: IPv4, endpoints: [{addresses: [192.0.2.1]}]"), NOTHING);
    assert_eq!(slice("addressType: FQDN, endpoints: [{addresses: [db.example, db.example.]}]"), NOTHING);
    assert_eq!(slice("addressType: FQDN, endpoints: [{addresses: [a_b]}]").len(), 1);
    assert_eq!(slice("addressType: Unix").len(), 1);
    assert_eq!(
        of_service(
            r#"{"type": "LoadBalancer", "loadBalancerIP": "my-address", "ports": [{"port": 80}]}"#,
            &ranges()
        ),
        NOTHING
    );
}

#[test]
fn a_slice_keeps_its_kind_of_addresses() {
    let slice = |kind: &str| {
        format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: {kind}, metadata: {{name: a}}}}"
        )
    };
    let mut control = crate::ControlPlane::builder().build();
    assert_eq!(control.apply(&crate::yaml::read(&slice("IPv4"))).problems(), []);
    for other in ["IPv6", "FQDN"] {
        let outcome = control.apply(&crate::yaml::read(&slice(other)));
        assert_eq!(
            outcome.problems()[0].to_string(),
            format!("EndpointSlice default/a: addressType: is immutable: IPv4 cannot become {other}")
        );
    }
}
