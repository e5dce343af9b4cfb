//! What the one who follows a directory is given: reports, and the way to report pods.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::readings::Reader;
use crate::store::Store;
use crate::yaml::{Contents, Form};
use crate::{ControlPlane, ObjectName, Outcome, Problem, Revision};

/// What is wrong in a directory. Dropping all clones ends the following.
#[derive(Clone, Debug)]
pub struct DirReports {
    reports: watch::Receiver<Arc<[Problem]>>,
}

impl DirReports {
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
}

/// The directory's reports, and the way to report pods. Dropping all clones ends the following.
#[derive(Clone)]
pub struct DirHandle {
    shared: Arc<Shared>,
    reports: DirReports,
}

impl std::fmt::Debug for DirHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DirHandle").field("reports", &self.reports).finish_non_exhaustive()
    }
}

impl DirHandle {
    pub(super) fn new(shared: Arc<Shared>, reports: DirReports) -> Self {
        Self { shared, reports }
    }

    /// See [`DirReports::problems`].
    #[must_use]
    pub fn problems(&self) -> Arc<[Problem]> {
        self.reports.problems()
    }

    /// See [`DirReports::changed`].
    pub async fn changed(&mut self) -> Option<Arc<[Problem]>> {
        self.reports.changed().await
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

pub(super) struct Shared {
    /// Held while the store is written, so that revisions come in the order of what happened.
    control: Mutex<ControlPlane>,
    store: Store,
}

impl Shared {
    pub(super) fn new(control: ControlPlane, store: Store) -> Self {
        Self { control: Mutex::new(control), store }
    }

    pub(super) fn update(&self, update: impl FnOnce(&mut ControlPlane) -> Outcome) -> (Outcome, Revision) {
        let mut control = self.lock();
        let outcome = update(&mut control);
        let revision = outcome.commit(&self.store);
        (outcome, revision)
    }

    fn lock(&self) -> MutexGuard<'_, ControlPlane> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts readings in force and reports what was wrong with them.
pub(super) struct Reporter {
    report: watch::Sender<Arc<[Problem]>>,
}

impl Reporter {
    pub(super) fn new() -> (Self, DirReports) {
        let (report, reports) = watch::channel(Arc::from([]));
        (Self { report }, DirReports { reports })
    }

    /// Ends when nobody listens any more.
    pub(super) async fn report_until_unheard<F: Form + Send + 'static>(
        self,
        reader: Reader<F>,
        replace: impl FnMut(Contents<F>) -> Outcome,
    ) {
        tokio::select! {
            () = self.report.closed() => {}
            () = self.report(reader, replace) => {}
        }
    }

    async fn report<F: Form + Send + 'static>(
        &self,
        mut reader: Reader<F>,
        mut replace: impl FnMut(Contents<F>) -> Outcome,
    ) {
        loop {
            let outcome = replace(reader.next().await);
            let warning = reader.warning().cloned();
            self.report.send_replace(warning.into_iter().chain(outcome.problems().iter().cloned()).collect());
        }
    }
}
