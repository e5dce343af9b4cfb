//! What is wrong with an object: which object, which field, which value, which rule.

use std::fmt;

use crate::ObjectRef;

/// One fault of one object. Printed as `web.yaml: Service default/web: spec.ports[0].port: 70000 is not in 1-65535`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    source: Option<String>,
    object: String,
    field: String,
    message: String,
}

impl Problem {
    /// `message` is said of `field` (a path such as `spec.ports[1].nodePort`) of `object`.
    pub fn new(object: &ObjectRef, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::unnamed(object.to_string(), field, message)
    }

    /// For text that is not yet an object: `object` says as much as is known.
    pub fn unnamed(object: impl Into<String>, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { source: None, object: object.into(), field: field.into(), message: message.into() }
    }

    /// Names the file (or other source) in which the object was found.
    #[must_use]
    pub fn in_source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The file, where known.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Kind and name, as far as known.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The path of the field; empty when the whole object is meant.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value and the rule it breaks.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.source.as_deref().unwrap_or(""), &self.object, &self.field, &self.message];
        let mut separator = "";
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            write!(f, "{separator}{part}")?;
            separator = ": ";
        }
        Ok(())
    }
}

/// All faults that were found, at least one: the error of operations that refuse an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Err(problems)` if there are any.
    pub fn check(problems: Vec<Problem>) -> Result<(), Problems> {
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }

    /// The faults, in the order of the fields.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// The faults.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects the faults of one object while it is read.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    object: &'a ObjectRef,
    found: Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub(crate) fn of(object: &'a ObjectRef) -> Self {
        Self { object, found: Vec::new() }
    }

    pub(crate) fn report(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.found.push(Problem::new(self.object, field, message));
    }

    /// Reports unless `holds`.
    pub(crate) fn require(&mut self, holds: bool, field: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.report(field, message());
        }
    }

    /// The value, or the error reported against the field and `None`.
    pub(crate) fn parsed<T, E: fmt::Display>(&mut self, field: &str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.report(field, error.to_string())).ok()
    }

    /// Adds what another check found, unless something is already said of the same field.
    pub(crate) fn add_unknown(&mut self, problems: Problems) {
        for problem in problems.0 {
            if !self.found.iter().any(|known| known.field == problem.field) {
                self.found.push(problem);
            }
        }
    }

    pub(crate) fn finish(self) -> Result<(), Problems> {
        Problems::check(self.found)
    }
}
