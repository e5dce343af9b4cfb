//! Laws of the controller: what a history of changes leads to, and what each change costs.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::testing::{self, Step, World};
use crate::{Kind, Object, ObjectRef, Selector};

const MAX: usize = 3;

/// A Service that selects every pod of its namespace which has an `app`, or most.
fn service() -> impl Strategy<Value = Service> {
    let auto = prop::bool::weighted(0.2);
    (World::default().services(1).service(), any::<bool>(), auto).prop_map(|(mut service, narrow, auto)| {
        let pairs = [("run", "all"), ("app", "web")].into_iter().take(if narrow { 2 } else { 1 });
        service.selector =
            Selector::new(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
        if auto {
            let mode = "service.kubernetes.io/topology-mode".to_owned();
            service.meta.annotations.insert(mode, "Auto".to_owned());
        }
        service
    })
}

/// A pod that may be selected, in the Service's namespace.
fn pod() -> impl Strategy<Value = Pod> {
    World::default().pods(12).pod().prop_map(|mut pod| {
        pod.meta.name = ObjectName::new("default", pod.name().name());
        pod.meta.labels.insert("run".to_owned(), "all".to_owned());
        pod
    })
}

#[derive(Clone, Debug)]
enum Event {
    Pods(Vec<Pod>, Vec<Pod>),
    Node(Object, bool),
    Service(Box<Service>),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (vec(pod(), 0..4), vec(pod(), 0..3)).prop_map(|(set, removed)| Event::Pods(set, removed)).boxed(),
        2 => ((0..3_usize).prop_flat_map(testing::node), any::<bool>()).prop_map(|(node, gone)| Event::Node(node, gone)),
        1 => service().prop_map(|service| Event::Service(Box::new(service))).boxed(),
    ]
}

/// What stands after the events so far.
#[derive(Clone, Debug)]
struct Life {
    service: Service,
    snapshot: Snapshot,
    slices: BTreeMap<ObjectName, Arc<EndpointSlice>>,
}

impl Life {
    fn new(service: Service) -> Self {
        Self { service, snapshot: Snapshot::default(), slices: BTreeMap::new() }
    }

    /// Takes the event in, and says how far the controller has to look.
    fn take(&mut self, event: &Event) -> Scope {
        match event {
            Event::Service(service) => {
                self.service = Service::clone(service);
                Scope::Service
            }
            Event::Pods(set, removed) => {
                let reference = |pod: &Pod| ObjectRef::new(Kind::Pod, pod.name().clone());
                let mut step = Step::setting(set.iter().cloned().map(Object::from));
                step.removed = removed.iter().map(reference).collect();
                self.snapshot = step.apply(&self.snapshot).0;
                Scope::Pods(set.iter().chain(removed).map(|pod| pod.name().clone()).collect())
            }
            Event::Node(node, gone) => {
                let others = self.snapshot.nodes().count();
                let step = match gone {
                    true => Step::removing([node.reference()]),
                    false => Step::setting([node.clone()]),
                };
                self.snapshot = step.apply(&self.snapshot).0;
                // The first node makes all others unknown, and without the last one none is.
                if others == 0 || self.snapshot.nodes().count() == 0 {
                    return Scope::Service;
                }
                let name = node.meta().name().name();
                let here = self.snapshot.pods().filter(|pod| pod.node_name() == Some(name));
                Scope::Pods(here.map(|pod| pod.name().clone()).collect())
            }
        }
    }

    fn reconciled(&self, scope: &Scope) -> SliceChanges {
        let existing: Vec<_> = self.slices.values().cloned().collect();
        Controller::default().max_endpoints(MAX).reconcile(&self.service, &existing, scope, &self.snapshot)
    }

    fn write(&mut self, changes: SliceChanges) {
        self.slices.retain(|name, _| !changes.removed.contains(name));
        self.slices.extend(changes.set.into_iter().map(|slice| (slice.name().clone(), Arc::new(slice))));
    }

    /// Family, ports and endpoint, in an order of their own.
    fn endpoints(&self) -> Vec<String> {
        let rows = self.slices.values().flat_map(|slice| {
            slice
                .endpoints()
                .iter()
                .map(move |endpoint| format!("{} {:?} {endpoint:?}", slice.address_type(), slice.ports()))
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Looking only at what changed leads where looking at everything leads, and the endpoints are those that the cluster
    /// as it is gives, whatever came before.
    #[test]
    fn incremental_endpoints_equal_endpoints_from_scratch(first in service(), events in vec(event(), 1..24)) {
        let mut life = Life::new(first);
        life.write(life.reconciled(&Scope::Service));
        for event in &events {
            let scope = life.take(event);
            let changes = life.reconciled(&scope);
            let mut everything = life.reconciled(&Scope::Service);
            everything.skipped.retain(|(pod, _)| matches!(&scope, Scope::Service) || scope.includes(Some(pod)));
            let mut skipped = changes.skipped.clone();
            skipped.retain(|(pod, _)| matches!(&scope, Scope::Service) || scope.includes(Some(pod)));
            prop_assert_eq!(&(&changes.set, &changes.removed, &skipped), &(&everything.set, &everything.removed, &everything.skipped));
            life.write(changes);

            let left = life.reconciled(&Scope::Service);
            prop_assert!(left.set.is_empty() && left.removed.is_empty(), "{:?}", left);
            let mut scratch = Life { slices: BTreeMap::new(), ..life.clone() };
            scratch.write(scratch.reconciled(&Scope::Service));
            prop_assert_eq!(life.endpoints(), scratch.endpoints());
            let distinct: BTreeSet<_> = life.endpoints().into_iter().collect();
            prop_assert_eq!(distinct.len(), life.endpoints().len(), "each endpoint stands in one slice");
            prop_assert!(life.slices.values().all(|slice| slice.endpoints().len() <= MAX));
            let families: BTreeSet<_> = life.slices.values().map(|slice| slice.address_type()).collect();
            let empty = life.slices.values().filter(|slice| slice.endpoints().is_empty()).count();
            prop_assert!(empty <= families.len(), "at most a placeholder in each family");
        }
    }

    /// A change of one pod writes one slice for each set of ports that it has, or had, in each family. One that comes back
    /// with another address is, as in Kubernetes, an endpoint that goes and one that comes.
    #[test]
    fn one_pod_costs_one_write_a_group(mut first in service(), pods in vec(pod(), 1..24)) {
        first.meta.annotations.clear();
        let mut life = Life::new(first);
        life.write(life.reconciled(&Scope::Service));
        for pod in &pods {
            let before = life.endpoints_of(pod.name());
            let scope = life.take(&Event::Pods(vec![pod.clone()], vec![]));
            let changes = life.reconciled(&scope);
            let writes = changes.set.len() + changes.removed.len();
            life.write(changes);
            let after = life.endpoints_of(pod.name());
            let groups: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
            prop_assert!(writes <= groups.len(), "{writes} writes for {groups:?}");
            prop_assert!(writes > 0 || before == after);
        }
    }
}

impl Life {
    fn endpoints_of(&self, pod: &ObjectName) -> BTreeMap<(Group, IpAddr), Endpoint> {
        let of_slice = |slice: &'_ Arc<EndpointSlice>| {
            let group = (slice.address_type(), slice.ports().to_vec());
            let found = slice.endpoints().iter().find(|endpoint| endpoint.target() == Some(pod));
            found.map(|endpoint| ((group, endpoint.address()), endpoint.clone()))
        };
        self.slices.values().filter_map(of_slice).collect()
    }
}
