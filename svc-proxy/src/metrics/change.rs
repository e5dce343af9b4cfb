//! What changed of Services and of their endpoints, told apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use svc_model::{EndpointSlice, ObjectName, Snapshot};

use crate::civil;

/// When the control plane saw what made it write the endpoints.
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// No more moments are remembered until they are in force.
const MOST_TRIGGERS: usize = 100_000;

/// Changes, counted by object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) services: u64,
    /// EndpointSlices.
    pub(super) endpoints: u64,
    triggers: Vec<SystemTime>,
}

impl Change {
    /// What changed of these Services and their slices.
    pub(super) fn between(before: &Snapshot, after: &Snapshot, services: &BTreeSet<ObjectName>) -> Self {
        let mut change = Self::default();
        for name in services {
            change.services += u64::from(before.service(name) != after.service(name));
            let (old, new) = (slices(before, name), slices(after, name));
            change.endpoints +=
                new.iter().filter(|(name, slice)| old.get(*name) != Some(*slice)).count() as u64;
            change.endpoints += old.keys().filter(|name| !new.contains_key(*name)).count() as u64;
            let fresh = new
                .iter()
                .filter(|(name, slice)| trigger(slice) != old.get(*name).and_then(|old| trigger(old)));
            change.triggers.extend(fresh.filter_map(|(_, slice)| trigger(slice)));
        }
        change
    }

    pub(super) fn is_empty(&self) -> bool {
        self.services == 0 && self.endpoints == 0
    }

    /// Adds the numbers alone.
    pub(super) fn count(&mut self, other: &Self) {
        self.services += other.services;
        self.endpoints += other.endpoints;
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        self.count(&other);
        other.triggers.truncate(MOST_TRIGGERS.saturating_sub(self.triggers.len()));
        self.triggers.append(&mut other.triggers);
    }

    pub(super) fn triggers(&self) -> impl Iterator<Item = SystemTime> + '_ {
        self.triggers.iter().copied()
    }
}

fn slices<'s>(
    snapshot: &'s Snapshot,
    service: &ObjectName,
) -> BTreeMap<&'s ObjectName, &'s Arc<EndpointSlice>> {
    snapshot.slices_of(service).map(|slice| (slice.meta().name(), slice)).collect()
}

fn trigger(slice: &EndpointSlice) -> Option<SystemTime> {
    civil::parse(slice.meta().annotations().get(TRIGGER)?)
}
