//! Metadata.

use std::collections::BTreeMap;

use super::{list, text};
use crate::wire::{self, ObjectMeta};
use crate::{Meta, OwnerReference};

pub(super) fn meta(meta: &Meta) -> ObjectMeta {
    let map = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone());
    let owned = |text: Option<&str>| text.map(str::to_owned);
    ObjectMeta {
        name: Some(meta.name().name().to_owned()),
        generate_name: owned(meta.generate_name()),
        namespace: text(meta.name().namespace()),
        self_link: owned(meta.self_link()),
        uid: text(meta.uid()),
        resource_version: owned(meta.resource_version()),
        generation: meta.generation(),
        labels: map(meta.labels()),
        annotations: map(meta.annotations()),
        creation_timestamp: owned(meta.created()),
        deletion_timestamp: owned(meta.deletion()),
        deletion_grace_period_seconds: meta.deletion_grace_period_seconds(),
        owner_references: list(meta.owner_references().iter().map(owner)),
        finalizers: list(meta.finalizers().iter().cloned()),
        managed_fields: list(meta.managed_fields().iter().cloned()),
    }
}

fn owner(owner: &OwnerReference) -> wire::OwnerReference {
    wire::OwnerReference {
        api_version: text(owner.api_version()),
        kind: text(owner.kind()),
        name: text(owner.name()),
        uid: text(owner.uid()),
        controller: owner.controller,
        block_owner_deletion: owner.block_owner_deletion,
    }
}
