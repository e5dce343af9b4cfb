//! A directory's manifests, time and again.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::known::{Doubt, Known, Reading};
use super::{LIMITS, ManifestDir};
use crate::Problem;
use crate::sys::files::{self, Listing, Stamp};
use crate::sys::inotify::{Told, TreeWatch};
use crate::wire::Manifest;
use crate::yaml::{Contents, Form, Manifests};

/// How often to look where the kernel tells nothing: a look is a `stat` of each file.
const UNTOLD: Duration = Duration::from_secs(1);

/// How often a tree that changes while it is read is read again at once.
const PATIENCE: usize = 8;

/// What a directory holds, time and again: for a program that does more with its manifests than
/// [`follow`](ManifestDir::follow) does. Files that did not change are not read again: their manifests are the same
/// (shared) values.
#[derive(Debug)]
pub struct Readings(Reader<Arc<Manifest>>);

impl Readings {
    pub(super) fn new(dir: ManifestDir) -> Self {
        Self(Reader::new(dir))
    }

    /// What the directory holds: the first time at once, then when it may hold something else. Needs a tokio runtime
    /// with I/O and time. Cancel safe while it waits for an edit; an edit is seen by the next call at the latest.
    pub async fn next(&mut self) -> Manifests {
        Manifests(self.0.next().await)
    }

    /// Why edits are not told by the kernel and the directory is looked at every second instead.
    #[must_use]
    pub fn warning(&self) -> Option<&Problem> {
        self.0.warning()
    }
}

/// Reads a directory, and keeps of each object what is needed of it.
#[derive(Debug)]
pub(super) struct Reader<F> {
    dir: ManifestDir,
    /// Opened by the first reading, on the runtime that reads.
    watch: Option<io::Result<TreeWatch>>,
    known: Known<F>,
    warning: Option<Problem>,
}

impl<F: Form + Send + 'static> Reader<F> {
    pub(super) fn new(dir: ManifestDir) -> Self {
        Self { dir, watch: None, known: Known::default(), warning: None }
    }

    /// See [`Readings::next`].
    pub(super) async fn next(&mut self) -> Contents<F> {
        if self.watch.is_some() {
            self.wait().await;
        } else {
            self.watch = Some(TreeWatch::new(&self.dir.path));
        }
        self.read().await
    }

    /// See [`Readings::warning`].
    pub(super) fn warning(&self) -> Option<&Problem> {
        self.warning.as_ref()
    }

    async fn wait(&mut self) {
        let told = self.warning.is_none();
        let pause = if told { self.dir.rescan } else { self.dir.rescan.min(UNTOLD) };
        let Some(Ok(watch)) = &mut self.watch else { return tokio::time::sleep(pause).await };
        let told = tokio::select! {
            changed = watch.changed() => changed.is_ok(),
            () = tokio::time::sleep(pause) => {
                return watch.be_impatient();
            }
        };
        tokio::time::sleep(if told { self.dir.settle } else { pause }).await;
    }

    /// Watches before it reads, and again if there was more to watch, so that nothing falls between.
    async fn read(&mut self) -> Contents<F> {
        let mut listing = self.list().await;
        for _ in 0..PATIENCE {
            let watched = listing.directories;
            let doubt = self.arm(&watched);
            listing = self.list().await;
            self.read_stale(&listing, &doubt).await;
            if self.warning.is_some() || listing.directories == watched {
                break;
            }
        }
        self.known.contents(&listing)
    }

    /// Has the kernel tell of changes in these directories from now on, and asks what it told up to now.
    fn arm(&mut self, directories: &[PathBuf]) -> Doubt {
        let (armed, told) = match &mut self.watch {
            Some(Ok(watch)) => {
                watch.drain();
                let told = watch.take();
                (watch.arm(directories).map_err(|error| error.to_string()), told)
            }
            Some(Err(error)) => (Err(error.to_string()), Told::default()),
            None => (Ok(()), Told::default()),
        };
        self.warning = armed.err().map(|error| self.not_followed(&error));
        match &self.warning {
            Some(_) => Doubt::Fresh,
            None if told.overflow => Doubt::All,
            None => Doubt::Only(told.touched),
        }
    }

    fn not_followed(&self, error: &str) -> Problem {
        let message = format!("cannot be followed by inotify ({error}): it is looked at every second");
        Problem::unnamed("", "", message).in_source(self.place())
    }

    fn place(&self) -> String {
        self.dir.path.display().to_string()
    }

    /// On a thread for blocking work, as is the reading: a directory may be large, or on a slow disk.
    async fn list(&self) -> Listing {
        let path = self.dir.path.clone();
        let listing = tokio::task::spawn_blocking(move || files::list(&path, &LIMITS));
        listing.await.unwrap_or_else(|error| Listing::failed(&self.dir.path, error.to_string()))
    }

    async fn read_stale(&mut self, listing: &Listing, doubt: &Doubt) {
        let stale = self.known.stale(listing, doubt);
        let readings = tokio::task::spawn_blocking(|| stale.into_iter().map(reading).collect());
        let readings = readings.await.unwrap_or_default();
        // Who began to write before the reading has told so by now.
        let writing = match &mut self.watch {
            Some(Ok(watch)) => watch.writing(),
            _ => Default::default(),
        };
        self.known.update(listing, readings, &writing);
    }
}

pub(super) fn reading<F: Form>((path, stamp): (PathBuf, Stamp)) -> Reading<F> {
    let fresh = stamp.is_fresh();
    let contents = match files::read_text(&path, LIMITS.file_bytes) {
        Ok(text) => Contents::of(&text.unwrap_or_default()),
        Err(message) => Contents::unreadable(message),
    };
    let contents = contents.in_source(&path.display().to_string());
    Reading { path, stamp, fresh, contents }
}
