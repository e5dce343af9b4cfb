//! `cargo xtask test`: everything that CI runs, cheap failures first.

use anyhow::bail;

use crate::call::Call;
use crate::stage::{self, Stage};
use crate::workspace::Workspace;
use crate::{crates, deny, fuzz, install, skips, tour, vm};

/// The stages, in order. Those of one kind of build follow one another: clippy and rustdoc share what check writes,
/// the tests and the tour need code.
const STAGES: &[Stage] = &[
    Stage { name: "install", about: "what the tests need, by apt where it may", run: install::run },
    Stage {
        name: "fmt",
        about: "rustfmt changes nothing",
        run: |workspace, _| Call::parse("cargo fmt --all --check").run(workspace),
    },
    Stage {
        name: "clippy",
        about: "no warning in any target, the layering rule included",
        run: |workspace, _| {
            Call::parse("cargo clippy --workspace --all-targets --all-features -- -D warnings").run(workspace)
        },
    },
    Stage {
        name: "doc",
        about: "rustdoc has no broken link and no missing page",
        run: |workspace, _| {
            let doc = Call::parse("cargo doc --workspace --no-deps --all-features");
            doc.env("RUSTDOCFLAGS", "-D warnings").run(workspace)
        },
    },
    Stage {
        name: "features",
        about: "each library alone, with no, default and all features",
        run: crates::run,
    },
    Stage { name: "package", about: "each library can be packaged", run: crates::package },
    Stage { name: "deny", about: "licences, duplicates and sources of the dependencies", run: deny::run },
    Stage {
        name: "tests",
        about: "unit, property, golden and kernel tests, doctests, the README's examples",
        run: |workspace, progress| {
            // Every failure of a run is worth seeing; a test that skipped itself says so on its own output.
            let tests = "cargo test --workspace --all-features --no-fail-fast -- --show-output";
            let lines = Call::parse(tests).listen(workspace)?;
            skips::judge(&lines, progress)
        },
    },
    Stage { name: "fuzz", about: "libFuzzer, briefly, on every fuzz target", run: fuzz::smoke },
    Stage { name: "vm", about: "kernel tests on Debian's stock kernels, emulated", run: vm::stage },
    Stage { name: "tour", about: "the tour, as it stands in the README and as nobody", run: tour::run },
];

pub(crate) fn run(workspace: &Workspace, args: &[&str]) -> anyhow::Result<()> {
    let mut only = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match (*arg, args.next()) {
            ("--only", Some(name)) => only.push(*name),
            ("--list", None) => return list(),
            (other, _) => bail!("{other:?} is not `--only STAGE` or `--list`"),
        }
    }
    stage::run(&stage::select(STAGES, &only)?, workspace)
}

fn list() -> anyhow::Result<()> {
    STAGES.iter().for_each(|stage| println!("{:<10}{}", stage.name, stage.about));
    Ok(())
}
