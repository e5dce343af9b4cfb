//! proptest strategies: objects, whole clusters, and their histories, for tests of whatever consumes snapshots.
//!
//! All names and addresses come from a small world, so that objects meet: slices have a Service, two slices share an
//! address, a change hits something that exists. Within that world everything is valid: no two Services share a
//! virtual address, a node port or an outside address, whatever is combined.
//!
//! ```
//! use proptest::prelude::*;
//! use svc_model::{Snapshot, testing};
//!
//! proptest!(|(history in testing::history())| {
//!     let mut snapshot = Snapshot::default();
//!     for step in &history {
//!         let (next, delta) = step.apply(&snapshot);
//!         // consumer.update(&next, &delta) must equal Consumer::new(&next)
//!         prop_assert_eq!(delta.is_empty(), next.revision() == snapshot.revision());
//!         snapshot = next;
//!     }
//! });
//! ```

mod endpoints;
mod ingress;
mod service;

use proptest::collection::vec;
use proptest::prelude::*;

pub use endpoints::{node, pod, slice};
pub use ingress::{ingress, ingress_class, secret};
pub use service::service;

use crate::{Delta, Kind, Namespace, Object, ObjectName, ObjectRef, Snapshot};

/// The namespaces of the small world.
pub const NAMESPACES: [&str; 2] = ["default", "shop"];
/// The Services in each namespace.
pub const SERVICES: [&str; 4] = ["web", "api", "db", "dns"];
/// The nodes, each in one of two zones.
pub const NODES: [&str; 3] = ["server1", "server2", "server3"];

/// A whole cluster: objects of all kinds, each name at most once. The nodes are always there.
pub fn cluster() -> impl Strategy<Value = Vec<Object>> {
    let nodes = NODES.iter().enumerate().map(|(index, _)| node(index).boxed()).collect::<Vec<_>>();
    (nodes, vec(object(), 0..48)).prop_map(|(nodes, others)| {
        let all = nodes.into_iter().chain(others);
        let unique: std::collections::BTreeMap<ObjectRef, Object> =
            all.map(|object| (object.reference(), object)).collect();
        unique.into_values().collect()
    })
}

/// Any one object. Boxed kind by kind: the value trees together are too large for a test thread's stack.
pub fn object() -> impl Strategy<Value = Object> {
    prop_oneof![
        6 => service().prop_map(Object::from).boxed(),
        8 => slice().prop_map(Object::from).boxed(),
        3 => pod().prop_map(Object::from).boxed(),
        1 => (0..NODES.len()).prop_flat_map(node).boxed(),
        2 => ingress().prop_map(Object::from).boxed(),
        1 => ingress_class().prop_map(Object::from).boxed(),
        2 => secret().prop_map(Object::from).boxed(),
        1 => namespace().prop_map(Object::from).boxed(),
    ]
}

/// A Namespace object.
pub fn namespace() -> impl Strategy<Value = Namespace> {
    let named = prop_oneof![prop::sample::select(&NAMESPACES[..]), Just("empty")];
    (named, labels()).prop_map(|(name, labels)| Namespace {
        meta: crate::Meta { labels, ..meta(ObjectName::cluster(name)) },
    })
}

/// What happens at once: one revision of a store.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Objects put in place.
    pub set: Vec<Object>,
    /// Objects removed, before any is put in place.
    pub removed: Vec<ObjectRef>,
}

impl Step {
    /// The snapshot after this step, and the difference.
    #[must_use]
    pub fn apply(&self, snapshot: &Snapshot) -> (Snapshot, Delta) {
        snapshot.with(self.set.iter().cloned(), self.removed.iter().cloned())
    }
}

/// A cluster's life: it comes up, then objects come, change and go.
pub fn history() -> impl Strategy<Value = Vec<Step>> {
    let start = cluster().prop_map(|set| Step { set, removed: Vec::new() });
    (start, vec(step(), 1..12)).prop_map(|(start, steps)| std::iter::once(start).chain(steps).collect())
}

/// One step: up to four objects set and up to four removed (which need not exist).
pub fn step() -> impl Strategy<Value = Step> {
    (vec(object(), 0..4), vec(reference(), 0..4)).prop_map(|(set, removed)| Step { set, removed })
}

/// The name of any object that may exist in the small world.
pub fn reference() -> impl Strategy<Value = ObjectRef> {
    object().prop_map(|object| object.reference())
}

/// A Service's number in the small world: what is its own (addresses, ports) is counted by it.
fn slot() -> impl Strategy<Value = u8> {
    0..u8::try_from(NAMESPACES.len() * SERVICES.len()).unwrap_or(u8::MAX)
}

fn slot_name(slot: u8) -> ObjectName {
    let slot = usize::from(slot);
    ObjectName::new(NAMESPACES[slot / SERVICES.len()], SERVICES[slot % SERVICES.len()])
}

fn in_namespace(kind: Kind, names: &'static [&'static str]) -> impl Strategy<Value = ObjectName> {
    debug_assert!(kind.is_namespaced(), "{kind} has no namespace");
    (prop::sample::select(&NAMESPACES[..]), prop::sample::select(names))
        .prop_map(|(namespace, name)| ObjectName::new(namespace, name))
}

fn meta(name: ObjectName) -> crate::Meta {
    crate::Meta { name, ..crate::Meta::default() }
}

/// Labels that selectors of the small world may match.
fn labels() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    let pair = |key: &'static str, values: &'static [&'static str]| {
        prop::option::of(prop::sample::select(values))
            .prop_map(move |value| value.map(|value| (key.to_owned(), value.to_owned())))
    };
    (pair("app", &["web", "api"]), pair("tier", &["front", "back"]))
        .prop_map(|(app, tier)| [app, tier].into_iter().flatten().collect())
}
