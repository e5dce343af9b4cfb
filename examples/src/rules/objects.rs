//! Objects from files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use svc_model::dir::ManifestDir;
use svc_model::{Snapshot, yaml};

/// Objects as a cluster holds them.
#[derive(Debug)]
pub struct Objects {
    snapshot: Snapshot,
    faults: usize,
}

impl Objects {
    /// Reads files and whole directories. What is wrong with objects is said on standard error, and the others are taken.
    ///
    /// # Errors
    ///
    /// There is no such file or directory.
    pub fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut manifests = yaml::Manifests::default();
        for path in paths.iter().flat_map(|path| separate(path)) {
            manifests.extend(read(&path)?);
        }
        let (objects, problems) = manifests.stored();
        problems.iter().for_each(|problem| eprintln!("error: {problem}"));
        if let [first, others @ ..] = manifests.ignored() {
            let others =
                if others.is_empty() { String::new() } else { format!(" and {} others", others.len()) };
            eprintln!("warning: passed over, for no proxy reads such objects: {first}{others}");
        }
        Ok(Self { snapshot: objects.into_iter().collect(), faults: problems.len() })
    }

    /// All of them.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// How much was refused.
    #[must_use]
    pub fn faults(&self) -> usize {
        self.faults
    }
}

/// `a.yaml,b.yaml`, where that is not the name of one file.
fn separate(path: &Path) -> Vec<PathBuf> {
    match path.to_str() {
        Some(text) if text.contains(',') && !path.exists() => text.split(',').map(PathBuf::from).collect(),
        _ => vec![path.to_owned()],
    }
}

fn read(path: &Path) -> anyhow::Result<yaml::Manifests> {
    if path.is_dir() {
        return Ok(ManifestDir::new(path).read());
    }
    let text = fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    Ok(yaml::read(&text).in_source(&path.display().to_string()))
}
