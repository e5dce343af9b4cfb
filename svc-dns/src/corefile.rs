//! Corefiles: CoreDNS's configuration, read as CoreDNS reads it, so that a server starts with the file people have.
//!
//! [`Corefile::parse`] gives what is written, [`Corefile::plan`] what it means: a [`ServerPlan`] for each set of addresses, and every
//! [`Problem`]. A directive that is not supported is an error where leaving it out could change answers, and a warning where it could
//! not; nothing is passed over in silence.
//!
#![doc = include_str!("../docs/corefile.md")]

mod access;
mod blocks;
#[cfg(feature = "driver")]
mod build;
mod cache;
mod directives;
mod forward;
mod hosts;
mod kubernetes;
mod lexer;
mod operations;
mod parser;
mod plan;
mod problem;
mod rewrite;
mod rrl;
mod surroundings;
mod template;
mod tls;
mod words;

use std::fmt;

pub use self::{
    directives::{Directives, State},
    forward::{ForwardPlan, Target},
    hosts::HostsPlan,
    operations::{Health, LogPlan, Nsid, Operations},
    plan::{Host, Listen, Plan, Scheme, ServerPlan, SitePlan},
    problem::{Place, Problem, Problems, Severity},
    surroundings::{Nowhere, Surroundings},
    tls::TlsPlan,
};

/// A Corefile as it is written: imports, snippets and variables are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corefile {
    blocks: Vec<Block>,
}

/// A server block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Block {
    /// What it is for: `.:53`, `tls://example.org`.
    pub keys: Vec<String>,
    /// What is in it.
    pub directives: Vec<Directive>,
    /// Where it begins.
    pub place: Place,
}

/// A line, with the block behind it if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Directive {
    /// Its first word.
    pub name: String,
    /// The words behind it.
    pub words: Vec<String>,
    /// The lines between its braces.
    pub body: Vec<Directive>,
    /// Where it stands.
    pub place: Place,
}

impl Corefile {
    /// Reads a Corefile. `file` is its name, for messages; `around` has the variables and the files it imports.
    ///
    /// ```
    /// use svc_dns::corefile::{Corefile, Nowhere};
    ///
    /// let corefile = Corefile::parse("Corefile", ".:53 {\n  kubernetes cluster.local\n  forward . 172.20.10.53\n}", &Nowhere)?;
    /// let plan = corefile.plan();
    /// assert_eq!(plan.problems().to_string(), "");
    /// assert_eq!(plan.servers()[0].listen()[0].to_string(), "dns://:53");
    /// # Ok::<(), svc_dns::corefile::Problems>(())
    /// ```
    ///
    /// # Errors
    /// When its braces, quotes or imports cannot be made sense of.
    pub fn parse(file: &str, text: &str, around: &dyn Surroundings) -> Result<Self, Problems> {
        parser::parse(file, text, around).map(|blocks| Self { blocks })
    }

    /// The server blocks.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// What it means.
    #[must_use]
    pub fn plan(&self) -> Plan {
        plan::plan(&self.blocks)
    }
}

impl fmt::Display for Corefile {
    /// As a Corefile that means the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, block) in self.blocks.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            writeln!(f, "{} {{", Words(&block.keys))?;
            block.directives.iter().try_for_each(|directive| directive.write(f, 1))?;
            f.write_str("}\n")?;
        }
        Ok(())
    }
}

impl Directive {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{:width$}{}", "", Word(&self.name), width = 4 * depth)?;
        if !self.words.is_empty() {
            write!(f, " {}", Words(&self.words))?;
        }
        if self.body.is_empty() {
            return f.write_str("\n");
        }
        f.write_str(" {\n")?;
        self.body.iter().try_for_each(|directive| directive.write(f, depth + 1))?;
        writeln!(f, "{:width$}}}", "", width = 4 * depth)
    }
}

struct Words<'w>(&'w [String]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            write!(f, "{space}{}", Word(word))?;
        }
        Ok(())
    }
}

/// With quotes where it would not be read as one word without.
struct Word<'w>(&'w str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = !self.0.is_empty()
            && !self.0.contains(char::is_whitespace)
            // Within a word both are characters like others.
            && !self.0.starts_with(['#', '"'])
            && self.0 != "{"
            && self.0 != "}";
        if plain { f.write_str(self.0) } else { write!(f, "\"{}\"", self.0.replace('"', "\\\"")) }
    }
}

#[cfg(feature = "driver")]
pub use crate::sys::System;

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
