//! What a change of objects came to.

use crate::{Object, ObjectRef, Problem};

/// The objects that stand differently now, those that are gone, and what was refused.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a store learns of the change by `commit`"]
pub struct Outcome {
    pub(crate) set: Vec<Object>,
    pub(crate) removed: Vec<ObjectRef>,
    pub(crate) problems: Vec<Problem>,
}

impl Outcome {
    /// New or changed objects, by kind and name.
    #[must_use]
    pub fn set(&self) -> &[Object] {
        &self.set
    }

    /// Objects that no longer exist, by kind and name.
    #[must_use]
    pub fn removed(&self) -> &[ObjectRef] {
        &self.removed
    }

    /// What was refused, and why. The former version of a refused object stays in force.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Nothing changed and nothing was refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.removed.is_empty() && self.problems.is_empty()
    }

    /// Puts the change into a store, as one revision. If nothing changed the store's revision stays.
    #[cfg(feature = "store")]
    pub fn commit(&self, store: &crate::store::Store) -> crate::Revision {
        store.update(self.set.iter().cloned(), self.removed.iter().cloned())
    }
}
