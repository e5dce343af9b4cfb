//! A set of manifests, time and again, read as a cluster stores them.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

use crate::wire::Manifest;
use crate::yaml::{Contents, Declaration, Entry, Form, Manifests};
use crate::{Object, ObjectRef, Outcome, Problem, read};

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

/// An object as it was read last.
#[derive(Debug)]
struct Held {
    source: Option<Arc<str>>,
    form: AsStored,
    /// Some version of it was good.
    in_force: bool,
}

impl Stored {
    /// Makes what is held be exactly `manifests`, and says what that changes. A mistake never takes away what worked: the
    /// last good version of a faulty manifest stays, and so do all objects of a file that cannot be read, or holds a
    /// document that cannot.
    pub fn replace(&mut self, manifests: &Manifests) -> Outcome {
        self.replace_contents(&manifests.as_stored())
    }

    pub(crate) fn replace_contents(&mut self, contents: &Contents<AsStored>) -> Outcome {
        let declaration = Declaration::of(contents);
        let mut outcome = Outcome { problems: declaration.problems.clone(), ..Outcome::default() };
        self.held.retain(|at, held| {
            let is_gone = declaration.is_gone(at, held.source.as_deref());
            if is_gone && held.in_force {
                outcome.removed.push(at.clone());
            }
            !is_gone
        });
        for (at, entry) in declaration.wanted {
            self.hold(at, entry, &mut outcome);
        }
        outcome
    }

    fn hold(&mut self, at: ObjectRef, entry: &Entry<AsStored>, outcome: &mut Outcome) {
        outcome.problems.extend(entry.form.problems(entry.source.as_deref()));
        let is_good = entry.form.object().is_some();
        match self.held.entry(at) {
            btree_map::Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.source.clone_from(&entry.source);
                if known.form != entry.form {
                    outcome.set.extend(entry.form.object().cloned());
                    known.form = entry.form.clone();
                }
                known.in_force |= is_good;
            }
            btree_map::Entry::Vacant(place) => {
                outcome.set.extend(entry.form.object().cloned());
                let (source, form) = (entry.source.clone(), entry.form.clone());
                place.insert(Held { source, form, in_force: is_good });
            }
        }
    }
}

/// What a manifest says is stored. The object is the one that a store holds; nothing else is kept of the manifest.
#[derive(Clone, Debug)]
pub(crate) enum AsStored {
    Object(Object),
    /// It is none of the network's business (no problems), or faulty.
    Nothing(Arc<(ObjectRef, Vec<Problem>)>),
}

impl AsStored {
    /// See [`read::stored`].
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let nothing = |problems| AsStored::Nothing(Arc::new((manifest.reference(), problems)));
        match read::stored(manifest) {
            Ok(Some(object)) => AsStored::Object(object),
            Ok(None) => nothing(Vec::new()),
            Err(problems) => nothing(problems.into_vec()),
        }
    }

    pub(crate) fn object(&self) -> Option<&Object> {
        match self {
            AsStored::Object(object) => Some(object),
            AsStored::Nothing(_) => None,
        }
    }

    /// What is wrong with the manifest, which stood in `source`.
    pub(crate) fn problems(&self, source: Option<&str>) -> Vec<Problem> {
        let AsStored::Nothing(nothing) = self else { return Vec::new() };
        let sourced = |problem: Problem| match source {
            Some(source) => problem.in_source(source),
            None => problem,
        };
        nothing.1.iter().cloned().map(sourced).collect()
    }
}

impl From<Manifest> for AsStored {
    fn from(manifest: Manifest) -> Self {
        Self::of(&manifest)
    }
}

impl PartialEq for AsStored {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (AsStored::Object(one), AsStored::Object(other)) => one.is_shared_with(other) || one == other,
            (AsStored::Nothing(one), AsStored::Nothing(other)) => one == other,
            _ => false,
        }
    }
}

impl Form for AsStored {
    fn reference(&self) -> ObjectRef {
        match self {
            AsStored::Object(object) => object.reference(),
            AsStored::Nothing(nothing) => nothing.0.clone(),
        }
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
