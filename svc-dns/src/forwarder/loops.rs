//! Loops: a server that asks us what we ask it.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::{Forwarder, Route, upkeep::query};
use crate::{
    Transport,
    forward::Question,
    message::{Header, Name, RecordType},
};

/// A name that nobody but us asks for.
#[derive(Debug)]
pub(super) struct LoopProbe {
    label: String,
    seen: AtomicBool,
}

impl LoopProbe {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        let label = format!("{:x}.{:x}", random.hash_one(1), random.hash_one(2));
        Self { label, seen: AtomicBool::new(false) }
    }

    fn name(&self, route: &Route) -> Option<Name> {
        format!("{}.{}", self.label, route.domain()).trim_end_matches('.').parse().ok()
    }

    pub(super) fn was_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// Whether this question, or an earlier one, came back to us.
    pub(super) fn stops(&self, question: &Question) -> bool {
        if self.was_seen() {
            return true;
        }
        let ours = question.is_of(RecordType::HINFO)
            && question.name().to_string().to_ascii_lowercase().starts_with(&format!("{}.", self.label));
        if ours && !self.seen.swap(true, Ordering::Relaxed) {
            tracing::error!(
                name = %question.name(),
                "an upstream server asks this one what it is asked: nothing is forwarded any more; is this very server in its \
                 resolv.conf, or 127.0.0.53 in ours?"
            );
        }
        ours
    }
}

impl Forwarder {
    /// Asks each server once. No reply, or any reply, is well: only the question matters.
    pub(super) async fn probe_loops(&self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let Some(probe) = &self.inner.loops else { return };
        for route in self.inner.routes.all() {
            let Some(name) = probe.name(route) else { continue };
            for server in route.servers() {
                let query = query(self.inner.random(), &name, RecordType::HINFO, Header::RD);
                drop(server.exchange(Transport::Udp, &query, PATIENCE).await);
            }
        }
    }
}
