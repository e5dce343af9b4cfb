//! `cargo xtask vm` and the `vm` stage: kernel tests on Debian's stock kernels, in an emulator.
//!
//! The machine at hand may have a kernel without IPVS, or one that is nobody's else. Debian's cloud kernels have what
//! nodes have: they are downloaded by apt, unpacked and never installed, and booted by qemu under software emulation, with
//! nothing but our test binaries, the libraries and programs those need, and a shell. It takes no privileges and no KVM.

mod archive;
mod image;
mod kernel;
mod machine;
mod suite;

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::call::Call;
use crate::install;
use crate::progress::Progress;
use crate::skips;
use crate::workspace::Workspace;
use image::Image;
use kernel::Kernel;
use machine::Transcript;
use suite::{SUITES, Suite};

/// Programs of the host that the harness itself needs.
const NEEDED: &[&str] = &["qemu-system-x86_64", "busybox", "depmod", "dpkg-deb", "apt-get"];

/// `cargo xtask vm [--suite NAME] [--release NAME] [-- ARGS]`.
pub(crate) fn command(workspace: &Workspace, args: &[&str]) -> anyhow::Result<()> {
    let options = Options::parse(args)?;
    let missing: Vec<_> = NEEDED.iter().filter(|program| !install::is_installed(program)).collect();
    if !missing.is_empty() {
        bail!("{missing:?} not installed; `cargo xtask test --only install` does that");
    }
    let kernels = kernel::fetch(workspace)?;
    let is_wanted = |kernel: &Kernel| options.release.is_none_or(|wanted| wanted == kernel.release());
    if !kernels.iter().any(is_wanted) {
        bail!("no kernel of release {:?} here", options.release.unwrap_or_default());
    }
    let wanted = kernels.iter().enumerate().filter(|(_, kernel)| is_wanted(kernel));
    let machines = wanted.map(|(number, kernel)| (kernel, options.suites(number, kernels.len())));
    run(workspace, &machines.collect::<Vec<_>>(), &options.rest).map(drop)
}

/// The stage: the suites of each kernel that can be had here.
pub(crate) fn stage(workspace: &Workspace, progress: &mut Progress) -> anyhow::Result<()> {
    if std::env::consts::ARCH != "x86_64" || NEEDED.iter().any(|program| !install::is_installed(program)) {
        progress.note(format!("no virtual machine: it takes an x86_64 Debian with {}", NEEDED.join(", ")));
        return if crate::workspace::in_ci() { bail!("the vm stage cannot run here") } else { Ok(()) };
    }
    let kernels = kernel::fetch(workspace)?;
    let options = Options::default();
    let machines = kernels.iter().enumerate();
    let machines = machines.map(|(number, kernel)| (kernel, options.suites(number, kernels.len())));
    for (kernel, transcript) in run(workspace, &machines.collect::<Vec<_>>(), &[])? {
        progress.note(format!("{}: {} suites passed", kernel.package(), transcript.passed().count()));
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Options<'a> {
    suite: Option<&'a str>,
    release: Option<&'a str>,
    /// Passed to each program.
    rest: Vec<&'a str>,
}

impl<'a> Options<'a> {
    fn parse(args: &[&'a str]) -> anyhow::Result<Self> {
        let mut options = Self::default();
        let mut args = args.iter().copied();
        while let Some(arg) = args.next() {
            match arg {
                "--suite" => options.suite = Some(args.next().context("--suite takes a name")?),
                "--release" => options.release = Some(args.next().context("--release takes a name")?),
                "--" => options.rest = args.by_ref().collect(),
                other => bail!("{other:?} is not --suite NAME, --release NAME or --"),
            }
        }
        let known = || SUITES.iter().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
        if let Some(name) = options.suite.filter(|name| !SUITES.iter().any(|suite| suite.name == *name)) {
            bail!("no suite named {name:?}; there are {}", known());
        }
        Ok(options)
    }

    /// Those for the `number`th of `count` kernels.
    fn suites(&self, number: usize, count: usize) -> Vec<&'static Suite> {
        let by_default = |suite: &Suite| suite.runs_on(number, count);
        let wanted = |suite: &&Suite| self.suite.map_or_else(|| by_default(suite), |name| name == suite.name);
        SUITES.iter().filter(wanted).collect()
    }
}

/// Boots all machines at once, since each is busy with little more than one processor, and judges what they wrote.
fn run<'a>(
    workspace: &Workspace,
    machines: &[(&'a Kernel, Vec<&'static Suite>)],
    rest: &[&str],
) -> anyhow::Result<Vec<(&'a Kernel, Transcript)>> {
    let suites: Vec<_> = machines.iter().flat_map(|(_, suites)| suites.iter().copied()).collect();
    let programs = suite::build(workspace, &suites)?;
    let mut images = Vec::new();
    for (kernel, suites) in machines {
        let mut image = Image::new(workspace, kernel)?;
        for suite in suites {
            image.add(suite, &programs[suite.name], rest)?;
        }
        images.push((*kernel, image.write()?));
    }
    let transcripts: Vec<_> = std::thread::scope(|scope| {
        let boot = |(kernel, image): &(&'a Kernel, PathBuf)| {
            let (kernel, image) = (*kernel, image.clone());
            scope.spawn(move || (kernel, machine::run(workspace, kernel, &image)))
        };
        let running: Vec<_> = images.iter().map(boot).collect();
        running.into_iter().filter_map(|machine| machine.join().ok()).collect()
    });
    let judged = transcripts.into_iter().map(|(kernel, transcript)| {
        let transcript = transcript?;
        judge(kernel, &transcript)?;
        Ok((kernel, transcript))
    });
    judged.collect()
}

/// Every suite that began has to have ended well without passing over anything, and the machine has to have come to its end.
fn judge(kernel: &Kernel, transcript: &Transcript) -> anyhow::Result<()> {
    let failed: Vec<_> = transcript.failed().collect();
    if !failed.is_empty() {
        bail!("failed on {}: {}", kernel.package(), failed.join(", "));
    }
    if !transcript.is_complete() {
        bail!("{} did not come to its end: it hung, or its kernel gave up; see above", kernel.package());
    }
    skips::forbid(transcript.lines()).with_context(|| kernel.package().to_owned())
}

/// What a program needs at run time, as ldd tells.
fn libraries(workspace: &Workspace, program: &str) -> Vec<String> {
    let listing = Call::new("ldd").arg(program).ask(workspace).unwrap_or_default();
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    listing.lines().filter_map(path).collect()
}
