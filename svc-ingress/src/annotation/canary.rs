//! `canary` and `canary-*`: which requests go to another version.

use http::{HeaderMap, HeaderName};
use regex::Regex;

use crate::variable::{cookie, field};

use super::reader::Reader;
use super::value;

// What one pattern may cost in memory, compiled.
const SIZE_LIMIT: usize = 1 << 18;

/// Which requests the Ingress takes off the one that has the same host, path and kind of path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    header: Option<HeaderRule>,
    cookie: Option<String>,
    weight: u32,
    total: u32,
    ignores_affinity: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct HeaderRule {
    name: HeaderName,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// `always` or `never`.
    Word,
    Value(String),
    Pattern(Pattern),
}

/// A regular expression; `None` if it is none.
#[derive(Clone, Debug)]
struct Pattern(String, Option<Regex>);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Pattern {}

impl Canary {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let canary = Self {
            header: header_rule(reader),
            cookie: reader.read("canary-by-cookie", value::token),
            weight: reader.read("canary-weight", value::count).unwrap_or(0),
            total: reader.read("canary-weight-total", value::count).unwrap_or(100).max(100),
            ignores_affinity: reader.read("affinity-canary-behavior", behaviour).unwrap_or(false),
        };
        let enabled = reader.read("canary", value::boolean).unwrap_or(false);
        if !enabled && (canary.header.is_some() || canary.cookie.is_some() || canary.weight > 0) {
            reader.refuse(
                "canary",
                "is not `true`, so that the Ingress is no canary, whatever else it says of one",
            );
        }
        enabled.then_some(canary)
    }

    /// How many of [`weight_total`](Self::weight_total) requests the lot gives it.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// What the weight is of.
    #[must_use]
    pub fn weight_total(&self) -> u32 {
        self.total
    }

    /// `affinity-canary-behavior: legacy`: the main Ingress's sessions do not hold here.
    #[must_use]
    pub fn ignores_affinity(&self) -> bool {
        self.ignores_affinity
    }

    /// Whether a request goes to the canary: by its header, else by its cookie, else by lot. `draw` gives a number below
    /// another one, each as likely.
    #[must_use]
    pub fn takes(&self, headers: &HeaderMap, draw: impl FnOnce(u64) -> u64) -> bool {
        self.by_header(headers)
            .or_else(|| word(cookie(headers, self.cookie.as_deref()?)?))
            .unwrap_or_else(|| draw(self.total.into()) < self.weight.into())
    }

    fn by_header(&self, headers: &HeaderMap) -> Option<bool> {
        let rule = self.header.as_ref()?;
        let found = field(headers, &rule.name)?;
        match &rule.wanted {
            Wanted::Word => word(&found),
            Wanted::Value(value) => (found == *value).then_some(true),
            // As in ingress-nginx: an expression that cannot be used ends the search.
            Wanted::Pattern(Pattern(_, None)) => Some(false),
            Wanted::Pattern(Pattern(_, Some(pattern))) => pattern.is_match(&found).then_some(true),
        }
    }
}

fn header_rule(reader: &mut Reader<'_>) -> Option<HeaderRule> {
    // Nginx has one variable for `a-b` and `a_b`.
    let name =
        |text: &str| text.replace('_', "-").parse().map_err(|_| "is not the name of a field".to_owned());
    let name = reader.read("canary-by-header", name);
    let value = reader.text("canary-by-header-value").map(str::to_owned);
    let pattern = reader.text("canary-by-header-pattern").map(|text| {
        let compiled = regex::RegexBuilder::new(text).size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT).build();
        if compiled.is_err() {
            let message = "is not a regular expression of the linear-time kind, or too large a one: requests with the header go to the main Ingress";
            reader.refuse("canary-by-header-pattern", message);
        }
        Pattern(text.to_owned(), compiled.ok())
    });
    let wanted = value.map(Wanted::Value).or(pattern.map(Wanted::Pattern)).unwrap_or(Wanted::Word);
    Some(HeaderRule { name: name?, wanted })
}

fn word(text: &str) -> Option<bool> {
    match text {
        "always" => Some(true),
        "never" => Some(false),
        _ => None,
    }
}

fn behaviour(text: &str) -> Result<bool, String> {
    match text {
        "legacy" => Ok(true),
        "sticky" => Ok(false),
        _ => Err("is neither `sticky` nor `legacy`".to_owned()),
    }
}
