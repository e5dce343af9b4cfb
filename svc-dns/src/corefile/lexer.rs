//! Words with their lines. A word ends at white space; quotes hold several together; `#` in front of a word begins a comment.

use std::sync::Arc;

use super::{Place, Problems, Surroundings};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) place: Place,
    /// Braces in quotes are no braces.
    quoted: bool,
    /// Came out of an import in this many steps.
    pub(super) depth: usize,
    /// Which import: lines of the same place that were imported twice are two lines.
    pub(super) run: usize,
}

impl Token {
    pub(super) fn opens(&self) -> bool {
        !self.quoted && self.text == "{"
    }

    pub(super) fn is_on_line_of(&self, other: &Self) -> bool {
        self.place == other.place && self.run == other.run
    }

    pub(super) fn closes(&self) -> bool {
        !self.quoted && self.text == "}"
    }
}

/// # Errors
/// When a quote is not closed.
pub(super) fn tokens(
    file: &str,
    text: &str,
    around: &dyn Surroundings,
    depth: usize,
) -> Result<Vec<Token>, Problems> {
    let file: Arc<str> = file.into();
    let mut tokens = Vec::new();
    let mut lexer = Lexer { rest: text.trim_start_matches('\u{feff}').chars().peekable(), line: 1 };
    while let Some((word, quoted, line)) = lexer.word().map_err(|line| {
        Problems::of_error(&Place { file: Arc::clone(&file), line }, "a quote is not closed")
    })? {
        let place = Place { file: Arc::clone(&file), line };
        tokens.push(Token { text: fill(&word, around), place, quoted, depth, run: 0 });
    }
    Ok(tokens)
}

struct Lexer<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    line: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    /// The next word, whether it was in quotes, and its line; an error: the line of a quote that is not closed.
    fn word(&mut self) -> Result<Option<(String, bool, usize)>, usize> {
        loop {
            match self.rest.peek() {
                None => return Ok(None),
                Some(c) if c.is_whitespace() => drop(self.next()),
                Some('#') => while self.rest.next_if(|&c| c != '\n').is_some() {},
                Some('"') => return self.quoted().map(Some),
                Some(_) => return Ok(Some(self.plain())),
            }
        }
    }

    fn plain(&mut self) -> (String, bool, usize) {
        let line = self.line;
        let mut word = String::new();
        while let Some(c) = self.rest.next_if(|c| !c.is_whitespace()) {
            word.push(c);
        }
        (word, false, line)
    }

    fn quoted(&mut self) -> Result<(String, bool, usize), usize> {
        let line = self.line;
        self.next();
        let mut word = String::new();
        loop {
            match self.next().ok_or(line)? {
                '"' => return Ok((word, true, line)),
                // Only a quote can be escaped: other backslashes are the business of expressions.
                '\\' if self.rest.peek() == Some(&'"') => word.extend(self.next()),
                c => word.push(c),
            }
        }
    }
}

/// Puts variables in: `{$NAME}` and `{%NAME%}`. What is not set is empty.
fn fill(word: &str, around: &dyn Surroundings) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some((before, name, after)) = variable(rest) {
        out.push_str(before);
        out.push_str(&around.variable(name).unwrap_or_default());
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The text in front of the first variable, its name, the text behind it.
fn variable(word: &str) -> Option<(&str, &str, &str)> {
    let unix = word.find("{$").map(|at| (at, "}"));
    let windows = word.find("{%").map(|at| (at, "%}"));
    let (at, close) = [unix, windows].into_iter().flatten().min()?;
    let (name, after) = word[at + 2..].split_once(close)?;
    Some((&word[..at], name, after))
}
