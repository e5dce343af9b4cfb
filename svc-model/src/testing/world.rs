//! The small world: which names there are, and how many objects.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Edit, Step, endpoints, ingress, metadata, namespace, service};
use crate::{
    EndpointSlice, Endpoints, Kind, Meta, Object, ObjectName, ObjectRef, Pod, Service, ServiceImport,
    Snapshot,
};

/// The namespaces of the small world.
pub const NAMESPACES: [&str; 2] = ["default", "shop"];
/// The Services in each namespace of the small world; larger worlds go on with `web-1`.
pub const SERVICES: [&str; 4] = ["web", "api", "db", "dns"];
/// The nodes, each in one of two zones.
pub const NODES: [&str; 3] = ["server1", "server2", "server3"];

/// How large clusters and their histories are. The default is small, so that objects meet and failures shrink to
/// something that a person reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    services: u8,
    pods: u8,
    objects: usize,
    steps: usize,
}

impl Default for World {
    fn default() -> Self {
        Self { services: 8, pods: 6, objects: 48, steps: 12 }
    }
}

/// Beyond these the world's addresses and node ports would no longer be one Service's or one pod's alone.
const MOST_SERVICES: u8 = 120;
const MOST_PODS: u8 = 70;

impl World {
    /// As many names of Services in all namespaces together: 1-120.
    #[must_use]
    pub fn services(self, services: u8) -> Self {
        Self { services: services.clamp(1, MOST_SERVICES), ..self }
    }

    /// As many names of pods in each namespace: 1-70.
    #[must_use]
    pub fn pods(self, pods: u8) -> Self {
        Self { pods: pods.clamp(1, MOST_PODS), ..self }
    }

    /// A cluster has at most so many objects, nodes aside.
    #[must_use]
    pub fn objects(self, objects: usize) -> Self {
        Self { objects, ..self }
    }

    /// A history has at most so many events after the cluster came up; an [`Edit`] may take several steps.
    #[must_use]
    pub fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// A whole cluster: objects of all kinds, each name at most once. The nodes are always there.
    pub fn cluster(self) -> impl Strategy<Value = Vec<Object>> {
        let nodes = NODES.iter().enumerate().map(|(index, _)| endpoints::node(index).boxed());
        (nodes.collect::<Vec<_>>(), vec(self.object(), 0..=self.objects)).prop_map(|(nodes, others)| {
            let all = nodes.into_iter().chain(others);
            let unique: BTreeMap<ObjectRef, Object> =
                all.map(|object| (object.reference(), object)).collect();
            unique.into_values().collect()
        })
    }

    /// Any one object. Boxed kind by kind: the value trees together are too large for a test thread's stack.
    pub fn object(self) -> impl Strategy<Value = Object> {
        metadata::added(prop_oneof![
            6 => self.service().prop_map(Object::from).boxed(),
            8 => self.slice().prop_map(Object::from).boxed(),
            3 => self.pod().prop_map(Object::from).boxed(),
            1 => (0..NODES.len()).prop_flat_map(endpoints::node).boxed(),
            2 => ingress::ingress().prop_map(Object::from).boxed(),
            1 => ingress::ingress_class().prop_map(Object::from).boxed(),
            2 => ingress::secret().prop_map(Object::from).boxed(),
            1 => namespace().prop_map(Object::from).boxed(),
            1 => self.endpoints().prop_map(Object::from).boxed(),
            1 => ingress::config_map().prop_map(Object::from).boxed(),
            2 => self.service_import().prop_map(Object::from).boxed(),
        ])
    }

    /// As [`service`](super::service), among the names of this world.
    pub fn service(self) -> impl Strategy<Value = Service> {
        service::service(self)
    }

    /// As [`slice`](super::slice), of the Services of this world.
    pub fn slice(self) -> impl Strategy<Value = EndpointSlice> {
        endpoints::slice(self)
    }

    /// As [`service_import`](super::service_import), among the names of the Services of this world.
    pub fn service_import(self) -> impl Strategy<Value = ServiceImport> {
        service::service_import(self)
    }

    /// As [`endpoints`](super::endpoints), of the Services of this world.
    pub fn endpoints(self) -> impl Strategy<Value = Endpoints> {
        endpoints::endpoints(self)
    }

    /// As [`pod`](super::pod), among the names of this world.
    pub fn pod(self) -> impl Strategy<Value = Pod> {
        endpoints::pod(self)
    }

    /// One step: up to four objects set and up to four removed (which need not exist).
    pub fn step(self) -> impl Strategy<Value = Step> {
        let reference = self.object().prop_map(|object| object.reference());
        (vec(self.object(), 0..4), vec(reference, 0..4)).prop_map(|(set, removed)| Step { set, removed })
    }

    /// A cluster's life: it comes up, then objects come, change and go, by arbitrary steps and by [`Edit`]s.
    pub fn history(self) -> impl Strategy<Value = Vec<Step>> {
        let event = prop_oneof![
            self.step().prop_map(Event::Step).boxed(),
            Edit::any(self).prop_map(Event::Edit).boxed()
        ];
        (self.cluster(), vec(event, 1..=self.steps.max(1)))
            .prop_map(|(cluster, events)| lived(cluster, &events))
    }

    pub(super) fn slot(self) -> impl Strategy<Value = u8> {
        0..self.services
    }

    /// A pod's number in its namespace.
    pub(super) fn pod_number(self) -> impl Strategy<Value = u8> {
        0..self.pods
    }
}

#[derive(Clone, Debug)]
enum Event {
    Step(Step),
    Edit(Edit),
}

/// What an edit comes to depends on what is there when it happens.
fn lived(cluster: Vec<Object>, events: &[Event]) -> Vec<Step> {
    let mut history = vec![Step::setting(cluster)];
    let mut snapshot: Snapshot = history[0].set.iter().cloned().collect();
    for event in events {
        let steps = match event {
            Event::Step(step) => vec![step.clone()],
            Event::Edit(edit) => edit.steps(&snapshot),
        };
        for step in steps {
            snapshot = step.apply(&snapshot).0;
            history.push(step);
        }
    }
    history
}

/// The name of the Service with this number; what is its own (addresses, ports) is counted by the number.
pub(super) fn slot_name(slot: u8) -> ObjectName {
    let (round, index) = (usize::from(slot) / 8, usize::from(slot) % 8);
    let name = SERVICES[index % SERVICES.len()];
    let name = if round == 0 { name.to_owned() } else { format!("{name}-{round}") };
    ObjectName::new(NAMESPACES[index / SERVICES.len()], name)
}

/// The number of the Service with this name.
pub(super) fn slot_of(name: &ObjectName) -> Option<u8> {
    (0..MOST_SERVICES).find(|slot| slot_name(*slot) == *name)
}

pub(super) fn in_namespace(kind: Kind, names: &'static [&'static str]) -> impl Strategy<Value = ObjectName> {
    debug_assert!(kind.is_namespaced(), "{kind} has no namespace");
    (prop::sample::select(&NAMESPACES[..]), prop::sample::select(names))
        .prop_map(|(namespace, name)| ObjectName::new(namespace, name))
}

pub(super) fn meta(name: ObjectName) -> Meta {
    Meta { name, ..Meta::default() }
}

/// Labels that selectors of the small world may match.
pub(super) fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let pair = |key: &'static str, values: &'static [&'static str]| {
        prop::option::of(prop::sample::select(values))
            .prop_map(move |value| value.map(|value| (key.to_owned(), value.to_owned())))
    };
    (pair("app", &["web", "api"]), pair("tier", &["front", "back"]))
        .prop_map(|(app, tier)| [app, tier].into_iter().flatten().collect())
}
