//! Files and variables that a Corefile refers to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::corefile::Surroundings;

/// The process's environment and the file system. Relative paths are those of a directory: that of the Corefile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    directory: PathBuf,
}

/// More is no configuration.
const LARGEST_FILE: u64 = 16 << 20;

impl System {
    /// With the directory of this Corefile.
    #[must_use]
    pub fn beside(corefile: &Path) -> Self {
        Self { directory: corefile.parent().unwrap_or(Path::new("")).to_owned() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }
}

impl Surroundings for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &str) -> Result<String, String> {
        let path = self.path(path);
        let length = fs::metadata(&path).map_err(|error| error.to_string())?.len();
        if length > LARGEST_FILE {
            return Err(format!("it has {length} bytes; 16 MiB are the most"));
        }
        let bytes = fs::read(&path).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
    }

    /// A directory that is not there holds nothing.
    fn list(&self, pattern: &str) -> Result<Vec<String>, String> {
        let (directory, last) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let Some((before, after)) = last.split_once('*').filter(|_| !directory.contains('*')) else {
            return Err("a `*` can stand once, in the last part of the path".to_owned());
        };
        if after.contains('*') {
            return Err("a `*` can stand once, in the last part of the path".to_owned());
        }
        let Ok(entries) = fs::read_dir(self.path(directory)) else { return Ok(Vec::new()) };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let long_enough = before.len() + after.len();
        let mut paths: Vec<String> = names
            .filter(|name| name.len() >= long_enough && name.starts_with(before) && name.ends_with(after))
            // What Kubernetes puts beside mounted files.
            .filter(|name| !name.starts_with('.'))
            .map(|name| format!("{directory}{}{name}", if directory.is_empty() { "" } else { "/" }))
            .collect();
        paths.sort();
        Ok(paths)
    }
}
