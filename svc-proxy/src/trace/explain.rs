//! A trace for people.

use std::fmt;

use super::{Outcome, Step, Trace, Way};

/// What becomes of the packet; where it may go; by which rules, each with the object that caused it.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.packet, verdict(self.outcome()))?;
        if let Some(object) = self.object() {
            write!(f, ", for Service {object}")?;
        }
        match self.reason() {
            Some(reason) => writeln!(f, ": {reason}")?,
            None => writeln!(f)?,
        }
        for way in &self.ways {
            match way.outcome {
                Outcome::Forward => write_endpoint(f, way)?,
                outcome if self.ways.len() > 1 => {
                    writeln!(f, "  {} with probability {}", verdict(outcome), way.probability)?;
                }
                _ => {}
            }
        }
        self.path.iter().try_for_each(|step| write_step(f, step))
    }
}

fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Forward => "forwarded",
        Outcome::Reject => "refused",
        Outcome::Drop => "dropped",
        Outcome::Accept => "let through as it is",
        Outcome::Untouched => "no rule decides",
    }
}

fn write_endpoint(f: &mut fmt::Formatter<'_>, way: &Way) -> fmt::Result {
    if let Some(destination) = way.destination {
        write!(f, "  to {destination}")?;
    }
    if way.probability < 1.0 {
        write!(f, " with probability {}", way.probability)?;
    }
    if way.masqueraded {
        write!(f, ", masqueraded")?;
    }
    if let Some(time) = way.remembered {
        write!(f, ", remembered for {} s", time.as_secs())?;
    }
    writeln!(f)
}

fn write_step(f: &mut fmt::Formatter<'_>, step: &Step) -> fmt::Result {
    write!(f, "  {} {}: {}", step.table(), step.chain(), step.rule())?;
    match step.object() {
        Some(object) => writeln!(f, "    # {object}"),
        None => writeln!(f),
    }
}
