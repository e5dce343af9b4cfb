//! The `instructions` stage: a cost that is the same in every run, where processor time is not.

use crate::call::Call;
use crate::install;
use crate::progress::Progress;
use crate::workspace::Workspace;

/// Fails where an operation of svc-ingress takes more than its limit, which stands beside it.
pub(crate) fn count(workspace: &Workspace) -> anyhow::Result<()> {
    Call::parse("cargo bench --package svc-ingress --bench instructions").run(workspace)
}

pub(crate) fn stage(workspace: &Workspace, progress: &mut Progress) -> anyhow::Result<()> {
    if !install::is_installed("valgrind") {
        progress.note("there is no valgrind: instructions are not counted");
        return Ok(());
    }
    count(workspace)
}
