//! A directory of manifests as the source of a cluster, followed as it is edited.
//!
//! Files are `*.yaml`, `*.yml` and `*.json` at any depth. An edit is in force as soon as the editor closes or renames the
//! file. A mistake never takes away what worked: see [`ControlPlane::replace`]. If the whole directory vanishes, its
//! objects stay, and it is followed again once it is back.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::store::Store;
use crate::sys::files::{self, Limits, Tree};
use crate::sys::inotify::TreeWatch;
use crate::yaml::{self, Manifests};
use crate::{ControlPlane, ObjectName, Outcome, Problem, Revision};

#[cfg(test)]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the tests edit a real directory")]
mod tests;

const LIMITS: Limits =
    Limits { depth: 16, files: 50_000, file_bytes: yaml::limits::MAX_TEXT_BYTES, total_bytes: 1 << 30 };

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

    /// How often to look without being told (60 s): network file systems tell nothing of what others wrote.
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
        manifests(files::read_tree(&self.path, &LIMITS, true)).0
    }

    /// Reads the directory again whenever it may hold something else.
    #[must_use]
    pub fn readings(self) -> Readings {
        Readings { dir: self, watch: None, warning: None }
    }

    /// Keeps `control` and `store` in step with the directory. The future does it, and ends when all handles are
    /// dropped; it has to run on a tokio runtime with I/O and time. Cancel safe: dropping it stops at a whole revision.
    pub fn follow(self, control: ControlPlane, store: Store) -> (DirHandle, impl Future<Output = ()> + Send) {
        let shared = Arc::new(Shared { control: Mutex::new(control), store });
        let (report, reports) = watch::channel(Arc::from([]));
        let handle = DirHandle { shared: Arc::clone(&shared), reports };
        let follower = Follower { readings: self.readings(), shared, report };
        (handle, follower.run())
    }
}

fn manifests(tree: Tree) -> (Manifests, Vec<PathBuf>) {
    let mut all = Manifests::default();
    for (path, text) in tree.texts {
        all.extend(match text {
            Ok(text) => yaml::read(&text).in_source(&path),
            Err(message) => Manifests::unreadable(message).in_source(&path),
        });
    }
    (all, tree.directories)
}

struct Shared {
    /// Held while the store is written, so that revisions come in the order of what happened.
    control: Mutex<ControlPlane>,
    store: Store,
}

impl Shared {
    fn update(&self, update: impl FnOnce(&mut ControlPlane) -> Outcome) -> (Outcome, Revision) {
        let mut control = self.lock();
        let outcome = update(&mut control);
        let revision = outcome.commit(&self.store);
        (outcome, revision)
    }

    fn lock(&self) -> MutexGuard<'_, ControlPlane> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directory's reports, and the way to report pods. Dropping all clones ends the following.
#[derive(Clone)]
pub struct DirHandle {
    shared: Arc<Shared>,
    reports: watch::Receiver<Arc<[Problem]>>,
}

impl std::fmt::Debug for DirHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DirHandle").field("reports", &self.reports).finish_non_exhaustive()
    }
}

impl DirHandle {
    /// What was wrong when the directory was read last.
    #[must_use]
    pub fn problems(&self) -> Arc<[Problem]> {
        Arc::clone(&self.reports.borrow())
    }

    /// Waits until the directory was read (again), and returns what was wrong; `None` when following has ended. Cancel
    /// safe.
    pub async fn changed(&mut self) -> Option<Arc<[Problem]>> {
        self.reports.changed().await.ok()?;
        Some(Arc::clone(&self.reports.borrow_and_update()))
    }

    /// Changes the control plane and the store together.
    pub fn update(&self, update: impl FnOnce(&mut ControlPlane) -> Outcome) -> (Outcome, Revision) {
        self.shared.update(update)
    }

    /// See [`ControlPlane::pod_network`].
    pub fn pod_network(&self, pod: &ObjectName, ips: &[IpAddr]) -> (Outcome, Revision) {
        self.update(|control| control.pod_network(pod, ips))
    }

    /// See [`ControlPlane::pod_ready`].
    pub fn pod_ready(&self, pod: &ObjectName, ready: bool) -> (Outcome, Revision) {
        self.update(|control| control.pod_ready(pod, ready))
    }

    /// See [`ControlPlane::pod_terminating`].
    pub fn pod_terminating(&self, pod: &ObjectName) -> (Outcome, Revision) {
        self.update(|control| control.pod_terminating(pod))
    }
}

struct Follower {
    readings: Readings,
    shared: Arc<Shared>,
    report: watch::Sender<Arc<[Problem]>>,
}

impl Follower {
    async fn run(mut self) {
        let report = self.report.clone();
        tokio::select! {
            () = report.closed() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        loop {
            let found = self.readings.next().await;
            let (outcome, _) = self.shared.update(|control| control.replace(&found));
            let warning = self.readings.warning().cloned();
            self.report.send_replace(warning.into_iter().chain(outcome.problems().iter().cloned()).collect());
        }
    }
}

/// What a directory holds, time and again: for a program that does more with its manifests than
/// [`follow`](ManifestDir::follow) does.
#[derive(Debug)]
pub struct Readings {
    dir: ManifestDir,
    /// Opened by the first reading, on the runtime that reads.
    watch: Option<io::Result<TreeWatch>>,
    warning: Option<Problem>,
}

impl Readings {
    /// What the directory holds: the first time at once, then when it may hold something else. Needs a tokio runtime
    /// with I/O and time. Cancel safe while it waits for an edit; an edit is seen by the next call at the latest.
    pub async fn next(&mut self) -> Manifests {
        match &self.watch {
            Some(watch) => self.wait(watch).await,
            None => self.watch = Some(TreeWatch::new(&self.dir.path)),
        }
        self.read().await
    }

    /// Why edits are not told by the kernel and the directory is read at intervals instead.
    #[must_use]
    pub fn warning(&self) -> Option<&Problem> {
        self.warning.as_ref()
    }

    /// Watches before it reads, and again if there was more to watch, so that nothing falls between.
    async fn read(&mut self) -> Manifests {
        let mut directories = self.scan(false).await.1;
        let (found, armed) = loop {
            let armed = self.watch.as_mut().map_or(Ok(()), |watch| arm(watch, &directories));
            let (found, known) = self.scan(true).await;
            if armed.is_err() || known == directories {
                break (found, armed);
            }
            directories = known;
        };
        self.warning = armed.err().map(|error| self.not_followed(&error));
        found
    }

    fn not_followed(&self, error: &str) -> Problem {
        let every = self.dir.rescan.as_secs_f32();
        let message = format!("cannot be followed by inotify ({error}): it is read every {every} s");
        Problem::unnamed("", "", message).in_source(self.place())
    }

    fn place(&self) -> String {
        self.dir.path.display().to_string()
    }

    /// On a thread for blocking work: a directory may be large, or on a slow disk.
    async fn scan(&self, texts: bool) -> (Manifests, Vec<PathBuf>) {
        let path = self.dir.path.clone();
        let scan = tokio::task::spawn_blocking(move || manifests(files::read_tree(&path, &LIMITS, texts)));
        scan.await.unwrap_or_else(|error| {
            let message = format!("cannot be read: {error}");
            (Manifests::unreadable(message).in_source(&self.place()), Vec::new())
        })
    }

    async fn wait(&self, watch: &io::Result<TreeWatch>) {
        let changed = async {
            match watch {
                Ok(watch) => watch.changed().await.is_ok(),
                Err(_) => false,
            }
        };
        let rescan = tokio::time::sleep(self.dir.rescan);
        tokio::pin!(rescan);
        let told = tokio::select! {
            told = changed => told,
            () = &mut rescan => return,
        };
        if told {
            tokio::time::sleep(self.dir.settle).await;
            watch.iter().for_each(TreeWatch::drain);
        } else {
            rescan.await;
        }
    }
}

fn arm(watch: &mut io::Result<TreeWatch>, directories: &[PathBuf]) -> Result<(), String> {
    match watch {
        Ok(watch) => watch.arm(directories).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
