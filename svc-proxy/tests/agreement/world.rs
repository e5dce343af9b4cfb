//! Clusters in which something is served.

use std::sync::Arc;

use proptest::prelude::*;
use svc_model::{EndpointPort, EndpointSlice, Object, Snapshot, testing};

/// A cluster of the small world. Its slices name ports at random, so most Services would have no endpoints: most slices
/// are given the ports of their Service here.
pub(crate) fn cluster() -> impl Strategy<Value = Snapshot> {
    (testing::cluster(), any::<u64>()).prop_map(|(objects, dice)| {
        let snapshot: Snapshot = objects.into_iter().collect();
        let slices = snapshot.slices().enumerate().filter(|(index, _)| dice >> (2 * (index % 32)) & 3 != 0);
        let matching: Vec<_> = slices.filter_map(|(_, slice)| matching(&snapshot, slice)).collect();
        snapshot.with(matching, []).0
    })
}

fn matching(snapshot: &Snapshot, slice: &Arc<EndpointSlice>) -> Option<Object> {
    let service = snapshot.service(slice.service()?)?;
    let port = |(index, port): (u16, &svc_model::ServicePort)| {
        EndpointPort::new(port.name(), port.protocol(), 8080 + index)
    };
    let ports = (0..).zip(service.ports()).map(port).collect();
    let name = slice.name().name().to_owned();
    let endpoints = slice.endpoints().to_vec();
    Some(EndpointSlice::of_service(service.name(), name, slice.address_type(), ports, endpoints).into())
}
