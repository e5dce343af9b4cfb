//! Lines with places to fill in.

use regex::Captures;

use super::Asked;
use crate::{
    error::ConfigError,
    message::{Name, Query},
};

/// A line, cut where something is filled in.
#[derive(Clone, Debug)]
pub(super) struct Text {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Name,
    Zone,
    Class,
    Kind,
    Remote,
    Group(String),
    Match(usize),
}

/// What there is to fill in.
#[derive(Debug)]
pub(super) struct Values<'v> {
    pub(super) zone: &'v Name,
    pub(super) query: &'v Query<'v>,
    pub(super) asked: &'v Asked<'v>,
    pub(super) captures: Option<&'v Captures<'v>>,
}

impl Text {
    pub(super) fn parse(source: &str) -> Result<Self, ConfigError> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((literal, behind)) = rest.split_once("{{") {
            parts.push(Part::Literal(literal.to_owned()));
            let (expression, behind) = behind.split_once("}}").unwrap_or((behind, ""));
            parts.push(part(expression.trim()).ok_or_else(|| unknown(expression))?);
            rest = behind;
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(Self { source: source.to_owned(), parts })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn fill(&self, values: &Values<'_>) -> String {
        let question = values.query.question();
        let group = |group: Option<regex::Match<'_>>| group.map_or("", |group| group.as_str()).to_owned();
        let fill = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Name => values.asked.name.to_owned(),
            Part::Zone => values.zone.to_string(),
            Part::Class => "IN".to_owned(),
            Part::Kind => question.kind().to_string(),
            Part::Remote => values.asked.client.to_string(),
            Part::Group(name) => group(values.captures.and_then(|captures| captures.name(name))),
            Part::Match(index) => group(values.captures.and_then(|captures| captures.get(*index))),
        };
        self.parts.iter().map(fill).collect()
    }
}

fn part(expression: &str) -> Option<Part> {
    Some(match expression {
        ".Name" => Part::Name,
        ".Zone" => Part::Zone,
        ".Class" => Part::Class,
        ".Type" => Part::Kind,
        ".Remote" => Part::Remote,
        _ => match (expression.strip_prefix(".Group."), expression.strip_prefix("index .Match ")) {
            (Some(group), _) => Part::Group(group.to_owned()),
            (_, Some(index)) => Part::Match(index.trim().parse().ok()?),
            _ => return None,
        },
    })
}

fn unknown(expression: &str) -> ConfigError {
    ConfigError::Unsupported {
        what: format!("template expression {{{{{expression}}}}}"),
        instead: "use .Name .Zone .Class .Type .Remote .Group.NAME or index .Match N",
    }
}
