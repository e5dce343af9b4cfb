//! Which endpoint goes into which slice.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Key, Scope};
use crate::{Endpoint, EndpointPort, EndpointSlice};

/// What becomes of the slices of one or several groups.
#[derive(Default)]
pub(super) struct Packed<'a> {
    pub(super) updated: Vec<EndpointSlice>,
    pub(super) created: Vec<(Vec<EndpointPort>, Vec<Endpoint>)>,
    pub(super) deleted: Vec<&'a Arc<EndpointSlice>>,
}

impl<'a> Packed<'a> {
    pub(super) fn append(&mut self, other: Packed<'a>) {
        self.updated.extend(other.updated);
        self.created.extend(other.created);
        self.deleted.extend(other.deleted);
    }
}

/// Places the endpoints of one group: `existing` are its slices by name, `wanted` its endpoints as far as `scope` reaches.
pub(super) fn pack<'a>(
    existing: Vec<&'a Arc<EndpointSlice>>,
    ports: Vec<EndpointPort>,
    mut wanted: BTreeMap<Key, Endpoint>,
    scope: &Scope,
    labels: &BTreeMap<String, String>,
    max: usize,
) -> Packed<'a> {
    let revisions: Vec<_> = existing.iter().map(|slice| revised(slice, &mut wanted, scope)).collect();
    let remains = |(slice, revision): (&&Arc<EndpointSlice>, &Option<Vec<Endpoint>>)| {
        !revision.as_ref().map_or(slice.endpoints(), Vec::as_slice).is_empty()
    };
    if wanted.is_empty() && !existing.iter().zip(&revisions).any(remains) {
        return Packed { deleted: existing, ..Packed::default() };
    }
    let mut packed = Packed::default();
    let mut untouched = Vec::new();
    for (slice, revision) in existing.into_iter().zip(revisions) {
        match revision {
            Some(endpoints) if endpoints.is_empty() => packed.deleted.push(slice),
            Some(endpoints) => {
                packed.updated.push(EndpointSlice { endpoints, ..EndpointSlice::clone(slice) })
            }
            None if slice.meta().labels() != labels => packed.updated.push(EndpointSlice::clone(slice)),
            None => untouched.push(slice),
        }
    }
    packed.updated.sort_by_key(|slice| Reverse(slice.endpoints.len()));
    for slice in &mut packed.updated {
        fill(&mut slice.endpoints, &mut wanted, max);
    }
    place_the_rest(&mut packed, untouched, &ports, wanted, max);
    packed
}

fn place_the_rest<'a>(
    packed: &mut Packed<'a>,
    mut untouched: Vec<&'a Arc<EndpointSlice>>,
    ports: &[EndpointPort],
    mut wanted: BTreeMap<Key, Endpoint>,
    max: usize,
) {
    while !wanted.is_empty() {
        if let Some(index) = tightest_fit(&untouched, wanted.len(), max) {
            let mut slice = EndpointSlice::clone(untouched.remove(index));
            fill(&mut slice.endpoints, &mut wanted, max);
            packed.updated.push(slice);
        } else {
            let mut endpoints = Vec::new();
            fill(&mut endpoints, &mut wanted, max);
            packed.created.push((ports.to_vec(), endpoints));
        }
    }
}

/// The endpoints of a slice as they should be; `None` where they are. What is found here is wanted nowhere else.
fn revised(
    slice: &EndpointSlice,
    wanted: &mut BTreeMap<Key, Endpoint>,
    scope: &Scope,
) -> Option<Vec<Endpoint>> {
    let mut changes = BTreeMap::new();
    for (index, endpoint) in slice.endpoints().iter().enumerate() {
        if !scope.includes(endpoint.target()) {
            continue;
        }
        let key = endpoint.target().map(|pod| (pod.clone(), endpoint.address()));
        match key.and_then(|key| wanted.remove(&key)) {
            Some(wanted) if wanted == *endpoint => {}
            found => drop(changes.insert(index, found)),
        }
    }
    if changes.is_empty() {
        return None;
    }
    let endpoints = slice.endpoints().iter().enumerate();
    Some(
        endpoints
            .filter_map(|(index, endpoint)| changes.remove(&index).unwrap_or_else(|| Some(endpoint.clone())))
            .collect(),
    )
}

fn fill(endpoints: &mut Vec<Endpoint>, wanted: &mut BTreeMap<Key, Endpoint>, max: usize) {
    while endpoints.len() < max
        && let Some((_, endpoint)) = wanted.pop_first()
    {
        endpoints.push(endpoint);
    }
}

/// The slice that `count` more endpoints leave the least room in.
fn tightest_fit(slices: &[&Arc<EndpointSlice>], count: usize, max: usize) -> Option<usize> {
    let room = |slice: &EndpointSlice| max.checked_sub(slice.endpoints().len() + count);
    let fitting = slices.iter().enumerate().filter_map(|(index, slice)| Some((room(slice)?, index)));
    // A whole slice's worth makes a slice of its own.
    fitting.min().filter(|_| count < max).map(|(_, index)| index)
}
