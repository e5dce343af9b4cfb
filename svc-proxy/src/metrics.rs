//! What a proxy counts: under the names that kube-proxy gives its metrics where they mean the same, so that dashboards made
//! for it go on working.
//!
#![doc = include_str!("../docs/metrics.md")]
//!
//! ```
//! # #[cfg(feature = "driver")] {
//! use svc_model::store::Store;
//! use svc_proxy::{Node, Proxy, fake};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let node = Node::builder("server2").address("172.20.10.2").build()?;
//! let store = Store::new();
//! let (handle, run) = Proxy::builder(node).dataplane(fake::Kernel::new()).build().drive(store.watch());
//! tokio::spawn(run);
//! handle.programmed(store.snapshot().revision()).await?;
//! assert!(handle.metrics().text().contains("# TYPE kubeproxy_sync_proxy_rules_duration_seconds histogram"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use svc_model::{Delta, Snapshot};

mod change;
mod histogram;
mod no_local;
mod tally;
mod text;

#[cfg(test)]
mod tests;

use crate::{Backend, Plan};
use change::Change;
use histogram::Histogram;
pub(crate) use tally::Counts;

/// The counts of one proxy. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    numbers: Arc<Mutex<Numbers>>,
}

#[derive(Debug)]
struct Numbers {
    /// Changes of endpoints from before do not tell how long programming takes.
    start: SystemTime,
    full: Histogram,
    partial: Histogram,
    backend: Backend,
    failures: u64,
    /// Of those, where a change alone was sent.
    partial_failures: u64,
    /// What another mode left could not be removed.
    cleanup_failures: u64,
    /// Of the mode iptables.
    rules: Counts,
    /// What is wanted.
    plan: Option<Plan>,
    last_synced: Option<SystemTime>,
    last_queued: Option<SystemTime>,
    pending: Change,
    changes: Change,
    programming: Histogram,
    flows: Histogram,
    forgotten: u64,
    /// Answers of `/healthz` and `/livez`: 200, 503.
    asked: [[u64; 2]; 2],
}

/// How rules were brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    /// All of them were looked at.
    Full,
    /// What had changed was sent.
    Partial,
}

/// Who asked after the proxy's health.
#[cfg_attr(not(feature = "health"), allow(dead_code, reason = "asked by the health server"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    Healthz,
    Livez,
}

impl Metrics {
    pub(crate) fn new(start: SystemTime) -> Self {
        Self { numbers: Arc::new(Mutex::new(Numbers::new(start))) }
    }

    /// All counts, as Prometheus reads them (exposition format 0.0.4).
    #[must_use]
    pub fn text(&self) -> String {
        text::page(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Objects changed: something has to be programmed.
    pub(crate) fn changed(&self, before: &Snapshot, after: &Snapshot, delta: &Delta, now: SystemTime) {
        let change = Change::between(before, after, delta.services());
        if change.is_empty() {
            return;
        }
        let mut numbers = self.lock();
        numbers.last_queued = Some(now);
        numbers.changes.count(&change);
        numbers.pending.merge(change);
    }

    /// Rules were sent, or were to be.
    pub(crate) fn synced(&self, sync: Sync, took: Duration, taken: bool, now: SystemTime) {
        let mut numbers = self.lock();
        numbers.partial_failures += u64::from(!taken && sync == Sync::Partial);
        match sync {
            Sync::Full => numbers.full.observe(took),
            Sync::Partial => numbers.partial.observe(took),
        }
        match taken {
            true => numbers.last_synced = Some(now),
            false => numbers.failures += 1,
        }
    }

    /// A mode begins; what failed of another does not count.
    pub(crate) fn begun(&self, backend: Backend) {
        let mut numbers = self.lock();
        (numbers.backend, numbers.rules) = (backend, Counts::default());
        (numbers.failures, numbers.partial_failures) = (0, 0);
    }

    /// What another mode left could not be removed.
    pub(crate) fn cleanup_failed(&self, failures: usize) {
        self.lock().cleanup_failures += failures as u64;
    }

    /// How many rules there are in the mode iptables.
    pub(crate) fn counted(&self, rules: Counts) {
        self.lock().rules = rules;
    }

    /// What is wanted.
    pub(crate) fn planned(&self, plan: &Plan) {
        self.lock().plan = Some(plan.clone());
    }

    /// Everything that changed is in force.
    pub(crate) fn programmed(&self, now: SystemTime) {
        let mut numbers = self.lock();
        let start = numbers.start;
        let pending = std::mem::take(&mut numbers.pending);
        for triggered in pending.triggers().filter(|triggered| *triggered > start) {
            numbers.programming.observe(now.duration_since(triggered).unwrap_or_default());
        }
    }

    /// Flows were looked at.
    pub(crate) fn swept(&self, took: Duration, forgotten: u64) {
        let mut numbers = self.lock();
        numbers.flows.observe(took);
        numbers.forgotten += forgotten;
    }

    #[cfg_attr(not(feature = "health"), allow(dead_code, reason = "asked by the health server"))]
    pub(crate) fn asked(&self, probe: Probe, healthy: bool) {
        let counts = &mut self.lock().asked[usize::from(probe == Probe::Livez)];
        counts[usize::from(!healthy)] += 1;
    }
}

impl Numbers {
    fn new(start: SystemTime) -> Self {
        Self {
            start,
            full: Histogram::of_syncs(),
            partial: Histogram::of_syncs(),
            backend: Backend::default(),
            failures: 0,
            partial_failures: 0,
            cleanup_failures: 0,
            rules: Counts::default(),
            plan: None,
            last_synced: None,
            last_queued: None,
            pending: Change::default(),
            changes: Change::default(),
            programming: Histogram::of_programming(),
            flows: Histogram::of_syncs(),
            forgotten: 0,
            asked: [[0; 2]; 2],
        }
    }
}
