//! The `features` and `package` stages: each library by itself, as `cargo add` brings it into somebody's program.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};

use crate::call::Call;
use crate::progress::Progress;
use crate::workspace::Workspace;

const LIBRARIES: &[&str] =
    &["svc-model", "svc-ipvs", "svc-nft", "svc-lab", "svc-proxy", "svc-overlay", "svc-dns", "svc-ingress"];

/// In this order the builds of two neighbours have the most in common.
const FEATURES: &[&[&str]] = &[&["--all-features"], &[], &["--no-default-features"]];

/// How many crates everybody's vocabulary may bring along, itself included.
const LIGHT: usize = 25;

pub(crate) fn run(workspace: &Workspace, _progress: &mut Progress) -> anyhow::Result<()> {
    stays_light(workspace)?;
    for features in FEATURES {
        for library in LIBRARIES {
            check(Call::parse("cargo check --quiet --package").arg(*library).args(*features), workspace)?;
        }
    }
    Ok(())
}

fn stays_light(workspace: &Workspace) -> anyhow::Result<()> {
    let tree = Call::parse("cargo tree --package svc-model --edges normal --prefix none --format {p}");
    let lines = tree.ask(workspace).context("cargo tree does not answer")?;
    let names: BTreeSet<&str> = lines.lines().filter_map(|line| line.split_whitespace().next()).collect();
    println!("svc-model is {} crates with default features", names.len());
    if names.is_empty() || names.len() > LIGHT {
        bail!("svc-model is {} crates instead of {LIGHT} at most: {names:?}", names.len());
    }
    Ok(())
}

/// The `package` stage: what would be published is complete as far as that can be told without publishing.
pub(crate) fn package(workspace: &Workspace, _progress: &mut Progress) -> anyhow::Result<()> {
    let package = Call::parse("cargo package --quiet --no-verify --allow-dirty");
    LIBRARIES.iter().fold(package, |package, library| package.arg("--package").arg(*library)).run(workspace)
}

/// A warning counts as a failure: what is unused without a feature has to go with it.
fn check(check: Call, workspace: &Workspace) -> anyhow::Result<()> {
    let lines = check.listen(workspace)?;
    if lines.iter().any(|line| line.starts_with("warning")) {
        bail!("`{check}` warns");
    }
    Ok(())
}
