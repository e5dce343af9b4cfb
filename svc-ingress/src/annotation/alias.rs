//! `server-alias`: further names of the Ingress's hosts.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::authority::Authority;

// What one pattern may cost in memory, compiled.
const SIZE_LIMIT: usize = 1 << 18;

/// A name, `*.` before a name, or `~` and a regular expression.
#[derive(Clone, Debug)]
pub struct Alias {
    text: String,
    pattern: Option<Arc<Regex>>,
}

impl PartialEq for Alias {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Alias {}

impl Alias {
    /// Reads a list of them, divided by commas.
    pub(super) fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let mut aliases: Vec<Self> = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let alias = Self::parse(entry).ok_or_else(|| {
                format!("has `{entry}`, which is neither a host, nor `*.` and a host, nor `~` and a linear-time regular expression")
            })?;
            if !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
        Ok(aliases)
    }

    fn parse(entry: &str) -> Option<Self> {
        if let Some(pattern) = entry.strip_prefix('~') {
            let built = RegexBuilder::new(pattern)
                .case_insensitive(true)
                .size_limit(SIZE_LIMIT)
                .dfa_size_limit(SIZE_LIMIT)
                .build();
            return Some(Self { text: entry.to_owned(), pattern: Some(Arc::new(built.ok()?)) });
        }
        let name = entry.strip_prefix("*.").unwrap_or(entry);
        let authority =
            Authority::parse(name).filter(|name| name.port().is_none() && !name.host().starts_with('['))?;
        let star = if entry.starts_with("*.") { "*." } else { "" };
        Some(Self { text: format!("{star}{}", authority.host()), pattern: None })
    }

    /// The name in lower case, or `~` and the regular expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The regular expression.
    #[must_use]
    pub fn pattern(&self) -> Option<&Arc<Regex>> {
        self.pattern.as_ref()
    }
}
