//! Comparing and repairing: list, plan, diff, apply, and again until there is nothing left to do.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::advance::Held;
use super::run::Driver;
use crate::config::Stack;
use crate::dataplane::Dataplane;
use crate::error::{CleanUpError, Error};
use crate::kernel::{Kernel, Underlay};
use crate::lease::Lease;
use crate::netconf::Mode;
use crate::operation::{Changes, Operation};
use crate::plan::{Plan, Tunnel};
use crate::registry::LeaseSet;
use crate::state::{Problem, runnable};
use crate::sys::files;

/// A new device needs two rounds: its own sysctls exist only once it does.
const ROUNDS: usize = 4;
/// How many operations are made before other tasks of the thread have their turn.
const STRIDE: usize = 512;

/// What one reconcile left behind.
#[derive(Default)]
pub(super) struct Outcome {
    /// What the kernel refused.
    pub(super) problems: Vec<Problem>,
    pub(super) done: u64,
}

/// A plan that the kernel holds, and what stands beside it.
struct Converged {
    plan: Plan,
    underlay: Underlay,
    obstacles: Vec<Problem>,
}

impl<D: Dataplane> Driver<D> {
    /// Brings the kernel in step. When that did not work: how long to wait before trying again.
    ///
    /// Before the leases are known nothing is touched: what a former process programmed goes on working.
    pub(super) async fn reconcile(&mut self) -> Option<Duration> {
        let mut leases = self.leases.take()?;
        if self.watching.is_none() {
            self.lingering.end(&mut leases, Instant::now());
        }
        self.leases = Some(leases.clone());
        self.held = None;
        let mut outcome = Outcome::default();
        let converged = self.converge(&leases, &mut outcome).await;
        if let Ok(Converged { plan, .. }) = &converged {
            match self.write_subnet_env(plan) {
                Ok(()) => self.tell_ready().await,
                Err(error) => outcome.kernel(&error),
            }
        }
        self.tell(&leases, &converged, &outcome);
        match converged {
            Ok(Converged { plan, underlay, obstacles }) => {
                self.backoff.succeeded();
                if obstacles.is_empty() {
                    self.held = Some(Held { plan, underlay, leases, problems: outcome.problems });
                }
                None
            }
            Err(_) => Some(self.backoff.failed()),
        }
    }

    fn write_subnet_env(&self, plan: &Plan) -> Result<(), Error> {
        let Some(path) = &self.files.subnet_env else { return Ok(()) };
        files::replace(path, &self.config.subnet_env(plan.bridge().mtu).to_string())
    }

    /// Pods that come before their node is known to its peers would not be answered.
    async fn tell_ready(&mut self) {
        if let Some(published) = self.publishing.published() {
            self.readiness.tell(published).await;
        }
    }

    fn tell(&self, leases: &LeaseSet, converged: &Result<Converged, Vec<Problem>>, outcome: &Outcome) {
        let beside: Vec<Problem> = match converged {
            Ok(Converged { plan, obstacles, .. }) => {
                of_peers(leases, plan).chain(obstacles.iter().cloned()).collect()
            }
            Err(problems) => problems.clone(),
        };
        let registry =
            self.watching.clone().map(Problem::Registry).into_iter().chain(self.publishing.problem());
        let registry = registry.chain(self.readiness.problem());
        let here = !beside.iter().any(|problem| matches!(problem, Problem::NoUnderlay(_)));
        let published = self.publishing.published().map(|(_, revision)| revision);
        self.status.send_if_modified(|status| {
            let before = status.clone();
            if let Ok(Converged { plan, .. }) = converged {
                status.programmed = Some(plan.revision());
                status.peers = plan.nodes();
                status.lingering = self.lingering.len();
            }
            status.operations += outcome.done;
            status.lease = self.publishing.lease().cloned();
            status.ready = here && self.readiness.is_told(published);
            status.problems = outcome.problems.iter().cloned().chain(beside).chain(registry).collect();
            *status != before
        });
    }

    /// The plan that the kernel holds at the end, or what keeps it from that beside what it refused.
    async fn converge(
        &mut self,
        leases: &LeaseSet,
        outcome: &mut Outcome,
    ) -> Result<Converged, Vec<Problem>> {
        let mut given_up: Vec<Operation> = Vec::new();
        let mut beside = Vec::new();
        for _ in 0..ROUNDS {
            let (kernel, underlay) = match self.locate() {
                Ok((kernel, Some(underlay))) => (kernel, underlay),
                Ok((_, None)) => return Err(vec![Problem::NoUnderlay(self.underlay_wanted())]),
                Err(error) => {
                    outcome.kernel(&error);
                    return Err(beside);
                }
            };
            let plan = self.plan(&underlay, leases);
            let obstacles: Vec<_> = plan.obstacles(&kernel).into_iter().map(Problem::Obstacle).collect();
            let mut changes = plan.diff(&kernel).operations().to_vec();
            changes.retain(|operation| !given_up.contains(operation));
            if !changes.iter().any(is_of_device)
                && let Some(lease) = self.real_lease(&kernel)
            {
                self.publishing.publish(lease).await;
            }
            beside = of_peers(leases, &plan).chain(obstacles.iter().cloned()).collect();
            if changes.is_empty() {
                let all_ours = plan.tunnels().iter().all(|tunnel| is_ours(&kernel, tunnel));
                return if all_ours { Ok(Converged { plan, underlay, obstacles }) } else { Err(beside) };
            }
            outcome.problems.clear();
            let failed = self.make_all(&changes, outcome).await;
            given_up = failed.into_iter().filter(Operation::is_optional).collect();
        }
        Err(beside)
    }

    /// Nothing while a device is missing, down or somebody else's.
    fn real_lease(&self, kernel: &Kernel) -> Option<Lease> {
        let mut macs = BTreeMap::new();
        if self.config.mode == Mode::Vxlan {
            for family in self.config.stacks.iter().map(Stack::family) {
                let found = kernel.devices.get(&self.config.device(family))?;
                let link = found.link.as_ref().filter(|_| found.up && found.mark.is_some())?;
                macs.insert(family, link.mac);
            }
        }
        Some(self.config.lease_with(&macs))
    }

    /// Makes operations in order, without those that need a failed one; the failed and the left out ones.
    pub(super) async fn make_all(
        &mut self,
        operations: &[Operation],
        outcome: &mut Outcome,
    ) -> Vec<Operation> {
        let mut failed = Vec::new();
        let same = |a: &Operation, b: &Operation| std::mem::discriminant(a) == std::mem::discriminant(b);
        for chunk in operations.chunk_by(same).flat_map(|run| run.chunks(STRIDE)) {
            let (chunk, blocked) = runnable(chunk, &failed);
            failed.extend(blocked);
            for (operation, result) in chunk.iter().zip(self.dataplane.apply(&chunk)) {
                match result {
                    Err(error) if !(is_deletion(operation) && error.is_not_found()) => {
                        outcome.kernel(&error);
                        failed.push(operation.clone());
                    }
                    _ => outcome.done += 1,
                }
            }
            tokio::task::yield_now().await;
        }
        failed
    }

    /// Removes all that is ours. A failed removal does not stop the others.
    pub(super) async fn clean_up(&mut self) -> Result<(), CleanUpError> {
        let mut errors = Vec::new();
        self.readiness.finish().await;
        if let Err(error) = self.publishing.withdraw(self.config.lease()).await {
            warn!(%error, "the lease was not withdrawn");
        }
        if let Some(Err(error)) = self.files.subnet_env.as_deref().map(files::remove) {
            warn!(%error, "subnet.env was not removed");
        }
        for _ in 0..ROUNDS {
            errors.clear();
            let kernel = match self.list() {
                Ok(kernel) => kernel,
                Err(error) => return Err(CleanUpError::new(vec![error])),
            };
            let changes = self.removal(&kernel);
            if changes.is_empty() {
                return Ok(());
            }
            let results = self.dataplane.apply(changes.operations()).into_iter().zip(changes.operations());
            let failures = results.filter_map(|(result, operation)| Some((result.err()?, operation)));
            let real =
                failures.filter(|(error, operation)| !(is_deletion(operation) && error.is_not_found()));
            errors.extend(real.map(|(error, _)| error));
            if errors.is_empty() {
                return Ok(());
            }
        }
        Err(CleanUpError::new(errors))
    }

    fn removal(&self, kernel: &Kernel) -> Changes {
        // What is removed depends on names and marks alone.
        let underlay = kernel.underlay.clone().unwrap_or_else(|| Underlay::new("", 0, 0));
        self.plan(&underlay, &LeaseSet::default()).removal(kernel)
    }
}

impl Outcome {
    fn kernel(&mut self, error: &Error) {
        warn!(%error, "overlay");
        self.problems.push(Problem::Kernel(error.to_string()));
    }
}

/// What is wrong with peers' leases.
pub(super) fn of_peers<'a>(leases: &'a LeaseSet, plan: &'a Plan) -> impl Iterator<Item = Problem> + 'a {
    let unreadable = leases.unreadable().iter().cloned().map(Problem::Unreadable);
    unreadable.chain(plan.refusals().cloned().map(Problem::Refused))
}

fn is_deletion(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::DeleteLink(_)
            | Operation::DeleteAddress(..)
            | Operation::DeleteNeighbour(_)
            | Operation::DeleteFdb(_)
            | Operation::DeleteRoute(_)
            | Operation::DeleteRules(_)
    )
}

fn is_ours(kernel: &Kernel, tunnel: &Tunnel) -> bool {
    kernel.devices.get(&tunnel.device.name).is_some_and(|found| found.mark.is_some())
}

/// Whether a VXLAN device itself is made or changed.
fn is_of_device(operation: &Operation) -> bool {
    matches!(operation, Operation::AddDevice(..) | Operation::SetDevice(_))
}

#[cfg(test)]
mod tests;
