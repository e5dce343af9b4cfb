//! `rewrite-target`: what a backend sees instead of the request's path.

use std::fmt;

use regex::bytes::{Captures, Regex, RegexBuilder};

use crate::path::emit;

#[cfg(test)]
mod tests;

// What one path may cost in memory, compiled.
const SIZE_LIMIT: usize = 1 << 20;

/// Compiles an Ingress path to the regular expression that ingress-nginx makes of it: anchored at the start only and
/// case-insensitive. The engine's time is linear in the path; look-around and back-references do not exist.
pub(crate) fn pattern(path: &str) -> Result<Regex, String> {
    let compiled = RegexBuilder::new(&format!("^(?:{path})"))
        .case_insensitive(true)
        .unicode(false)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            "is too large a regular expression: shorten its repetitions".to_owned()
        }
        _ => "is not a regular expression of the linear-time kind: no look-around, no back-references"
            .to_owned(),
    })
}

/// A parsed `rewrite-target`: text with `$1` to `$9` for the groups of the path.
#[derive(Clone, PartialEq, Eq)]
pub struct RewriteTarget {
    text: String,
    path: Vec<Piece>,
    query: Option<Vec<Piece>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

impl RewriteTarget {
    /// Reads the annotation's value; `None` if it is no path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let starts = text.starts_with('/') || text.starts_with('$');
        if !starts || text.len() > 4096 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        Some(Self { text: text.to_owned(), path: pieces(path), query: query.map(pieces) })
    }

    /// The annotation's value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The request target for a backend: this target filled with the groups, then the request's query. A target that
    /// ends in `?` drops the query.
    pub(crate) fn fill(&self, groups: &Captures<'_>, query: Option<&str>) -> String {
        let mut path = Vec::new();
        fill(&self.path, groups, &mut path);
        let mut target = String::with_capacity(path.len() + 16);
        if path.first() != Some(&b'/') {
            target.push('/');
        }
        emit(&path, &mut target);
        self.fill_query(groups, query, &mut target);
        target
    }

    fn fill_query(&self, groups: &Captures<'_>, query: Option<&str>, target: &mut String) {
        let mut own = Vec::new();
        let drops = self.text.ends_with('?');
        if let Some(pieces) = &self.query {
            fill(pieces, groups, &mut own);
        }
        let own = String::from_utf8_lossy(&own);
        let own = own.trim_end_matches('?');
        let parts = [Some(own), query.filter(|_| !drops)];
        let mut mark = '?';
        for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
            target.push(mark);
            target.extend(part.chars().filter(|c| !c.is_whitespace() && !c.is_control()));
            mark = '&';
        }
    }
}

fn fill(pieces: &[Piece], groups: &Captures<'_>, filled: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => filled.extend_from_slice(text.as_bytes()),
            Piece::Group(group) => filled.extend_from_slice(groups.get(*group).map_or(b"", |m| m.as_bytes())),
        }
    }
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        let digit =
            from.chars().nth(1).and_then(|c| c.to_digit(10)).and_then(|digit| usize::try_from(digit).ok());
        let Some(group) = digit else {
            pieces.push(Piece::Text(format!("{before}$")));
            rest = &from[1..];
            continue;
        };
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Group(group));
        rest = &from[2..];
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces
}

impl fmt::Debug for RewriteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}
