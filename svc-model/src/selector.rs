//! Equality selectors of Services: every pair must be a label of the pod.

use std::collections::BTreeMap;
use std::fmt;

/// `spec.selector`; never empty (a Service with an empty selector has none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(BTreeMap<String, String>);

impl Selector {
    /// `None` when there is nothing to match.
    #[must_use]
    pub fn new(labels: BTreeMap<String, String>) -> Option<Self> {
        (!labels.is_empty()).then_some(Self(labels))
    }

    /// Whether all pairs are among `labels`. O(pairs x log labels).
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// The pairs.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            write!(f, "{}{key}={value}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}
