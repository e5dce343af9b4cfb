//! The declarative intake: a set of manifests that stands for all that should exist.

use std::sync::Arc;

use super::change::Change;
use super::{ControlPlane, Outcome};
use crate::ObjectRef;
use crate::wire::Manifest;
use crate::yaml::{Declaration, Entry, Manifests};

impl ControlPlane {
    /// Makes what came by `replace` be exactly `manifests`: new objects are created, changed ones updated, and those that
    /// an earlier call brought and this one does not are removed. What came by [`apply`](ControlPlane::apply) is not
    /// touched.
    ///
    /// As such a set may be all there is, a `status` in it counts too: when it is new, it is written as by
    /// [`update_status`](ControlPlane::update_status), and stands until something else is reported.
    ///
    /// A mistake never takes away what worked: the last good version of a faulty manifest stays, and so do all objects
    /// of a file that cannot be read, or holds a document that cannot.
    pub fn replace(&mut self, manifests: &Manifests) -> Outcome {
        let declaration = Declaration::of(&manifests.0);
        let mut change = Change::default();
        let gone = self.declared.iter().filter(|(at, source)| declaration.is_gone(at, source.as_deref()));
        let gone: Vec<_> = gone.map(|(at, _)| at.clone()).collect();
        gone.iter().for_each(|at| self.remove(at, &mut change));
        let said = declaration.wanted.iter().filter(|(at, entry)| self.says_status(at, entry));
        let said: Vec<_> = said.map(|(at, entry)| (at.clone(), *entry)).collect();
        let wanted = declaration.wanted.values();
        self.admit(wanted.map(|entry| (entry.source.as_deref(), &*entry.form)).collect(), &mut change);
        for (at, entry) in said {
            self.state(at, entry, &mut change);
        }
        for (at, entry) in declaration.wanted {
            // A manifest that was never accepted brought nothing.
            if self.objects.contains_key(&at) {
                self.declared.insert(at, entry.source.clone());
            }
        }
        change.problems.splice(..0, declaration.problems);
        self.finish(change)
    }

    /// The manifest has a status that it had not when it was accepted last.
    fn says_status(&self, at: &ObjectRef, entry: &Entry<Arc<Manifest>>) -> bool {
        let known = self.manifests.get(at).filter(|_| !self.misstated.contains(at));
        entry.form.has_status() && !known.is_some_and(|known| known.has_status_of(&entry.form))
    }

    /// Writes the status of a manifest, if it was accepted.
    fn state(&mut self, at: ObjectRef, entry: &Entry<Arc<Manifest>>, change: &mut Change) {
        if self.manifests.get(&at) != Some(&*entry.form) {
            return;
        }
        match self.write_status(&entry.form, change) {
            Ok(()) => drop(self.misstated.remove(&at)),
            Err(problems) => {
                change.report(entry.source.as_deref(), problems.into_vec());
                self.misstated.insert(at);
            }
        }
    }
}
