//! Where the workspace and its build output are.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::call::Call;

/// The checkout that this program was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    pub(crate) fn here() -> anyhow::Result<Self> {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is not inside a workspace")?;
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => std::path::absolute(dir).context("CARGO_TARGET_DIR")?,
            None => root.join("target"),
        };
        Ok(Self { root: root.to_owned(), target })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where `cargo install --root` puts the programs that only the tests need.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The tour, as `cargo run --release` builds it.
    pub(crate) fn tour(&self) -> PathBuf {
        self.target.join("release/cluster")
    }

    /// What is built for libFuzzer, and what it found.
    pub(crate) fn fuzz(&self) -> PathBuf {
        self.target.join("fuzz")
    }

    /// Kernels, and what virtual machines boot into.
    pub(crate) fn vm(&self) -> PathBuf {
        self.target.join("vm")
    }

    /// Whether commands run as root.
    pub(crate) fn is_root(&self) -> bool {
        Call::parse("id -u").ask(self).is_some_and(|uid| uid.trim() == "0")
    }
}

/// Set where nobody looks at single lines: a test that skipped itself then fails the run.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}
