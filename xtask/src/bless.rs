//! `cargo xtask bless`: the golden tests write what they would have compared.

use crate::call::Call;
use crate::workspace::Workspace;

/// Runs the tests that have `golden` in their name (or another filter) with `BLESS=1`, then shows what became different.
pub(crate) fn run(workspace: &Workspace, filter: &[&str]) -> anyhow::Result<()> {
    let filter = if filter.is_empty() { &["golden"] } else { filter };
    let tests =
        Call::parse("cargo test --workspace --all-features --lib --tests --no-fail-fast --").args(filter);
    tests.env("BLESS", "1").run(workspace)?;
    Call::parse("git --no-pager diff --stat -- **/golden/**").run(workspace)
}
