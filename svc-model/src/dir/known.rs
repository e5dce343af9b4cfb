//! What is known of a directory's files, so that only those are read again that may hold something else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::sys::files::{Listing, Stamp};
use crate::yaml::Manifests;

/// The files as they were read last.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    files: BTreeMap<PathBuf, File>,
}

#[derive(Clone, Debug)]
struct File {
    stamp: Stamp,
    /// It was read so soon after it was written that its stamp proves nothing.
    fresh: bool,
    manifests: Manifests,
}

/// One file that was read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    pub(super) fresh: bool,
    pub(super) manifests: Manifests,
}

/// Which files may hold something else although their stamps are the same.
#[derive(Debug)]
pub(super) enum Doubt {
    /// These: the kernel says so.
    Only(BTreeSet<PathBuf>),
    /// All: the kernel could not keep up.
    All,
    /// Those that were written lately: nobody says anything.
    Fresh,
}

impl Known {
    /// The files to be read: new ones, and those that may hold something else.
    pub(super) fn stale(&self, listing: &Listing, doubt: &Doubt) -> Vec<(PathBuf, Stamp)> {
        let is_stale = |(path, stamp): &&(PathBuf, Stamp)| match self.files.get(path) {
            Some(file) => file.stamp != *stamp || doubt.covers(path, file),
            None => true,
        };
        listing.files.iter().filter(is_stale).cloned().collect()
    }

    /// Takes in what was read, but for files that somebody is in the middle of writing: they stay as they were.
    pub(super) fn update(&mut self, listing: &Listing, readings: Vec<Reading>, writing: &BTreeSet<PathBuf>) {
        let listed: BTreeSet<&PathBuf> = listing.files.iter().map(|(path, _)| path).collect();
        self.files.retain(|path, _| listed.contains(path));
        for Reading { path, stamp, fresh, manifests } in readings {
            if !(writing.contains(&path) && self.files.contains_key(&path)) {
                self.files.insert(path, File { stamp, fresh, manifests });
            }
        }
    }

    /// Everything together, in the order of the listing, with what could not be read.
    pub(super) fn manifests(&self, listing: &Listing) -> Manifests {
        let mut all = Manifests::default();
        for (path, _) in &listing.files {
            all.extend(self.files.get(path).map(|file| file.manifests.clone()).unwrap_or_default());
        }
        for (path, message) in &listing.failures {
            all.extend(Manifests::unreadable(message).in_source(&path.display().to_string()));
        }
        all
    }
}

impl Doubt {
    fn covers(&self, path: &PathBuf, file: &File) -> bool {
        match self {
            Doubt::Only(touched) => touched.contains(path),
            Doubt::All => true,
            Doubt::Fresh => file.fresh,
        }
    }
}
