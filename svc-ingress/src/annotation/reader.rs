//! The annotations of one Ingress while they are read, and what is wrong with them.

use std::collections::BTreeMap;

use crate::config::IngressConfig;

use super::catalog::{self, Support};
use super::{AnnotationProblem, PREFIX};

/// Reads values by key, each into its type, and keeps a list of those that cannot be obeyed.
pub(super) struct Reader<'a> {
    values: BTreeMap<&'a str, &'a str>,
    namespace: &'a str,
    config: &'a IngressConfig,
    problems: Vec<AnnotationProblem>,
    denied: Option<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        annotations: &'a BTreeMap<String, String>,
        namespace: &'a str,
        config: &'a IngressConfig,
    ) -> Self {
        let ours =
            annotations.iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value.trim())));
        Self { values: ours.collect(), namespace, config, problems: Vec::new(), denied: None }
    }

    /// The Ingress's own namespace.
    pub(super) fn namespace(&self) -> &'a str {
        self.namespace
    }

    pub(super) fn config(&self) -> &'a IngressConfig {
        self.config
    }

    /// There is nothing to read.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The annotation is there, be it empty.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// An annotation's value; an empty one is none, as with ingress-nginx.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.values.get(key).copied().filter(|value| !value.is_empty())
    }

    /// An annotation's value in its type; `None` too where it is wrong, which is noted.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&'a str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(self.text(key)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.refuse(key, &message);
                None
            }
        }
    }

    /// An annotation that has two names; the first one counts.
    pub(super) fn read_either<T>(
        &mut self,
        keys: [&'static str; 2],
        parse: impl Fn(&'a str) -> Result<T, String>,
    ) -> Option<T> {
        let [first, second] = keys;
        if self.text(first).is_some() { self.read(first, parse) } else { self.read(second, parse) }
    }

    /// Notes what cannot be obeyed, and denies all requests if it protects the backend.
    pub(super) fn refuse(&mut self, key: &str, message: &str) {
        let closes = catalog::protects(key);
        if closes && self.denied.is_none() {
            self.denied = Some(format!("{PREFIX}{key} {message}"));
        }
        let then = if closes { "the requests of this Ingress are answered 503" } else { "it is ignored" };
        self.problems.push(AnnotationProblem { key: key.to_owned(), message: format!("{message}; {then}") });
    }

    /// An annotation of this family was noted.
    pub(super) fn has_refused(&self, family: &str) -> bool {
        self.problems.iter().any(|problem| problem.key.starts_with(family))
    }

    /// What was noted denies every request.
    pub(super) fn is_denied(&self) -> bool {
        self.denied.is_some()
    }

    /// Notes every annotation that nothing here obeys.
    pub(super) fn refuse_unknown(&mut self) {
        let keys: Vec<&str> = self.values.keys().copied().collect();
        for key in keys {
            match catalog::support(key) {
                Some(Support::Honoured | Support::NoEffect) => {}
                Some(Support::Refused) => self.refuse(key, "is never obeyed: it is configuration text"),
                Some(Support::NotYet) => self.refuse(key, "is not supported yet"),
                None => self.refuse(key, "is not known"),
            }
        }
    }

    /// What was noted, in the order of keys, and why every request is denied.
    pub(super) fn finish(mut self) -> (Vec<AnnotationProblem>, Option<String>) {
        self.problems.sort_by(|a, b| a.key.cmp(&b.key));
        (self.problems, self.denied)
    }
}
