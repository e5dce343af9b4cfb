//! The small world is valid, is read as it is written, and has everything in it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::service::Spec;
use crate::topology::PROXY_NAME_LABEL;
use crate::validate::{self, Ranges};
use crate::{
    AddressType, ControlPlane, IpMode, Protocol, ServiceType, TargetPort, TrafficPolicy, read, write,
};

/// The cluster that the world's addresses are of.
fn ranges() -> Ranges {
    Ranges::default()
        .service_cidrs(vec!["10.96.0.0/24".parse().unwrap(), "fd00:10:96::/112".parse().unwrap()])
}

fn spelled() -> impl Strategy<Value = (Object, crate::wire::Manifest)> {
    object().prop_flat_map(|object| (Just(object.clone()), manifest(&object)))
}

proptest! {
    #![proptest_config(Config { cases: 256, ..Config::default() })]

    #[test]
    fn whatever_is_made_would_be_accepted_when_created(object in object()) {
        prop_assert_eq!(validate::create(&write::manifest(&object), &ranges()), Ok(()));
    }

    #[test]
    fn a_cluster_in_other_words_is_the_same_cluster(
        (cluster, manifests) in cluster().prop_flat_map(|all| (Just(all.clone()), manifests(&all))),
    ) {
        let read: Vec<_> = manifests.iter().filter_map(|manifest| read::stored(manifest).unwrap()).collect();
        prop_assert_eq!(read.len(), cluster.len());
        let snapshot = |objects: Vec<Object>| objects.into_iter().collect::<Snapshot>().objects();
        prop_assert_eq!(snapshot(read), snapshot(cluster));
    }

    #[test]
    fn in_every_spelling_it_is_read_as_it_was(spelled in spelled()) {
        let (object, manifest) = spelled;
        prop_assert_eq!(read::object(&manifest).unwrap(), object);
    }
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    /// What edits lead to is as valid as what was there: a cluster can be created from any point of a history.
    #[test]
    fn every_point_of_a_history_is_a_valid_cluster(history in history()) {
        let mut snapshot = Snapshot::default();
        for step in &history {
            snapshot = step.apply(&snapshot).0;
            for object in &step.set {
                prop_assert_eq!(validate::create(&write::manifest(object), &ranges()), Ok(()));
                prop_assert_eq!(&read::object(&write::manifest(object)).unwrap(), object);
            }
        }
        let manifests: Vec<_> = snapshot.objects().iter().map(write::manifest).collect();
        let mut control = ControlPlane::builder()
            .service_cidr("10.96.0.0/24".parse().unwrap())
            .service_cidr("fd00:10:96::/112".parse().unwrap())
            .build();
        let created = control.apply_manifests(&manifests);
        prop_assert!(created.problems().is_empty(), "{created:?}");
        let outcome = control.update_status(manifests.iter().filter(|manifest| manifest.has_status()));
        // A Node may go before its pods: they are left out of the endpoints, which is said.
        let homeless = |problem: &&crate::Problem| problem.message().starts_with("there is no Node ");
        let wrong: Vec<_> = outcome.problems().iter().filter(|problem| !homeless(problem)).collect();
        prop_assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn the_size_is_what_was_asked_for(history in World::default().services(120).pods(70).objects(90).steps(2).history()) {
        let cluster: Snapshot = history[0].set.iter().cloned().collect();
        prop_assert!(history[0].set.len() <= 90 + NODES.len());
        let addresses: Vec<_> = cluster.services().flat_map(|service| service.cluster_ips().to_vec()).collect();
        prop_assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), addresses.len());
        let pods: Vec<_> = cluster.pods().flat_map(|pod| pod.ips().to_vec()).collect();
        prop_assert_eq!(pods.iter().collect::<BTreeSet<_>>().len(), pods.len());
    }
}

/// What is in a cluster, in words.
fn features(snapshot: &Snapshot, found: &mut BTreeSet<String>) {
    for import in snapshot.service_imports() {
        let slices = snapshot.slices_of_import(import.name());
        let clusters = slices.filter_map(|slice| slice.source_cluster()).collect::<BTreeSet<_>>().len();
        found.insert(format!("import headless {}, clusters {clusters}", import.is_headless()));
    }
    for service in snapshot.services() {
        features_of_service(service, found);
    }
    for slice in snapshot.slices() {
        let mut note = |what: String| found.extend([what]);
        note(format!("{} slice", slice.address_type()));
        for endpoint in slice.endpoints() {
            let (ready, serving, terminating) =
                (endpoint.ready(), endpoint.serving(), endpoint.terminating());
            note(format!("endpoint {ready} {serving} {terminating}"));
            note(format!(
                "zone hints {}, node hints {}",
                endpoint.zone_hints().len(),
                endpoint.node_hints().len()
            ));
        }
        for port in slice.ports() {
            note(format!(
                "slice port named {}, with number {}",
                !port.name().is_empty(),
                port.port().is_some()
            ));
        }
        let service = slice.service().and_then(|name| snapshot.service(name));
        let foreign = service.is_some_and(|service| !service.families().contains(&slice.address_type()));
        note(format!("slice of a foreign family {foreign}"));
        let twins = snapshot.slices_of(slice.service().unwrap()).filter(|other| other.name() != slice.name());
        let address =
            |of: &EndpointSlice| of.endpoints().iter().map(|it| it.address()).collect::<BTreeSet<_>>();
        for twin in twins {
            note(format!("address in two slices {}", !address(twin).is_disjoint(&address(slice))));
        }
    }
    for endpoints in snapshot.services().filter_map(|service| snapshot.endpoints(service.name())) {
        let count = snapshot.slices_of(endpoints.name()).filter(|it| is_mirrored(it)).count();
        found.insert(format!("mirrored slices {}", count.min(2)));
        for subset in endpoints.subsets() {
            let (ready, not_ready) = (subset.ready().is_empty(), subset.not_ready().is_empty());
            found.insert(format!("subset {ready} {not_ready}"));
            found.extend(
                subset.ports().iter().map(|port| format!("subset port named {}", !port.name().is_empty())),
            );
        }
    }
    for map in snapshot.config_maps() {
        found.insert(format!("map {} {}", map.data().is_empty(), map.binary_data().is_empty()));
    }
    found.extend(snapshot.nodes().map(|node| format!("node with a zone {}", node.zone().is_some())));
    found.extend(snapshot.pods().map(|pod| format!("pod {:?}", pod.phase())));
    for object in snapshot.objects() {
        let meta = object.meta();
        found.insert(format!("owner {}", !meta.owner_references().is_empty()));
        found.insert(format!("finalizer {}", !meta.finalizers().is_empty()));
        found.insert(format!("version {}", meta.resource_version().is_some()));
    }
}

fn is_mirrored(slice: &EndpointSlice) -> bool {
    slice.meta().labels().values().any(|label| label == crate::MIRRORED_BY)
}

fn features_of_service(service: &Service, found: &mut BTreeSet<String>) {
    let mut note = |what: String| found.extend([what]);
    note(format!("{:?} {:?}", service.service_type(), service.families()));
    note(format!("headless {}", matches!(service.spec, Spec::Headless(_))));
    note(format!("selector {}", service.selector().is_some()));
    note(format!("affinity {:?}", service.session_affinity()));
    note(format!(
        "internal {:?}, external {:?}",
        service.internal_traffic_policy(),
        service.external_traffic_policy()
    ));
    note(format!("health check {}", service.health_check_node_port().is_some()));
    note(format!("externalIPs {}", service.external_ips().len()));
    note(format!("{} ports", service.ports().len()));
    for label in service.meta().labels().keys() {
        note(label.clone());
    }
    note(format!("topology {:?}", service.topology_mode()));
    let ingress = service.load_balancer_ingress();
    note(format!("balancer by name {}", ingress.iter().any(|it| it.hostname().is_some())));
    note(format!(
        "balancer by name alone {}",
        !ingress.is_empty() && ingress.iter().all(|it| it.ip().is_none())
    ));
    for port in service.ports() {
        note(format!("{:?} named {}", port.protocol(), !port.name().is_empty()));
        note(format!("target by name {}", matches!(port.target_port(), TargetPort::Name(_))));
    }
    let modes: BTreeSet<_> =
        service.load_balancer_ingress().iter().map(|ingress| ingress.ip_mode()).collect();
    note(format!("balancer {modes:?}"));
    let ranges = service.source_ranges().iter();
    let families: BTreeSet<_> = ranges.map(|range| AddressType::of(range.addr())).collect();
    note(format!("source ranges {families:?}"));
}

/// Nothing of the list can silently be lost from the strategies.
#[test]
fn everything_that_a_cluster_may_hold_occurs() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut found = BTreeSet::new();
    for _ in 0..200 {
        let cluster = World::default().objects(96).cluster().new_tree(&mut runner).unwrap().current();
        let lost =
            |object: &Object| matches!(object, Object::EndpointSlice(slice) if slice.service().is_none());
        found.extend(cluster.iter().filter(|object| lost(object)).map(|_| "slice of no Service".to_owned()));
        let manifests = manifests(&cluster).new_tree(&mut runner).unwrap().current();
        found.extend(manifests.iter().filter_map(in_other_words));
        features(&cluster.into_iter().collect(), &mut found);
    }
    let wanted = wanted();
    let missing: Vec<_> = wanted.iter().filter(|feature| !found.contains(*feature)).collect();
    assert!(missing.is_empty(), "{missing:#?} not among {found:#?}");
}

/// What only a manifest can say.
fn in_other_words(manifest: &crate::wire::Manifest) -> Option<String> {
    let crate::wire::Manifest::EndpointSlice(slice) = manifest else { return None };
    if slice.address_type.as_deref() == Some("FQDN") {
        return Some("slice of names".to_owned());
    }
    let nameless = slice.ports.iter().flatten().any(|port| port.name.is_none());
    nameless.then(|| "slice port that says no name".to_owned())
}

/// Every feature that must occur, in the words of [`features`].
fn wanted() -> Vec<String> {
    let mut wanted: Vec<String> = Vec::new();
    let both = [AddressType::Ipv4, AddressType::Ipv6];
    for service_type in [ServiceType::ClusterIp, ServiceType::NodePort, ServiceType::LoadBalancer] {
        for families in [&both[..1], &both[1..], &both[..], &[AddressType::Ipv6, AddressType::Ipv4]] {
            wanted.push(format!("{service_type:?} {families:?}"));
        }
    }
    wanted.push("ExternalName []".to_owned());
    wanted.extend([true, false].into_iter().flat_map(wanted_with_and_without));
    for policy in [TrafficPolicy::Cluster, TrafficPolicy::Local] {
        wanted.push(format!("internal {policy:?}, external Cluster"));
        wanted.push(format!("internal {policy:?}, external Local"));
    }
    for modes in [&[IpMode::Vip][..], &[IpMode::Proxy], &[IpMode::Vip, IpMode::Proxy]] {
        wanted.push(format!("balancer {:?}", modes.iter().collect::<BTreeSet<_>>()));
    }
    for families in [&both[..1], &both[1..], &both[..], &[]] {
        wanted.push(format!("source ranges {:?}", families.iter().collect::<BTreeSet<_>>()));
    }
    wanted.extend(
        ["IPv4 slice", "IPv6 slice", "affinity None", "affinity Some(10800s)", "1 ports", "3 ports"]
            .map(str::to_owned),
    );
    wanted.extend(["Some(\"Auto\")", "Some(\"Disabled\")", "None"].map(|mode| format!("topology {mode}")));
    wanted.extend((0..=2).map(|count| format!("mirrored slices {count}")));
    wanted.extend(["true false", "false true", "false false"].map(|it| format!("subset {it}")));
    wanted
        .extend(["slice of no Service", "slice of names", "slice port that says no name"].map(str::to_owned));
    wanted.extend(["pod Running", "pod Pending", "pod Succeeded", "pod Failed"].map(str::to_owned));
    wanted.extend(["externalIPs 0", "externalIPs 2", PROXY_NAME_LABEL].map(str::to_owned));
    wanted.extend(
        (0..=2).flat_map(|zones| (0..=1).map(move |nodes| format!("zone hints {zones}, node hints {nodes}"))),
    );
    wanted
}

fn wanted_with_and_without(yes: bool) -> Vec<String> {
    let mut wanted = vec![
        format!("headless {yes}"),
        format!("selector {yes}"),
        format!("health check {yes}"),
        format!("target by name {yes}"),
        format!("slice of a foreign family {yes}"),
        format!("address in two slices {yes}"),
        format!("node with a zone {yes}"),
        format!("balancer by name {yes}"),
        format!("balancer by name alone {yes}"),
        format!("subset port named {yes}"),
        format!("owner {yes}"),
        format!("finalizer {yes}"),
        format!("version {yes}"),
    ];
    wanted.extend((0..=2).map(|clusters| format!("import headless {yes}, clusters {clusters}")));
    for also in [true, false] {
        wanted.push(format!("slice port named {yes}, with number {also}"));
        wanted.extend([true, false].map(|too| format!("endpoint {yes} {also} {too}")));
        wanted.push(format!("map {yes} {also}"));
    }
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
        wanted.push(format!("{protocol:?} named {yes}"));
    }
    wanted
}
