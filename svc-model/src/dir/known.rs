//! What is known of a directory's files, so that only those are read again that may hold something else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::sys::files::{Listing, Stamp};
use crate::yaml::{Contents, Form};

/// The files as they were read last.
#[derive(Debug)]
pub(super) struct Known<F> {
    files: BTreeMap<PathBuf, File<F>>,
}

#[derive(Debug)]
struct File<F> {
    stamp: Stamp,
    /// It was read so soon after it was written that its stamp proves nothing.
    fresh: bool,
    contents: Contents<F>,
}

/// One file that was read.
#[derive(Debug)]
pub(super) struct Reading<F> {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    pub(super) fresh: bool,
    pub(super) contents: Contents<F>,
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

impl<F> Default for Known<F> {
    fn default() -> Self {
        Self { files: BTreeMap::new() }
    }
}

impl<F: Form> Known<F> {
    /// The files to be read: new ones, and those that may hold something else.
    pub(super) fn stale(&self, listing: &Listing, doubt: &Doubt) -> Vec<(PathBuf, Stamp)> {
        let is_stale = |(path, stamp): &&(PathBuf, Stamp)| match self.files.get(path) {
            Some(file) => file.stamp != *stamp || doubt.covers(path, file),
            None => true,
        };
        listing.files.iter().filter(is_stale).cloned().collect()
    }

    /// Takes in what was read, but for files that somebody is in the middle of writing: they stay as they were.
    pub(super) fn update(
        &mut self,
        listing: &Listing,
        readings: Vec<Reading<F>>,
        writing: &BTreeSet<PathBuf>,
    ) {
        let listed: BTreeSet<&PathBuf> = listing.files.iter().map(|(path, _)| path).collect();
        self.files.retain(|path, _| listed.contains(path));
        for Reading { path, stamp, fresh, contents } in readings {
            let contents = match self.files.get(&path) {
                Some(_) if writing.contains(&path) => continue,
                // What did not change is the same piece of memory everywhere.
                Some(former) => contents.sharing(&former.contents),
                None => contents,
            };
            self.files.insert(path, File { stamp, fresh, contents });
        }
    }

    /// Everything together, in the order of the listing, with what could not be read.
    pub(super) fn contents(&self, listing: &Listing) -> Contents<F> {
        let mut all = Contents::default();
        for (path, _) in &listing.files {
            all.extend(self.files.get(path).map(|file| file.contents.clone()).unwrap_or_default());
        }
        for (path, message) in &listing.failures {
            all.extend(Contents::unreadable(message).in_source(&path.display().to_string()));
        }
        all
    }
}

impl Doubt {
    fn covers<F>(&self, path: &PathBuf, file: &File<F>) -> bool {
        match self {
            Doubt::Only(touched) => touched.contains(path),
            Doubt::All => true,
            Doubt::Fresh => file.fresh,
        }
    }
}
