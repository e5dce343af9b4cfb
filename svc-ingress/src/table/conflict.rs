//! Two rules for the same requests.

use std::fmt;

use svc_model::{Kind, ObjectName, ObjectRef, Problem};

use super::Matching;

/// Two rules of one host with the same path, compared in the same way: the older Ingress's is served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) matching: Matching,
    pub(super) winner: ObjectName,
    pub(super) loser: ObjectName,
    /// Where in the loser the rule stands.
    pub(super) field: String,
}

impl Conflict {
    /// The rule's host, empty for every host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path of both.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How both compare it.
    #[must_use]
    pub fn matching(&self) -> Matching {
        self.matching
    }

    /// The Ingress that is served.
    #[must_use]
    pub fn winner(&self) -> &ObjectName {
        &self.winner
    }

    /// The Ingress whose rule is left out; the same one where it has the path twice.
    #[must_use]
    pub fn loser(&self) -> &ObjectName {
        &self.loser
    }

    pub(super) fn problem(&self) -> Problem {
        let Self { path, winner, field, .. } = self;
        let message = format!("`{path}` of {} is served by Ingress {winner}, which is older", self.site());
        Problem::new(&ObjectRef::new(Kind::Ingress, self.loser.clone()), format!("{field}.path"), message)
    }

    fn site(&self) -> &str {
        if self.host.is_empty() { "every host" } else { &self.host }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, matching, winner, loser, field, .. } = self;
        write!(
            f,
            "{} {matching:?} {path}: Ingress {winner} is served, Ingress {loser} {field} is not",
            self.site()
        )
    }
}
