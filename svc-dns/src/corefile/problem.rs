//! What is wrong with a Corefile.

use std::{fmt, sync::Arc};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Place {
    /// The file as it was named.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Answers are as they would be.
    Warning,
    /// Answers would not be what the file says: do not serve.
    Error,
}

/// Something that cannot be done as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// How bad.
    pub severity: Severity,
    /// What, and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
        write!(f, "{}: {severity}: {}", self.place, self.text)
    }
}

/// All problems of a Corefile, in the order of its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// Whether there is no problem at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether one of them is an [error](Severity::Error).
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    pub(super) fn error(&mut self, place: &Place, text: impl Into<String>) {
        self.list.push(Problem { place: place.clone(), severity: Severity::Error, text: text.into() });
    }

    pub(super) fn warning(&mut self, place: &Place, text: impl Into<String>) {
        self.list.push(Problem { place: place.clone(), severity: Severity::Warning, text: text.into() });
    }

    pub(super) fn of_error(place: &Place, text: impl Into<String>) -> Self {
        let mut problems = Self::default();
        problems.error(place, text);
        problems
    }

    pub(super) fn sort(&mut self) {
        self.list.sort_by(|a, b| a.place.cmp(&b.place));
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let end = if index > 0 { "\n" } else { "" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
