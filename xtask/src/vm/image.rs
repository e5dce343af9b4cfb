//! The file system that a machine boots into: a shell, modules, test programs and what they need.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::archive::Archive;
use super::kernel::Kernel;
use super::libraries;
use super::suite::Suite;
use crate::call::Call;
use crate::workspace::Workspace;

/// Parts of the kernel's modules that a network node may want: all of the network, its devices, and sums.
const MODULES: &[&str] =
    &["kernel/net", "kernel/drivers/net", "kernel/crypto", "kernel/lib", "kernel/arch/x86/crypto"];

/// What programs look names of protocols and ports up in.
const NAMES: &[&str] = &["/etc/protocols", "/etc/services"];

/// Runs first and last. What a suite wrote stands between two lines that name it.
const INIT: &str = include_str!("init.sh");

/// What will be in the machine.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    workspace: &'a Workspace,
    kernel: &'a Kernel,
    /// Files of the host that stand at the same path inside.
    same: BTreeSet<PathBuf>,
    /// Files of the host that stand elsewhere inside.
    placed: Vec<(PathBuf, String)>,
    script: String,
}

impl<'a> Image<'a> {
    pub(crate) fn new(workspace: &'a Workspace, kernel: &'a Kernel) -> anyhow::Result<Self> {
        let mut image =
            Self { workspace, kernel, same: BTreeSet::new(), placed: Vec::new(), script: String::new() };
        image.program("busybox")?;
        image.program("kmod")?;
        image.same.extend(NAMES.iter().map(PathBuf::from).filter(|path| path.is_file()));
        image.modules()?;
        Ok(image)
    }

    /// A suite with its programs; `rest` are arguments for the test program.
    pub(crate) fn add(&mut self, suite: &Suite, program: &str, rest: &[&str]) -> anyhow::Result<()> {
        for needed in suite.programs {
            self.program(needed)?;
        }
        for folder in suite.folders {
            let mut files = Vec::new();
            files_under(Path::new(folder), &mut files)?;
            self.same.extend(files);
        }
        let stripped = self.workspace.vm().join(format!("{}-stripped", suite.name));
        let strip = Call::parse("strip --output-file").arg(stripped.to_string_lossy()).arg(program);
        if strip.run(self.workspace).is_err() {
            fs::copy(program, &stripped).with_context(|| program.to_owned())?;
        }
        self.libraries_of(program);
        self.placed.push((stripped, format!("suites/{}", suite.name)));
        let args: Vec<&str> = suite.args.iter().chain(rest).copied().collect();
        self.script.push_str(&format!("suite {} {}\n", suite.name, args.join(" ")));
        Ok(())
    }

    fn program(&mut self, name: &str) -> anyhow::Result<()> {
        let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(|place| Path::new(place).join(name));
        let Some(found) = places.into_iter().find(|place| place.is_file()) else {
            bail!("{name} is not installed; `cargo xtask test --only install` does that");
        };
        let path = found.to_string_lossy().into_owned();
        self.libraries_of(&path);
        self.placed.push((found, format!("bin/{name}")));
        Ok(())
    }

    fn libraries_of(&mut self, program: &str) {
        self.same.extend(libraries(self.workspace, program).into_iter().map(PathBuf::from));
    }

    fn modules(&mut self) -> anyhow::Result<()> {
        let modules = self.kernel.modules()?;
        for part in MODULES.iter().map(|part| modules.join(part)).filter(|part| part.is_dir()) {
            let mut files = Vec::new();
            files_under(&part, &mut files)?;
            let placed: Vec<_> = files.into_iter().map(|file| self.inside(&modules, file)).collect();
            self.placed.extend(placed);
        }
        // The package leaves this to its installation.
        let depmod = Call::new("depmod").arg("--basedir").arg(self.kernel.base()?.to_string_lossy());
        depmod.arg(self.kernel.version()).overhear(self.workspace)?;
        for entry in fs::read_dir(&modules)? {
            let path = entry?.path();
            if path.is_file() {
                let placed = self.inside(&modules, path);
                self.placed.push(placed);
            }
        }
        Ok(())
    }

    fn inside(&self, modules: &Path, file: PathBuf) -> (PathBuf, String) {
        let below = file.strip_prefix(modules).unwrap_or(&file).to_string_lossy().into_owned();
        let path = format!("lib/modules/{}/{below}", self.kernel.version());
        (file, path)
    }

    /// Writes it, and says where.
    pub(crate) fn write(self) -> anyhow::Result<PathBuf> {
        let path = self.workspace.vm().join(format!("{}.cpio", self.kernel.release()));
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        let mut archive = Archive::new(BufWriter::new(file));
        let same = self.same.iter().map(|path| (path.clone(), path.to_string_lossy()[1..].to_owned()));
        let files: Vec<_> = self.placed.iter().cloned().chain(same).collect();
        let mut directories: BTreeSet<String> =
            ["dev", "proc", "sys", "tmp", "run", "root", "etc", "sbin"].map(str::to_owned).into();
        for (_, path) in &files {
            directories.extend(parents(path));
        }
        // The order of paths has every directory before what is in it.
        for directory in &directories {
            archive.directory(directory)?;
        }
        for (from, path) in &files {
            archive.file(path, &fs::read(from).with_context(|| from.display().to_string())?)?;
        }
        archive.link("sbin/modprobe", "/bin/kmod")?;
        archive
            .file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")?;
        archive.file("init", INIT.as_bytes())?;
        archive.file("suites.sh", self.script.as_bytes())?;
        archive.finish()?;
        Ok(path)
    }
}

/// `a`, `a/b` of `a/b/c`.
fn parents(path: &str) -> impl Iterator<Item = String> + '_ {
    path.match_indices('/').map(|(at, _)| path[..at].to_owned())
}

fn files_under(directory: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        match path.is_dir() {
            true => files_under(&path, found)?,
            false => found.push(path),
        }
    }
    Ok(())
}
