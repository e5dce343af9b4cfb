//! Tables of defaults.

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

#[test]
fn fields_that_people_look_for() {
    let mut wire = service(serde_json::json!({
        "type": "LoadBalancer", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}},
    }));
    super::service(&mut wire, &DUAL);
    assert_eq!(wire.spec.session_affinity.as_deref(), Some("None"));
    assert_eq!(wire.spec.session_affinity_config, None);
    assert_eq!(wire.spec.allocate_load_balancer_node_ports, Some(true));
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
