//! A set of manifests, time and again, read as a cluster stores them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::wire::Manifest;
use crate::yaml::{Declaration, Entry, Manifests};
use crate::{ObjectRef, Outcome, Problem};

/// What a source of manifests holds, for programs that only observe: objects are read as they stand, with the
/// addresses and endpoints that are written in them; nothing is defaulted beyond the API's own defaults, nothing
/// allocated, no endpoint derived. The counterpart of [`ControlPlane::replace`](crate::ControlPlane::replace).
///
/// ```
/// use svc_model::{Stored, store::Store, yaml};
///
/// let (mut stored, store) = (Stored::default(), Store::new());
/// let service = |ports: &str| yaml::read(&format!("
/// {{apiVersion: v1, kind: Service, metadata: {{name: web}}, spec: {{clusterIP: 10.96.0.10, ports: [{{port: {ports}}}]}}}}
/// "));
/// stored.replace(&service("80")).commit(&store);
///
/// // A mistake is reported, and takes nothing away.
/// let outcome = stored.replace(&service("eighty"));
/// assert_eq!(outcome.problems()[0].field(), "spec.ports[0].port");
/// assert!(outcome.set().is_empty() && outcome.removed().is_empty());
///
/// stored.replace(&yaml::read("")).commit(&store);
/// assert_eq!(store.snapshot().services().count(), 0);
/// ```
#[derive(Debug, Default)]
pub struct Stored {
    held: BTreeMap<ObjectRef, Held>,
}

/// The manifest of an object as it was read last, and what was wrong with it.
#[derive(Debug)]
struct Held {
    source: Option<Arc<str>>,
    manifest: Arc<Manifest>,
    problems: Vec<Problem>,
    /// Some version of it was good.
    in_force: bool,
}

impl Stored {
    /// Makes what is held be exactly `manifests`, and says what that changes. A mistake never takes away what worked: the
    /// last good version of a faulty manifest stays, and so do all objects of a file that cannot be read, or holds a
    /// document that cannot. Manifests that are the same as before are not read again.
    pub fn replace(&mut self, manifests: &Manifests) -> Outcome {
        let declaration = Declaration::of(manifests);
        let mut outcome = Outcome { problems: declaration.problems.clone(), ..Outcome::default() };
        let gone = self.held.iter().filter(|(at, held)| declaration.is_gone(at, held.source.as_deref()));
        let gone: Vec<_> = gone.map(|(at, _)| at.clone()).collect();
        for at in gone {
            if self.held.remove(&at).is_some_and(|held| held.in_force) {
                outcome.removed.push(at);
            }
        }
        for (at, entry) in declaration.wanted {
            self.hold(at, entry, &mut outcome);
        }
        outcome
    }

    fn hold(&mut self, at: ObjectRef, entry: &Entry, outcome: &mut Outcome) {
        let known = self.held.get(&at);
        if !known.is_some_and(|held| held.is(entry)) {
            let mut in_force = known.is_some_and(|held| held.in_force);
            let read = entry.stored().map(|object| {
                in_force |= object.is_some();
                outcome.set.extend(object);
            });
            let (source, manifest) = (entry.source.clone(), Arc::clone(&entry.manifest));
            let problems = read.err().unwrap_or_default();
            self.held.insert(at.clone(), Held { source, manifest, problems, in_force });
        }
        outcome
            .problems
            .extend(self.held.get(&at).into_iter().flat_map(|held| held.problems.iter().cloned()));
    }
}

impl Held {
    fn is(&self, entry: &Entry) -> bool {
        Arc::ptr_eq(&self.manifest, &entry.manifest) && self.source == entry.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::yaml;

    fn service(name: &str, ip: &str) -> String {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{clusterIP: {ip}, ports: [{{port: 80}}]}}}}\n---\n"
        )
    }

    #[test]
    fn only_manifests_that_are_new_are_read() {
        let (mut stored, store) = (Stored::default(), Store::new());
        let (first, second) = (yaml::read(&service("a", "10.0.0.1")), yaml::read(&service("b", "10.0.0.2")));
        let mut both = first.clone();
        both.extend(second);
        assert_eq!(stored.replace(&first).set().len(), 1);
        let outcome = stored.replace(&both);
        outcome.commit(&store);
        assert_eq!(outcome.set().len(), 1, "{outcome:?}");
        assert!(stored.replace(&both).is_empty());
    }

    #[test]
    fn what_is_stored_needs_no_range_and_gets_no_address() {
        let mut stored = Stored::default();
        let text = service("a", "203.0.113.7")
            + "{apiVersion: v1, kind: Service, metadata: {name: b}, spec: {ports: [{port: 80}]}}";
        let outcome = stored.replace(&yaml::read(&text));
        assert_eq!(outcome.set().len(), 1, "an address of any range");
        assert!(
            outcome.problems()[0]
                .to_string()
                .starts_with("Service default/b: spec.clusterIP: no address is allocated")
        );
    }

    #[test]
    fn a_faulty_manifest_is_told_every_time_and_its_last_good_version_stays() {
        let (mut stored, store) = (Stored::default(), Store::new());
        stored.replace(&yaml::read(&service("a", "10.0.0.1"))).commit(&store);
        let faulty = yaml::read(&service("a", "10.0.0.256"));
        for _ in 0..2 {
            let outcome = stored.replace(&faulty);
            outcome.commit(&store);
            assert!(outcome.problems()[0].message().contains("10.0.0.256"), "{outcome:?}");
        }
        assert_eq!(store.snapshot().services().next().unwrap().cluster_ips().len(), 1);
        stored.replace(&Manifests::default()).commit(&store);
        assert_eq!(store.snapshot().services().count(), 0, "it is removed all the same once it is gone");
    }
}
