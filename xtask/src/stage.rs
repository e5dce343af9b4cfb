//! One step of `cargo xtask test`, and running several with their times.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::progress::Progress;
use crate::workspace::Workspace;

/// A named part of the test run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Workspace, &mut Progress) -> anyhow::Result<()>,
}

/// Those of `all` that are named in `only`, in the order of `all`; all of them if none is named.
pub(crate) fn select(all: &[Stage], only: &[&str]) -> anyhow::Result<Vec<Stage>> {
    if let Some(unknown) = only.iter().find(|name| !all.iter().any(|stage| stage.name == **name)) {
        let names: Vec<&str> = all.iter().map(|stage| stage.name).collect();
        bail!("no stage named {unknown:?}; there are {}", names.join(", "));
    }
    Ok(all.iter().filter(|stage| only.is_empty() || only.contains(&stage.name)).copied().collect())
}

/// Runs the stages until one fails, and prints the seconds of each either way.
pub(crate) fn run(stages: &[Stage], workspace: &Workspace) -> anyhow::Result<()> {
    let mut progress = Progress::default();
    let mut times = Vec::new();
    let mut outcome = Ok(());
    for stage in stages {
        println!("\n=== {}: {}", stage.name, stage.about);
        let start = Instant::now();
        let ran = (stage.run)(workspace, &mut progress);
        times.push((stage.name, start.elapsed()));
        if ran.is_err() {
            outcome = ran.with_context(|| {
                format!("stage {} failed; run it alone: cargo xtask test --only {}", stage.name, stage.name)
            });
            break;
        }
    }
    report(&times, &progress);
    outcome
}

fn report(times: &[(&str, Duration)], progress: &Progress) {
    println!("\n=== seconds of each stage");
    for (name, time) in times {
        println!("{name:<10}{:>8.1}", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("{:<10}{:>8.1}", "total", total.as_secs_f64());
    for note in progress.notes() {
        println!("note: {note}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &'static str) -> Stage {
        Stage { name, about: "", run: |_, _| Ok(()) }
    }

    #[test]
    fn stages_keep_their_order_whatever_the_order_asked_for() {
        let all = [stage("a"), stage("b"), stage("c")];
        let names = |only: &[&str]| select(&all, only).unwrap().iter().map(|s| s.name).collect::<Vec<_>>();
        assert_eq!(names(&["c", "a"]), ["a", "c"]);
        assert_eq!(names(&[]), ["a", "b", "c"]);
    }

    #[test]
    fn an_unknown_stage_is_answered_with_those_there_are() {
        let error = select(&[stage("fmt"), stage("doc")], &["docs"]).unwrap_err();
        assert_eq!(error.to_string(), r#"no stage named "docs"; there are fmt, doc"#);
    }
}
