//! Rules: statements in a row.

use std::hash::{Hash, Hasher};

use crate::{Name, Statement};

/// Statements in a row, and a comment.
///
/// Two rules are equal if their statements and comments are; the handle only says where the kernel keeps one.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    statements: Vec<Statement>,
    comment: Option<String>,
    handle: Option<u64>,
}

impl Rule {
    /// A rule of these statements.
    pub fn new(statements: impl IntoIterator<Item = Statement>) -> Self {
        Self { statements: statements.into_iter().collect(), comment: None, handle: None }
    }

    /// The same rule with one more statement.
    #[must_use]
    pub fn then(mut self, statement: impl Into<Statement>) -> Self {
        self.statements.push(statement.into());
        self
    }

    /// The same rule with a comment of up to 127 bytes; a longer one is cut.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(cut(comment.into()));
        self
    }

    pub(crate) fn with_handle(mut self, handle: u64) -> Self {
        self.handle = Some(handle);
        self
    }

    /// What the rule consists of.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The comment.
    #[must_use]
    pub fn comment_text(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The kernel's number for this rule within its table; only listed rules have one.
    #[must_use]
    pub fn handle(&self) -> Option<u64> {
        self.handle
    }

    /// The chains that its verdicts lead to.
    pub fn chains(&self) -> impl Iterator<Item = &Name> {
        self.statements.iter().filter_map(|statement| match statement {
            Statement::Verdict(verdict) => verdict.chain(),
            _ => None,
        })
    }

    /// The same rule apart from what its counters say.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.comment == other.comment
            && self.statements.len() == other.statements.len()
            && self.statements.iter().zip(&other.statements).all(|(a, b)| match (a, b) {
                (Statement::Counter { .. }, Statement::Counter { .. }) => true,
                _ => a == b,
            })
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.statements == other.statements && self.comment == other.comment
    }
}

impl Eq for Rule {}

impl Hash for Rule {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.statements.hash(state);
        self.comment.hash(state);
    }
}

impl<const N: usize> From<[Statement; N]> for Rule {
    fn from(statements: [Statement; N]) -> Self {
        Self::new(statements)
    }
}

/// The kernel stores a comment with its length in one byte; the nft program reads 128 bytes with the final NUL.
pub(crate) fn cut(mut comment: String) -> String {
    let text = comment.find('\0').unwrap_or(comment.len());
    let mut end = text.min(127);
    while !comment.is_char_boundary(end) {
        end -= 1;
    }
    comment.truncate(end);
    comment
}
