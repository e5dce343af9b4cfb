//! All objects at one revision, as an immutable value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;

use crate::{
    ConfigMap, Delta, EndpointSlice, Endpoints, Ingress, IngressClass, Kind, Namespace, Node, Object,
    ObjectName, ObjectRef, Pod, Secret, Service, ServiceImport,
};

#[cfg(test)]
mod proptests;

/// Counts the changes of a store; every change gets the next number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub(crate) u64);

impl Revision {
    /// The number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// All objects at one revision. Cloning is O(1), a change O(log n): the maps are persistent and share what did not
/// change.
///
/// ```
/// use svc_model::{ObjectName, Snapshot, yaml};
///
/// let manifests = yaml::read("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
/// let snapshot: Snapshot = manifests.stored().0.into_iter().collect();
/// assert!(snapshot.has_namespace("shop"));
/// assert!(snapshot.service(&ObjectName::new("shop", "web")).is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    revision: Revision,
    services: Map<ObjectName, Arc<Service>>,
    /// By Service name, then slice name: the slices of one Service are neighbours.
    slices: Siblings,
    /// The same by ServiceImport.
    imported: Siblings,
    /// All of them by their own names.
    slices_by_name: Map<ObjectName, Arc<EndpointSlice>>,
    service_imports: Map<ObjectName, Arc<ServiceImport>>,
    endpoints: Map<ObjectName, Arc<Endpoints>>,
    /// The slices that stand for the Endpoints of a Service without slices.
    mirrored: Map<ObjectName, Arc<[Arc<EndpointSlice>]>>,
    config_maps: Map<ObjectName, Arc<ConfigMap>>,
    pods: Map<ObjectName, Arc<Pod>>,
    nodes: Map<String, Arc<Node>>,
    namespaces: Map<String, Arc<Namespace>>,
    /// How many namespaced objects live in each namespace.
    population: Map<String, usize>,
    ingresses: Map<ObjectName, Arc<Ingress>>,
    ingress_classes: Map<String, Arc<IngressClass>>,
    secrets: Map<ObjectName, Arc<Secret>>,
}

/// A field holding the persistent map of one kind: insert or remove, and say whether anything changed. What is equal
/// stays where it is, so that one snapshot shares it with the next.
macro_rules! replace {
    ($map:expr, $key:expr, $new:expr) => {{
        let (key, new) = ($key, $new);
        let change = Change::between($map.get(&key).map(|old| &**old), new.as_deref());
        match new {
            _ if change == Change::Nothing => {}
            Some(new) => $map.insert_mut(key, new),
            None => drop($map.remove_mut(&key)),
        }
        change
    }};
}

impl Snapshot {
    /// The revision of this snapshot.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// A Service by name.
    #[must_use]
    pub fn service(&self, name: &ObjectName) -> Option<&Arc<Service>> {
        self.services.get(name)
    }

    /// All Services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// The EndpointSlices of a Service, by name; where it has none, those that mirror its Endpoints. They may outlive the
    /// Service: join on its existence.
    pub fn slices_of(&self, service: &ObjectName) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        let slices = self.slices.get(service);
        let mirrored = if slices.is_none() { self.mirrored.get(service) } else { None };
        let slices = slices.into_iter().flat_map(|slices| slices.values());
        slices.chain(mirrored.into_iter().flat_map(|slices| slices.iter()))
    }

    /// The Endpoints object of a Service.
    #[must_use]
    pub fn endpoints(&self, service: &ObjectName) -> Option<&Arc<Endpoints>> {
        self.endpoints.get(service)
    }

    /// A ConfigMap by name.
    #[must_use]
    pub fn config_map(&self, name: &ObjectName) -> Option<&Arc<ConfigMap>> {
        self.config_maps.get(name)
    }

    /// All ConfigMaps, by name.
    pub fn config_maps(&self) -> impl Iterator<Item = &Arc<ConfigMap>> {
        self.config_maps.values()
    }

    /// All EndpointSlices that belong to a Service; mirrored ones are not among them. One that belongs neither to a Service nor
    /// to a ServiceImport is in no snapshot.
    pub fn slices(&self) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        self.slices.values().flat_map(|slices| slices.values())
    }

    /// An EndpointSlice by its own name.
    #[must_use]
    pub fn slice(&self, name: &ObjectName) -> Option<&Arc<EndpointSlice>> {
        self.slices_by_name.get(name)
    }

    #[cfg(feature = "store")]
    pub(crate) fn named_slices(&self) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        self.slices_by_name.values()
    }

    /// A ServiceImport by name.
    #[must_use]
    pub fn service_import(&self, name: &ObjectName) -> Option<&Arc<ServiceImport>> {
        self.service_imports.get(name)
    }

    /// All ServiceImports, by name.
    pub fn service_imports(&self) -> impl Iterator<Item = &Arc<ServiceImport>> {
        self.service_imports.values()
    }

    /// The EndpointSlices of a ServiceImport, by name. They may outlive it: join on its existence.
    pub fn slices_of_import(&self, import: &ObjectName) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        self.imported.get(import).into_iter().flat_map(|slices| slices.values())
    }

    /// A Pod by name.
    #[must_use]
    pub fn pod(&self, name: &ObjectName) -> Option<&Arc<Pod>> {
        self.pods.get(name)
    }

    /// All Pods, by name.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.values()
    }

    /// A Node by name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.get(name)
    }

    /// All Nodes, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// A Namespace object of this name exists, or any object lives in it.
    #[must_use]
    pub fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains_key(name) || self.population.contains_key(name)
    }

    /// The names of all namespaces that there are as [`has_namespace`](Self::has_namespace) means it, in order. O(namespaces).
    pub fn namespace_names(&self) -> impl Iterator<Item = &str> {
        let all: BTreeSet<&str> =
            self.namespaces.keys().chain(self.population.keys()).map(String::as_str).collect();
        all.into_iter()
    }

    /// All Namespace objects, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        self.namespaces.values()
    }

    /// An Ingress by name.
    #[must_use]
    pub fn ingress(&self, name: &ObjectName) -> Option<&Arc<Ingress>> {
        self.ingresses.get(name)
    }

    /// All Ingresses, by name.
    pub fn ingresses(&self) -> impl Iterator<Item = &Arc<Ingress>> {
        self.ingresses.values()
    }

    /// An IngressClass by name.
    #[must_use]
    pub fn ingress_class(&self, name: &str) -> Option<&Arc<IngressClass>> {
        self.ingress_classes.get(name)
    }

    /// All IngressClasses, by name.
    pub fn ingress_classes(&self) -> impl Iterator<Item = &Arc<IngressClass>> {
        self.ingress_classes.values()
    }

    /// A Secret by name.
    #[must_use]
    pub fn secret(&self, name: &ObjectName) -> Option<&Arc<Secret>> {
        self.secrets.get(name)
    }

    /// All Secrets, by name.
    pub fn secrets(&self) -> impl Iterator<Item = &Arc<Secret>> {
        self.secrets.values()
    }

    /// The names of all objects, kind by kind.
    #[must_use]
    pub fn references(&self) -> Vec<ObjectRef> {
        let named = |kind: Kind, names: Vec<ObjectName>| {
            names.into_iter().map(move |name| ObjectRef::new(kind, name))
        };
        let cluster =
            |names: Vec<&String>| names.into_iter().map(|name| ObjectName::cluster(name.as_str())).collect();
        named(Kind::ConfigMap, self.config_maps.keys().cloned().collect())
            .chain(named(Kind::EndpointSlice, self.slices_by_name.keys().cloned().collect()))
            .chain(named(Kind::Endpoints, self.endpoints.keys().cloned().collect()))
            .chain(named(Kind::Ingress, self.ingresses.keys().cloned().collect()))
            .chain(named(Kind::IngressClass, cluster(self.ingress_classes.keys().collect())))
            .chain(named(Kind::Namespace, cluster(self.namespaces.keys().collect())))
            .chain(named(Kind::Node, cluster(self.nodes.keys().collect())))
            .chain(named(Kind::Pod, self.pods.keys().cloned().collect()))
            .chain(named(Kind::Secret, self.secrets.keys().cloned().collect()))
            .chain(named(Kind::Service, self.services.keys().cloned().collect()))
            .chain(named(Kind::ServiceImport, self.service_imports.keys().cloned().collect()))
            .collect()
    }

    /// All objects, by kind and name, but for EndpointSlices that belong to nothing.
    #[must_use]
    pub fn objects(&self) -> Vec<Object> {
        (self.config_maps.values().cloned().map(Object::ConfigMap))
            .chain(self.slices_by_name.values().cloned().map(Object::EndpointSlice))
            .chain(self.endpoints.values().cloned().map(Object::Endpoints))
            .chain(self.ingresses.values().cloned().map(Object::Ingress))
            .chain(self.ingress_classes.values().cloned().map(Object::IngressClass))
            .chain(self.namespaces.values().cloned().map(Object::Namespace))
            .chain(self.nodes.values().cloned().map(Object::Node))
            .chain(self.pods.values().cloned().map(Object::Pod))
            .chain(self.secrets.values().cloned().map(Object::Secret))
            .chain(self.services.values().cloned().map(Object::Service))
            .chain(self.service_imports.values().cloned().map(Object::ServiceImport))
            .collect()
    }

    /// The next revision: `removed` gone, then `set` put in place. The delta names what really differs; if nothing does,
    /// the revision stays. O(changes x log n).
    #[must_use]
    pub fn with(
        &self,
        set: impl IntoIterator<Item = Object>,
        removed: impl IntoIterator<Item = ObjectRef>,
    ) -> (Snapshot, Delta) {
        let mut next = self.clone();
        let mut delta = Delta::starting_at(self.revision);
        // What comes last counts, so that a detour back to where it was is no change.
        let mut last: BTreeMap<ObjectRef, Option<Object>> =
            removed.into_iter().map(|reference| (reference, None)).collect();
        last.extend(set.into_iter().map(|object| (object.reference(), Some(object))));
        for (reference, object) in last {
            match object {
                Some(object) => next.set(reference, object, &mut delta),
                None => next.remove(&reference, &mut delta),
            }
        }
        if !delta.is_empty() {
            next.revision = Revision(self.revision.0 + 1);
            delta.to = next.revision;
        }
        (next, delta)
    }

    fn set(&mut self, reference: ObjectRef, object: Object, delta: &mut Delta) {
        let change = match object {
            Object::ConfigMap(new) => replace!(self.config_maps, reference.name.clone(), Some(new)),
            Object::EndpointSlice(slice) => return self.set_slice(slice, delta),
            Object::Endpoints(new) => {
                let slices = crate::mirror(&new).into_iter().map(Arc::new).collect();
                self.mirrored.insert_mut(reference.name.clone(), slices);
                replace!(self.endpoints, reference.name.clone(), Some(new))
            }
            Object::Ingress(new) => replace!(self.ingresses, reference.name.clone(), Some(new)),
            Object::IngressClass(new) => replace!(self.ingress_classes, new.name().to_owned(), Some(new)),
            Object::Namespace(new) => replace!(self.namespaces, new.name().to_owned(), Some(new)),
            Object::Node(new) => replace!(self.nodes, new.name().to_owned(), Some(new)),
            Object::Pod(new) => replace!(self.pods, reference.name.clone(), Some(new)),
            Object::Secret(new) => replace!(self.secrets, reference.name.clone(), Some(new)),
            Object::Service(new) => replace!(self.services, reference.name.clone(), Some(new)),
            Object::ServiceImport(new) => {
                replace!(self.service_imports, reference.name.clone(), Some(new))
            }
        };
        self.account(reference.kind, &reference.name, change, delta);
    }

    fn remove(&mut self, reference: &ObjectRef, delta: &mut Delta) {
        let name = &reference.name;
        let change = match reference.kind {
            Kind::ConfigMap => replace!(self.config_maps, name.clone(), None::<Arc<ConfigMap>>),
            Kind::EndpointSlice => return self.remove_slice(name, delta),
            Kind::Endpoints => {
                self.mirrored.remove_mut(name);
                replace!(self.endpoints, name.clone(), None::<Arc<Endpoints>>)
            }
            Kind::Ingress => replace!(self.ingresses, name.clone(), None::<Arc<Ingress>>),
            Kind::IngressClass => {
                replace!(self.ingress_classes, name.name().to_owned(), None::<Arc<IngressClass>>)
            }
            Kind::Namespace => replace!(self.namespaces, name.name().to_owned(), None::<Arc<Namespace>>),
            Kind::Node => replace!(self.nodes, name.name().to_owned(), None::<Arc<Node>>),
            Kind::Pod => replace!(self.pods, name.clone(), None::<Arc<Pod>>),
            Kind::Secret => replace!(self.secrets, name.clone(), None::<Arc<Secret>>),
            Kind::Service => replace!(self.services, name.clone(), None::<Arc<Service>>),
            Kind::ServiceImport => replace!(self.service_imports, name.clone(), None::<Arc<ServiceImport>>),
        };
        self.account(reference.kind, name, change, delta);
    }

    fn account(&mut self, kind: Kind, name: &ObjectName, change: Change, delta: &mut Delta) {
        if change == Change::Nothing {
            return;
        }
        delta.note(kind, name);
        if kind.is_namespaced() {
            self.count_inhabitant(name.namespace(), change, delta);
        }
    }

    fn count_inhabitant(&mut self, namespace: &str, change: Change, delta: &mut Delta) {
        let before = self.population.get(namespace).copied().unwrap_or(0);
        let after = match change {
            Change::Added => before + 1,
            Change::Removed => before.saturating_sub(1),
            Change::Changed | Change::Nothing => return,
        };
        if after == 0 {
            self.population.remove_mut(namespace);
        } else {
            self.population.insert_mut(namespace.to_owned(), after);
        }
        if (before == 0) != (after == 0) && !self.namespaces.contains_key(namespace) {
            delta.note_namespace(namespace);
        }
    }

    fn set_slice(&mut self, slice: Arc<EndpointSlice>, delta: &mut Delta) {
        let name = slice.name().clone();
        if self.slice(&name) == Some(&slice) {
            return;
        }
        // It may have belonged to another: leave no trace there.
        self.remove_slice(&name, delta);
        let (service, import) = (slice.service().cloned(), slice.imported_service());
        if service.is_none() && import.is_none() {
            return;
        }
        delta.note_slice(&slice);
        service.into_iter().for_each(|service| add(&mut self.slices, service, &slice));
        import.into_iter().for_each(|import| add(&mut self.imported, import, &slice));
        self.count_inhabitant(name.namespace(), Change::Added, delta);
        self.slices_by_name.insert_mut(name, slice);
    }

    fn remove_slice(&mut self, name: &ObjectName, delta: &mut Delta) {
        let Some(slice) = self.slices_by_name.get(name).cloned() else { return };
        self.slices_by_name.remove_mut(name);
        slice.service().into_iter().for_each(|service| take(&mut self.slices, service, name));
        slice.imported_service().into_iter().for_each(|import| take(&mut self.imported, &import, name));
        self.count_inhabitant(name.namespace(), Change::Removed, delta);
        delta.note_slice(&slice);
    }
}

type Siblings = Map<ObjectName, Map<ObjectName, Arc<EndpointSlice>>>;

fn add(slices: &mut Siblings, owner: ObjectName, slice: &Arc<EndpointSlice>) {
    let mut siblings = slices.get(&owner).cloned().unwrap_or_default();
    siblings.insert_mut(slice.name().clone(), Arc::clone(slice));
    slices.insert_mut(owner, siblings);
}

fn take(slices: &mut Siblings, owner: &ObjectName, name: &ObjectName) {
    let mut siblings = slices.get(owner).cloned().unwrap_or_default();
    siblings.remove_mut(name);
    if siblings.is_empty() {
        slices.remove_mut(owner);
    } else {
        slices.insert_mut(owner.clone(), siblings);
    }
}

impl FromIterator<Object> for Snapshot {
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        Snapshot::default().with(objects, []).0
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Change {
    Nothing,
    Added,
    Changed,
    Removed,
}

impl Change {
    fn between<T: PartialEq>(old: Option<&T>, new: Option<&T>) -> Self {
        match (old, new) {
            (None, None) => Change::Nothing,
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Removed,
            (Some(old), Some(new)) if old == new => Change::Nothing,
            (Some(_), Some(_)) => Change::Changed,
        }
    }
}
