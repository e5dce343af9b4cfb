//! What changed between two revisions.

use std::collections::BTreeSet;

use crate::snapshot::Revision;
use crate::{EndpointSlice, Kind, ObjectName};

/// The names of what changed from one revision to another: added, changed or removed. What they are now stands in
/// the newer [`Snapshot`](crate::Snapshot). A delta only makes a consumer faster; it never says more than the
/// snapshots do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    pub(crate) from: Revision,
    pub(crate) to: Revision,
    config_maps: BTreeSet<ObjectName>,
    services: BTreeSet<ObjectName>,
    ingresses: BTreeSet<ObjectName>,
    ingress_classes: BTreeSet<String>,
    secrets: BTreeSet<ObjectName>,
    service_imports: BTreeSet<ObjectName>,
    pods: BTreeSet<ObjectName>,
    nodes: BTreeSet<String>,
    namespaces: BTreeSet<String>,
}

impl Delta {
    /// The revision before.
    #[must_use]
    pub fn from(&self) -> Revision {
        self.from
    }

    /// The revision after.
    #[must_use]
    pub fn to(&self) -> Revision {
        self.to
    }

    /// ConfigMaps.
    #[must_use]
    pub fn config_maps(&self) -> &BTreeSet<ObjectName> {
        &self.config_maps
    }

    /// Services that changed themselves, in any of their EndpointSlices, or in their Endpoints.
    #[must_use]
    pub fn services(&self) -> &BTreeSet<ObjectName> {
        &self.services
    }

    /// Ingresses.
    #[must_use]
    pub fn ingresses(&self) -> &BTreeSet<ObjectName> {
        &self.ingresses
    }

    /// IngressClasses.
    #[must_use]
    pub fn ingress_classes(&self) -> &BTreeSet<String> {
        &self.ingress_classes
    }

    /// Secrets.
    #[must_use]
    pub fn secrets(&self) -> &BTreeSet<ObjectName> {
        &self.secrets
    }

    /// ServiceImports that changed themselves, or in any of their EndpointSlices.
    #[must_use]
    pub fn service_imports(&self) -> &BTreeSet<ObjectName> {
        &self.service_imports
    }

    /// Pods.
    #[must_use]
    pub fn pods(&self) -> &BTreeSet<ObjectName> {
        &self.pods
    }

    /// Nodes.
    #[must_use]
    pub fn nodes(&self) -> &BTreeSet<String> {
        &self.nodes
    }

    /// Namespaces that appeared or vanished, by a Namespace object or by the first or last object in them.
    #[must_use]
    pub fn namespaces(&self) -> &BTreeSet<String> {
        &self.namespaces
    }

    /// Nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        let Delta {
            from: _,
            to: _,
            config_maps,
            services,
            ingresses,
            ingress_classes,
            secrets,
            service_imports,
            pods,
            nodes,
            namespaces,
        } = self;
        let objects = services.len() + ingresses.len() + secrets.len() + pods.len() + config_maps.len();
        objects + service_imports.len() + ingress_classes.len() + nodes.len() + namespaces.len()
    }

    /// This delta followed by `later`. O(size of `later` x log).
    #[must_use]
    pub fn merge(mut self, later: Delta) -> Delta {
        self.to = later.to;
        self.config_maps.extend(later.config_maps);
        self.services.extend(later.services);
        self.ingresses.extend(later.ingresses);
        self.ingress_classes.extend(later.ingress_classes);
        self.secrets.extend(later.secrets);
        self.service_imports.extend(later.service_imports);
        self.pods.extend(later.pods);
        self.nodes.extend(later.nodes);
        self.namespaces.extend(later.namespaces);
        self
    }

    pub(crate) fn starting_at(revision: Revision) -> Self {
        Delta { from: revision, to: revision, ..Delta::default() }
    }

    /// Every name that either snapshot knows: for a consumer that lagged too far behind to be told exactly.
    #[cfg(feature = "store")]
    pub(crate) fn everything(old: &crate::Snapshot, new: &crate::Snapshot) -> Self {
        let mut delta = Delta { from: old.revision(), to: new.revision(), ..Delta::default() };
        for snapshot in [old, new] {
            for reference in snapshot.references() {
                delta.note(reference.kind, &reference.name);
                if reference.kind.is_namespaced() {
                    delta.note_namespace(reference.name.namespace());
                }
            }
            snapshot.named_slices().for_each(|slice| delta.note_slice(slice));
        }
        delta
    }

    /// Notes a change of an object other than a slice.
    pub(crate) fn note(&mut self, kind: Kind, name: &ObjectName) {
        match kind {
            Kind::ConfigMap => drop(self.config_maps.insert(name.clone())),
            Kind::Service | Kind::Endpoints => self.note_service(name),
            Kind::Ingress => drop(self.ingresses.insert(name.clone())),
            Kind::IngressClass => drop(self.ingress_classes.insert(name.name().to_owned())),
            Kind::Secret => drop(self.secrets.insert(name.clone())),
            Kind::ServiceImport => drop(self.service_imports.insert(name.clone())),
            Kind::Pod => drop(self.pods.insert(name.clone())),
            Kind::Node => drop(self.nodes.insert(name.name().to_owned())),
            Kind::Namespace => self.note_namespace(name.name()),
            Kind::EndpointSlice => {}
        }
    }

    /// Notes a change of a slice at what it belongs to.
    pub(crate) fn note_slice(&mut self, slice: &EndpointSlice) {
        slice.service().into_iter().for_each(|service| self.note_service(service));
        self.service_imports.extend(slice.imported_service());
    }

    fn note_service(&mut self, name: &ObjectName) {
        self.services.insert(name.clone());
    }

    pub(crate) fn note_namespace(&mut self, name: &str) {
        self.namespaces.insert(name.to_owned());
    }
}
