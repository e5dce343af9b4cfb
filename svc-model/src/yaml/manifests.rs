//! What texts hold, document by document.

use std::sync::Arc;

use crate::wire::Manifest;
use crate::{Object, Problem, read};

/// What a text (or several) holds: the objects of kinds this project knows, what could not be read, and which other
/// kinds were passed over. Manifests are shared: a clone copies pointers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests {
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<Problem>,
    pub(super) ignored: Vec<String>,
}

/// A manifest, and the file in which it stood, where known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) source: Option<Arc<str>>,
    pub(crate) manifest: Arc<Manifest>,
}

impl Manifests {
    /// The manifests, in the order of the text, not yet validated.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.entries.iter().map(|entry| &*entry.manifest)
    }

    /// With the file in which each stood, where known.
    pub fn sourced(&self) -> impl Iterator<Item = (Option<&str>, &Manifest)> {
        self.entries.iter().map(|entry| (entry.source.as_deref(), &*entry.manifest))
    }

    /// What could not be read as an object.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Objects of kinds that do not concern the network, such as `Deployment default/web`.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Says of every entry and problem that it came from `source` (a file).
    #[must_use]
    pub fn in_source(mut self, source: &str) -> Self {
        let place: Arc<str> = source.into();
        self.entries.iter_mut().for_each(|entry| entry.source = Some(Arc::clone(&place)));
        self.problems = self.problems.into_iter().map(|problem| problem.in_source(source)).collect();
        self
    }

    /// Of a source that could not be read at all.
    #[cfg(feature = "dir")]
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self { problems: vec![Problem::unnamed("", "", message)], ..Self::default() }
    }

    /// Adds the entries of another text.
    pub fn extend(&mut self, other: Manifests) {
        self.entries.extend(other.entries);
        self.problems.extend(other.problems);
        self.ignored.extend(other.ignored);
    }

    /// The objects as a cluster holds them (nothing is defaulted beyond the API's own defaults, nothing allocated), and
    /// the faults of the others.
    #[must_use]
    pub fn stored(&self) -> (Vec<Object>, Vec<Problem>) {
        let mut objects = Vec::with_capacity(self.entries.len());
        let mut problems = self.problems.clone();
        for entry in &self.entries {
            match entry.stored() {
                Ok(object) => objects.extend(object),
                Err(found) => problems.extend(found),
            }
        }
        (objects, problems)
    }
}

impl Entry {
    /// The object as a cluster holds it (see [`read::stored`]), or its faults with the file.
    pub(crate) fn stored(&self) -> Result<Option<Object>, Vec<Problem>> {
        read::stored(&self.manifest).map_err(|found| {
            let sourced = |problem: Problem| match &self.source {
                Some(source) => problem.in_source(&**source),
                None => problem,
            };
            found.into_vec().into_iter().map(sourced).collect()
        })
    }
}
