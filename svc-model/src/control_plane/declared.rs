//! The declarative intake: a set of manifests that stands for all that should exist.

use super::change::Change;
use super::{ControlPlane, Outcome};
use crate::yaml::{Declaration, Manifests};

impl ControlPlane {
    /// Makes what came by `replace` be exactly `manifests`: new objects are created, changed ones updated, and those that
    /// an earlier call brought and this one does not are removed. What came by [`apply`](ControlPlane::apply) is not
    /// touched.
    ///
    /// A mistake never takes away what worked: the last good version of a faulty manifest stays, and so do all objects
    /// of a file that cannot be read, or holds a document that cannot.
    pub fn replace(&mut self, manifests: &Manifests) -> Outcome {
        let declaration = Declaration::of(manifests);
        let mut change = Change::default();
        let gone = self.declared.iter().filter(|(at, source)| declaration.is_gone(at, source.as_deref()));
        let gone: Vec<_> = gone.map(|(at, _)| at.clone()).collect();
        gone.iter().for_each(|at| self.remove(at, &mut change));
        let wanted = declaration.wanted.values();
        self.admit(wanted.map(|entry| (entry.source.as_deref(), &*entry.manifest)).collect(), &mut change);
        for (at, entry) in declaration.wanted {
            // A manifest that was never accepted brought nothing.
            if self.objects.contains_key(&at) {
                self.declared.insert(at, entry.source.clone());
            }
        }
        change.problems.splice(..0, declaration.problems);
        self.finish(change)
    }
}
