//! Rewriting: another name, type or class is asked for than the client's, and the client sees its own again.

mod names;
mod undo;

use std::fmt;

pub use self::names::{Matcher, Rewriting};
pub(crate) use self::{names::compile, undo::Undo};
use crate::{
    error::ConfigError,
    message::{Class, Header, Name, Query, RecordType},
};

/// A rule. Rules stand in a list; the first that matches is the last, unless it [goes on](Rule::and_go_on).
///
/// ```
/// use svc_dns::rewrite::{Matcher, Rule};
///
/// let rule = Rule::name(Matcher::suffix(".shop.example"), ".shop.svc.cluster.local")?;
/// assert_eq!(rule.to_string(), "name suffix .shop.example. .shop.svc.cluster.local.");
/// # Ok::<(), svc_dns::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rule {
    what: What,
    go_on: bool,
}

#[derive(Clone, Debug)]
enum What {
    Name(Rewriting, Vec<AnswerRule>, bool),
    Kind(RecordType, RecordType),
    Class(Class, Class),
    Ttl(Rewriting, TtlBounds),
}

/// What is done to names in the records of an answer.
#[derive(Clone, Debug)]
pub(crate) struct AnswerRule {
    rewriting: Rewriting,
    /// Of the names in the data; else of owners.
    in_data: bool,
}

/// What times to live in an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TtlBounds {
    min: u32,
    max: u32,
}

/// What the rules make of a query.
#[derive(Debug)]
pub(crate) enum Rewritten {
    /// No rule matches.
    Unchanged,
    /// Another message, and how to undo it.
    To(Vec<u8>, Box<Undo>),
    /// The new name is none.
    Wrong,
}

impl Rule {
    /// Asks for another name.
    ///
    /// # Errors
    /// When a regular expression is none, or it is too large.
    pub fn name(matcher: Matcher, to: &str) -> Result<Self, ConfigError> {
        Ok(Self::new(What::Name(Rewriting::new(matcher, to)?, Vec::new(), false)))
    }

    /// Asks for records of another type.
    #[must_use]
    pub fn kind(from: RecordType, to: RecordType) -> Self {
        Self::new(What::Kind(from, to))
    }

    /// Asks in another class.
    #[must_use]
    pub fn class(from: Class, to: Class) -> Self {
        Self::new(What::Class(from, to))
    }

    /// Keeps the times to live in answers within bounds, in seconds.
    ///
    /// # Errors
    /// As [`name`](Self::name).
    pub fn ttl(matcher: Matcher, min: u32, max: u32) -> Result<Self, ConfigError> {
        Ok(Self::new(What::Ttl(Rewriting::new(matcher, "")?, TtlBounds { min, max })))
    }

    fn new(what: What) -> Self {
        Self { what, go_on: false }
    }

    /// The rules behind this one are looked at too.
    #[must_use]
    pub fn and_go_on(mut self) -> Self {
        self.go_on = true;
        self
    }

    /// Rewrites owners in the answer; for rules about names. The name that was asked for is put back in any case.
    ///
    /// # Errors
    /// As [`name`](Self::name).
    pub fn answer_name(self, pattern: &str, to: &str) -> Result<Self, ConfigError> {
        self.answer(pattern, to, false)
    }

    /// Rewrites names in the data of the answer: targets of CNAME, SRV and the like.
    ///
    /// # Errors
    /// As [`name`](Self::name).
    pub fn answer_value(self, pattern: &str, to: &str) -> Result<Self, ConfigError> {
        self.answer(pattern, to, true)
    }

    fn answer(mut self, pattern: &str, to: &str, in_data: bool) -> Result<Self, ConfigError> {
        let rewriting = Rewriting::new(Matcher::regex(pattern), to)?;
        if let What::Name(_, answers, _) = &mut self.what {
            answers.push(AnswerRule { rewriting, in_data });
        }
        Ok(self)
    }

    /// Does to all names in the answer the reverse of what was done to the question.
    #[must_use]
    pub fn answer_auto(mut self) -> Self {
        if let What::Name(_, _, auto) = &mut self.what {
            *auto = true;
        }
        self
    }
}

/// Applies the rules to a query.
pub(crate) fn rewrite(rules: &[Rule], message: &[u8], query: &Query<'_>) -> Rewritten {
    let question = query.question();
    let mut now = Asked {
        text: question.spelling().to_lowercase().to_string(),
        renamed: false,
        kind: question.kind(),
        class: question.class(),
    };
    let mut undo = Undo::new(question.raw(), query.header().id);
    for rule in rules {
        if rule.apply(&mut now, &mut undo) && !rule.go_on {
            break;
        }
    }
    if !undo.is_needed() {
        return Rewritten::Unchanged;
    }
    let name = if now.renamed { now.text.parse() } else { Ok(question.spelling()) };
    let Ok(name) = name else { return Rewritten::Wrong };
    undo.asked_instead(&name);
    let mut out = message[..Header::LEN].to_vec();
    out.extend_from_slice(name.wire());
    out.extend_from_slice(&now.kind.number().to_be_bytes());
    out.extend_from_slice(&now.class.number().to_be_bytes());
    out.extend_from_slice(&message[question.end()..]);
    Rewritten::To(out, Box::new(undo))
}

/// The question as far as the rules have come.
struct Asked {
    /// In lower case, with the final dot.
    text: String,
    renamed: bool,
    kind: RecordType,
    class: Class,
}

impl Rule {
    /// True when it matches.
    fn apply(&self, asked: &mut Asked, undo: &mut Undo) -> bool {
        match &self.what {
            What::Name(rewriting, answers, auto) => {
                let Some(text) = rewriting.apply(&asked.text) else { return false };
                let auto = auto.then(|| rewriting.reversed()).flatten();
                (asked.text, asked.renamed) = (text, true);
                undo.renamed(answers, auto);
            }
            What::Kind(from, to) if asked.kind == *from => {
                asked.kind = *to;
                undo.needed();
            }
            What::Class(from, to) if asked.class == *from => {
                asked.class = *to;
                undo.needed();
            }
            What::Ttl(rewriting, bounds) if rewriting.apply(&asked.text).is_some() => undo.bounded(*bounds),
            _ => return false,
        }
        true
    }
}

impl fmt::Display for Rule {
    /// As in a Corefile.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.go_on {
            f.write_str("continue ")?;
        }
        match &self.what {
            What::Name(rewriting, answers, auto) => {
                write!(f, "name {} {}", rewriting.matcher(), rewriting.to())?;
                for AnswerRule { rewriting, in_data } in answers {
                    let what = if *in_data { "value" } else { "name" };
                    write!(f, " answer {what} {} {}", rewriting.matcher().pattern(), rewriting.to())?;
                }
                f.write_str(if *auto { " answer auto" } else { "" })
            }
            What::Kind(from, to) => write!(f, "type {from} {to}"),
            What::Class(from, to) => write!(f, "class {} {}", from.number(), to.number()),
            What::Ttl(rewriting, TtlBounds { min, max }) => {
                write!(f, "ttl {} {min}-{max}", rewriting.matcher())
            }
        }
    }
}

/// The new name of one that a client must not see, if a rule is about it.
pub(super) fn renamed(name: &Name, rules: &[AnswerRule], in_data: bool) -> Option<Name> {
    let text = name.to_lowercase().to_string();
    let rule = rules.iter().filter(|rule| rule.in_data == in_data);
    rule.filter_map(|rule| rule.rewriting.apply(&text)).find_map(|text| text.parse().ok())
}

#[cfg(test)]
mod tests;
