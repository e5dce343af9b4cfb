//! The `tour` stage: the README's first command, and the same program as a user without privileges elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::call::Call;
use crate::progress::Progress;
use crate::skips;
use crate::workspace::Workspace;

/// As it stands in the README.
pub(crate) const TOUR: &str = "cargo run --release";

pub(crate) fn run(workspace: &Workspace, progress: &mut Progress) -> anyhow::Result<()> {
    let mut lines = Call::parse(TOUR).listen(workspace)?;
    printed_as_the_readme_shows(&lines, workspace)?;
    // A checkout may be where others cannot reach it.
    let elsewhere = Elsewhere::copy(&workspace.tour())?;
    let tour = Call::new(elsewhere.program()).in_dir("/");
    lines.extend(as_nobody(tour, workspace).listen(workspace)?);
    skips::judge(&lines, progress)
}

/// The README quotes some of the tour's own lines.
fn printed_as_the_readme_shows(lines: &[String], workspace: &Workspace) -> anyhow::Result<()> {
    let readme = fs::read_to_string(workspace.root().join("README.md")).context("README.md")?;
    match readme
        .lines()
        .find(|line| line.starts_with("step ") && !lines.iter().any(|printed| printed == line))
    {
        Some(line) => bail!("README.md shows a line that the tour does not print: {line}"),
        None => Ok(()),
    }
}

/// Root drops to a user that owns nothing; anybody else is one already.
fn as_nobody(call: Call, workspace: &Workspace) -> Call {
    match workspace.is_root() {
        true => call.under("setpriv --reuid 65534 --regid 65534 --clear-groups"),
        false => call,
    }
}

/// A directory outside the checkout that everybody may read, removed when dropped.
struct Elsewhere(PathBuf);

impl Elsewhere {
    fn copy(program: &Path) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("svc-tour-{}", std::process::id()));
        let elsewhere = Self(dir);
        fs::create_dir_all(&elsewhere.0).with_context(|| elsewhere.0.display().to_string())?;
        fs::set_permissions(&elsewhere.0, fs::Permissions::from_mode(0o755))?;
        let copy = elsewhere.program();
        fs::copy(program, &copy).with_context(|| format!("{} -> {}", program.display(), copy.display()))?;
        Ok(elsewhere)
    }

    fn program(&self) -> PathBuf {
        self.0.join("cluster")
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
