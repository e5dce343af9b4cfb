//! `resolv.conf`: the name servers and the search path of a node. Read only where asked for.

use std::fmt;

use crate::{ServerAddress, message::Name};

/// What `resolv.conf(5)` says.
///
/// ```
/// use svc_dns::ResolvConf;
///
/// let (conf, problems) = ResolvConf::parse("nameserver 172.20.10.53\nsearch corp.example\noptions ndots:5");
/// assert!(problems.is_empty());
/// assert_eq!(conf.servers()[0].to_string(), "172.20.10.53:53");
/// assert_eq!(conf.search()[0].to_string(), "corp.example.");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    servers: Vec<ServerAddress>,
    search: Vec<Name>,
}

/// A line that says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolvConfProblem {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for ResolvConfProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl ResolvConf {
    /// Reads the file. Lines that say nothing are left out and told; options are the business of clients.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<ResolvConfProblem>) {
        let mut conf = Self::default();
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            if let Err(problem) = conf.line(line) {
                problems.push(ResolvConfProblem { line: index + 1, problem });
            }
        }
        (conf, problems)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") => {
                let word = words.next().unwrap_or_default();
                self.servers.push(word.parse().map_err(|_| format!("{word:?} is no address"))?);
            }
            // The last line counts.
            Some("search" | "domain") => {
                let names = words.filter(|word| *word != ".").map(|word| word.parse::<Name>());
                self.search = names.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The name servers, with port 53 where none is written.
    #[must_use]
    pub fn servers(&self) -> &[ServerAddress] {
        &self.servers
    }

    /// The search path.
    #[must_use]
    pub fn search(&self) -> &[Name] {
        &self.search
    }
}

#[cfg(test)]
mod tests;
