//! The declarative intake: a set of manifests that stands for all that should exist.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Change;
use super::{ControlPlane, Outcome};
use crate::wire::Manifest;
use crate::yaml::Manifests;
use crate::{ObjectRef, Problem};

impl ControlPlane {
    /// Makes what came by `replace` be exactly `manifests`: new objects are created, changed ones updated, and those that
    /// an earlier call brought and this one does not are removed. What came by [`apply`](ControlPlane::apply) is not
    /// touched.
    ///
    /// A mistake never takes away what worked: the last good version of a faulty manifest stays, and so do all objects
    /// of a file that cannot be read, or holds a document that cannot.
    pub fn replace(&mut self, manifests: &Manifests) -> Outcome {
        let mut change = Change::default();
        change.problems.extend(manifests.problems().iter().cloned());
        let wanted = unique(manifests, &mut change);
        let protected = Protected::of(manifests);
        let gone: Vec<_> = self
            .declared
            .iter()
            .filter(|(at, source)| !wanted.contains_key(at) && !protected.covers(at, source.as_deref()))
            .map(|(at, _)| at.clone())
            .collect();
        gone.iter().for_each(|at| self.remove(at, &mut change));
        self.admit(wanted.values().map(|(source, manifest)| (*source, *manifest)).collect(), &mut change);
        for (at, (source, _)) in wanted {
            // A manifest that was never accepted brought nothing.
            if self.objects.contains_key(&at) {
                self.declared.insert(at, source.map(str::to_owned));
            }
        }
        self.finish(change)
    }
}

type Wanted<'a> = BTreeMap<ObjectRef, (Option<&'a str>, &'a Manifest)>;

/// The first of several manifests of one object counts, and the others are reported.
fn unique<'a>(manifests: &'a Manifests, change: &mut Change) -> Wanted<'a> {
    let mut wanted = Wanted::new();
    for (source, manifest) in manifests.sourced() {
        let at = manifest.reference();
        if let Some((first, _)) = wanted.get(&at) {
            let place = first.map_or(String::new(), |first| format!(" in {first}"));
            let problem = Problem::new(&at, "metadata.name", format!("is already defined{place}"));
            change.problems.push(match source {
                Some(source) => problem.in_source(source),
                None => problem,
            });
        } else {
            wanted.insert(at, (source, manifest));
        }
    }
    wanted
}

/// What a text that could not be read may have held.
#[derive(Debug, Default)]
struct Protected<'a> {
    objects: BTreeSet<&'a str>,
    /// Files, or directories that hold them.
    sources: BTreeSet<Option<&'a str>>,
}

impl<'a> Protected<'a> {
    fn of(manifests: &'a Manifests) -> Self {
        let mut protected = Self::default();
        for problem in manifests.problems() {
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
