//! The programs of iptables: found, asked for their version, run with a limit of time.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use svc_model::AddressType;

use crate::iptables::{Cause, Change, Error, TableName, Tables, Variant};

mod lock;
mod process;
mod refusal;
#[cfg(test)]
mod tests;

use process::Output;

/// Where administrators' programs are, whatever `PATH` says.
const DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/// kube-proxy waits as long for the lock.
const WAIT: Duration = Duration::from_secs(5);
/// The slowest that was seen: 100 000 rules of the nft variant take half a minute on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);
/// The first version that takes `--wait` and `--random-fully`.
const OLDEST: (u32, u32, u32) = (1, 6, 2);

/// How the programs of iptables are found and run.
///
/// ```
/// use std::time::Duration;
/// use svc_proxy::sys::{Kernel, Programs};
///
/// let programs = Programs::default().lock_file("/run/user/1000/xtables.lock").wait(Duration::from_secs(10));
/// let kernel = Kernel::new().programs(programs);
/// # drop(kernel);
/// ```
#[derive(Clone, Debug)]
pub struct Programs {
    directories: Option<Vec<PathBuf>>,
    lock: Option<PathBuf>,
    wait: Duration,
    limit: Duration,
    known: BTreeMap<String, Found>,
}

impl Default for Programs {
    fn default() -> Self {
        Self { directories: None, lock: None, wait: WAIT, limit: LIMIT, known: BTreeMap::new() }
    }
}

/// A program that is there and new enough.
#[derive(Clone, Debug)]
struct Found {
    path: PathBuf,
    variant: Variant,
}

impl Programs {
    /// Looks for the programs in these directories, rather than in those of `PATH`, `/usr/sbin` and the like.
    #[must_use]
    pub fn directories(mut self, directories: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.directories = Some(directories.into_iter().map(Into::into).collect());
        self
    }

    /// The lock of the legacy variant. Unless set, it is what `XTABLES_LOCKFILE` says, else `/run/xtables.lock`; and where
    /// that may not be written, a file of this network namespace among the temporary ones.
    #[must_use]
    pub fn lock_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.lock = Some(path.into());
        self
    }

    /// For how long the lock is waited for: 5 s unless set. Whole seconds, at least one.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Duration::from_secs(wait.as_secs().max(1));
        self
    }

    /// For how long a program may run before it is ended: 300 s unless set.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The variant that the plain program is of.
    pub(super) fn default_variant(&mut self) -> Result<Variant, Error> {
        Ok(self.find("iptables-restore")?.variant)
    }

    pub(super) fn list(
        &mut self,
        variant: Variant,
        family: AddressType,
        tables: &[TableName],
    ) -> Result<Tables, Error> {
        let arguments: Vec<OsString> = match tables {
            [] => return Ok(Tables::new(family)),
            [one] => vec!["-t".into(), one.as_str().into()],
            // All that are there: one program for three tables.
            _ => Vec::new(),
        };
        let program = self.of(variant, family, "save")?;
        let output = self.run(&program, &arguments, None)?;
        if !output.status.success() {
            return Err(refusal::of(&name(&program), &output, None));
        }
        Tables::parse(family, &output.stdout)
            .map_err(|error| Error::new(name(&program), Cause::Listing(error)))
    }

    pub(super) fn restore(&mut self, variant: Variant, change: &Change) -> Result<(), Error> {
        if change.is_empty() {
            return Ok(());
        }
        let program = self.of(variant, change.family(), "restore")?;
        let wait = self.wait.as_secs().to_string();
        let arguments = ["--noflush", "-w", &wait].map(OsString::from);
        let output = self.run(&program, &arguments, Some(change.shared_text()))?;
        if output.status.success() {
            return Ok(());
        }
        if refusal::is_locked(&output) {
            let lock = self.lock_in_use();
            let holder = lock::holder(&lock);
            return Err(Error::new(name(&program), Cause::Locked { lock, holder, waited: self.wait }));
        }
        Err(refusal::of(&name(&program), &output, Some(change)))
    }

    /// `iptables-legacy-restore`; where there is no such name, the plain one if it is of this variant.
    fn of(&mut self, variant: Variant, family: AddressType, what: &str) -> Result<PathBuf, Error> {
        let iptables = if family == AddressType::Ipv6 { "ip6tables" } else { "iptables" };
        let named = format!("{iptables}-{variant}-{what}");
        if let Some(found) = self.known.get(&named) {
            return Ok(found.path.clone());
        }
        // Programs are called so since 1.8.0: they are new enough.
        if let Some(path) = self.path(&named) {
            self.known.insert(named, Found { path: path.clone(), variant });
            return Ok(path);
        }
        match self.find(&format!("{iptables}-{what}")) {
            Ok(found) if found.variant == variant => Ok(found.path),
            Err(error) if !error.is_missing() => Err(error),
            _ => Err(Error::new(named, Cause::Missing)),
        }
    }

    /// A program that says its version itself.
    fn find(&mut self, name: &str) -> Result<Found, Error> {
        if let Some(found) = self.known.get(name) {
            return Ok(found.clone());
        }
        let path = self.path(name).ok_or_else(|| Error::new(name, Cause::Missing))?;
        let output = self.run(&path, &["--version".into()], None)?;
        // `iptables-restore v1.8.9 (nf_tables)`; without parentheses before 1.8
        let text = format!("{}{}", output.stdout, output.stderr);
        let version = text.split_whitespace().find_map(|word| version(word.strip_prefix('v')?));
        match version {
            Some(version) if version >= OLDEST => {
                let variant = if text.contains("(nf_tables)") { Variant::Nft } else { Variant::Legacy };
                let found = Found { path, variant };
                self.known.insert(name.to_owned(), found.clone());
                Ok(found)
            }
            Some((major, minor, patch)) => {
                Err(Error::new(name, Cause::TooOld { version: format!("{major}.{minor}.{patch}") }))
            }
            None => Err(Error::new(name, Cause::TooOld { version: "unknown".to_owned() })),
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.candidates(name).into_iter().find(|path| path.is_file())
    }

    fn candidates(&self, name: &str) -> Vec<PathBuf> {
        let directories = self.directories.clone().unwrap_or_else(|| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path: Vec<PathBuf> = std::env::split_paths(&path).collect();
            path.into_iter().chain(DIRECTORIES.map(PathBuf::from)).collect()
        });
        directories.into_iter().map(|directory| directory.join(name)).collect()
    }

    fn run(
        &self,
        program: &Path,
        arguments: &[OsString],
        input: Option<Arc<String>>,
    ) -> Result<Output, Error> {
        let environment =
            [("LC_ALL".into(), "C".into()), ("XTABLES_LOCKFILE".into(), self.lock_in_use().into_os_string())];
        process::run(program, arguments, &environment, input, self.limit)
            .map_err(|cause| Error::new(name(program), cause))
    }

    fn lock_in_use(&self) -> PathBuf {
        self.lock.clone().unwrap_or_else(lock::default_file)
    }
}

fn name(program: &Path) -> String {
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn version(text: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = text.split('.').map(|number| {
        let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}
