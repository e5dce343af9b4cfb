//! What was refused or ignored.

use std::fmt;

use svc_model::{ObjectName, Problem, Revision};

/// Every object that is not served as written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    revision: Revision,
    problems: Vec<Problem>,
    ignored: Vec<(ObjectName, String)>,
}

impl Report {
    pub(super) fn new(
        revision: Revision,
        problems: Vec<Problem>,
        ignored: Vec<(ObjectName, String)>,
    ) -> Self {
        Self { revision, problems, ignored }
    }

    /// The revision of the objects.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Faults: object, field, what is wrong and what follows from it.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Ingresses of other controllers, and what makes them so.
    #[must_use]
    pub fn ignored(&self) -> &[(ObjectName, String)] {
        &self.ignored
    }

    /// Nothing was refused.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))?;
        self.ignored.iter().try_for_each(|(ingress, why)| writeln!(f, "Ingress {ingress}: ignored: {why}"))
    }
}
