//! Reading all manifest files below a directory.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// How far reading goes, so that a wrong path (`/`, say) ends in an error and not in reading for an hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) depth: usize,
    pub(crate) files: usize,
    pub(crate) file_bytes: usize,
    pub(crate) total_bytes: usize,
}

/// A directory tree as it was read: files and what could not be read, by path, and the directories to watch.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) texts: Vec<(String, Result<String, String>)>,
    pub(crate) directories: Vec<PathBuf>,
    bytes: usize,
    with_texts: bool,
}

/// Reads every `.yaml`, `.yml` and `.json` file below `root`, in the order of their paths. Names that begin with a dot are
/// passed over (editors' swap files, the `..data` of a ConfigMap mount), as are links to directories. Without `texts`
/// only the directories are listed.
pub(crate) fn read_tree(root: &Path, limits: &Limits, texts: bool) -> Tree {
    let mut tree = Tree { with_texts: texts, ..Tree::default() };
    tree.directory(root, limits, limits.depth);
    tree
}

impl Tree {
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
                Ok(_) if self.with_texts && is_manifest(&entry.path()) => self.file(&entry.path(), limits),
                _ => {}
            }
        }
    }

    fn file(&mut self, path: &Path, limits: &Limits) {
        if self.texts.len() >= limits.files || self.bytes > limits.total_bytes {
            return self.fail(path, format!("is beyond the {} files that are read", limits.files));
        }
        match read_text(path, limits.file_bytes) {
            Ok(Some(text)) => {
                self.bytes += text.len();
                self.texts.push((path.display().to_string(), Ok(text)));
            }
            Ok(None) => {}
            Err(error) => self.fail(path, error),
        }
    }

    fn fail(&mut self, path: &Path, message: String) {
        self.texts.push((path.display().to_string(), Err(message)));
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
}

/// The text of a regular file; nothing if it is gone by now, or is no file (a link to a directory, a pipe).
fn read_text(path: &Path, limit: usize) -> Result<Option<String>, String> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        // A link that leads nowhere is there; a file that was just removed is not.
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    if !metadata.is_file() {
        return Ok(None);
    }
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
