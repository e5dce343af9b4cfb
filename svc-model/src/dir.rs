//! A directory of manifests as a source of objects, followed as it is edited.
//!
//! Files are `*.yaml`, `*.yml` and `*.json` at any depth. An edit is in force as soon as the editor closes or renames the
//! file; what is half written is left alone. Only files that changed are read again. A mistake never takes away what
//! worked, and if the whole directory vanishes, its objects stay, and it is followed again once it is back.
//!
//! | | the manifests are | for |
//! |--|--|--|
//! | [`ManifestDir::follow`] | created: defaults, validation, addresses, endpoints ([`ControlPlane::replace`]) | the one program that is the control plane |
//! | [`ManifestDir::follow_stored`] | read as they stand ([`Stored::replace`]) | programs that only observe |
//!
//! A Secret that is mounted as files is [`MountedSecret`].

mod handle;
mod known;
mod mounted;
mod readings;
#[cfg(test)]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the tests edit a real directory")]
mod tests;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use handle::{DirHandle, DirReports};
pub use mounted::MountedSecret;
pub use readings::Readings;

use crate::store::Store;
use crate::stored::AsStored;
use crate::sys::files::{self, Limits};
use crate::yaml::{Contents, Manifests, limits};
use crate::{ControlPlane, Outcome, Stored};
use handle::{Reporter, Shared};
use known::{Doubt, Known};
use readings::Reader;

const LIMITS: Limits =
    Limits { depth: 16, files: 50_000, file_bytes: limits::MAX_TEXT_BYTES, total_bytes: 1 << 30 };

/// Where manifests lie, and how they are followed.
#[derive(Clone, Debug)]
#[must_use]
pub struct ManifestDir {
    path: PathBuf,
    settle: Duration,
    rescan: Duration,
}

impl ManifestDir {
    /// The directory; it need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), settle: Duration::from_millis(20), rescan: Duration::from_secs(60) }
    }

    /// How long to wait after a change for others that belong to it (20 ms).
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// How often to look without being told (60 s): network file systems tell nothing of what others wrote. What is
    /// looked at then is when files were changed, not what they hold.
    pub fn rescan_every(mut self, rescan: Duration) -> Self {
        self.rescan = rescan.max(Duration::from_millis(1));
        self
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the directory holds now. What cannot be read is among the problems, and the rest goes on. Blocks.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # std::fs::write(dir.path().join("shop.yaml"), "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")?;
    /// let manifests = svc_model::dir::ManifestDir::new(dir.path()).read();
    /// assert_eq!(manifests.iter().count(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn read(&self) -> Manifests {
        let (listing, mut known) = (files::list(&self.path, &LIMITS), Known::default());
        let readings = known.stale(&listing, &Doubt::All).into_iter().map(readings::reading).collect();
        known.update(&listing, readings, &Default::default());
        Manifests(known.contents(&listing))
    }

    /// Reads the directory again whenever it may hold something else.
    #[must_use]
    pub fn readings(self) -> Readings {
        Readings::new(self)
    }

    /// Keeps `control` and `store` in step with the directory. The future does it, and ends when all handles are
    /// dropped; it has to run on a tokio runtime with I/O and time. Cancel safe: dropping it stops at a whole revision.
    pub fn follow(self, control: ControlPlane, store: Store) -> (DirHandle, impl Future<Output = ()> + Send) {
        let shared = Arc::new(Shared::new(control, store));
        let (reporter, reports) = Reporter::new();
        let handle = DirHandle::new(Arc::clone(&shared), reports);
        let replace = move |found| shared.update(|control| control.replace(&Manifests(found))).0;
        (handle, reporter.report_until_unheard(Reader::new(self), replace))
    }

    /// Keeps `store` in step with what the directory says is stored: no address is allocated, no endpoint derived. Beside the
    /// store's objects little is kept of the files. The future is as that of [`follow`](Self::follow).
    ///
    /// ```
    /// use svc_model::{dir::ManifestDir, store::Store};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// # let manifests = dir.path();
    /// let store = Store::new();
    /// let (mut reports, run) = ManifestDir::new(manifests).follow_stored(store.clone());
    /// tokio::spawn(run);
    /// let problems = reports.changed().await.ok_or("it has ended")?; // the first reading is in the store
    /// assert!(problems.is_empty());
    /// # std::fs::write(manifests.join("shop.yaml"), "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")?;
    /// store.watch().changed().await?; // an edit
    /// assert!(store.snapshot().has_namespace("shop"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn follow_stored(self, store: Store) -> (DirReports, impl Future<Output = ()> + Send) {
        let (reporter, reports) = Reporter::new();
        let mut stored = Stored::default();
        let replace = move |found: Contents<AsStored>| {
            let outcome: Outcome = stored.replace_contents(&found);
            outcome.commit(&store);
            outcome
        };
        (reports, reporter.report_until_unheard(Reader::new(self), replace))
    }
}
