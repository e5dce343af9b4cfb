//! Chains.

use std::fmt;

use crate::{Family, Name, Rule, Verdict};

/// The type of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ChainType {
    /// Sees every packet.
    Filter,
    /// Sees the first packet of a connection; what it decides holds for the rest.
    Nat,
    /// At the output hook, packets are routed anew if changed.
    Route,
}

impl fmt::Display for ChainType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Route => "route",
        })
    }
}

/// Where in the network stack a base chain is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Hook {
    /// Everything that comes in, before routing.
    Prerouting,
    /// What is addressed to this host.
    Input,
    /// What passes through.
    Forward,
    /// What this host sends.
    Output,
    /// Everything that leaves, after routing.
    Postrouting,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        })
    }
}

/// The order among base chains of one hook: lower runs first. `Priority::DSTNAT - 10` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(i32);

impl Priority {
    /// `raw`, before connection tracking (-300).
    pub const RAW: Self = Self(-300);
    /// `mangle` (-150).
    pub const MANGLE: Self = Self(-150);
    /// `dstnat` (-100).
    pub const DSTNAT: Self = Self(-100);
    /// `filter` (0).
    pub const FILTER: Self = Self(0);
    /// `security` (50).
    pub const SECURITY: Self = Self(50);
    /// `srcnat` (100).
    pub const SRCNAT: Self = Self(100);

    /// The priority with this number.
    #[must_use]
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl std::ops::Add<i32> for Priority {
    type Output = Self;

    fn add(self, more: i32) -> Self {
        Self(self.0.saturating_add(more))
    }
}

impl std::ops::Sub<i32> for Priority {
    type Output = Self;

    fn sub(self, less: i32) -> Self {
        Self(self.0.saturating_sub(less))
    }
}

/// What becomes of packets that reach the end of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// They go on.
    Accept,
    /// They are dropped.
    Drop,
}

impl From<Policy> for Verdict {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Accept => Self::Accept,
            Policy::Drop => Self::Drop,
        }
    }
}

/// What makes a chain a base chain: where and when the kernel calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Base {
    /// What it may do.
    pub chain_type: ChainType,
    /// Where it is called.
    pub hook: Hook,
    /// When, among others of that hook.
    pub priority: Priority,
    /// What becomes of packets that reach its end.
    pub policy: Policy,
}

/// A chain with its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    name: Name,
    base: Option<Base>,
    comment: Option<String>,
    rules: Vec<Rule>,
}

impl Chain {
    /// A chain that is only entered by jump and goto.
    pub fn regular(name: impl Into<Name>) -> Self {
        Self { name: name.into(), base: None, comment: None, rules: Vec::new() }
    }

    /// A chain that the kernel calls at a hook, with policy accept.
    pub fn base(name: impl Into<Name>, chain_type: ChainType, hook: Hook, priority: Priority) -> Self {
        let base = Base { chain_type, hook, priority, policy: Policy::Accept };
        Self { base: Some(base), ..Self::regular(name) }
    }

    /// The same base chain with another policy; regular chains have none.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        if let Some(base) = &mut self.base {
            base.policy = policy;
        }
        self
    }

    /// The same chain with a comment of up to 127 bytes; a longer one is cut.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(crate::rule::cut(comment.into()));
        self
    }

    /// The same chain with one more rule at its end.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<Rule>) -> Self {
        self.rules.push(rule.into());
        self
    }

    /// Adds a rule at the end.
    pub fn push(&mut self, rule: impl Into<Rule>) {
        self.rules.push(rule.into());
    }

    pub(crate) fn flush(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn rules_mut(&mut self) -> &mut Vec<Rule> {
        &mut self.rules
    }

    pub(crate) fn set_policy(&mut self, policy: Policy) {
        if let Some(base) = &mut self.base {
            base.policy = policy;
        }
    }

    /// The chain without its rules.
    #[must_use]
    pub fn header(&self) -> Self {
        Self {
            name: self.name.clone(),
            base: self.base.clone(),
            comment: self.comment.clone(),
            rules: Vec::new(),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Where the kernel calls it; none for regular chains.
    #[must_use]
    pub fn hook(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// The comment.
    #[must_use]
    pub fn comment_text(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

/// nft prints the standard names, and distances of up to 10 from them.
pub(crate) fn priority_text(priority: Priority, family: Family, hook: Hook) -> String {
    let number = priority.number();
    let names = standard_names(family, hook);
    let near = |&&(_, at): &&(&str, i32)| number == at || (number - at).unsigned_abs() <= 10;
    match names.iter().find(|(_, at)| *at == number).or_else(|| names.iter().find(near)) {
        Some((name, at)) if *at == number => (*name).to_owned(),
        Some((name, at)) if number > *at => format!("{name} + {}", number - at),
        Some((name, at)) => format!("{name} - {}", at - number),
        None => number.to_string(),
    }
}

fn standard_names(family: Family, hook: Hook) -> Vec<(&'static str, i32)> {
    if family == Family::Bridge {
        let mut names = vec![("filter", -200)];
        match hook {
            Hook::Prerouting => names.push(("dstnat", -300)),
            Hook::Output => names.push(("out", 100)),
            Hook::Postrouting => names.push(("srcnat", 300)),
            _ => {}
        }
        return names;
    }
    let mut names = vec![("raw", -300), ("mangle", -150)];
    if hook == Hook::Prerouting {
        names.push(("dstnat", -100));
    }
    names.extend([("filter", 0), ("security", 50)]);
    if hook == Hook::Postrouting {
        names.push(("srcnat", 100));
    }
    names
}
