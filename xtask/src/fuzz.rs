//! `cargo xtask fuzz` and the `fuzz` stage: libFuzzer over the targets in fuzz/, on the stable toolchain.
//!
//! The nightly `-Z sanitizer` is not needed for what libFuzzer steers by: LLVM's coverage pass is in every rustc. Rust's
//! own checks find the faults, and libFuzzer's limits those of memory and time.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::call::Call;
use crate::install;
use crate::progress::Progress;
use crate::workspace::Workspace;

/// Coverage counters and compared values for libFuzzer; the cfg brings libFuzzer into the build.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// What no input may take, however long the run.
const LIMITS: &[&str] = &["-rss_limit_mb=512", "-timeout=10"];

/// The stage has to end alike every time: so many inputs from this seed, and the time only as a last resort.
const SMOKE: &[&str] = &["-seed=1", "-runs=3000", "-max_total_time=20"];

/// Edges that a target passes with its seeds alone, if anything was instrumented.
const LEAST_COVERAGE: u64 = 40;

/// `cargo xtask fuzz [TARGET] [--seconds N]`: goes on from what former runs found.
pub(crate) fn command(workspace: &Workspace, args: &[&str]) -> anyhow::Result<()> {
    let (only, seconds) = parse(args)?;
    let all = targets(workspace)?;
    let wanted: Vec<&String> = all.iter().filter(|target| only.is_none_or(|only| only == **target)).collect();
    if wanted.is_empty() {
        bail!("no target named {:?}; there are {}", only.unwrap_or_default(), all.join(", "));
    }
    let programs = build(workspace, &wanted)?;
    for target in wanted {
        let found = workspace.fuzz().join("corpus").join(target);
        let limit = format!("-max_total_time={seconds}");
        judge(target, fuzzer(workspace, &programs, target, &found)?.arg(limit).listen(workspace))?;
    }
    Ok(())
}

/// The stage: every target, briefly.
pub(crate) fn smoke(workspace: &Workspace, progress: &mut Progress) -> anyhow::Result<()> {
    if !install::is_installed("c++") && !install::is_installed("g++") {
        progress
            .note("there is no C++ compiler for libFuzzer: the fuzz targets do not run, only their seeds do");
        return Ok(());
    }
    let targets = targets(workspace)?;
    let programs = build(workspace, &targets.iter().collect::<Vec<_>>())?;
    for target in &targets {
        let found = workspace.fuzz().join("smoke").join(target);
        let _ = std::fs::remove_dir_all(&found);
        let fuzzer = fuzzer(workspace, &programs, target, &found)?.args(SMOKE);
        println!("{}", judge(target, fuzzer.overhear(workspace))?);
    }
    Ok(())
}

fn parse<'a>(args: &[&'a str]) -> anyhow::Result<(Option<&'a str>, u64)> {
    let (target, rest) = match args {
        [target, rest @ ..] if !target.starts_with('-') => (Some(*target), rest),
        rest => (None, rest),
    };
    match rest {
        [] => Ok((target, 60)),
        ["--seconds", seconds] => Ok((target, seconds.parse().context("--seconds takes a number")?)),
        _ => bail!("`cargo xtask fuzz [TARGET] [--seconds N]`"),
    }
}

/// A target is a file in fuzz/fuzz_targets.
fn targets(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let directory = workspace.root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
    let mut targets = Vec::new();
    for entry in entries {
        targets.extend(entry?.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    targets.sort();
    Ok(targets)
}

/// Builds these targets, and says where their programs are.
fn build(workspace: &Workspace, targets: &[&String]) -> anyhow::Result<PathBuf> {
    let rustc = Call::parse("rustc -vV").ask(workspace).context("rustc does not answer")?;
    let host =
        rustc.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    // For a named target, so that build scripts and macros stay as they are.
    let mut build = Call::parse("cargo build --quiet --package fuzz --profile fuzz --target").arg(host);
    build = build.arg("--target-dir").arg(workspace.fuzz().to_string_lossy());
    for target in targets {
        build = build.arg("--bin").arg(target.as_str());
    }
    build
        .env("RUSTFLAGS", RUSTFLAGS)
        .run(workspace)
        .context("is each target a [[bin]] of fuzz/Cargo.toml?")?;
    Ok(workspace.fuzz().join(host).join("fuzz"))
}

/// What it finds new goes to `found`; it begins with that and with the seeds.
fn fuzzer(workspace: &Workspace, programs: &Path, target: &str, found: &Path) -> anyhow::Result<Call> {
    std::fs::create_dir_all(found).with_context(|| found.display().to_string())?;
    let artifacts = format!("-artifact_prefix={}/{target}-", workspace.fuzz().display());
    let seeds = workspace.root().join("fuzz/seeds").join(target);
    let corpora = [found.to_string_lossy(), seeds.to_string_lossy()];
    Ok(Call::new(programs.join(target)).args(LIMITS).arg(artifacts).arg(&*corpora[0]).arg(&*corpora[1]))
}

/// The last line with figures; an error if a fault was found, or if nothing was measured.
fn judge(target: &str, run: anyhow::Result<Vec<String>>) -> anyhow::Result<String> {
    let lines = run.with_context(|| {
        format!("put the input into fuzz/seeds/{target}/; `cargo test --package fuzz` shows what it does")
    })?;
    let last = lines.iter().rev().find_map(|line| coverage(line).map(|edges| (edges, line)));
    match last {
        Some((edges, line)) if edges >= LEAST_COVERAGE => Ok(format!("{target}: {line}")),
        _ => bail!("{target} is not instrumented: libFuzzer sees no coverage"),
    }
}

/// The edges of `#3000 DONE cov: 7858 ft: 21022 corp: 547/226Kb ..`.
fn coverage(line: &str) -> Option<u64> {
    line.split_once(" cov: ")?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_measured_nothing_is_no_success() {
        let run = |line: &str| judge("t", Ok(vec!["noise".to_owned(), line.to_owned(), "Done".to_owned()]));
        assert!(run("#5\tDONE   cov: 7858 ft: 21022 corp: 1/1b").is_ok());
        assert!(run("#5\tDONE   corp: 1/1b").is_err());
        assert!(run("#5\tDONE   cov: 2 ft: 2").is_err());
    }

    #[test]
    fn a_target_and_its_time() {
        assert_eq!(parse(&["yaml", "--seconds", "5"]).unwrap(), (Some("yaml"), 5));
        assert_eq!(parse(&[]).unwrap(), (None, 60));
        assert!(parse(&["--seconds", "soon"]).is_err());
    }

    #[test]
    fn every_target_has_seeds() {
        let workspace = Workspace::here().unwrap();
        for target in targets(&workspace).unwrap() {
            let seeds = workspace.root().join("fuzz/seeds").join(&target);
            assert!(std::fs::read_dir(&seeds).is_ok_and(|mut seeds| seeds.next().is_some()), "{target}");
        }
    }
}
