//! Further names of hosts: `server-alias`, and those that `from-to-www-redirect` redirects.

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use std::sync::Arc;

use regex::Regex;

use super::virtual_host::VirtualHost;

/// Whose name it is; the first one counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// An alias of this host.
    Alias(String),
    /// Redirected to this host.
    Redirect(String),
}

impl Claim {
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Alias(host) | Self::Redirect(host) => host,
        }
    }
}

/// All further names. Cloning is O(1), a change O(log n).
#[derive(Clone, Debug, Default)]
pub(super) struct Aliases {
    names: RedBlackTreeMapSync<String, RedBlackTreeSetSync<Claim>>,
    /// By host and text, in the order to try them in.
    patterns: RedBlackTreeMapSync<(String, String), Arc<Regex>>,
}

impl Aliases {
    /// Who has a name, in lower case.
    pub(super) fn find(&self, name: &str) -> Option<&Claim> {
        self.names.get(name)?.first()
    }

    /// The host that has an alias by which a name matches.
    pub(super) fn find_pattern(&self, name: &str) -> Option<&str> {
        let found = self.patterns.iter().find(|(_, pattern)| pattern.is_match(name));
        found.map(|((host, _), _)| host.as_str())
    }

    pub(super) fn add(&mut self, host: &str, of: &VirtualHost) {
        for (name, claim) in claims(host, of) {
            let mut all = self.names.get(&name).cloned().unwrap_or_default();
            all.insert_mut(claim);
            self.names.insert_mut(name, all);
        }
        for alias in of.aliases() {
            if let Some(pattern) = alias.pattern() {
                self.patterns.insert_mut((host.to_owned(), alias.as_str().to_owned()), Arc::clone(pattern));
            }
        }
    }

    pub(super) fn remove(&mut self, host: &str, of: &VirtualHost) {
        for (name, claim) in claims(host, of) {
            let mut all = self.names.get(&name).cloned().unwrap_or_default();
            all.remove_mut(&claim);
            if all.is_empty() {
                self.names.remove_mut(&name);
            } else {
                self.names.insert_mut(name, all);
            }
        }
        for alias in of.aliases() {
            self.patterns.remove_mut(&(host.to_owned(), alias.as_str().to_owned()));
        }
    }
}

fn claims(host: &str, of: &VirtualHost) -> Vec<(String, Claim)> {
    let names = of.aliases().iter().filter(|alias| alias.pattern().is_none());
    let aliases = names.map(|alias| (alias.as_str().to_owned(), Claim::Alias(host.to_owned())));
    let other = of.www().then(|| match host.strip_prefix("www.") {
        Some(bare) => bare.to_owned(),
        None => format!("www.{host}"),
    });
    aliases.chain(other.map(|name| (name, Claim::Redirect(host.to_owned())))).collect()
}
