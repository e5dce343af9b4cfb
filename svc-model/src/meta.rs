//! `metadata`: what is said of objects of every kind.

use std::collections::BTreeMap;

use crate::ObjectName;
use crate::wire::ManagedFieldsEntry;

/// ObjectMeta (meta/v1). Nothing of it is lost between reading and writing.
///
/// # Equality
///
/// Objects are equal if they say the same. What an API server counts and writes down whenever anybody touches an object
/// (`resourceVersion`, `generation`, `managedFields`, `selfLink`) is kept and passed over: an object that differs in nothing else is no
/// change to a [`Store`](crate::store::Store), which wakes nobody and goes on showing the one it has. Who writes objects back to an
/// API server under the condition that nobody else did (`resourceVersion`) reads them from there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    pub(crate) name: ObjectName,
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) created: Option<String>,
    pub(crate) deletion: Option<String>,
    pub(crate) record: Bookkeeping<Option<Box<Record>>>,
    pub(crate) rest: Option<Box<Rest>>,
}

/// Kept, and equal to whatever else is kept in its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bookkeeping<T>(pub(crate) T);

impl<T> PartialEq for Bookkeeping<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Bookkeeping<T> {}

/// What an API server counts and writes down.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) resource_version: Option<Box<str>>,
    pub(crate) generation: Option<i64>,
    pub(crate) self_link: Option<Box<str>>,
    pub(crate) managed_fields: Box<[ManagedFieldsEntry]>,
}

/// What few objects have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) generate_name: Option<Box<str>>,
    pub(crate) deletion_grace_period_seconds: Option<i64>,
    pub(crate) owner_references: Box<[OwnerReference]>,
    pub(crate) finalizers: Box<[String]>,
}

/// One of `metadata.ownerReferences`: the object goes when its owners are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerReference {
    pub(crate) api_version: Box<str>,
    pub(crate) kind: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) uid: Box<str>,
    pub(crate) controller: Option<bool>,
    pub(crate) block_owner_deletion: Option<bool>,
}

impl OwnerReference {
    /// Such as `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// Such as `ReplicaSet`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The owner's name; it lives in the same namespace, or in none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The API server's unique id of the owner.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The owner is the controller that made the object.
    #[must_use]
    pub fn controller(&self) -> bool {
        self.controller.unwrap_or(false)
    }

    /// The owner cannot go before the object, if it is deleted in the foreground.
    #[must_use]
    pub fn block_owner_deletion(&self) -> bool {
        self.block_owner_deletion.unwrap_or(false)
    }
}

impl Meta {
    /// Namespace and name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The API server's unique id; empty where there is none.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Labels.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// Annotations.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// `metadata.creationTimestamp` as written (RFC 3339 in UTC: text order is time order).
    #[must_use]
    pub fn created(&self) -> Option<&str> {
        self.created.as_deref()
    }

    /// `metadata.deletionTimestamp` as written: the object is on its way out.
    #[must_use]
    pub fn deletion(&self) -> Option<&str> {
        self.deletion.as_deref()
    }

    /// `metadata.deletionGracePeriodSeconds`: how long it may take.
    #[must_use]
    pub fn deletion_grace_period_seconds(&self) -> Option<i64> {
        self.rest.as_ref()?.deletion_grace_period_seconds
    }

    /// `metadata.ownerReferences`.
    #[must_use]
    pub fn owner_references(&self) -> &[OwnerReference] {
        self.rest.as_ref().map_or(&[], |rest| &rest.owner_references)
    }

    /// `metadata.finalizers`: who has to agree before the object is gone.
    #[must_use]
    pub fn finalizers(&self) -> &[String] {
        self.rest.as_ref().map_or(&[], |rest| &rest.finalizers)
    }

    /// `metadata.generateName`: what the API server made the name from.
    #[must_use]
    pub fn generate_name(&self) -> Option<&str> {
        self.rest.as_ref()?.generate_name.as_deref()
    }

    /// `metadata.selfLink`, which API servers before 1.20 wrote.
    #[must_use]
    pub fn self_link(&self) -> Option<&str> {
        self.record.0.as_ref()?.self_link.as_deref()
    }

    /// `metadata.resourceVersion`: which version of the object the API server meant.
    #[must_use]
    pub fn resource_version(&self) -> Option<&str> {
        self.record.0.as_ref()?.resource_version.as_deref()
    }

    /// `metadata.generation`: counts what was wanted of the object, where its kind has that.
    #[must_use]
    pub fn generation(&self) -> Option<i64> {
        self.record.0.as_ref()?.generation
    }

    /// `metadata.managedFields`: who answers for which fields.
    #[must_use]
    pub fn managed_fields(&self) -> &[ManagedFieldsEntry] {
        self.record.0.as_ref().map_or(&[], |record| &record.managed_fields)
    }
}
