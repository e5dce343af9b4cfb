//! Comparing and repairing: list, plan, diff, apply, and again until there is nothing left to do.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::run::Driver;
use crate::config::Stack;
use crate::dataplane::Dataplane;
use crate::error::{CleanUpError, Error};
use crate::kernel::{Kernel, Underlay};
use crate::lease::Lease;
use crate::netconf::Mode;
use crate::operation::{Changes, Operation};
use crate::plan::{Plan, Tunnel};
use crate::registry::{LeaseSet, Published};
use crate::state::{Problem, runnable};
use crate::sys::files;

/// A new device needs two rounds: its own sysctls exist only once it does.
const ROUNDS: usize = 4;
/// How many operations are made before other tasks of the thread have their turn.
const STRIDE: usize = 512;

/// What one reconcile left behind.
#[derive(Default)]
struct Outcome {
    problems: Vec<Problem>,
    done: u64,
}

impl<D: Dataplane> Driver<D> {
    /// Brings the kernel in step. When that did not work: how long to wait before trying again.
    ///
    /// Before the leases are known nothing is touched: what a former process programmed goes on working.
    pub(super) async fn reconcile(&mut self) -> Option<Duration> {
        let leases = self.leases.clone()?;
        let mut outcome = Outcome::default();
        let plan = self.converge(&leases, &mut outcome).await;
        if let (Some(plan), Some(path)) = (&plan, &self.files.subnet_env)
            && let Err(error) = files::replace(path, &self.config.subnet_env(plan.bridge().mtu).to_string())
        {
            outcome.kernel(&error);
        }
        self.status.send_if_modified(|status| {
            let before = status.clone();
            if let Some(plan) = &plan {
                status.programmed = Some(plan.revision());
                status.peers = plan.nodes();
            }
            status.operations += outcome.done;
            status.lease = self.published.as_ref().map(|(lease, _)| lease.clone());
            status.problems = outcome.problems;
            *status != before
        });
        match plan {
            Some(_) => self.backoff.succeeded(),
            None => return Some(self.backoff.failed()),
        }
        None
    }

    /// The plan that the kernel holds at the end, if it does.
    async fn converge(&mut self, leases: &LeaseSet, outcome: &mut Outcome) -> Option<Plan> {
        let mut given_up: Vec<Operation> = Vec::new();
        for _ in 0..ROUNDS {
            outcome.problems.retain(|problem| matches!(problem, Problem::Kernel(_)));
            let kernel = self.list().map_err(|error| outcome.kernel(&error)).ok()?;
            let Some(underlay) = &kernel.underlay else {
                outcome.problems.push(Problem::NoUnderlay(self.underlay_wanted()));
                return None;
            };
            let plan = self.plan(underlay, leases);
            outcome.problems.extend(leases.unreadable().iter().cloned().map(Problem::Unreadable));
            outcome.problems.extend(plan.refusals().iter().cloned().map(Problem::Refused));
            outcome.problems.extend(plan.obstacles(&kernel).into_iter().map(Problem::Obstacle));
            let mut changes = plan.diff(&kernel).operations().to_vec();
            changes.retain(|operation| !given_up.contains(operation));
            if !changes.iter().any(is_of_device) {
                self.publish(&kernel, outcome).await;
            }
            if changes.is_empty() {
                let all_ours = plan.tunnels().iter().all(|tunnel| is_ours(&kernel, tunnel));
                return all_ours.then_some(plan);
            }
            outcome.problems.retain(|problem| !matches!(problem, Problem::Kernel(_)));
            let failed = self.make_all(&changes, outcome).await;
            given_up = failed.into_iter().filter(Operation::is_optional).collect();
        }
        None
    }

    /// Publishes the lease once the devices exist, with the MAC addresses that they really have.
    async fn publish(&mut self, kernel: &Kernel, outcome: &mut Outcome) {
        let Some(lease) = self.real_lease(kernel) else { return };
        let due = self.renew_at.is_some_and(|at| at <= Instant::now());
        if self.published.as_ref().is_some_and(|(published, _)| *published == lease) && !due {
            return;
        }
        match self.registry.publish(lease.clone()).await {
            Ok(Published { revision, renew_in }) => {
                debug!(%lease, %revision, "published");
                self.published = Some((lease, revision));
                self.renew_at = renew_in.map(|time| Instant::now() + time);
            }
            Err(error) => {
                // What runs goes on, with what is known of the peers; it is tried again.
                self.renew_at = Some(Instant::now() + self.publishing.failed());
                outcome.problems.push(Problem::Registry(error));
                return;
            }
        }
        self.publishing.succeeded();
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
    async fn make_all(&mut self, operations: &[Operation], outcome: &mut Outcome) -> Vec<Operation> {
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
        let published = self.published.take().map(|(lease, _)| lease);
        let lease = published.unwrap_or_else(|| self.config.lease());
        if let Err(error) = self.registry.withdraw(&lease).await {
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

    fn underlay_wanted(&self) -> String {
        match &self.scope.underlay {
            Some(name) => format!("the name {name}"),
            None => {
                let addresses = self.scope.public_ips.iter().map(ToString::to_string);
                format!("the address {}", addresses.collect::<Vec<_>>().join(" and "))
            }
        }
    }
}

impl Outcome {
    fn kernel(&mut self, error: &Error) {
        warn!(%error, "overlay");
        self.problems.push(Problem::Kernel(error.to_string()));
    }
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
