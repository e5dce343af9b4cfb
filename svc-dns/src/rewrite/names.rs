//! Which names a rule is about, and what it makes of them.

use std::{fmt, sync::Arc};

use regex::{Regex, RegexBuilder};

use crate::error::ConfigError;

/// Which names. They are compared in lower case, with their final dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    kind: Kind,
    pattern: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exact,
    Prefix,
    Suffix,
    Substring,
    Regex,
}

impl Matcher {
    /// This name.
    #[must_use]
    pub fn exact(name: &str) -> Self {
        Self { kind: Kind::Exact, pattern: dotted(name) }
    }

    /// Names that begin with this text.
    #[must_use]
    pub fn prefix(text: &str) -> Self {
        Self { kind: Kind::Prefix, pattern: text.to_ascii_lowercase() }
    }

    /// Names that end with this text.
    #[must_use]
    pub fn suffix(text: &str) -> Self {
        Self { kind: Kind::Suffix, pattern: dotted(text) }
    }

    /// Names in which this text stands somewhere.
    #[must_use]
    pub fn substring(text: &str) -> Self {
        Self { kind: Kind::Substring, pattern: text.to_ascii_lowercase() }
    }

    /// Names that this regular expression finds a match in. It takes time in proportion to the length of the name, whatever it
    /// is; `{1}` in what it is replaced by is the text of its first group.
    #[must_use]
    pub fn regex(pattern: &str) -> Self {
        Self { kind: Kind::Regex, pattern: pattern.to_owned() }
    }

    /// By the name of its kind: `exact`, `prefix`, `suffix`, `substring` or `regex`.
    #[must_use]
    pub fn of_kind(kind: &str, pattern: &str) -> Option<Self> {
        Some(match kind {
            "exact" => Self::exact(pattern),
            "prefix" => Self::prefix(pattern),
            "suffix" => Self::suffix(pattern),
            "substring" => Self::substring(pattern),
            "regex" => Self::regex(pattern),
            _ => return None,
        })
    }

    pub(super) fn pattern(&self) -> &str {
        &self.pattern
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Exact => "exact",
            Kind::Prefix => "prefix",
            Kind::Suffix => "suffix",
            Kind::Substring => "substring",
            Kind::Regex => "regex",
        };
        write!(f, "{kind} {}", self.pattern)
    }
}

/// In lower case, with the final dot.
fn dotted(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    if text.ends_with('.') { text } else { text + "." }
}

/// A matcher and what comes in the place of what it matches.
#[derive(Clone, Debug)]
pub struct Rewriting {
    matcher: Matcher,
    regex: Option<Arc<Regex>>,
    to: String,
}

/// Memory that a compiled expression may take.
const REGEX_SIZE: usize = 1 << 20;

/// Compiles an expression with bounds.
pub(crate) fn compile(pattern: &str) -> Result<Regex, ConfigError> {
    let compiled = RegexBuilder::new(pattern).size_limit(REGEX_SIZE).dfa_size_limit(REGEX_SIZE).build();
    compiled.map_err(|error| ConfigError::Regex { pattern: pattern.to_owned(), problem: error.to_string() })
}

impl Rewriting {
    /// # Errors
    /// When the matcher is a regular expression and that cannot be compiled.
    pub(super) fn new(matcher: Matcher, to: &str) -> Result<Self, ConfigError> {
        let regex = match matcher.kind {
            Kind::Regex => Some(Arc::new(compile(&matcher.pattern)?)),
            _ => None,
        };
        let to = match matcher.kind {
            Kind::Exact | Kind::Suffix => dotted(to),
            _ => to.to_owned(),
        };
        Ok(Self { matcher, regex, to })
    }

    pub(super) fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    pub(super) fn to(&self) -> &str {
        &self.to
    }

    /// The new name, if this one matches.
    pub(super) fn apply(&self, name: &str) -> Option<String> {
        let (pattern, to) = (self.matcher.pattern.as_str(), self.to.as_str());
        match self.matcher.kind {
            Kind::Exact => (name == pattern).then(|| to.to_owned()),
            Kind::Prefix => name.strip_prefix(pattern).map(|rest| format!("{to}{rest}")),
            Kind::Suffix => name.strip_suffix(pattern).map(|rest| format!("{rest}{to}")),
            Kind::Substring => name.contains(pattern).then(|| name.replace(pattern, to)),
            Kind::Regex => self.expand(name),
        }
    }

    fn expand(&self, name: &str) -> Option<String> {
        let captures = self.regex.as_ref()?.captures(name)?;
        let mut out = self.to.clone();
        for index in 0..captures.len() {
            let group = captures.get(index).map_or("", |group| group.as_str());
            out = out.replace(&format!("{{{index}}}"), group);
        }
        Some(out)
    }

    /// What undoes it, where that can be told.
    pub(super) fn reversed(&self) -> Option<Self> {
        let kind = self.matcher.kind;
        let back = matches!(kind, Kind::Prefix | Kind::Suffix | Kind::Substring) && !self.to.is_empty();
        let matcher = Matcher { kind, pattern: self.to.to_ascii_lowercase() };
        back.then(|| Self { matcher, regex: None, to: self.matcher.pattern.clone() })
    }
}
