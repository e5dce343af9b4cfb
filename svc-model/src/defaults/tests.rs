//! Tables of defaults.

mod families;

use proptest::prelude::*;

use super::*;
use crate::{testing, write};

const DUAL: [AddressType; 2] = [AddressType::Ipv4, AddressType::Ipv6];

fn service(spec: serde_json::Value) -> wire::Service {
    serde_json::from_value(serde_json::json!({"metadata": {"name": "web"}, "spec": spec})).unwrap()
}

#[test]
fn families_and_policies() {
    use AddressType::{Ipv4, Ipv6};
    for (spec, cluster, families, policy) in [
        (serde_json::json!({}), &DUAL[..1], &[Ipv4][..], "SingleStack"),
        (serde_json::json!({}), &DUAL, &[Ipv4], "SingleStack"),
        (serde_json::json!({"ipFamilies": ["IPv6"]}), &DUAL, &[Ipv6], "SingleStack"),
        (serde_json::json!({"clusterIP": "fd00::1"}), &DUAL, &[Ipv6], "SingleStack"),
        (serde_json::json!({"ipFamilyPolicy": "PreferDualStack"}), &DUAL[..1], &[Ipv4], "PreferDualStack"),
        (serde_json::json!({"ipFamilyPolicy": "PreferDualStack"}), &DUAL, &[Ipv4, Ipv6], "PreferDualStack"),
        (
            serde_json::json!({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}),
            &DUAL,
            &[Ipv6, Ipv4],
            "RequireDualStack",
        ),
        (serde_json::json!({"clusterIP": "None"}), &DUAL[..1], &[Ipv4, Ipv6], "RequireDualStack"),
        (
            serde_json::json!({"clusterIP": "None", "selector": {"app": "web"}}),
            &DUAL[..1],
            &[Ipv4],
            "SingleStack",
        ),
    ] {
        let mut wire = service(spec);
        super::service(&mut wire, cluster);
        let expected: Vec<_> = families.iter().map(|family| family.as_str().to_owned()).collect();
        assert_eq!(
            (wire.spec.ip_families, wire.spec.ip_family_policy.as_deref()),
            (Some(expected), Some(policy))
        );
    }
}

#[test]
fn an_external_name_has_no_families() {
    let mut wire = service(serde_json::json!({"type": "ExternalName", "externalName": "example.com"}));
    super::service(&mut wire, &DUAL);
    assert_eq!((wire.spec.ip_families, wire.spec.ip_family_policy), (None, None));
}

/// What is written, what is looked at, what stands there then.
fn filled_in(rows: &[(&str, &str, &str)]) {
    for (spec, pointer, expected) in rows {
        let status =
            serde_json::json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb"}]}});
        let spec: serde_json::Value = serde_json::from_str(spec).unwrap();
        let object = serde_json::json!({"metadata": {"name": "web"}, "spec": spec, "status": status});
        let mut wire: wire::Service = serde_json::from_value(object).unwrap();
        super::service(&mut wire, &DUAL);
        let filled = serde_json::to_value(&wire).unwrap();
        let found = filled.pointer(pointer).unwrap_or(&serde_json::Value::Null);
        assert_eq!(found.to_string(), *expected, "{spec} {pointer}");
    }
}

#[test]
fn ports_affinity_and_addresses() {
    filled_in(&[
        ("{}", "/spec/type", "\"ClusterIP\""),
        ("{}", "/spec/sessionAffinity", "\"None\""),
        (r#"{"ports": [{"port": 80}]}"#, "/spec/ports/0/protocol", "\"TCP\""),
        (r#"{"ports": [{"port": 80}]}"#, "/spec/ports/0/targetPort", "80"),
        (r#"{"ports": [{"port": 80, "targetPort": 0}]}"#, "/spec/ports/0/targetPort", "80"),
        (r#"{"ports": [{"port": 80, "targetPort": ""}]}"#, "/spec/ports/0/targetPort", "80"),
        (r#"{"ports": [{"port": 80, "targetPort": "http"}]}"#, "/spec/ports/0/targetPort", "\"http\""),
        (
            r#"{"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}"#,
            "/spec/sessionAffinityConfig",
            "null",
        ),
        (
            r#"{"sessionAffinity": "ClientIP"}"#,
            "/spec/sessionAffinityConfig/clientIP/timeoutSeconds",
            "10800",
        ),
        (
            r#"{"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}"#,
            "/spec/sessionAffinityConfig/clientIP/timeoutSeconds",
            "5",
        ),
    ]);
}

#[test]
fn policies_and_balancers() {
    filled_in(&[
        ("{}", "/spec/externalTrafficPolicy", "null"),
        (r#"{"type": "NodePort"}"#, "/spec/externalTrafficPolicy", "\"Cluster\""),
        (r#"{"type": "LoadBalancer"}"#, "/spec/externalTrafficPolicy", "\"Cluster\""),
        (r#"{"externalIPs": ["203.0.113.7"]}"#, "/spec/externalTrafficPolicy", "\"Cluster\""),
        (
            r#"{"type": "NodePort", "externalTrafficPolicy": "Local"}"#,
            "/spec/externalTrafficPolicy",
            "\"Local\"",
        ),
        (
            r#"{"type": "ExternalName", "externalIPs": ["203.0.113.7"]}"#,
            "/spec/externalTrafficPolicy",
            "null",
        ),
        ("{}", "/spec/internalTrafficPolicy", "\"Cluster\""),
        (r#"{"clusterIP": "None"}"#, "/spec/internalTrafficPolicy", "\"Cluster\""),
        (r#"{"type": "ExternalName"}"#, "/spec/internalTrafficPolicy", "null"),
        ("{}", "/spec/allocateLoadBalancerNodePorts", "null"),
        (r#"{"type": "LoadBalancer"}"#, "/spec/allocateLoadBalancerNodePorts", "true"),
        (
            r#"{"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false}"#,
            "/spec/allocateLoadBalancerNodePorts",
            "false",
        ),
        (r#"{"type": "LoadBalancer"}"#, "/status/loadBalancer/ingress/0/ipMode", "\"VIP\""),
        (r#"{"type": "LoadBalancer"}"#, "/status/loadBalancer/ingress/1/ipMode", "null"),
        (r#"{"type": "NodePort"}"#, "/status/loadBalancer/ingress/0/ipMode", "null"),
        (r#"{"clusterIP": "10.96.0.7"}"#, "/spec/clusterIPs/0", "\"10.96.0.7\""),
    ]);
}

/// kind, what is written, what is looked at, what stands there then.
#[test]
fn defaults_of_other_kinds() {
    for (kind, object, pointer, expected) in [
        (
            "Namespace",
            r#"{"metadata": {"name": "shop"}}"#,
            "/metadata/labels/kubernetes.io~1metadata.name",
            "\"shop\"",
        ),
        ("Secret", "{}", "/type", "\"Opaque\""),
        ("EndpointSlice", r#"{"ports": [{"port": 80}]}"#, "/ports/0/protocol", "\"TCP\""),
        ("EndpointSlice", r#"{"ports": [{"port": 80}]}"#, "/ports/0/name", "\"\""),
        (
            "Endpoints",
            r#"{"subsets": [{"ports": [{"port": 80}]}]}"#,
            "/subsets/0/ports/0/protocol",
            "\"TCP\"",
        ),
        (
            "IngressClass",
            r#"{"spec": {"parameters": {"kind": "K", "name": "n"}}}"#,
            "/spec/parameters/scope",
            "\"Cluster\"",
        ),
        (
            "Pod",
            r#"{"spec": {"containers": [{"ports": [{"containerPort": 80}]}]}}"#,
            "/spec/containers/0/ports/0/protocol",
            "\"TCP\"",
        ),
        (
            "Pod",
            r#"{"spec": {"containers": [{"ports": [{"containerPort": 80}]}]}}"#,
            "/spec/containers/0/ports/0/hostPort",
            "null",
        ),
        (
            "Pod",
            r#"{"spec": {"hostNetwork": true, "initContainers": [{"ports": [{"containerPort": 80}]}]}}"#,
            "/spec/initContainers/0/ports/0/hostPort",
            "80",
        ),
    ] {
        let kind =
            crate::Kind::ALL.iter().map(|(known, _)| *known).find(|known| known.to_string() == kind).unwrap();
        let fields: serde_json::Value = serde_json::from_str(object).unwrap();
        let mut manifest = wire::Manifest::deserialize(kind, fields).unwrap();
        super::manifest(&mut manifest, &DUAL);
        let filled = serde_json::to_value(&manifest).unwrap();
        let found = filled.pointer(pointer).unwrap_or(&serde_json::Value::Null);
        assert_eq!(found.to_string(), expected, "{kind} {object} {pointer}");
    }
}

proptest! {
    #[test]
    fn twice_is_once(service in testing::service()) {
        let crate::wire::Manifest::Service(mut once) = write::manifest(&service.into()) else { unreachable!() };
        super::service(&mut once, &DUAL);
        let mut twice = once.clone();
        super::service(&mut twice, &DUAL);
        prop_assert_eq!(once, twice);
    }
}
