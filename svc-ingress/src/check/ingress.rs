//! One Ingress, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use svc_model::{Ingress, ObjectName, Problem};

use crate::annotation::{PREFIX, annotation_field};

use super::CheckedAnnotation;

/// An Ingress with what becomes of its annotations and of everything else in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedIngress {
    name: ObjectName,
    hosts: BTreeSet<String>,
    ignored: Option<String>,
    annotations: Vec<CheckedAnnotation>,
    problems: Vec<Problem>,
    absent: Vec<Problem>,
}

impl CheckedIngress {
    /// `problems` are all that the table has to say of it, `absent` the fields of those that another object would cure.
    pub(super) fn new(
        ingress: &Ingress,
        ignored: Option<String>,
        problems: &[&Problem],
        absent: &BTreeSet<&str>,
    ) -> Self {
        let (absent, problems): (Vec<_>, Vec<_>) =
            problems.iter().copied().partition(|problem| absent.contains(problem.field()));
        let annotations = ingress.annotations();
        let of_annotations: BTreeSet<_> =
            annotations.keys().filter_map(|name| name.strip_prefix(PREFIX)).map(annotation_field).collect();
        let others = problems.iter().filter(|problem| !of_annotations.contains(problem.field()));
        let read = |annotations: &BTreeMap<String, String>| {
            let checked =
                annotations.iter().filter_map(|(name, value)| CheckedAnnotation::new(name, value, &problems));
            checked.collect()
        };
        Self {
            name: ingress.name().clone(),
            hosts: ingress.rules().iter().map(|rule| rule.host().unwrap_or_default().to_owned()).collect(),
            annotations: if ignored.is_some() { Vec::new() } else { read(annotations) },
            ignored,
            problems: others.copied().cloned().collect(),
            absent: absent.into_iter().cloned().collect(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The hosts of its rules, an empty one for every host.
    #[must_use]
    pub fn hosts(&self) -> &BTreeSet<String> {
        &self.hosts
    }

    /// Why it is another controller's; then nothing else is said of it.
    #[must_use]
    pub fn ignored(&self) -> Option<&str> {
        self.ignored.as_deref()
    }

    /// Its annotations, in the order of their names.
    #[must_use]
    pub fn annotations(&self) -> &[CheckedAnnotation] {
        &self.annotations
    }

    /// What else in it is not obeyed as written.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Objects that it names and that are not among those that were read, and what follows if they are nowhere.
    #[must_use]
    pub fn absent(&self) -> &[Problem] {
        &self.absent
    }

    /// Everything is obeyed as written, or it is another controller's.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.annotations.iter().all(CheckedAnnotation::is_clean)
    }
}
