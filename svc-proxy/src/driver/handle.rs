//! What the embedder holds while the loop runs.

use svc_model::Revision;
use svc_model::store::{Progress, Reached};
use tokio::sync::{mpsc, oneshot, watch};

use super::Backend;
use super::mode::Keep;
use crate::metrics::Metrics;
use crate::plan::Problem;
use crate::sysctl::SysctlReport;
use crate::{CleanUpError, Error, Node, Rejection, ipvs};

#[derive(Debug)]
pub(super) enum Command {
    Node(Box<Node>),
    Modes(Change, oneshot::Sender<Result<(), Error>>),
    CleanUp(oneshot::Sender<Result<(), CleanUpError>>),
}

/// What is to be another of the modes.
#[derive(Debug)]
pub(super) enum Change {
    Backend(Backend),
    Ipvs(Box<ipvs::Backend>),
}

/// How a proxy is doing.
#[derive(Clone, Debug, Default)]
pub struct Status {
    backend: Backend,
    programmed: Revision,
    wanted: Revision,
    failures: u32,
    error: Option<Error>,
    problems: Vec<Problem>,
    rejections: Vec<Rejection>,
    repairs: u64,
    sysctls: SysctlReport,
    flows: Flows,
    left: Vec<Error>,
}

/// What became of connection tracking's flows.
#[derive(Clone, Debug, Default)]
struct Flows {
    forgotten: u64,
    error: Option<Error>,
}

impl Status {
    /// The mode.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The revision that the kernel holds.
    #[must_use]
    pub fn programmed(&self) -> Revision {
        self.programmed
    }

    /// The revision that it should hold.
    #[must_use]
    pub fn wanted(&self) -> Revision {
        self.wanted
    }

    /// How often in a row rules could not be applied.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Why they could not, the last time.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// What Services ask for and do not get.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Services whose rules the kernel refuses; all others are in force.
    #[must_use]
    pub fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    /// How often somebody else changed our rules and they were put right.
    #[must_use]
    pub fn repairs(&self) -> u64 {
        self.repairs
    }

    /// The kernel settings that forwarding needs.
    #[must_use]
    pub fn sysctls(&self) -> &SysctlReport {
        &self.sysctls
    }

    /// How many UDP flows were forgotten because their frontend or endpoint is another now.
    #[must_use]
    pub fn forgotten_flows(&self) -> u64 {
        self.flows.forgotten
    }

    /// Why stale UDP flows could not be looked for, the last time. Rules are in force all the same.
    #[must_use]
    pub fn conntrack_error(&self) -> Option<&Error> {
        self.flows.error.as_ref()
    }

    /// Why what another mode left could not be removed, the last time. It does no harm but to take time, and is tried again.
    #[must_use]
    pub fn left_behind(&self) -> &[Error] {
        &self.left
    }

    /// Nothing to complain about.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.error.is_none()
            && self.flows.error.is_none()
            && self.problems.is_empty()
            && self.rejections.is_empty()
            && self.left.is_empty()
            && self.sysctls.problems().next().is_none()
    }
}

/// The driver's end.
#[derive(Debug)]
pub(super) struct Reports {
    status: watch::Sender<Status>,
    revisions: Progress,
    flows: Flows,
    left: Vec<Error>,
}

impl Reports {
    /// What other modes left was removed, but for this.
    pub(super) fn removed(&mut self, left: Vec<Error>) {
        self.left = left;
    }

    /// Flows were looked at: so many more are forgotten, or not all could be looked at.
    pub(super) fn swept(&mut self, forgotten: u64, error: Option<Error>) {
        self.flows.forgotten += forgotten;
        self.flows.error = error;
    }

    pub(super) fn publish(
        &self,
        backend: Backend,
        keeper: &dyn Keep,
        sysctls: SysctlReport,
        error: Option<Error>,
    ) {
        let failures = keeper.failures();
        self.status.send_modify(|status| {
            // Waiting for the next attempt does not make the last one good.
            let error = error.or_else(|| status.error.take()).filter(|_| failures > 0);
            *status = Status {
                backend,
                programmed: keeper.programmed(),
                wanted: keeper.plan().revision(),
                failures,
                error,
                problems: keeper.plan().problems(),
                rejections: keeper.rejections(),
                repairs: keeper.repairs(),
                sysctls,
                flows: self.flows.clone(),
                left: self.left.clone(),
            };
        });
        self.revisions.reach(keeper.programmed());
    }
}

/// Holds a running proxy. Dropping it ends the loop and leaves the rules in force.
#[derive(Debug)]
pub struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    status: watch::Receiver<Status>,
    revisions: Reached,
    metrics: Metrics,
}

pub(super) fn pair(commands: mpsc::UnboundedSender<Command>, metrics: Metrics) -> (Reports, Handle) {
    let (status, status_reader) = watch::channel(Status::default());
    let revisions = Progress::new();
    let handle = Handle { commands, status: status_reader, revisions: revisions.reached(), metrics };
    (Reports { status, revisions, flows: Flows::default(), left: Vec::new() }, handle)
}

impl Handle {
    /// Waits until the kernel holds `revision` or a later one. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] when the loop ended before.
    pub async fn programmed(&self, revision: Revision) -> Result<(), Error> {
        let reached = self.revisions.clone().at_least(revision).await;
        reached.map(drop).map_err(|_| Error::Stopped)
    }

    /// The revision that the kernel holds, to follow: DNS and Ingress wait for it before they announce a Service.
    #[must_use]
    pub fn revisions(&self) -> Reached {
        self.revisions.clone()
    }

    /// How the proxy is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// How the proxy is doing, to follow.
    #[must_use]
    pub fn statuses(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// What the proxy counts.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Gives the node other settings: other addresses, other Service ranges. The rules follow in one batch. Ignored by a
    /// loop that has ended.
    pub fn reconfigure(&self, node: Node) {
        // Nobody is there to obey when the loop has ended.
        let _ = self.commands.send(Command::Node(Box::new(node)));
    }

    /// Goes on in another mode: its rules are put in force, then those of the former mode are removed. New connections are
    /// served all the time, and those that are up stay up. Session affinity begins anew.
    ///
    /// # Errors
    ///
    /// Why the new mode's rules are not in force; then everything is as it was, and the former mode goes on. A loop that has
    /// ended is [`Error::Stopped`].
    pub async fn switch(&self, backend: Backend) -> Result<(), Error> {
        self.go_over(Change::Backend(backend)).await
    }

    /// Gives the mode ipvs other settings. Where it is the mode in force they are in force when this returns, else they are for
    /// the next [`switch`](Self::switch) to it. Connections that are up stay up.
    ///
    /// # Errors
    ///
    /// Why they cannot be in force; those before go on. A loop that has ended is [`Error::Stopped`].
    pub async fn reconfigure_ipvs(&self, backend: ipvs::Backend) -> Result<(), Error> {
        self.go_over(Change::Ipvs(Box::new(backend))).await
    }

    async fn go_over(&self, change: Change) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Modes(change, reply)).map_err(|_| Error::Stopped)?;
        answer.await.unwrap_or(Err(Error::Stopped))
    }

    /// Removes everything the proxy put in the kernel, puts back the settings it changed, and ends the loop.
    ///
    /// # Errors
    ///
    /// What could not be removed; everything else is. A loop that ended before counts as [`Error::Stopped`].
    pub async fn clean_up(self) -> Result<(), CleanUpError> {
        let stopped = || CleanUpError::unless_empty(vec![Error::Stopped]);
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::CleanUp(reply)).is_err() {
            return stopped();
        }
        answer.await.unwrap_or_else(|_| stopped())
    }
}
