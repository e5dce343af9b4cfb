//! What answers are made from, shared by all who answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use svc_model::{ObjectName, Snapshot};

use super::freshness::Freshness;
use super::page::Page;
use crate::metrics::{Metrics, Probe};

/// The cluster autoscaler puts it on a node that it is about to delete.
const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// `/healthz` and `/livez`.
    Healthz,
    /// `/metrics`.
    Metrics,
    /// The health of one Service.
    Check(ObjectName),
}

/// What is known. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) mode: &'static str,
    pub(super) stale_after: Duration,
    pub(super) metrics: Metrics,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) freshness: Freshness,
    pub(super) eligible: bool,
    /// Ready endpoints on this node.
    pub(super) endpoints: BTreeMap<ObjectName, usize>,
}

impl View {
    pub(super) fn new(mode: &'static str, stale_after: Duration, metrics: Metrics) -> Self {
        let known = Known { freshness: Freshness::default(), eligible: true, endpoints: BTreeMap::new() };
        Self { mode, stale_after, metrics, known: Arc::new(Mutex::new(known)) }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a request for this path.
    pub(super) fn answer(&self, role: &Role, path: &str, now: (Instant, SystemTime)) -> Page {
        let known = self.known();
        let healthy = known.freshness.is_healthy(now.0, self.stale_after);
        match (role, path) {
            (Role::Check(service), _) => {
                let endpoints = known.endpoints.get(service).copied().unwrap_or_default();
                Page::check(service, endpoints, healthy)
            }
            (Role::Healthz, "/healthz") => {
                let fine = healthy && known.eligible;
                self.metrics.asked(Probe::Healthz, fine);
                Page::health(fine, known.freshness.updated(), now.1, Some(known.eligible))
            }
            (Role::Healthz, "/livez") => {
                self.metrics.asked(Probe::Livez, healthy);
                Page::health(healthy, known.freshness.updated(), now.1, None)
            }
            (Role::Metrics, "/metrics") => Page::metrics(self.metrics.text()),
            (Role::Metrics, "/proxyMode") => Page::text(200, self.mode),
            (Role::Metrics, "/healthz") => Page::text(200, "ok"),
            _ => Page::text(404, "404 page not found\n"),
        }
    }
}

/// Whether load balancers may go on sending clients: not to a node that is being deleted. One that nobody knows is not.
pub(super) fn is_eligible(snapshot: &Snapshot, node: &str) -> bool {
    snapshot.node(node).is_none_or(|node| {
        node.meta().deletion().is_none() && node.taints().iter().all(|taint| taint.key() != TO_BE_DELETED)
    })
}
