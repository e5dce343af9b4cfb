//! The delta law: what the deltas of a history name is exactly what differs.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::{Delta, Kind, Object, ObjectName, ObjectRef, Snapshot, testing};

/// What a delta should say: names of the objects that differ, slices and Endpoints counted to what they belong to.
fn difference(old: &Snapshot, new: &Snapshot) -> BTreeSet<ObjectRef> {
    let (old, new) = (old.objects(), new.objects());
    let changed = old.iter().filter(|object| !new.contains(object));
    let changed = changed.chain(new.iter().filter(|object| !old.contains(object)));
    changed.flat_map(subjects).collect()
}

fn subjects(object: &Object) -> Vec<ObjectRef> {
    match object {
        Object::EndpointSlice(slice) => {
            let service = slice.service().map(|service| ObjectRef::new(Kind::Service, service.clone()));
            let import = slice.imported_service().map(|import| ObjectRef::new(Kind::ServiceImport, import));
            service.into_iter().chain(import).collect()
        }
        Object::Endpoints(endpoints) => vec![ObjectRef::new(Kind::Service, endpoints.name().clone())],
        other => vec![other.reference()],
    }
}

fn named(delta: &Delta) -> BTreeSet<ObjectRef> {
    let of = |kind: Kind, names: &BTreeSet<ObjectName>| {
        names.iter().map(|name| ObjectRef::new(kind, name.clone())).collect::<Vec<_>>()
    };
    let cluster = |kind: Kind, names: &BTreeSet<String>| {
        names.iter().map(|name| ObjectRef::new(kind, ObjectName::cluster(name.as_str()))).collect::<Vec<_>>()
    };
    [
        of(Kind::Service, delta.services()),
        of(Kind::Pod, delta.pods()),
        of(Kind::Ingress, delta.ingresses()),
        of(Kind::Secret, delta.secrets()),
        of(Kind::ConfigMap, delta.config_maps()),
        of(Kind::ServiceImport, delta.service_imports()),
        cluster(Kind::Node, delta.nodes()),
        cluster(Kind::IngressClass, delta.ingress_classes()),
    ]
    .concat()
    .into_iter()
    .collect()
}

fn known_namespaces(snapshot: &Snapshot) -> BTreeSet<String> {
    let candidates = testing::NAMESPACES.iter().copied().chain(["empty"]);
    candidates.filter(|name| snapshot.has_namespace(name)).map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_delta_names_what_differs_and_nothing_else(history in testing::history()) {
        let mut snapshot = Snapshot::default();
        for step in &history {
            let (next, delta) = step.apply(&snapshot);
            let mut expected = difference(&snapshot, &next);
            expected.retain(|reference| reference.kind != Kind::Namespace);
            prop_assert_eq!(named(&delta), expected);
            for name in known_namespaces(&snapshot).symmetric_difference(&known_namespaces(&next)) {
                prop_assert!(delta.namespaces().contains(name));
            }
            prop_assert_eq!((delta.from(), delta.to()), (snapshot.revision(), next.revision()));
            snapshot = next;
        }
    }

    #[test]
    fn a_snapshot_by_steps_is_the_snapshot_from_scratch(history in testing::history()) {
        let mut snapshot = Snapshot::default();
        for step in &history {
            snapshot = step.apply(&snapshot).0;
        }
        let scratch: Snapshot = snapshot.objects().into_iter().collect();
        for service in snapshot.services() {
            let of = |snapshot: &Snapshot| snapshot.slices_of(service.name()).cloned().collect::<Vec<_>>();
            prop_assert_eq!(of(&snapshot), of(&scratch), "mirrored ones too");
        }
        for import in snapshot.service_imports() {
            let of = |snapshot: &Snapshot| snapshot.slices_of_import(import.name()).cloned().collect::<Vec<_>>();
            prop_assert_eq!(of(&snapshot), of(&scratch));
        }
        prop_assert_eq!(snapshot.objects(), scratch.objects());
        prop_assert_eq!(known_namespaces(&snapshot), known_namespaces(&scratch));
        let all: Vec<_> = snapshot.namespace_names().map(str::to_owned).collect();
        prop_assert_eq!(all, known_namespaces(&snapshot).into_iter().collect::<Vec<_>>());
        let references: Vec<_> = snapshot.objects().iter().map(Object::reference).collect();
        prop_assert_eq!(snapshot.references(), references);
        for slice in scratch.slices() {
            prop_assert!(snapshot.slices_of(slice.service().unwrap()).any(|known| known == slice));
            prop_assert_eq!(snapshot.slice(slice.name()), Some(slice));
        }
    }

    #[test]
    fn everything_removed_is_nothing(cluster in testing::cluster()) {
        let full: Snapshot = cluster.into_iter().collect();
        let (empty, delta) = full.with([], full.references());
        prop_assert!(empty.objects().is_empty() && known_namespaces(&empty).is_empty());
        prop_assert_eq!(delta.is_empty(), full.objects().is_empty());
    }
}
