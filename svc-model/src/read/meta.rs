//! Metadata.

use super::said;
use crate::meta::{Bookkeeping, Record, Rest};
use crate::problem::Findings;
use crate::wire::{self, ObjectMeta};
use crate::{Meta, ObjectRef, OwnerReference};

pub(super) fn meta(wire: &ObjectMeta, reference: &ObjectRef, findings: &mut Findings<'_>) -> Meta {
    findings.require(!reference.name.name().is_empty(), "metadata.name", || "is required".to_owned());
    let rest = rest(wire);
    let record = record(wire);
    Meta {
        name: reference.name.clone(),
        uid: wire.uid.clone().unwrap_or_default(),
        labels: wire.labels.clone().unwrap_or_default(),
        annotations: wire.annotations.clone().unwrap_or_default(),
        created: wire.creation_timestamp.clone(),
        deletion: wire.deletion_timestamp.clone(),
        record: Bookkeeping((record != Record::default()).then(|| Box::new(record))),
        rest: (rest != Rest::default()).then(|| Box::new(rest)),
    }
}

fn record(wire: &ObjectMeta) -> Record {
    Record {
        resource_version: boxed(wire.resource_version.as_ref()),
        generation: wire.generation.filter(|generation| *generation != 0),
        self_link: boxed(wire.self_link.as_ref()),
        managed_fields: wire.managed_fields.iter().flatten().cloned().collect(),
    }
}

fn rest(wire: &ObjectMeta) -> Rest {
    Rest {
        generate_name: boxed(wire.generate_name.as_ref()),
        deletion_grace_period_seconds: wire.deletion_grace_period_seconds,
        owner_references: wire.owner_references.iter().flatten().map(owner).collect(),
        finalizers: wire.finalizers.iter().flatten().cloned().collect(),
    }
}

fn owner(wire: &wire::OwnerReference) -> OwnerReference {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    OwnerReference {
        api_version: text(&wire.api_version),
        kind: text(&wire.kind),
        name: text(&wire.name),
        uid: text(&wire.uid),
        controller: wire.controller,
        block_owner_deletion: wire.block_owner_deletion,
    }
}

fn boxed(text: Option<&String>) -> Option<Box<str>> {
    said(text).map(String::into_boxed_str)
}
