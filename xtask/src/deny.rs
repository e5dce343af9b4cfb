//! The `deny` stage: cargo-deny at the one version that deny.toml was written for.

use std::path::Path;

use crate::call::Call;
use crate::progress::Progress;
use crate::workspace::Workspace;

const VERSION: &str = "0.20.2";

pub(crate) fn run(workspace: &Workspace, _progress: &mut Progress) -> anyhow::Result<()> {
    let own = workspace.tools().join("bin/cargo-deny");
    let on_path = Path::new("cargo-deny");
    let program = match [on_path, &own].into_iter().find(|program| is_right_version(program, workspace)) {
        Some(program) => program,
        None => {
            install(workspace)?;
            &own
        }
    };
    Call::new(program).args(&["check", "bans", "licenses", "sources"]).run(workspace)
}

fn is_right_version(program: &Path, workspace: &Workspace) -> bool {
    let answer = Call::new(program).arg("--version").ask(workspace);
    answer.is_some_and(|answer| answer.split_whitespace().last() == Some(VERSION))
}

fn install(workspace: &Workspace) -> anyhow::Result<()> {
    // It runs for a second: to optimise it would take longer than it could ever save.
    let install = Call::parse("cargo install cargo-deny --debug --locked --version").arg(VERSION);
    install
        .env("CARGO_PROFILE_DEV_DEBUG", "none")
        .arg("--root")
        .arg(workspace.tools().to_string_lossy())
        .run(workspace)
}
