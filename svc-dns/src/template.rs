//! Answers made from the name that is asked for: CoreDNS's `template`, as far as it needs no programming.
//!
//! Its common use is one line: no AAAA records where there is no IPv6.

mod record;
mod text;

use std::fmt;

use regex::Regex;

use self::{record::Line, text::Text};
use crate::{
    domains::Domains,
    error::ConfigError,
    hosts::Said,
    message::{Class, Header, Name, Owner, Query, Rcode, RecordType, Section, Writer},
    rewrite::compile,
};

/// A template. The first whose class, type and domain hold a question says what becomes of it.
///
/// ```
/// use svc_dns::{message::RecordType, template::Template};
///
/// // No IPv6 here: AAAA is NODATA for every name.
/// let template = Template::new(Some(RecordType::AAAA)).answers_nothing();
/// assert_eq!(template.to_string(), "template IN AAAA");
/// ```
#[derive(Clone, Debug)]
pub struct Template {
    class: Option<Class>,
    kind: Option<RecordType>,
    zones: Domains,
    patterns: Vec<Regex>,
    lines: Vec<(Section, Text)>,
    rcode: Rcode,
    fallthrough: Domains,
}

impl Template {
    /// For questions of this type, or of all; class IN, all names.
    #[must_use]
    pub fn new(kind: Option<RecordType>) -> Self {
        Self {
            class: Some(Class::IN),
            kind,
            zones: Domains::all(),
            patterns: Vec::new(),
            lines: Vec::new(),
            rcode: Rcode::NOERROR,
            fallthrough: Domains::default(),
        }
    }

    /// What a new one does: NOERROR without records.
    #[must_use]
    pub fn answers_nothing(self) -> Self {
        self
    }

    /// For this class, or for all.
    #[must_use]
    pub fn class(mut self, class: Option<Class>) -> Self {
        self.class = class;
        self
    }

    /// For names in these domains only.
    #[must_use]
    pub fn zones<'n>(mut self, zones: impl IntoIterator<Item = &'n Name>) -> Self {
        self.zones = zones.into_iter().collect();
        self
    }

    /// For names in which the expression finds something; may be given several times.
    ///
    /// # Errors
    /// When it is no regular expression, or too large.
    pub fn matching(mut self, pattern: &str) -> Result<Self, ConfigError> {
        self.patterns.push(compile(pattern)?);
        Ok(self)
    }

    /// Adds a record to the answer: a line of a zone file in which `{{ .Name }}`, `{{ .Zone }}`, `{{ .Type }}`, `{{ .Class }}`,
    /// `{{ .Remote }}`, `{{ .Group.NAME }}` and `{{ index .Match N }}` stand for what was asked.
    ///
    /// # Errors
    /// When the line has other expressions in it.
    pub fn answer(self, line: &str) -> Result<Self, ConfigError> {
        self.line(Section::Answer, line)
    }

    pub(crate) fn line(mut self, section: Section, line: &str) -> Result<Self, ConfigError> {
        self.lines.push((section, Text::parse(line)?));
        self.lines.sort_by_key(|(section, _)| *section as usize);
        Ok(self)
    }

    /// The code of the answer; NOERROR by default.
    #[must_use]
    pub fn rcode(mut self, rcode: Rcode) -> Self {
        self.rcode = rcode;
        self
    }

    /// Domains in which names without a match are somebody else's; none by default: they get SERVFAIL.
    #[must_use]
    pub fn fallthrough<'n>(mut self, zones: impl IntoIterator<Item = &'n Name>) -> Self {
        self.fallthrough = zones.into_iter().collect();
        self
    }

    /// Answers a query, if it is about it.
    pub(crate) fn respond(&self, asked: &Asked<'_>, query: &Query<'_>, out: &mut Vec<u8>) -> Said {
        let question = query.question();
        let name = question.name().clone();
        let concerns = self.class.is_none_or(|class| class == question.class())
            && self.kind.is_none_or(|kind| kind == question.kind());
        let Some(zone) = self.zones.longest(name.wire()).filter(|_| concerns) else { return Said::Nothing };
        let captures = self.patterns.iter().find_map(|pattern| pattern.captures(asked.name));
        if captures.is_none() && !self.patterns.is_empty() {
            if self.fallthrough.hold(name.wire()) {
                return Said::Nothing;
            }
            Writer::reply(query, asked.limit, out).finish(Rcode::SERVFAIL);
            return Said::Answer;
        }
        let mut writer = Writer::reply(query, asked.limit, out);
        writer.set(Header::AA | Header::RA);
        let values = text::Values { zone, query, asked, captures: captures.as_ref() };
        let whole = self.lines.iter().all(|(section, text)| put(&mut writer, *section, &text.fill(&values)));
        writer.finish(if whole { self.rcode } else { Rcode::SERVFAIL });
        Said::Answer
    }
}

/// What a template is filled with, beside the query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// In lower case, with the final dot.
    pub(crate) name: &'a str,
    pub(crate) client: std::net::IpAddr,
    pub(crate) limit: usize,
}

/// False when the line is no record: the template made none of this name.
fn put(writer: &mut Writer<'_>, section: Section, line: &str) -> bool {
    let line = match Line::parse(line) {
        Ok(line) => line,
        Err(problem) => {
            tracing::warn!(line, problem, "template");
            return false;
        }
    };
    let data = |out: &mut Vec<u8>| out.extend_from_slice(&line.data);
    if writer.record(section, Owner::Wire(line.name.wire()), line.kind, line.ttl, data).is_none() {
        writer.set(Header::TC);
    }
    true
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = if self.class.is_some() { "IN" } else { "ANY" };
        let kind = self.kind.map_or_else(|| "ANY".to_owned(), |kind| kind.to_string());
        write!(f, "template {class} {kind}")?;
        self.patterns.iter().try_for_each(|pattern| write!(f, " match {}", pattern.as_str()))?;
        self.lines.iter().try_for_each(|(section, text)| write!(f, " {section:?} {:?}", text.source()))?;
        if self.rcode == Rcode::NOERROR { Ok(()) } else { write!(f, " rcode {}", self.rcode) }
    }
}

#[cfg(test)]
mod tests;
