//! Which pods are behind which Services, and the slices that follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ControlPlane;
use super::change::Change;
use crate::{Kind, Node, Object, ObjectName, ObjectRef, Pod, Selector, Service, endpoint_slices};

/// Services by the first pair of their selector and pods by each of their labels, so that a change of one looks only at
/// candidates of the other.
#[derive(Debug, Default)]
pub(super) struct SelectorIndex {
    services: BTreeMap<Label, BTreeMap<ObjectName, Selector>>,
    first_pairs: BTreeMap<ObjectName, Label>,
    pods: BTreeMap<Label, BTreeSet<ObjectName>>,
}

/// Namespace, key, value.
type Label = (String, String, String);

fn label(namespace: &str, (key, value): (&String, &String)) -> Label {
    (namespace.to_owned(), key.clone(), value.clone())
}

fn labels(pod: &Pod) -> impl Iterator<Item = Label> {
    pod.meta().labels().iter().map(|pair| label(pod.name().namespace(), pair))
}

impl SelectorIndex {
    pub(super) fn replace_service(&mut self, name: &ObjectName, selector: Option<&Selector>) {
        if let Some(pair) = self.first_pairs.remove(name)
            && let Some(services) = self.services.get_mut(&pair)
        {
            services.remove(name);
            if services.is_empty() {
                self.services.remove(&pair);
            }
        }
        let Some(selector) = selector else { return };
        let Some(pair) = selector.labels().iter().next() else { return };
        let pair = label(name.namespace(), pair);
        self.first_pairs.insert(name.clone(), pair.clone());
        self.services.entry(pair).or_default().insert(name.clone(), selector.clone());
    }

    pub(super) fn replace_pod(&mut self, name: &ObjectName, before: Option<&Pod>, now: Option<&Pod>) {
        for pair in before.into_iter().flat_map(labels) {
            if let Some(pods) = self.pods.get_mut(&pair) {
                pods.remove(name);
                if pods.is_empty() {
                    self.pods.remove(&pair);
                }
            }
        }
        for pair in now.into_iter().flat_map(labels) {
            self.pods.entry(pair).or_default().insert(name.clone());
        }
    }

    /// The Services whose selector matches a pod.
    pub(super) fn services_of(&self, pod: &Pod) -> Vec<&ObjectName> {
        let labels = pod.meta().labels();
        let candidates =
            labels.iter().filter_map(|pair| self.services.get(&label(pod.name().namespace(), pair)));
        let matching = candidates.flatten().filter(|(_, selector)| selector.matches(labels));
        matching.map(|(name, _)| name).collect()
    }

    /// Pods that may match a selector: they have its first pair.
    fn candidates(&self, service: &Service) -> impl Iterator<Item = &ObjectName> {
        let pods = self.first_pairs.get(service.name()).and_then(|pair| self.pods.get(pair));
        pods.into_iter().flatten()
    }
}

impl ControlPlane {
    /// Brings the slices of all stale Services up to date. O(pods behind those Services).
    pub(super) fn derive_slices(&mut self, change: &mut Change) {
        for name in std::mem::take(&mut change.stale) {
            let slices = match self.service(&name) {
                Some(service) => self.slices_of(&service),
                None => Vec::new(),
            };
            let names: BTreeSet<_> = slices.iter().map(|slice| slice.name().clone()).collect();
            let former = self.derived.remove(&name).unwrap_or_default();
            for gone in former.difference(&names) {
                self.remove(&ObjectRef::new(Kind::EndpointSlice, gone.clone()), change);
            }
            for slice in slices {
                self.put(slice.into(), change);
            }
            if !names.is_empty() {
                self.derived.insert(name, names);
            }
        }
    }

    fn slices_of(&self, service: &Service) -> Vec<crate::EndpointSlice> {
        let candidates = self.selectors.candidates(service).filter_map(|name| self.pod(name));
        let selected = |pod: &&Arc<Pod>| {
            service.selector().is_some_and(|selector| selector.matches(pod.meta().labels()))
        };
        endpoint_slices::derive(service, candidates.filter(selected).map(Arc::as_ref), |node| self.node(node))
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

    fn node(&self, name: &str) -> Option<Arc<Node>> {
        match self.objects.get(&ObjectRef::new(Kind::Node, ObjectName::cluster(name))) {
            Some(Object::Node(node)) => Some(Arc::clone(node)),
            _ => None,
        }
    }
}
