//! Listing and reading the manifest files below a directory.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far reading goes, so that a wrong path (`/`, say) ends in an error and not in reading for an hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) depth: usize,
    pub(crate) files: usize,
    pub(crate) file_bytes: usize,
    pub(crate) total_bytes: u64,
}

/// A directory tree as it stands: the manifest files in the order of their paths, the directories to watch, and what
/// cannot be read.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) files: Vec<(PathBuf, Stamp)>,
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) failures: Vec<(PathBuf, String)>,
    bytes: u64,
}

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Clocks of file systems are coarse: what was written twice within this time may look the same.
const COARSE: Duration = Duration::from_secs(2);

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The file was written so lately that it may be written again and keep this stamp.
    pub(crate) fn is_fresh(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let settled = now.saturating_sub(COARSE).as_secs();
        u64::try_from(self.changed.0).is_ok_and(|changed| changed >= settled)
    }
}

/// Lists every `.yaml`, `.yml` and `.json` file below `root`. Names that begin with a dot are passed over (editors' swap
/// files, the `..data` of a ConfigMap mount), as are links to directories.
pub(crate) fn list(root: &Path, limits: &Limits) -> Listing {
    let mut listing = Listing::default();
    listing.directory(root, limits, limits.depth);
    listing
}

impl Listing {
    /// Of a directory that could not be listed at all.
    pub(crate) fn failed(root: &Path, message: String) -> Self {
        Self { failures: vec![(root.to_owned(), message)], ..Self::default() }
    }

    fn directory(&mut self, path: &Path, limits: &Limits, depth: usize) {
        if depth == 0 {
            return self.fail(path, format!("is nested deeper than {} directories", limits.depth));
        }
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.fail(path, format!("cannot be read as a directory: {error}")),
        };
        self.directories.push(path.to_owned());
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.directory(&entry.path(), limits, depth - 1),
                Ok(_) if is_manifest(&entry.path()) => self.file(entry.path(), limits),
                _ => {}
            }
        }
    }

    fn file(&mut self, path: PathBuf, limits: &Limits) {
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            // A link that leads nowhere is there; a file that was just removed is not.
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(&path).is_err() => {
                return;
            }
            Err(error) => return self.fail(&path, format!("cannot be read: {error}")),
        };
        if !metadata.is_file() {
            return;
        }
        if self.files.len() >= limits.files || self.bytes > limits.total_bytes {
            let (files, bytes) = (limits.files, limits.total_bytes);
            return self.fail(&path, format!("is beyond the {files} files and {bytes} bytes that are read"));
        }
        self.bytes += metadata.size();
        self.files.push((path, Stamp::of(&metadata)));
    }

    fn fail(&mut self, path: &Path, message: String) {
        self.failures.push((path.to_owned(), message));
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
}

/// The text of a file; nothing if it is gone by now.
pub(crate) fn read_text(path: &Path, limit: usize) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = fs::File::open(path).and_then(|file| file.take(bound).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(_) if bytes.len() > limit => Err(format!("is larger than the {limit} bytes that are read")),
        Ok(_) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|error| format!("is not UTF-8 (byte {})", error.utf8_error().valid_up_to())),
    }
}

/// The most that the values of a Secret may be in bytes (as the API server has it), and so the most that is read of one.
const MAX_SECRET: u64 = 1 << 20;
const MAX_KEYS: usize = 1000;
/// How often a directory that changes while it is read is read again at once.
const ATTEMPTS: usize = 8;

/// The files of a mounted Secret by name, all of one version. Names that begin with `..` are the kubelet's own.
pub(crate) fn mounted(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut attempts = 0;
    loop {
        let before = look(path);
        let version = fs::canonicalize(path.join("..data")).unwrap_or_else(|_| path.to_owned());
        let read = values(&version);
        attempts += 1;
        if look(path) == before || attempts == ATTEMPTS {
            return read;
        }
    }
}

fn values(directory: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut values = BTreeMap::new();
    let mut left = MAX_SECRET;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with("..") || !fs::metadata(entry.path())?.is_file() {
            continue;
        }
        let mut value = Vec::new();
        fs::File::open(entry.path())?.take(left + 1).read_to_end(&mut value)?;
        let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, "holds more than a Secret may: 1 MiB");
        left = left.checked_sub(value.len() as u64).ok_or_else(too_large)?;
        values.insert(name, value);
        if values.len() > MAX_KEYS {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "holds more than 1 000 files"));
        }
    }
    Ok(values)
}

/// What tells one version of a mounted Secret from another without reading it: where `..data` leads, or else the files' stamps.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Look {
    version: Option<PathBuf>,
    stamps: Vec<(PathBuf, Stamp)>,
}

impl Look {
    /// It may change and look the same.
    pub(crate) fn is_fresh(&self) -> bool {
        self.stamps.iter().any(|(_, stamp)| stamp.is_fresh())
    }
}

pub(crate) fn look(path: &Path) -> Look {
    let version = fs::read_link(path.join("..data")).ok();
    let mut stamps = Vec::new();
    if version.is_none() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        stamps.extend(entries.filter_map(|entry| {
            let path = entry.path();
            let stamp = Stamp::of(&fs::metadata(&path).ok()?);
            Some((path, stamp))
        }));
        stamps.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
    Look { version, stamps }
}
