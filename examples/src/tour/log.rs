//! What the tour prints and remembers: what it did, what it saw, one closing line a step.

use std::cell::RefCell;
use std::io::Write;

use super::{Step, Verdict};

/// Prints to standard output, or nowhere; remembers for the report.
#[derive(Debug, Default)]
pub struct Log {
    quiet: bool,
    sections: RefCell<Vec<Section>>,
}

/// One step as it was shown.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) heading: String,
    pub(super) lines: Vec<String>,
    pub(super) verdict: &'static str,
}

impl Log {
    /// To standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::default()
    }

    /// Nowhere.
    #[must_use]
    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    /// A line of its own.
    pub fn line(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            // A closed pipe must not stop the tour half way.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// What the tour did.
    pub fn did(&self, text: impl std::fmt::Display) {
        self.note(format!("  > {text}"));
    }

    /// What came back; every line of it.
    pub fn saw(&self, text: impl std::fmt::Display) {
        for line in text.to_string().lines() {
            self.note(format!("      {line}"));
        }
    }

    /// The steps so far as an HTML page.
    #[must_use]
    pub fn report(&self) -> String {
        super::report::html(&self.sections.borrow())
    }

    pub(super) fn begin(&self, step: &Step) {
        let heading = format!("{}. {}", step.number, step.title);
        self.line(format_args!("\n{heading}"));
        self.sections.borrow_mut().push(Section { heading, lines: Vec::new(), verdict: "" });
    }

    pub(super) fn end(&self, step: &Step, verdict: &Verdict) {
        let word = match verdict {
            Verdict::Pass => "PASS",
            Verdict::Fail(error) => {
                self.note(format!("  ! {error:#}"));
                "FAIL"
            }
            Verdict::Skipped(lacking) => {
                self.note(format!("  ! {lacking}"));
                "SKIPPED"
            }
        };
        self.line(format_args!("step {} {word} {}", step.number, step.title));
        if let Some(section) = self.sections.borrow_mut().last_mut() {
            section.verdict = word;
        }
    }

    fn note(&self, line: String) {
        self.line(&line);
        if let Some(section) = self.sections.borrow_mut().last_mut() {
            section.lines.push(line);
        }
    }
}
