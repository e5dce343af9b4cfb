//! Laws of reading, writing, filling in and judging.

mod fields;
mod stored;

use proptest::prelude::*;
use serde_json::Value;

use crate::allocate::ServiceCidr;
use crate::validate::{self, Ranges};
use crate::wire::Manifest;
use crate::{AddressType, Kind, Object, Service, ServiceType, TrafficPolicy, defaults, read, testing, write};

const DUAL: [AddressType; 2] = [AddressType::Ipv4, AddressType::Ipv6];

/// Objects in which fields of two valid ones are mixed: combinations that nobody would write, and every fault of them.
fn mixed() -> impl Strategy<Value = Manifest> {
    (stored::pair(), any::<u64>(), any::<u64>()).prop_map(|((kind, one, other), fields, deeper)| {
        let mut mixed = pick(&one, &other, fields);
        for part in ["spec", "status"] {
            if let (Some(one), Some(other)) = (one.get(part), other.get(part)) {
                mixed[part] = pick(one, other, deeper);
            }
        }
        stored::typed(kind, mixed)
    })
}

/// Each field from the one or the other, as the bits say; a field that only one has may be missing.
fn pick(one: &Value, other: &Value, bits: u64) -> Value {
    let all = stored::merged(one, other);
    let names = all.as_object().into_iter().flat_map(|all| all.keys().cloned()).enumerate();
    let chosen = names.filter_map(|(index, name)| {
        let from = if bits >> (index % 64) & 1 == 0 { one } else { other };
        Some((name.clone(), from.get(&name)?.clone()))
    });
    Value::Object(chosen.collect())
}

/// What can be said of any Service that was read, whatever it was read from.
fn makes_sense(service: &Service) {
    let kind = service.service_type();
    let families: Vec<_> = service.cluster_ips().iter().map(|ip| AddressType::of(*ip)).collect();
    assert!(
        families.len() < 2 || (families.len() == 2 && families[0] != families[1]),
        "one address of a family"
    );
    let has_addresses = kind != ServiceType::ExternalName && !service.is_headless();
    assert_eq!(!families.is_empty(), has_addresses);
    assert_eq!(service.external_name().is_some(), kind == ServiceType::ExternalName);
    assert!(!service.is_headless() || kind == ServiceType::ClusterIp);
    let has_node_ports = matches!(kind, ServiceType::NodePort | ServiceType::LoadBalancer);
    assert!(has_node_ports || service.ports().iter().all(|port| port.node_port().is_none()));
    let outside = has_node_ports || !service.external_ips().is_empty();
    assert!(outside || service.external_traffic_policy() == TrafficPolicy::Cluster);
    let asked =
        kind == ServiceType::LoadBalancer && service.external_traffic_policy() == TrafficPolicy::Local;
    assert!(asked || service.health_check_node_port().is_none());
    let balanced = kind == ServiceType::LoadBalancer;
    assert!(balanced || (service.load_balancer_ingress().is_empty() && !service.restricts_sources()));
    assert!(has_addresses || (service.external_ips().is_empty() && service.session_affinity().is_none()));
}

/// Hands out what validation leaves open, as the control plane does.
fn with_address(mut wire: crate::wire::Service) -> Manifest {
    let spec = &mut wire.spec;
    if spec.service_type.as_deref() != Some("ExternalName") && spec.all_cluster_ips().is_empty() {
        spec.cluster_ips = Some(vec!["10.96.0.1".to_owned()]);
    }
    Manifest::Service(Box::new(wire))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back_as_the_same(object in testing::object()) {
        let written = write::manifest(&object);
        let read = read::object(&written).unwrap();
        prop_assert_eq!(&read, &object);
        prop_assert_eq!(write::manifest(&read), written, "nor is anything lost that equality passes over");
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn as_text_too(cluster in testing::cluster()) {
        let text: String = cluster.iter().map(|object| format!("---\n{}", crate::yaml::write(object))).collect();
        let (objects, problems): (Vec<Object>, _) = crate::yaml::read(&text).stored();
        prop_assert_eq!(problems, vec![]);
        prop_assert_eq!(objects, cluster);
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn reading_never_panics(text in "\\PC*") {
        drop(crate::yaml::read(&text).stored());
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn reading_never_panics_on_damaged_manifests(
        object in testing::object(), at in any::<prop::sample::Index>(), with in "[\\PC\n]{0,3}",
    ) {
        let mut text = crate::yaml::write(&object);
        let at = at.index(text.len());
        if text.is_char_boundary(at) {
            text.replace_range(at..=at, &with);
        }
        drop(crate::yaml::read(&text).stored());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 320, ..ProptestConfig::default() })]

    /// wire -> domain -> wire, for every kind.
    #[test]
    fn what_a_cluster_holds_comes_back_as_it_was(manifest in stored::manifest()) {
        let object = read::object(&manifest).unwrap();
        prop_assert_eq!(write::manifest(&object), manifest);
    }

    /// domain -> wire -> domain, for every kind and whatever was read.
    #[test]
    fn whatever_was_read_is_written_as_the_same(manifest in mixed()) {
        if let Ok(object) = read::object(&manifest) {
            prop_assert_eq!(read::object(&write::manifest(&object)), Ok(object));
        }
    }

    #[test]
    fn no_invalid_combination_can_be_read(manifest in mixed()) {
        if let Ok(Object::Service(service)) = read::object(&manifest) {
            makes_sense(&service);
        }
    }

    #[test]
    fn filling_in_twice_is_filling_in_once(manifest in mixed(), families in 1..=2_usize) {
        let mut once = manifest;
        defaults::manifest(&mut once, &DUAL[..families]);
        let mut twice = once.clone();
        defaults::manifest(&mut twice, &DUAL[..families]);
        prop_assert_eq!(once, twice);
    }

    /// The domain type refuses nothing that validation accepts.
    #[test]
    fn whatever_is_accepted_can_be_read(manifest in mixed(), dual in any::<bool>()) {
        let mut cidrs = vec!["10.96.0.0/12".parse().unwrap()];
        cidrs.extend(dual.then(|| "fd00::/112".parse::<ServiceCidr>().unwrap()));
        let ranges = Ranges::default().service_cidrs(cidrs);
        match &manifest {
            Manifest::Service(wire) => {
                if let Ok(completed) = validate::service(wire, &manifest.reference(), &ranges, None) {
                    let read = read::object(&with_address(completed));
                    prop_assert!(read.is_ok(), "{:?}", read);
                }
            }
            other => {
                if validate::create(other, &ranges).is_ok() {
                    prop_assert!(read::object(other).is_ok());
                }
            }
        }
    }

    /// Nor after an update, which may be to any type.
    #[test]
    fn whatever_is_accepted_as_an_update_can_be_read(
        old in stored::of(Kind::Service), new in stored::of(Kind::Service), dual in any::<bool>(),
    ) {
        let (Ok(Object::Service(old)), Manifest::Service(new)) = (read::object(&old), &new) else { unreachable!() };
        let mut cidrs = vec!["10.96.0.0/12".parse().unwrap()];
        cidrs.extend(dual.then(|| "fd00::/112".parse::<ServiceCidr>().unwrap()));
        let ranges = Ranges::default().service_cidrs(cidrs);
        let at = Object::from(Service::clone(&old)).reference();
        if let Ok(completed) = validate::service(new, &at, &ranges, Some(&old)) {
            let families = defaults::families::named(&completed.spec);
            let Ok(Object::Service(read)) = read::object(&with_address(completed)) else { panic!("cannot be read") };
            makes_sense(&read);
            let kept = read.cluster_ips().first() == old.cluster_ips().first();
            let free = old.cluster_ips().is_empty() || read.cluster_ips().is_empty();
            prop_assert!(kept || free, "the primary address stays: {families:?}");
        }
    }
}
