//! A set of manifests that stands for all that should exist.

use std::collections::{BTreeMap, BTreeSet};

use super::{Contents, Entry, Form};
use crate::{ObjectRef, Problem};

/// What manifests ask for, what is wrong with them, and what a faulty text may have held.
pub(crate) struct Declaration<'a, F> {
    pub(crate) wanted: BTreeMap<ObjectRef, &'a Entry<F>>,
    pub(crate) problems: Vec<Problem>,
    protected: Protected<'a>,
}

impl<'a, F: Form> Declaration<'a, F> {
    /// The first of several manifests of one object counts, and the others are reported.
    pub(crate) fn of(contents: &'a Contents<F>) -> Self {
        let mut problems = contents.problems.clone();
        let mut wanted: BTreeMap<_, &Entry<F>> = BTreeMap::new();
        for entry in &contents.entries {
            let at = entry.form.reference();
            match wanted.get(&at) {
                Some(first) => problems.push(twice(&at, entry, first)),
                None => drop(wanted.insert(at, entry)),
            }
        }
        Self { wanted, problems, protected: Protected::of(&contents.problems) }
    }

    /// Whether an object that came from `source` is to be removed: nobody asks for it any more, and no text that may have
    /// held it is faulty.
    pub(crate) fn is_gone(&self, at: &ObjectRef, source: Option<&str>) -> bool {
        !self.wanted.contains_key(at) && !self.protected.covers(at, source)
    }
}

fn twice<F>(at: &ObjectRef, entry: &Entry<F>, first: &Entry<F>) -> Problem {
    let place = first.source.as_ref().map_or(String::new(), |first| format!(" in {first}"));
    let problem = Problem::new(at, "metadata.name", format!("is already defined{place}"));
    match &entry.source {
        Some(source) => problem.in_source(&**source),
        None => problem,
    }
}

/// What a text that could not be read may have held.
#[derive(Debug, Default)]
struct Protected<'a> {
    objects: BTreeSet<&'a str>,
    /// Files, or directories that hold them.
    sources: BTreeSet<Option<&'a str>>,
}

impl<'a> Protected<'a> {
    fn of(problems: &'a [Problem]) -> Self {
        let mut protected = Self::default();
        for problem in problems {
            // A document that says what it is stands for itself, any other for its whole file.
            if problem.object().contains(' ') && !problem.object().starts_with("document ") {
                protected.objects.insert(problem.object());
            } else {
                protected.sources.insert(problem.source());
            }
        }
        protected
    }

    fn covers(&self, at: &ObjectRef, source: Option<&str>) -> bool {
        let below = |directory: &str| {
            source.and_then(|file| file.strip_prefix(directory)).is_some_and(|rest| rest.starts_with('/'))
        };
        self.objects.contains(at.to_string().as_str())
            || self.sources.contains(&source)
            // It may have come from any of the files that cannot be read.
            || (source.is_none() && !self.sources.is_empty())
            || self.sources.iter().flatten().any(|directory| below(directory))
    }
}
