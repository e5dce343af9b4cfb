//! Sets of domains: a name is in one when it is the domain or below it.

use crate::message::{Name, suffixes};

/// Some domains, or all there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Domains {
    /// In lower case.
    names: Vec<Name>,
}

impl Domains {
    pub(crate) fn all() -> Self {
        Self { names: vec![Name::root()] }
    }

    pub(crate) fn add(&mut self, domain: &Name) {
        self.names.push(domain.to_lowercase());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a name in lower-case wire form is in one of them.
    pub(crate) fn hold(&self, name: &[u8]) -> bool {
        self.longest(name).is_some()
    }

    /// The longest of them that a name in lower-case wire form is in.
    pub(crate) fn longest(&self, name: &[u8]) -> Option<&Name> {
        suffixes(name).find_map(|suffix| self.names.iter().find(|domain| domain.wire() == suffix))
    }
}

impl<'n> FromIterator<&'n Name> for Domains {
    fn from_iter<I: IntoIterator<Item = &'n Name>>(names: I) -> Self {
        Self { names: names.into_iter().map(Name::to_lowercase).collect() }
    }
}
