//! The loop: what wakes it, and what it does then.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::Overlay;
use super::addresses::Addresses;
use super::advance::Held;
use super::lingering::Lingering;
use super::pods::Request;
use super::publishing::{Clock, Publishing};
use super::readiness::Readiness;
use super::underlay::Place;
use crate::config::Config;
use crate::dataplane::Dataplane;
use crate::error::Error;
use crate::kernel::{Kernel, Scope, Underlay};
use crate::plan::{Plan, sysctls_before};
use crate::registry::{LeaseSet, Registry, RegistryError};
use crate::state::{Backoff, Problem, Status};

pub(super) struct Driver<D> {
    pub(super) config: Config,
    pub(super) scope: Scope,
    registry: Arc<dyn Registry>,
    pub(super) dataplane: D,
    pub(super) status: watch::Sender<Status>,
    pub(super) leases: Option<LeaseSet>,
    /// Why they cannot be followed at the moment.
    pub(super) watching: Option<RegistryError>,
    pub(super) publishing: Publishing,
    pub(super) readiness: Readiness,
    pub(super) place: Place,
    pub(super) lingering: Lingering,
    pub(super) held: Option<Held>,
    pub(super) addresses: Option<Addresses>,
    pub(super) backoff: Backoff,
    /// What the sysctls were: the links whose marks say so may be deleted under us.
    pub(super) before: BTreeMap<String, String>,
    requests: mpsc::UnboundedReceiver<Request>,
    pub(super) files: Files,
    interval: Duration,
}

/// What the overlay keeps in files.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) subnet_env: Option<PathBuf>,
    pub(super) ipam_directory: Option<PathBuf>,
}

enum Event {
    Stop,
    Request(Request),
    Leases(Result<LeaseSet, RegistryError>),
    Reconcile,
}

impl<D: Dataplane> Driver<D> {
    pub(super) fn new(overlay: Overlay, clock: Clock, dataplane: D, status: watch::Sender<Status>) -> Self {
        let Overlay { config, registry, files, interval, place, lingering, receiver: requests, .. } = overlay;
        Driver {
            scope: config.scope(),
            config,
            publishing: Publishing::new(Arc::clone(&registry), clock),
            readiness: Readiness::new(Arc::clone(&registry)),
            registry,
            dataplane,
            status,
            leases: None,
            watching: None,
            place,
            lingering,
            held: None,
            addresses: None,
            backoff: Backoff::default(),
            before: BTreeMap::new(),
            requests,
            files,
            interval,
        }
    }

    pub(super) async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut leases = self.registry.watch();
        let mut watch_backoff = Backoff::default();
        let mut watch_from = Instant::now();
        let mut next = Instant::now() + self.interval;
        loop {
            let changed = async {
                sleep_until(watch_from).await;
                leases.changed().await
            };
            let wake_at = self.wake_at(next);
            let event = tokio::select! {
                // Requests first: a detach that waits must not be overtaken for ever by a noisy kernel.
                biased;
                _ = &mut stopped => Event::Stop,
                Some(request) = self.requests.recv() => Event::Request(request),
                leases = changed => Event::Leases(leases),
                () = self.publishing.answered() => Event::Reconcile,
                () = self.readiness.answered() => Event::Reconcile,
                () = self.dataplane.changed() => Event::Reconcile,
                () = sleep_until(wake_at) => Event::Reconcile,
            };
            match event {
                Event::Stop => return,
                Event::Request(Request::CleanUp { reply }) => {
                    // The asker may have gone; the work is done all the same.
                    let _gone = reply.send(self.clean_up().await);
                    return;
                }
                Event::Request(request) => {
                    self.answer(request);
                    continue;
                }
                Event::Leases(Err(error)) => {
                    watch_from = Instant::now() + watch_backoff.failed();
                    self.watching = Some(error.clone());
                    self.report(Problem::Registry(error));
                    continue;
                }
                Event::Leases(Ok(leases)) => {
                    watch_backoff.succeeded();
                    self.take(leases);
                    if self.advance().await {
                        continue;
                    }
                }
                Event::Reconcile => {}
            }
            next = Instant::now() + self.reconcile().await.unwrap_or(self.interval);
        }
    }

    /// A renewal that is overdue already waits for the next reconcile: it was tried.
    fn wake_at(&self, next: Instant) -> Instant {
        let renewal = self.publishing.due_in().map(|wait| Instant::now() + wait);
        let others = self.readiness.due().into_iter().chain(self.lingering.due());
        renewal.into_iter().chain(others).fold(next, Instant::min)
    }

    fn take(&mut self, leases: LeaseSet) {
        let (now, back) = (Instant::now(), self.watching.take().is_some());
        if back {
            self.publishing.try_again_now();
        }
        let put_back = self.leases.as_ref().is_some_and(|known| leases.revision() < known.revision());
        self.publishing.look_for(&leases, put_back);
        if back || put_back {
            self.lingering.begin(now);
        }
        self.leases = Some(self.lingering.with(self.leases.as_ref(), leases, &self.config, now));
    }

    /// What the kernel holds, with the marks' memory of the sysctls kept.
    pub(super) fn list(&mut self) -> Result<Kernel, Error> {
        let kernel = self.dataplane.list(&self.scope)?;
        self.before.extend(sysctls_before(&kernel));
        Ok(kernel)
    }

    pub(super) fn plan(&self, underlay: &Underlay, leases: &LeaseSet) -> Plan {
        Plan::new(&self.config, underlay, leases).remembering(self.before.clone())
    }

    fn answer(&mut self, request: Request) {
        // An asker that has gone is no fault.
        let _gone = match request {
            Request::Attach { pod, netns, options, reply } => {
                reply.send(self.attach(&pod, &netns, &options)).is_err()
            }
            Request::Detach { pod, reply } => reply.send(self.detach(&pod)).is_err(),
            Request::List { reply } => reply.send(self.list_pods()).is_err(),
            Request::CleanUp { .. } => false,
        };
    }

    fn report(&self, problem: Problem) {
        debug!(%problem, "overlay");
        self.status.send_if_modified(|status| {
            let new = !status.problems.contains(&problem);
            if new {
                status.problems.push(problem);
            }
            new
        });
    }
}
