//! What the tour prints: what it did, what it saw, one closing line a step.

use std::io::Write;
use std::time::Instant;

use super::{Step, Verdict};

/// Prints to standard output, or nowhere.
#[derive(Debug)]
pub struct Log {
    quiet: bool,
    step_began: Instant,
}

impl Log {
    /// To standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self { quiet: false, step_began: Instant::now() }
    }

    /// Nowhere.
    #[must_use]
    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::stdout() }
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
        self.line(format_args!("  > {text}"));
    }

    /// What came back; every line of it.
    pub fn saw(&self, text: impl std::fmt::Display) {
        for line in text.to_string().lines() {
            self.line(format_args!("      {line}"));
        }
    }

    pub(super) fn begin(&mut self, step: &Step) {
        self.step_began = Instant::now();
        self.line(format_args!("\n{}. {}", step.number, step.title));
    }

    pub(super) fn end(&self, step: &Step, verdict: &Verdict) {
        let word = match verdict {
            Verdict::Pass => "PASS",
            Verdict::Fail(error) => {
                self.line(format_args!("  ! {error:#}"));
                "FAIL"
            }
            Verdict::Skipped(lacking) => {
                self.line(format_args!("  ! {lacking}"));
                "SKIPPED"
            }
        };
        self.line(format_args!("step {} {word} {}", step.number, step.title));
        tracing::debug!(step = step.number, seconds = self.step_began.elapsed().as_secs_f32(), "step ended");
    }
}
