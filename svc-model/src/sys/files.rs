//! Listing and reading the manifest files below a directory.

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
