//! Laws of the control plane.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::allocate::AddressPool;
use crate::endpoint_slices::{self, MANAGED_BY_LABEL};
use crate::{Kind, Pod, Service, Snapshot, testing, write};

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
        2 => (pod(), any::<bool>()).prop_map(|(pod, attached)| Operation::Network(pod, attached)),
        1 => (pod(), any::<bool>()).prop_map(|(pod, ready)| Operation::Ready(pod, ready)),
        1 => pod().prop_map(Operation::Terminating),
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

/// What the controller would derive if it saw everything for the first time.
fn slices_from_scratch(control: &ControlPlane) -> Vec<Object> {
    let snapshot: Snapshot = control.objects().cloned().collect();
    let selected = |service: &Service, pod: &&Pod| {
        pod.name().namespace() == service.name().namespace()
            && service.selector().is_some_and(|selector| selector.matches(pod.meta().labels()))
    };
    let derive = |service: &Service| {
        let pods = snapshot.pods().map(AsRef::as_ref).filter(|pod| selected(service, pod));
        endpoint_slices::derive(service, pods, |node| snapshot.node(node).cloned())
    };
    let mut slices: Vec<_> = services(control).into_iter().flat_map(derive).map(Object::from).collect();
    slices.sort_by_key(Object::reference);
    slices
}

fn derived(control: &ControlPlane) -> Vec<Object> {
    control
        .objects()
        .filter(|object| object.meta().labels().contains_key(MANAGED_BY_LABEL))
        .cloned()
        .collect()
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
            prop_assert_eq!(derived(&control), slices_from_scratch(&control));
            prop_assert_eq!(&snapshot.objects(), &control.objects().cloned().collect::<Vec<_>>());
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
        prop_assert!(control.derived.is_empty() && control.unserved.is_empty() && control.pod_status.is_empty());
    }
}
