//! What texts hold, as manifests.

use std::sync::Arc;

use super::{Contents, Entry};
use crate::stored::AsStored;
use crate::wire::Manifest;
use crate::{Object, Problem};

/// What a text (or several) holds: the objects of kinds this project knows, what could not be read, and which other
/// kinds were passed over. Manifests are shared: a clone copies pointers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests(pub(crate) Contents<Arc<Manifest>>);

impl Manifests {
    /// The manifests, in the order of the text, not yet validated.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.0.entries.iter().map(|entry| &*entry.form)
    }

    /// With the file in which each stood, where known.
    pub fn sourced(&self) -> impl Iterator<Item = (Option<&str>, &Manifest)> {
        self.0.entries.iter().map(|entry| (entry.source.as_deref(), &*entry.form))
    }

    /// What could not be read as an object.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// Objects of kinds that do not concern the network, such as `Deployment default/web`.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.0.ignored
    }

    /// Says of every entry and problem that it came from `source` (a file).
    #[must_use]
    pub fn in_source(self, source: &str) -> Self {
        Self(self.0.in_source(source))
    }

    /// Adds the entries of another text.
    pub fn extend(&mut self, other: Manifests) {
        self.0.extend(other.0);
    }

    /// Each as a cluster holds it.
    pub(crate) fn as_stored(&self) -> Contents<AsStored> {
        let Contents { entries, problems, ignored } = &self.0;
        let stored = |entry: &Entry<Arc<Manifest>>| Entry {
            source: entry.source.clone(),
            form: AsStored::of(&entry.form),
        };
        Contents {
            entries: entries.iter().map(stored).collect(),
            problems: problems.clone(),
            ignored: ignored.clone(),
        }
    }

    /// The objects as a cluster holds them (nothing is defaulted beyond the API's own defaults, nothing allocated), and
    /// the faults of the others.
    #[must_use]
    pub fn stored(&self) -> (Vec<Object>, Vec<Problem>) {
        let stored = self.as_stored();
        let mut problems = stored.problems;
        for Entry { source, form } in &stored.entries {
            problems.extend(form.problems(source.as_deref()));
        }
        (stored.entries.iter().filter_map(|entry| entry.form.object().cloned()).collect(), problems)
    }
}
