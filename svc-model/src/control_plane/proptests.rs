//! Laws of the control plane.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::allocate::AddressPool;
use crate::endpoint_slices::{MANAGED_BY_LABEL, Scope};
use crate::{EndpointSlice, Kind, Service, Snapshot, testing, write};

#[derive(Clone, Debug)]
enum Operation {
    Apply(Vec<Object>),
    Delete(ObjectRef),
    Network(ObjectRef, bool),
    Ready(ObjectRef, bool),
    Terminating(ObjectRef),
}

fn operation() -> impl Strategy<Value = Operation> {
    let pod = || testing::pod().prop_map(|pod| ObjectRef::new(Kind::Pod, pod.name().clone()));
    prop_oneof![
        8 => vec(prop_oneof![testing::object().boxed(), testing::service().prop_map(freely_allocated).boxed(),
            (testing::service(), 30_000..30_004_u16).prop_map(grasping).boxed()], 1..8)
            .prop_map(Operation::Apply),
        2 => testing::reference().prop_map(Operation::Delete),
        2 => node().prop_map(|node| Operation::Apply(vec![node])),
        1 => node().prop_map(|node| Operation::Delete(node.reference())),
        2 => (pod(), any::<bool>()).prop_map(|(pod, attached)| Operation::Network(pod, attached)),
        1 => (pod(), any::<bool>()).prop_map(|(pod, ready)| Operation::Ready(pod, ready)),
        1 => pod().prop_map(Operation::Terminating),
    ]
}

fn node() -> impl Strategy<Value = Object> {
    (0..testing::NODES.len()).prop_flat_map(testing::node)
}

fn close_operation() -> impl Strategy<Value = Operation> {
    let pod = || {
        testing::pod().prop_map(|mut pod| {
            pod.meta.name = ObjectName::new("default", pod.name().name());
            pod.meta.labels = [("app".to_owned(), "web".to_owned())].into();
            pod
        })
    };
    let service = testing::World::default().services(1).service().prop_map(|mut service| {
        service.selector = crate::Selector::new([("app".to_owned(), "web".to_owned())].into());
        freely_allocated(service)
    });
    prop_oneof![
        1 => service.prop_map(|service| Operation::Apply(vec![service])).boxed(),
        4 => vec(pod().prop_map(Object::from), 1..3).prop_map(Operation::Apply).boxed(),
        1 => pod().prop_map(|pod| Operation::Delete(Object::from(pod).reference())).boxed(),
        3 => node().prop_map(|node| Operation::Apply(vec![node])),
        1 => node().prop_map(|node| Operation::Delete(node.reference())),
    ]
}

/// The Service asking for a node port that another one may have.
fn grasping((mut service, number): (Service, u16)) -> Object {
    service.ports.truncate(1);
    service.ports.iter_mut().for_each(|port| port.node_port = port.node_port.map(|_| number));
    service.into()
}

/// The Service without its addresses and ports: they are to be allocated.
fn freely_allocated(mut service: Service) -> Object {
    service.ports.iter_mut().for_each(|port| port.node_port = None);
    if let crate::service::Spec::Virtual(spec) = &mut service.spec {
        spec.cluster_ips.truncate(1);
        if let crate::service::Exposure::LoadBalancer(balancer) = &mut spec.exposure {
            balancer.health_check_node_port = None;
            balancer.ingress.clear();
        }
    }
    service.into()
}

/// As a user writes it: no status that claims what the pool has for another, no address that is the cluster's to give.
fn manifest(object: &Object) -> Manifest {
    let mut manifest = write::manifest(object);
    if let Manifest::Service(service) = &mut manifest {
        service.status = None;
    }
    if let Manifest::Service(service) = &mut manifest
        && service.spec.cluster_ips.as_ref().is_some_and(|ips| ips.len() == 1 && ips[0] != "None")
    {
        (service.spec.cluster_ip, service.spec.cluster_ips, service.spec.ip_families) = (None, None, None);
    }
    manifest
}

fn control() -> ControlPlane {
    let pool = AddressPool::builder()
        .range("192.0.2.0/30".parse().unwrap())
        .range("2001:db8::/126".parse().unwrap());
    ControlPlane::builder()
        .service_cidr("10.96.0.0/24".parse().unwrap())
        .service_cidr("fd00:10:96::/112".parse().unwrap())
        .load_balancer(Box::new(pool.class("example.com/lab").build()))
        .build()
}

fn run(control: &mut ControlPlane, operation: &Operation) -> Outcome {
    match operation {
        Operation::Apply(objects) => {
            let manifests: Vec<_> = objects.iter().map(manifest).collect();
            control.apply_manifests(&manifests)
        }
        Operation::Delete(reference) => control.delete(reference),
        Operation::Network(pod, true) => {
            control.pod_network(&pod.name, &["10.244.9.9".parse().unwrap(), "fd00::9".parse().unwrap()])
        }
        Operation::Network(pod, false) => control.pod_network(&pod.name, &[]),
        Operation::Ready(pod, ready) => control.pod_ready(&pod.name, *ready),
        Operation::Terminating(pod) => control.pod_terminating(&pod.name),
    }
}

fn services(control: &ControlPlane) -> Vec<&Service> {
    control
        .objects()
        .filter_map(|object| match object {
            Object::Service(service) => Some(service.as_ref()),
            _ => None,
        })
        .collect()
}

/// No address and no node port belongs to two Services, and the ledgers hold exactly what the Services have.
fn nothing_is_shared(control: &ControlPlane) {
    let services = services(control);
    let addresses: Vec<_> = services.iter().flat_map(|service| service.cluster_ips().to_vec()).collect();
    assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), addresses.len());
    assert_eq!(control.cluster_ips.iter().map(ClusterIps::held).sum::<usize>(), addresses.len());
    let ports: Vec<_> = services.iter().flat_map(|service| node_ports(service)).collect();
    assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
    assert_eq!(control.node_ports.held(), ports.len());
    let balanced = services.iter().filter(|service| control.is_served(service));
    let outside: Vec<_> =
        balanced.flat_map(|service| service.load_balancer_ingress()).map(|it| it.ip()).collect();
    assert_eq!(outside.iter().collect::<BTreeSet<_>>().len(), outside.len(), "{outside:?}");
}

fn node_ports(service: &Service) -> BTreeSet<u16> {
    let ports = service.ports().iter().filter_map(|port| port.node_port());
    ports.chain(service.health_check_node_port()).collect()
}

fn derived(control: &ControlPlane, service: &Service) -> Vec<Arc<EndpointSlice>> {
    let is_derived = |slice: &&Arc<EndpointSlice>| slice.meta().labels().contains_key(MANAGED_BY_LABEL);
    let slices = control.of_kind(Kind::EndpointSlice).filter_map(|object| match object {
        Object::EndpointSlice(slice) => Some(slice),
        _ => None,
    });
    let mine = slices.filter(|slice| slice.service() == Some(service.name()));
    mine.filter(is_derived).cloned().collect()
}

fn endpoints<'a>(slices: impl IntoIterator<Item = &'a EndpointSlice>) -> BTreeSet<String> {
    let rows = slices.into_iter().flat_map(|slice| {
        let of = move |endpoint| format!("{} {:?} {endpoint:?}", slice.address_type(), slice.ports());
        slice.endpoints().iter().map(of)
    });
    rows.collect()
}

/// The endpoints are those that a controller would derive if it saw everything for the first time, and one that looks at
/// what stands finds nothing to do.
fn endpoints_follow(control: &ControlPlane, snapshot: &Snapshot) {
    let mut known = 0;
    for service in services(control) {
        let existing = derived(control, service);
        known += existing.len();
        let reconcile = |existing: &[Arc<EndpointSlice>]| {
            Controller::default().reconcile(service, existing, &Scope::Service, snapshot)
        };
        let left = reconcile(&existing);
        assert!(left.set.is_empty() && left.removed.is_empty(), "{left:?}");
        let scratch = reconcile(&[]);
        assert_eq!(endpoints(existing.iter().map(AsRef::as_ref)), endpoints(&scratch.set));
        let skipped: BTreeSet<_> = scratch.skipped.into_iter().map(|(pod, _)| pod).collect();
        assert_eq!(control.skipped.get(service.name()).cloned().unwrap_or_default(), skipped);
    }
    let all = control.of_kind(Kind::EndpointSlice);
    let all = all.filter(|slice| slice.meta().labels().contains_key(MANAGED_BY_LABEL));
    assert_eq!(all.count(), known, "none is left of a Service that is gone");
}

fn is_lost(object: &Object) -> bool {
    matches!(object, Object::EndpointSlice(slice) if slice.service().is_none() && slice.imported_service().is_none())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_life_keeps_every_law(operations in vec(operation(), 1..16)) {
        let mut control = control();
        let mut snapshot = Snapshot::default();
        for operation in &operations {
            let outcome = run(&mut control, operation);
            snapshot = snapshot.with(outcome.set().to_vec(), outcome.removed().to_vec()).0;
            nothing_is_shared(&control);
            // Slices that belong to nothing are shown to nobody.
            let shown = control.objects().filter(|object| !is_lost(object));
            prop_assert_eq!(&snapshot.objects(), &shown.cloned().collect::<Vec<_>>());
            endpoints_follow(&control, &snapshot);
        }
    }

    /// As above, with nothing but pods of one Service, their nodes, and the Service: so that they meet.
    #[test]
    fn endpoints_follow_pods_and_nodes(operations in vec(close_operation(), 1..32)) {
        let mut control = control();
        for operation in &operations {
            drop(run(&mut control, operation));
            let snapshot: Snapshot = control.objects().cloned().collect();
            endpoints_follow(&control, &snapshot);
        }
    }

    #[test]
    fn applying_twice_is_applying_once(cluster in testing::cluster()) {
        let mut control = control();
        let manifests: Vec<_> = cluster.iter().map(manifest).collect();
        let first = control.apply_manifests(&manifests);
        let again = control.apply_manifests(&manifests);
        prop_assert!(again.set().is_empty() && again.removed().is_empty(), "{:?}", again);
        // What is served again is what was refused before.
        prop_assert_eq!(first.problems(), again.problems());
    }

    #[test]
    fn the_small_world_is_valid(object in testing::object()) {
        let ranges = control().ranges;
        prop_assert_eq!(crate::validate::create(&write::manifest(&object), &ranges), Ok(()));
    }

    /// A manifest that is refused half-way leaves nothing behind; one that is accepted can be read.
    #[test]
    fn deleting_everything_gives_everything_back(operations in vec(operation(), 1..16)) {
        let mut control = control();
        operations.iter().for_each(|operation| drop(run(&mut control, operation)));
        let all: Vec<_> = control.objects().map(Object::reference).collect();
        all.iter().for_each(|reference| drop(control.delete(reference)));
        prop_assert_eq!(control.objects().count(), 0);
        prop_assert_eq!(control.node_ports.held(), 0);
        prop_assert_eq!(control.cluster_ips.iter().map(ClusterIps::held).sum::<usize>(), 0);
        prop_assert!(control.derived.is_empty() && control.skipped.is_empty() && control.unserved.is_empty());
    }
}
