//! What of a manifest is not for its writer to say: the status, and what API servers write down themselves. Upstream does the
//! same before it judges (`rest.BeforeCreate` and `rest.BeforeUpdate`, and `PrepareForCreate` and `PrepareForUpdate` of each kind).

use crate::wire::{self, Manifest, ObjectMeta};
use crate::{Meta, Object, Service, write};

/// Before `manifest` is created, or replaces `old`. Twice is as good as once.
pub(crate) fn manifest(manifest: &mut Manifest, old: Option<&Object>) {
    match (&mut *manifest, old) {
        (Manifest::Service(wire), Some(Object::Service(old))) => return service(wire, Some(old)),
        (Manifest::Service(wire), _) => return service(wire, None),
        (Manifest::Ingress(wire), Some(Object::Ingress(old))) => wire.status = write::ingress_status(old),
        (Manifest::Ingress(wire), _) => wire.status = None,
        (Manifest::Pod(wire), Some(Object::Pod(old))) => wire.status = Some(write::pod_status(old)),
        (Manifest::Pod(wire), _) => wire.status = Some(pending()),
        // Who registers a Node may say what it is like.
        (Manifest::Node(wire), Some(Object::Node(old))) => wire.status = write::node_status(old),
        _ => {}
    }
    metadata(manifest.metadata_mut(), old.map(Object::meta));
}

/// As [`manifest`].
pub(crate) fn service(wire: &mut wire::Service, old: Option<&Service>) {
    wire.status = old.and_then(write::service_status);
    metadata(&mut wire.metadata, old.map(Service::meta));
}

fn pending() -> wire::PodStatus {
    wire::PodStatus { phase: Some("Pending".to_owned()), ..wire::PodStatus::default() }
}

fn metadata(wire: &mut ObjectMeta, old: Option<&Meta>) {
    // The bookkeeping of an API server: who has none keeps no books.
    (wire.resource_version, wire.generation, wire.self_link, wire.managed_fields) = (None, None, None, None);
    // Whether it is on its way out is said by who deletes it.
    wire.deletion_timestamp = old.and_then(Meta::deletion).map(str::to_owned);
    wire.deletion_grace_period_seconds = old.and_then(Meta::deletion_grace_period_seconds);
    if let Some(old) = old {
        if wire.uid.as_deref().is_none_or(str::is_empty) {
            wire.uid = Some(old.uid().to_owned());
        }
        if let Some(created) = old.created() {
            wire.creation_timestamp = Some(created.to_owned());
        }
    }
}
