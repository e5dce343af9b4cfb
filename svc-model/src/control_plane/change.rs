//! A change under way: what it touched so far, and what still has to follow from it.

use std::collections::{BTreeMap, BTreeSet};

use super::{ControlPlane, Outcome};
use crate::endpoint_slices::{self, Scope};
use crate::{Kind, Node, Object, ObjectName, ObjectRef, Pod, Problem};

#[derive(Debug, Default)]
pub(super) struct Change {
    /// How each touched object stood before the change.
    before: BTreeMap<ObjectRef, Option<Object>>,
    now: BTreeMap<ObjectRef, Option<Object>>,
    pub(super) problems: Vec<Problem>,
    /// Services whose slices must be looked at, and how far.
    pub(super) stale: BTreeMap<ObjectName, Scope>,
    /// Services whose balancer must be asked.
    pub(super) unbalanced: BTreeSet<ObjectName>,
}

impl Change {
    fn note(&mut self, reference: ObjectRef, before: Option<Object>, now: Option<Object>) {
        self.before.entry(reference.clone()).or_insert(before);
        self.now.insert(reference, now);
    }

    /// What was wrong with a manifest from this source.
    pub(super) fn report(&mut self, source: Option<&str>, problems: Vec<Problem>) {
        self.problems.extend(problems.into_iter().map(|problem| match source {
            Some(source) => problem.in_source(source),
            None => problem,
        }));
    }

    pub(super) fn stale_service(&mut self, service: ObjectName) {
        self.stale.insert(service, Scope::Service);
    }

    pub(super) fn stale_pod(&mut self, service: ObjectName, pod: &ObjectName) {
        let scope = self.stale.entry(service).or_insert_with(|| Scope::Pods(BTreeSet::new()));
        if let Scope::Pods(pods) = scope {
            pods.insert(pod.clone());
        }
    }

    /// What differs between before and now; an object that came back as it was is no change.
    pub(super) fn into_outcome(self) -> Outcome {
        let mut outcome = Outcome { problems: self.problems, ..Outcome::default() };
        for (reference, now) in self.now {
            let before = self.before.get(&reference).and_then(Option::as_ref);
            match now {
                Some(object) if before != Some(&object) => outcome.set.push(object),
                None if before.is_some() => outcome.removed.push(reference),
                _ => {}
            }
        }
        outcome
    }
}

impl ControlPlane {
    /// Puts an object in place and notes what has to follow.
    pub(super) fn put(&mut self, object: Object, change: &mut Change) {
        let reference = object.reference();
        let before = self.objects.get(&reference).cloned();
        if before.as_ref() == Some(&object) {
            return;
        }
        self.touch(&reference, before.as_ref(), Some(&object), change);
        self.objects.insert(reference.clone(), object.clone());
        change.note(reference, before, Some(object));
    }

    /// Removes an object, what was allocated to it, and what is known of it.
    pub(super) fn remove(&mut self, reference: &ObjectRef, change: &mut Change) {
        self.manifests.remove(reference);
        self.declared.remove(reference);
        self.misstated.remove(reference);
        let Some(before) = self.objects.remove(reference) else { return };
        self.touch(reference, Some(&before), None, change);
        if let Object::Service(service) = &before {
            self.release(service.name());
            self.release_balancer(service.name(), change);
        }
        change.note(reference.clone(), Some(before), None);
    }

    /// Which Services have to look at their endpoints again because this object changes.
    fn touch(&mut self, at: &ObjectRef, before: Option<&Object>, now: Option<&Object>, change: &mut Change) {
        match at.kind {
            Kind::Service => {
                self.selectors.replace_service(&at.name, now.and_then(as_selector));
                change.stale_service(at.name.clone());
            }
            Kind::Pod => {
                for pod in [before, now].into_iter().flatten().filter_map(as_pod) {
                    self.pod_is_stale(pod, change);
                }
                self.selectors.replace_pod(&at.name, before.and_then(as_pod), now.and_then(as_pod));
            }
            Kind::Node => {
                self.node_changed(&at.name, before, now, change);
            }
            _ => {}
        }
    }

    /// A node's zone stands in the endpoints of its pods, and balancers want to know all nodes. Called before the node is
    /// put in place.
    fn node_changed(
        &mut self,
        name: &ObjectName,
        before: Option<&Object>,
        now: Option<&Object>,
        change: &mut Change,
    ) {
        let (before, now) = (before.and_then(as_node), now.and_then(as_node));
        if before.map(Node::zone) != now.map(Node::zone) {
            let pods = self.selectors.pods_on(name.name()).filter_map(|pod| self.pod(pod));
            pods.for_each(|pod| self.pod_is_stale(pod, change));
        }
        let others = self.nodes().any(|node| node.name() != name.name());
        let first_or_last = !others && before.is_some() != now.is_some();
        let services = self.of_kind(Kind::Service).filter_map(|object| match object {
            // With the first node all others are unknown, and without any none is.
            Object::Service(service) if first_or_last || endpoint_slices::is_auto(service) => {
                Some(service.name())
            }
            _ => None,
        });
        services.for_each(|service| change.stale_service(service.clone()));
        change.unbalanced.extend(self.balanced_services());
    }
}

fn as_node(object: &Object) -> Option<&Node> {
    match object {
        Object::Node(node) => Some(node),
        _ => None,
    }
}

fn as_pod(object: &Object) -> Option<&Pod> {
    match object {
        Object::Pod(pod) => Some(pod),
        _ => None,
    }
}

fn as_selector(object: &Object) -> Option<&crate::Selector> {
    match object {
        Object::Service(service) => service.selector(),
        _ => None,
    }
}
