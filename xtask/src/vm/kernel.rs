//! Debian's cloud kernels: this release's, and the next one's where the archive has it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::call::Call;
use crate::workspace::Workspace;

/// What always leads to the newest kernel of a release.
const METAPACKAGE: &str = "linux-image-cloud-amd64";
/// Debian's releases, in their order.
const RELEASES: &[&str] = &["bookworm", "trixie", "forky"];

/// A kernel package, unpacked.
#[derive(Debug)]
pub(crate) struct Kernel {
    release: String,
    package: String,
    root: PathBuf,
}

impl Kernel {
    pub(crate) fn release(&self) -> &str {
        &self.release
    }

    /// `linux-image-6.1.0-56-cloud-amd64`.
    pub(crate) fn package(&self) -> &str {
        &self.package
    }

    /// What `uname -r` says in it.
    pub(crate) fn version(&self) -> &str {
        self.package.trim_start_matches("linux-image-")
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.root.join(format!("boot/vmlinuz-{}", self.version()))
    }

    /// What `lib/modules` of it is below: its root, or `usr` there.
    pub(crate) fn base(&self) -> anyhow::Result<PathBuf> {
        let mut places = [self.root.clone(), self.root.join("usr")].into_iter();
        let found = places.find(|base| self.modules_below(base).is_dir());
        found.with_context(|| format!("{} has no modules", self.package))
    }

    /// Where its modules are.
    pub(crate) fn modules(&self) -> anyhow::Result<PathBuf> {
        Ok(self.modules_below(&self.base()?))
    }

    fn modules_below(&self, base: &Path) -> PathBuf {
        base.join("lib/modules").join(self.version())
    }
}

/// The kernels to test on. What the next release has is best effort, this release's kernel is not.
pub(crate) fn fetch(workspace: &Workspace) -> anyhow::Result<Vec<Kernel>> {
    let release = this_release()?;
    let mut kernels = vec![unpack(workspace, &release, &Apt::of_this_machine())?];
    let next = RELEASES.iter().position(|known| *known == release).and_then(|at| RELEASES.get(at + 1));
    if let Some(next) = next {
        let fetched = Apt::of(workspace, next).and_then(|apt| unpack(workspace, next, &apt));
        match fetched {
            Ok(kernel) => kernels.push(kernel),
            Err(error) => println!("no kernel of {next} here: {error:#}"),
        }
    }
    Ok(kernels)
}

fn this_release() -> anyhow::Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name
        .context("/etc/os-release names no VERSION_CODENAME; the kernels are Debian's")?
        .trim_matches('"')
        .to_owned())
}

fn unpack(workspace: &Workspace, release: &str, apt: &Apt) -> anyhow::Result<Kernel> {
    let package = apt.newest_kernel(workspace)?;
    let root = workspace.vm().join(&package);
    let kernel = Kernel { release: release.to_owned(), package, root };
    if kernel.image().is_file() {
        return Ok(kernel);
    }
    let download = workspace.vm().join("download");
    let _ = fs::remove_dir_all(&download);
    fs::create_dir_all(&download).with_context(|| download.display().to_string())?;
    apt.get().args(&["download", &kernel.package]).in_dir(&download).run(workspace)?;
    let deb = only_file(&download)?;
    let root = kernel.root.to_string_lossy();
    Call::parse("dpkg-deb --extract").arg(deb.to_string_lossy()).arg(&*root).run(workspace)?;
    Ok(kernel)
}

fn only_file(directory: &Path) -> anyhow::Result<PathBuf> {
    let mut files =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    match (files.pop(), files.pop()) {
        (Some(file), None) => Ok(file),
        _ => bail!("apt-get left not one file in {}", directory.display()),
    }
}

/// apt with the options that make it look at one release. It checks signatures and sums as it always does.
#[derive(Debug)]
struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// As it is configured: with the mirror of this machine.
    fn of_this_machine() -> Self {
        Self { options: Vec::new() }
    }

    /// With lists of its own, so that nothing of this machine's apt changes.
    fn of(workspace: &Workspace, release: &str) -> anyhow::Result<Self> {
        let state = workspace.vm().join(format!("apt-{release}"));
        fs::create_dir_all(state.join("lists/partial"))?;
        fs::create_dir_all(state.join("cache/archives/partial"))?;
        let sources = state.join("sources.list");
        let line = format!(
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {release} main\n"
        );
        fs::write(&sources, line)?;
        let options = [
            ("Dir::Etc::SourceList", sources),
            ("Dir::Etc::SourceParts", PathBuf::from("/dev/null")),
            ("Dir::State::Lists", state.join("lists")),
            ("Dir::Cache", state.join("cache")),
        ];
        let option = |(name, path): (&str, PathBuf)| format!("--option={name}={}", path.display());
        let mut apt = Self { options: options.into_iter().map(option).collect() };
        apt.options.push("--option=Acquire::Languages=none".to_owned());
        apt.get().arg("update").run(workspace)?;
        Ok(apt)
    }

    fn get(&self) -> Call {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        Call::parse("apt-get --quiet --quiet --option=Acquire::Retries=3").args(&options)
    }

    /// What the metapackage depends on.
    fn newest_kernel(&self, workspace: &Workspace) -> anyhow::Result<String> {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let depends = Call::new("apt-cache").args(&options).args(&["depends", METAPACKAGE]).ask(workspace);
        let depends =
            depends.with_context(|| format!("apt knows no {METAPACKAGE}; `apt-get update` may help"))?;
        let kernel = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
        Ok(format!("linux-image-{}", kernel.with_context(|| format!("{METAPACKAGE} depends on no kernel"))?))
    }
}
