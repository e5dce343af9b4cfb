//! Whether the proxy follows. Pure: takes `now`.

use std::time::{Duration, Instant, SystemTime};

use svc_model::Revision;

/// What there is to program, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Freshness {
    wanted: Revision,
    programmed: Revision,
    /// When the oldest change was seen that is not programmed yet.
    queued: Option<Instant>,
    /// When rules were last brought up to date.
    updated: Option<SystemTime>,
}

impl Freshness {
    /// The store has this revision.
    pub(super) fn handle_wanted(&mut self, revision: Revision, now: Instant) {
        self.wanted = self.wanted.max(revision);
        if self.wanted > self.programmed {
            self.queued.get_or_insert(now);
        }
    }

    /// The kernel holds this revision. What else there is to program waits from now on, as with kube-proxy.
    pub(super) fn handle_programmed(&mut self, revision: Revision, now: (Instant, SystemTime)) {
        self.programmed = self.programmed.max(revision);
        self.updated = Some(now.1);
        self.queued = (self.wanted > self.programmed).then_some(now.0);
    }

    /// A proxy is healthy while it starts, and as long as no change waits longer than this.
    pub(super) fn is_healthy(&self, now: Instant, stale_after: Duration) -> bool {
        let waits = self.queued.map(|queued| now.saturating_duration_since(queued));
        self.updated.is_none() || waits.is_none_or(|waits| waits < stale_after)
    }

    /// When rules were last brought up to date.
    pub(super) fn updated(&self) -> Option<SystemTime> {
        self.updated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn revision(number: u64) -> Revision {
        let mut snapshot = svc_model::Snapshot::default();
        for number in 0..number {
            let manifest = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: n{number}}}}}");
            snapshot = snapshot.with(svc_model::yaml::read(&manifest).stored().0, []).0;
        }
        snapshot.revision()
    }

    #[test]
    fn health_goes_by_the_oldest_change_that_is_not_in_force() {
        let (start, wall) = (tokio::time::Instant::now().into_std(), SystemTime::UNIX_EPOCH);
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut freshness = Freshness::default();
        freshness.handle_wanted(revision(1), at(0));
        assert!(freshness.is_healthy(at(1000), LIMIT), "it has yet to program its first rules");
        freshness.handle_programmed(revision(1), (at(1000), wall));
        assert!(freshness.is_healthy(at(5000), LIMIT), "nothing waits");
        freshness.handle_wanted(revision(2), at(5000));
        freshness.handle_wanted(revision(3), at(5050));
        assert!(freshness.is_healthy(at(5059), LIMIT));
        assert!(!freshness.is_healthy(at(5060), LIMIT), "the first of two waits too long");
        freshness.handle_programmed(revision(2), (at(5070), wall));
        assert!(freshness.is_healthy(at(5129), LIMIT));
        assert!(!freshness.is_healthy(at(5130), LIMIT), "the second waits still");
        freshness.handle_programmed(revision(3), (at(5140), wall));
        assert!(freshness.is_healthy(at(9999), LIMIT));
    }
}
