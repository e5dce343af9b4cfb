//! Which pods are behind which Services, and the slices that follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ControlPlane;
use super::change::Change;
use crate::endpoint_slices::{Cluster, Scope, SliceChanges, is_selected};
use crate::{EndpointSlice, Kind, Node, Object, ObjectName, ObjectRef, Pod, Problem, Selector, Service};

/// Services by one pair of their selector, and pods by each of their labels and by their node, so that a change of one
/// looks only at candidates of the other.
#[derive(Debug, Default)]
pub(super) struct SelectorIndex {
    services: BTreeMap<Label, BTreeMap<ObjectName, Selector>>,
    /// The pair under which a Service stands: the one that fewest others had when it came.
    pairs: BTreeMap<ObjectName, Label>,
    pods: BTreeMap<Label, BTreeSet<ObjectName>>,
    pods_on: BTreeMap<String, BTreeSet<ObjectName>>,
}

/// Namespace, key, value.
type Label = (String, String, String);

fn label(namespace: &str, (key, value): (&String, &String)) -> Label {
    (namespace.to_owned(), key.clone(), value.clone())
}

fn labels(pod: &Pod) -> impl Iterator<Item = Label> {
    pod.meta().labels().iter().map(|pair| label(pod.name().namespace(), pair))
}

fn insert<K: Ord>(index: &mut BTreeMap<K, BTreeSet<ObjectName>>, key: K, name: &ObjectName) {
    index.entry(key).or_default().insert(name.clone());
}

fn remove<K: Ord>(index: &mut BTreeMap<K, BTreeSet<ObjectName>>, key: &K, name: &ObjectName) {
    if let Some(names) = index.get_mut(key) {
        names.remove(name);
        if names.is_empty() {
            index.remove(key);
        }
    }
}

impl SelectorIndex {
    pub(super) fn replace_service(&mut self, name: &ObjectName, selector: Option<&Selector>) {
        if let Some(pair) = self.pairs.remove(name)
            && let Some(services) = self.services.get_mut(&pair)
        {
            services.remove(name);
            if services.is_empty() {
                self.services.remove(&pair);
            }
        }
        let Some(selector) = selector else { return };
        let pairs = selector.labels().iter().map(|pair| label(name.namespace(), pair));
        let crowd = |pair: &Label| self.services.get(pair).map_or(0, BTreeMap::len);
        let Some(pair) = pairs.min_by_key(crowd) else { return };
        self.pairs.insert(name.clone(), pair.clone());
        self.services.entry(pair).or_default().insert(name.clone(), selector.clone());
    }

    pub(super) fn replace_pod(&mut self, name: &ObjectName, before: Option<&Pod>, now: Option<&Pod>) {
        if before.map(|pod| pod.meta().labels()) != now.map(|pod| pod.meta().labels()) {
            before.into_iter().flat_map(labels).for_each(|pair| remove(&mut self.pods, &pair, name));
            now.into_iter().flat_map(labels).for_each(|pair| insert(&mut self.pods, pair, name));
        }
        let (before, now) = (before.and_then(Pod::node_name), now.and_then(Pod::node_name));
        if before != now {
            before.into_iter().for_each(|node| remove(&mut self.pods_on, &node.to_owned(), name));
            now.into_iter().for_each(|node| insert(&mut self.pods_on, node.to_owned(), name));
        }
    }

    /// The Services whose selector matches a pod.
    pub(super) fn services_of(&self, pod: &Pod) -> Vec<ObjectName> {
        let candidates = labels(pod).filter_map(|pair| self.services.get(&pair)).flatten();
        let matching = candidates.filter(|(_, selector)| selector.matches(pod.meta().labels()));
        matching.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn pods_on(&self, node: &str) -> impl Iterator<Item = &ObjectName> {
        self.pods_on.get(node).into_iter().flatten()
    }

    /// Pods that may match a selector: they have that one of its pairs which the fewest have.
    fn candidates(&self, service: &Service) -> impl Iterator<Item = &ObjectName> {
        let pairs = service.selector().into_iter().flat_map(Selector::labels);
        let pods = pairs.map(|pair| self.pods.get(&label(service.name().namespace(), pair)));
        pods.min_by_key(|pods| pods.map_or(0, BTreeSet::len)).flatten().into_iter().flatten()
    }
}

/// The control plane's objects, as the controller looks at them.
struct Known<'a>(&'a ControlPlane);

impl Cluster for Known<'_> {
    fn pod(&self, name: &ObjectName) -> Option<&Arc<Pod>> {
        self.0.pod(name)
    }

    fn selected(&self, service: &Service) -> Vec<&Arc<Pod>> {
        let candidates = self.0.selectors.candidates(service).filter_map(|name| self.0.pod(name));
        candidates.filter(|pod| is_selected(service, pod)).collect()
    }

    fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.0.node(name)
    }

    fn nodes(&self) -> Vec<&Arc<Node>> {
        self.0.nodes().collect()
    }

    fn has_slice(&self, name: &ObjectName) -> bool {
        self.0.objects.contains_key(&ObjectRef::new(Kind::EndpointSlice, name.clone()))
    }
}

impl ControlPlane {
    /// Brings the slices of all stale Services up to date. O(endpoints that are in the scope of the change, and the
    /// slices that they stand in).
    pub(super) fn derive_slices(&mut self, change: &mut Change) {
        for (name, scope) in std::mem::take(&mut change.stale) {
            let mut names = self.derived.remove(&name).unwrap_or_default();
            let existing: Vec<_> = names.iter().filter_map(|slice| self.slice(slice)).collect();
            let changes = match self.service(&name) {
                Some(service) => self.controller.reconcile(&service, &existing, &scope, &Known(self)),
                None => SliceChanges { removed: names.iter().cloned().collect(), ..SliceChanges::default() },
            };
            for gone in changes.removed {
                names.remove(&gone);
                self.remove(&ObjectRef::new(Kind::EndpointSlice, gone), change);
            }
            for slice in changes.set {
                names.insert(slice.name().clone());
                self.put(slice.into(), change);
            }
            self.note_skipped(&name, &scope, changes.skipped, change);
            if !names.is_empty() {
                self.derived.insert(name, names);
            }
        }
    }

    /// Who is still left out was reported when it began.
    fn note_skipped(
        &mut self,
        service: &ObjectName,
        scope: &Scope,
        skipped: Vec<(ObjectName, Problem)>,
        change: &mut Change,
    ) {
        let known = self.skipped.remove(service).unwrap_or_default();
        let mut now: BTreeSet<_> = known.iter().filter(|pod| !scope.includes(Some(*pod))).cloned().collect();
        for (pod, problem) in skipped {
            if !known.contains(&pod) {
                change.problems.push(problem);
            }
            now.insert(pod);
        }
        if !now.is_empty() {
            self.skipped.insert(service.clone(), now);
        }
    }

    /// Somebody writes the pod again, and is told again that it is left out.
    pub(super) fn skipped_again(&mut self, name: &ObjectName, change: &mut Change) {
        let Some(pod) = self.pod(name) else { return };
        for service in self.selectors.services_of(pod) {
            if self.skipped.get_mut(&service).is_some_and(|pods| pods.remove(name)) {
                change.stale_pod(service, name);
            }
        }
    }

    /// Every Service that selects the pod, or did, has to look at it again.
    pub(super) fn pod_is_stale(&self, pod: &Pod, change: &mut Change) {
        for service in self.selectors.services_of(pod) {
            change.stale_pod(service, pod.name());
        }
    }

    pub(super) fn service(&self, name: &ObjectName) -> Option<Arc<Service>> {
        match self.objects.get(&ObjectRef::new(Kind::Service, name.clone())) {
            Some(Object::Service(service)) => Some(Arc::clone(service)),
            _ => None,
        }
    }

    pub(super) fn pod(&self, name: &ObjectName) -> Option<&Arc<Pod>> {
        match self.objects.get(&ObjectRef::new(Kind::Pod, name.clone())) {
            Some(Object::Pod(pod)) => Some(pod),
            _ => None,
        }
    }

    fn slice(&self, name: &ObjectName) -> Option<Arc<EndpointSlice>> {
        match self.objects.get(&ObjectRef::new(Kind::EndpointSlice, name.clone())) {
            Some(Object::EndpointSlice(slice)) => Some(Arc::clone(slice)),
            _ => None,
        }
    }

    fn node(&self, name: &str) -> Option<&Arc<Node>> {
        match self.objects.get(&ObjectRef::new(Kind::Node, ObjectName::cluster(name))) {
            Some(Object::Node(node)) => Some(node),
            _ => None,
        }
    }

    /// O(nodes).
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.of_kind(Kind::Node).filter_map(|object| match object {
            Object::Node(node) => Some(node),
            _ => None,
        })
    }

    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        let first = ObjectRef::new(kind, ObjectName::default());
        self.objects.range(first..).take_while(move |(name, _)| name.kind == kind).map(|(_, object)| object)
    }
}
