//! What API servers and controllers add to the metadata of any object.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::meta::{Bookkeeping, Record, Rest};
use crate::wire::ManagedFieldsEntry;
use crate::{Object, OwnerReference};

/// Mostly nothing; else owners, finalizers, a name that was made, and what API servers count and write down.
pub(super) fn added(objects: impl Strategy<Value = Object>) -> impl Strategy<Value = Object> {
    (objects, prop::option::weighted(0.2, rest()), prop::option::weighted(0.3, record())).prop_map(
        |(object, rest, record)| {
            object.with_meta(|meta| {
                meta.rest = rest.map(Box::new);
                meta.record = Bookkeeping(record.map(Box::new));
            })
        },
    )
}

fn rest() -> impl Strategy<Value = Rest> {
    let owner = |kind: &str, controller| OwnerReference {
        api_version: "apps/v1".into(),
        kind: kind.into(),
        name: "web".into(),
        uid: "5c1f90aa-0000-4000-8000-000000000001".into(),
        controller,
        block_owner_deletion: controller,
    };
    let owners = vec![owner("ReplicaSet", Some(true)), owner("StatefulSet", None)];
    let finalizers =
        ["service.kubernetes.io/load-balancer-cleanup", "example.com/drain"].map(str::to_owned).to_vec();
    let lists = (prop::sample::subsequence(owners, 0..=2), prop::sample::subsequence(finalizers, 0..=2));
    // One thing at least is said.
    lists.prop_map(|(owners, finalizers)| Rest {
        generate_name: Some("web-".into()),
        deletion_grace_period_seconds: None,
        owner_references: owners.into(),
        finalizers: finalizers.into(),
    })
}

fn record() -> impl Strategy<Value = Record> {
    let managers = vec(prop::sample::select(&["kubectl", "kube-controller-manager"][..]), 0..2);
    (1..1000_u32, prop::option::of(1..9_i64), managers).prop_map(|(version, generation, managers)| {
        let entry = |manager: &str| ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            ..ManagedFieldsEntry::default()
        };
        Record {
            resource_version: Some(version.to_string().into()),
            generation,
            self_link: None,
            managed_fields: managers.into_iter().map(entry).collect(),
        }
    })
}
