//! Instructions of svc-ingress by valgrind: a cost that is the same in every run, where processor time is not.

use crate::call::Call;
use crate::workspace::Workspace;

/// Fails where an operation of svc-ingress takes more than its limit, which stands beside it.
pub(crate) fn count(workspace: &Workspace) -> anyhow::Result<()> {
    Call::parse("cargo bench --package svc-ingress --bench instructions").run(workspace)
}
