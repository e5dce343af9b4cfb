//! Updates: what may not change, what an edit leaves as it was, what another type drops.

use super::*;
use crate::{Object, Service};

/// The Service that a cluster holds.
fn held(spec: &str) -> Service {
    match read::object(&Manifest::Service(service(spec))).unwrap() {
        Object::Service(service) => Service::clone(&service),
        other => panic!("{other:?}"),
    }
}

fn updated(old: &str, new: &str, ranges: &Ranges) -> Result<wire::ServiceSpec, Problems> {
    let wire = service(new);
    let at = Manifest::Service(wire.clone()).reference();
    validate::service(&wire, &at, ranges, Some(&held(old))).map(|wire| wire.spec)
}

const PORTS: &str = r#""ports": [{"port": 80}]"#;
const ONE: &str = r#"{"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack", "ports": [{"port": 80}]}"#;
const TWO: &str = r#"{"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00:10:96::7"], "ipFamilies": ["IPv4", "IPv6"],
    "ipFamilyPolicy": "RequireDualStack", "ports": [{"port": 80}]}"#;
const HEADLESS: &str = r#"{"clusterIP": "None", "clusterIPs": ["None"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
    "selector": {"app": "web"}, "ports": [{"port": 80}]}"#;
const ALIAS: &str = r#"{"type": "ExternalName", "externalName": "example.com"}"#;

/// Old, new, what comes of it: `policy families addresses` or the faults.
fn settles(rows: &[(&str, String, String)]) {
    for (old, new, expected) in rows {
        let found = match updated(old, new, &dual_stack()) {
            Ok(spec) => format!(
                "{} [{}] [{}]",
                spec.ip_family_policy.as_deref().unwrap_or("none"),
                spec.ip_families.unwrap_or_default().join(", "),
                spec.cluster_ips.unwrap_or_default().join(", ")
            ),
            Err(problems) => said(Err::<(), _>(problems)).join("; "),
        };
        assert_eq!(found, *expected, "{old} -> {new}");
    }
}

#[test]
fn what_is_not_said_stays() {
    settles(&[
        (ONE, format!("{{{PORTS}}}"), "SingleStack [IPv4] [10.96.0.7]".into()),
        (ONE, ONE.into(), "SingleStack [IPv4] [10.96.0.7]".into()),
        (ONE, format!(r#"{{"clusterIP": "10.96.0.7", {PORTS}}}"#), "SingleStack [IPv4] [10.96.0.7]".into()),
        (
            ONE,
            format!(r#"{{"clusterIP": "", "clusterIPs": ["10.96.0.7"], {PORTS}}}"#),
            "SingleStack [IPv4] [10.96.0.7]".into(),
        ),
        (TWO, format!("{{{PORTS}}}"), "RequireDualStack [IPv4, IPv6] [10.96.0.7, fd00:10:96::7]".into()),
        (
            TWO,
            format!(r#"{{"clusterIP": "10.96.0.7", {PORTS}}}"#),
            "RequireDualStack [IPv4, IPv6] [10.96.0.7, fd00:10:96::7]".into(),
        ),
    ]);
}

#[test]
fn old_spellings_are_tolerated_where_they_were_before() {
    settles(&[(
        ONE,
        format!(r#"{{"clusterIP": "010.096.0.7", "clusterIPs": ["010.096.0.7"], {PORTS}}}"#),
        "SingleStack [IPv4] [010.096.0.7]".into(),
    )]);
}

#[test]
fn to_two_families() {
    settles(&[
        (
            ONE,
            format!(r#"{{"ipFamilyPolicy": "PreferDualStack", {PORTS}}}"#),
            "PreferDualStack [IPv4, IPv6] [10.96.0.7]".into(),
        ),
        (
            ONE,
            format!(r#"{{"ipFamilyPolicy": "RequireDualStack", {PORTS}}}"#),
            "RequireDualStack [IPv4, IPv6] [10.96.0.7]".into(),
        ),
        (
            ONE,
            format!(
                r#"{{"ipFamilyPolicy": "RequireDualStack", "clusterIPs": ["10.96.0.7", "fd00:10:96::9"], {PORTS}}}"#
            ),
            "RequireDualStack [IPv4, IPv6] [10.96.0.7, fd00:10:96::9]".into(),
        ),
        (
            ONE,
            format!(r#"{{"ipFamilies": ["IPv4", "IPv6"], {PORTS}}}"#),
            "spec.ipFamilyPolicy: SingleStack with two ipFamilies: write PreferDualStack or RequireDualStack"
                .into(),
        ),
    ]);
}

#[test]
fn back_to_one_family() {
    let only_single = "spec.ipFamilyPolicy: must be SingleStack to release the second of the";
    settles(&[
        (
            TWO,
            format!(r#"{{"ipFamilyPolicy": "SingleStack", {PORTS}}}"#),
            "SingleStack [IPv4] [10.96.0.7]".into(),
        ),
        (TWO, TWO.replace("RequireDualStack", "SingleStack"), "SingleStack [IPv4] [10.96.0.7]".into()),
        (
            TWO,
            format!(
                r#"{{"ipFamilyPolicy": "SingleStack", "clusterIPs": ["10.96.0.7"], "ipFamilies": ["IPv4"], {PORTS}}}"#
            ),
            "SingleStack [IPv4] [10.96.0.7]".into(),
        ),
        (TWO, format!(r#"{{"clusterIPs": ["10.96.0.7"], {PORTS}}}"#), format!("{only_single} clusterIPs")),
        (TWO, format!(r#"{{"ipFamilies": ["IPv4"], {PORTS}}}"#), format!("{only_single} ipFamilies")),
    ]);
}

#[test]
fn no_address_is_exchanged() {
    let immutable = |before: &str, now: &str| {
        format!(
            "spec.clusterIP: is immutable: {before} cannot become {now}; delete the Service and create it again"
        )
    };
    settles(&[
        (ONE, format!(r#"{{"clusterIP": "10.96.0.8", {PORTS}}}"#), immutable("10.96.0.7", "10.96.0.8")),
        (ONE, ONE.replace("10.96.0.7", "10.96.0.8"), immutable("10.96.0.7", "10.96.0.8")),
        (ONE, format!(r#"{{"clusterIP": "None", {PORTS}}}"#), immutable("10.96.0.7", "None")),
        (HEADLESS, format!(r#"{{"clusterIP": "10.96.0.8", {PORTS}}}"#), immutable("None", "10.96.0.8")),
        (
            TWO,
            TWO.replace("fd00:10:96::7", "fd00:10:96::8"),
            "spec.clusterIPs[1]: is immutable: fd00:10:96::7 cannot become fd00:10:96::8; delete the Service and create it again".into(),
        ),
        (
            ONE,
            format!(r#"{{"ipFamilies": ["IPv6"], {PORTS}}}"#),
            "spec.clusterIP: 10.96.0.7 does not agree with spec.ipFamilies[0], which is IPv6; spec.ipFamilies[0]: is immutable: IPv4 cannot become IPv6".into(),
        ),
    ]);
}

#[test]
fn a_headless_service_may_exchange_its_families() {
    settles(&[
        (HEADLESS, r#"{"selector": {"app": "web"}}"#.into(), "SingleStack [IPv4] [None]".into()),
        (HEADLESS, r#"{"ipFamilies": ["IPv6"], "selector": {"app": "web"}}"#.into(), "SingleStack [IPv6] [None]".into()),
        (
            HEADLESS,
            r#"{"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"], "selector": {"app": "web"}}"#.into(),
            "RequireDualStack [IPv6, IPv4] [None]".into(),
        ),
    ]);
}

#[test]
fn an_external_name_comes_and_goes() {
    settles(&[
        (ONE, ALIAS.into(), "none [] []".into()),
        (TWO, ALIAS.into(), "none [] []".into()),
        (
            ONE,
            ONE.replace(r#""clusterIP""#, r#""type": "ExternalName", "externalName": "a", "clusterIP""#),
            "none [] []".into(),
        ),
        (
            ONE,
            r#"{"type": "ExternalName", "externalName": "a", "clusterIP": "10.96.0.8"}"#.into(),
            "spec.clusterIP: 10.96.0.8 may not be set for type ExternalName".into(),
        ),
        (ALIAS, format!("{{{PORTS}}}"), "SingleStack [IPv4] []".into()),
        (ALIAS, format!(r#"{{"clusterIP": "10.96.0.9", {PORTS}}}"#), "SingleStack [IPv4] [10.96.0.9]".into()),
        (
            ALIAS,
            format!(r#"{{"ipFamilyPolicy": "PreferDualStack", {PORTS}}}"#),
            "PreferDualStack [IPv4, IPv6] []".into(),
        ),
        (ALIAS, r#"{"clusterIP": "None"}"#.into(), "RequireDualStack [IPv4, IPv6] [None]".into()),
    ]);
}

/// A cluster that became dual stack does not upgrade who only prefers it, until he says so.
#[test]
fn nobody_is_upgraded_behind_his_back() {
    let prefers = ONE.replace("SingleStack", "PreferDualStack");
    let spec = updated(&prefers, &prefers, &dual_stack()).unwrap();
    assert_eq!(spec.ip_families, Some(vec!["IPv4".to_owned()]));
    let spec =
        updated(&prefers, &format!(r#"{{"ipFamilyPolicy": "PreferDualStack", {PORTS}}}"#), &dual_stack())
            .unwrap();
    assert_eq!(spec.ip_families.map(|families| families.len()), Some(2));
    let both = TWO.replace("RequireDualStack", "PreferDualStack");
    let spec = updated(&both, &both, &ranges()).unwrap();
    assert_eq!(spec.cluster_ips.map(|ips| ips.len()), Some(2), "nor downgraded");
}

/// What a Service of one type has, and what is left of it on another.
#[test]
fn types_drop_what_no_longer_applies() {
    let balanced = r#""type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 32000,
        "allocateLoadBalancerNodePorts": true, "loadBalancerClass": "a/b", "clusterIP": "10.96.0.7",
        "ports": [{"port": 80, "nodePort": 30080}]"#;
    let old = format!("{{{balanced}}}");
    // The manifest is the same but for the type: everything goes that the type does not have.
    for (kind, policy, node_port) in [
        ("ClusterIP", None, None),
        ("NodePort", Some("Local"), Some(30080)),
        ("LoadBalancer", Some("Local"), Some(30080)),
    ] {
        let new = old.replace(r#""LoadBalancer""#, &format!("\"{kind}\""));
        let spec = updated(&old, &new, &ranges()).unwrap();
        assert_eq!(spec.external_traffic_policy.as_deref(), policy, "{kind}");
        assert_eq!(spec.ports.unwrap()[0].node_port, node_port, "{kind}");
        let is_balancer = kind == "LoadBalancer";
        assert_eq!(spec.health_check_node_port.is_some(), is_balancer, "{kind}");
        assert_eq!(spec.load_balancer_class.is_some(), is_balancer, "{kind}");
        assert_eq!(spec.allocate_load_balancer_node_ports.is_some(), is_balancer, "{kind}");
    }
    let to_alias = old.replace(r#""type": "LoadBalancer""#, r#""type": "ExternalName", "externalName": "a""#);
    let spec = updated(&old, &to_alias, &ranges()).unwrap();
    assert_eq!((spec.cluster_ip, spec.ip_family_policy, spec.external_traffic_policy), (None, None, None));
    // A field that was changed with the type is judged.
    for (from, to, fault) in [
        (
            "30080",
            "30081",
            "spec.ports[0].nodePort: 30081 may only be set for type NodePort or LoadBalancer, not ClusterIP",
        ),
        (
            "32000",
            "32001",
            "spec.healthCheckNodePort: 32001 may only be set for type LoadBalancer with externalTrafficPolicy Local",
        ),
        (
            r#"Ports": true"#,
            r#"Ports": false"#,
            "spec.allocateLoadBalancerNodePorts: false may only be set for type LoadBalancer",
        ),
        ("a/b", "a/c", "spec.loadBalancerClass: `a/c` may only be set for type LoadBalancer"),
        (
            "Local",
            "Cluster",
            "spec.externalTrafficPolicy: `Cluster` may only be set for type NodePort or LoadBalancer, or with externalIPs",
        ),
    ] {
        let new = old.replace(r#""LoadBalancer""#, r#""ClusterIP""#).replace(from, to);
        let found = said(updated(&old, &new, &ranges()));
        assert!(found.contains(&fault.to_owned()), "{new}: {found:?}");
    }
}

#[test]
fn the_policy_goes_with_its_last_reason() {
    let outside = format!(
        r#"{{"clusterIP": "10.96.0.7", "externalIPs": ["203.0.113.7"], "externalTrafficPolicy": "Local", {PORTS}}}"#
    );
    let inside = outside.replace(r#""externalIPs": ["203.0.113.7"], "#, "");
    assert_eq!(updated(&outside, &inside, &ranges()).unwrap().external_traffic_policy, None);
    let node_port = inside.replace(r#""clusterIP""#, r#""type": "NodePort", "clusterIP""#);
    assert_eq!(updated(&node_port, &inside, &ranges()).unwrap().external_traffic_policy, None);
    assert_eq!(
        updated(&node_port, &outside, &ranges()).unwrap().external_traffic_policy.as_deref(),
        Some("Local"),
        "external addresses are a reason too"
    );
}

#[test]
fn node_ports_stay_by_the_name_of_their_port() {
    let old = r#"{"type": "NodePort", "clusterIP": "10.96.0.7",
        "ports": [{"name": "a", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81, "nodePort": 30002}]}"#;
    for (ports, expected) in [
        (r#"[{"name": "a", "port": 80}, {"name": "b", "port": 81}]"#, [Some(30001), Some(30002)]),
        (r#"[{"name": "b", "port": 81}, {"name": "a", "port": 80}]"#, [Some(30002), Some(30001)]),
        (r#"[{"name": "a", "port": 8080}, {"name": "c", "port": 81}]"#, [Some(30001), None]),
        (r#"[{"name": "a", "port": 80}, {"name": "c", "port": 81, "nodePort": 30001}]"#, [None, Some(30001)]),
        (
            r#"[{"name": "a", "port": 80, "nodePort": 30009}, {"name": "b", "port": 81}]"#,
            [Some(30009), Some(30002)],
        ),
    ] {
        let new = format!(r#"{{"type": "NodePort", "ports": {ports}}}"#);
        let spec = updated(old, &new, &ranges()).unwrap();
        let found: Vec<_> = spec.ports.unwrap().iter().map(|port| port.node_port).collect();
        assert_eq!(found, expected, "{ports}");
    }
    let outside = old.replace("3000", "100");
    assert_eq!(said(updated(&outside, &outside, &ranges())), NOTHING, "a port of a former range stays");
}

#[test]
fn balancers_keep_their_class_and_their_health_check() {
    let old = r#"{"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 32000,
        "loadBalancerClass": "a/b", "clusterIP": "10.96.0.7", "ports": [{"port": 80}]}"#;
    for (from, to, expected) in [
        ("32000", "32000", None),
        ("32000", "0", None),
        (r#""healthCheckNodePort": 32000,"#, "", None),
        ("32000", "32001", Some("spec.healthCheckNodePort: is immutable: 32000 cannot become 32001")),
        ("a/b", "a/c", Some("spec.loadBalancerClass: is immutable: `a/b` cannot become `a/c`")),
        (
            r#""loadBalancerClass": "a/b","#,
            "",
            Some("spec.loadBalancerClass: is immutable: `a/b` cannot become ``"),
        ),
    ] {
        let found = updated(old, &old.replace(from, to), &ranges());
        if let Ok(spec) = &found {
            assert_eq!(spec.health_check_node_port, Some(32000), "{to}");
        }
        assert_eq!(said(found), expected.into_iter().collect::<Vec<_>>(), "{from} -> {to}");
    }
    let cluster = old.replace("Local", "Cluster");
    let spec = updated(old, &cluster, &ranges()).unwrap();
    assert_eq!(spec.health_check_node_port, None, "nobody asks any more");
    let unclassed = old.replace(r#""loadBalancerClass": "a/b","#, "");
    let found = said(updated(&unclassed, old, &ranges()));
    assert_eq!(found, ["spec.loadBalancerClass: is immutable: `` cannot become `a/b`"]);
}

/// Kinds other than Service: field, before, after, the fault.
#[test]
fn immutable_fields_of_other_kinds() {
    let object = |kind: &str, rest: &str| {
        let api = if kind == "EndpointSlice" {
            "discovery.k8s.io/v1"
        } else if kind == "IngressClass" {
            "networking.k8s.io/v1"
        } else {
            "v1"
        };
        let labels = "{kubernetes.io/service-name: web}";
        crate::yaml::read(&format!(
            "{{apiVersion: {api}, kind: {kind}, metadata: {{name: x, labels: {labels}}}, {rest}}}"
        ))
    };
    for (kind, before, after, expected) in [
        ("EndpointSlice", "addressType: IPv4", "addressType: IPv4, ports: [{port: 80}]", None),
        (
            "EndpointSlice",
            "addressType: IPv4",
            "addressType: IPv6",
            Some("addressType: is immutable: IPv4 cannot become IPv6"),
        ),
        (
            "IngressClass",
            "spec: {controller: a/b}",
            "spec: {controller: a/c}",
            Some("spec.controller: is immutable: `a/b` cannot become `a/c`"),
        ),
        ("Node", "spec: {}", "spec: {podCIDRs: [10.1.0.0/24]}", None),
        (
            "Node",
            "spec: {podCIDRs: [10.1.0.0/24]}",
            "spec: {podCIDRs: [10.2.0.0/24]}",
            Some("spec.podCIDRs: is immutable: the node has its pod networks already"),
        ),
        ("Secret", "type: Opaque", "type: other", Some("type: is immutable: Opaque cannot become other")),
        ("Secret", "stringData: {a: b}", "stringData: {a: c}", None),
        (
            "Secret",
            "immutable: true, stringData: {a: b}",
            "immutable: true, stringData: {a: c}",
            Some("immutable: is immutable: the Secret said so itself; delete it and create it again"),
        ),
        (
            "ConfigMap",
            "immutable: true, data: {a: b}",
            "data: {a: b}",
            Some("immutable: is immutable: the ConfigMap said so itself; delete it and create it again"),
        ),
        ("ConfigMap", "data: {a: b}", "immutable: true, data: {a: c}", None),
    ] {
        let old = object(kind, before).stored().0.remove(0);
        let new = object(kind, after);
        let found = said(validate::update(new.iter().next().unwrap(), &ranges(), &old));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{kind}: {before} -> {after}");
    }
}
