//! What really happens to Services: one intent, and the steps in which a cluster carries it out.

use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;

use super::endpoints::{pod_address, zone_of};
use super::world::{NODES, World, slot_of};
use super::{Step, service};
use crate::{Endpoint, EndpointSlice, Object, ObjectName, ObjectRef, ServiceType, Snapshot};

/// A change as somebody means it. Which object it hits, and in which steps it is carried out, depends on the cluster it
/// meets: [`steps`](Self::steps).
///
/// ```
/// use proptest::prelude::*;
/// use svc_model::{Snapshot, testing::{self, Edit, World}};
///
/// proptest!(|(cluster in testing::cluster(), edits in prop::collection::vec(Edit::any(World::default()), 0..4))| {
///     let mut snapshot: Snapshot = cluster.into_iter().collect();
///     for edit in &edits {
///         for step in edit.steps(&snapshot) {
///             snapshot = step.apply(&snapshot).0;
///         }
///     }
/// });
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Edit {
    /// An object is written, new or over what has its name.
    Put(Object),
    /// An object goes.
    Remove(Index),
    /// A slice comes to have this many ready endpoints, in one step.
    Scale(Index, u8),
    /// A rolling update of a slice's first endpoint: the new one starts, gets ready while the old one drains, the old one
    /// is gone.
    Roll(Index),
    /// One endpoint's ready, serving and terminating.
    Condition(Index, Index, (bool, bool, bool)),
    /// A Service becomes another type and keeps what both types have.
    Retype(Index, ServiceType),
    /// An endpoint moves from one slice of its Service to another: either in both for a while, or at once.
    Move(Index, Index, bool),
    /// Every endpoint of a slice is hinted to its own zone (and node), or to none.
    Hint(Index, bool, bool),
    /// A Service goes, and its slices one step later, as controllers do it.
    Retire(Index),
    /// A node is drained: its endpoints drain, then go, then the node goes.
    Drain(usize),
}

impl Edit {
    /// Any edit; what is put is of this world.
    pub fn any(world: World) -> impl Strategy<Value = Edit> {
        let at = any::<Index>;
        let types = [
            ServiceType::ClusterIp,
            ServiceType::NodePort,
            ServiceType::LoadBalancer,
            ServiceType::ExternalName,
        ];
        prop_oneof![
            4 => world.object().prop_map(Edit::Put).boxed(),
            2 => at().prop_map(Edit::Remove),
            3 => (at(), 0..8_u8).prop_map(|(slice, count)| Edit::Scale(slice, count)),
            3 => at().prop_map(Edit::Roll),
            3 => (at(), at(), any::<(bool, bool, bool)>()).prop_map(|(slice, which, state)| Edit::Condition(slice, which, state)),
            2 => (at(), prop::sample::select(types.to_vec())).prop_map(|(service, to)| Edit::Retype(service, to)),
            2 => (at(), at(), any::<bool>()).prop_map(|(slice, to, overlap)| Edit::Move(slice, to, overlap)),
            1 => (at(), any::<bool>(), any::<bool>()).prop_map(|(slice, zones, nodes)| Edit::Hint(slice, zones, nodes)),
            1 => at().prop_map(Edit::Retire),
            1 => (0..NODES.len()).prop_map(Edit::Drain),
        ]
    }

    /// The steps in which `snapshot` comes to it; none where nothing is there that it could hit.
    #[must_use]
    pub fn steps(&self, snapshot: &Snapshot) -> Vec<Step> {
        match self {
            Edit::Put(object) => vec![Step::setting([object.clone()])],
            Edit::Remove(at) => {
                pick(snapshot.references(), *at).map(|gone| Step::removing([gone])).into_iter().collect()
            }
            Edit::Scale(at, count) => on_slice(snapshot, *at, |slice| scale(slice, *count)),
            Edit::Condition(at, which, state) => on_slice(snapshot, *at, |slice| {
                if let Some(which) = index(*which, slice.endpoints.len()) {
                    set_state(&mut slice.endpoints[which], *state);
                }
            }),
            Edit::Hint(at, zones, nodes) => on_slice(snapshot, *at, |slice| {
                slice.endpoints.iter_mut().for_each(|endpoint| hint(endpoint, *zones, *nodes));
            }),
            Edit::Roll(at) => roll(snapshot, *at),
            Edit::Retype(at, to) => retype(snapshot, *at, *to).into_iter().collect(),
            Edit::Move(at, to, overlap) => moved(snapshot, *at, *to, *overlap),
            Edit::Retire(at) => retire(snapshot, *at),
            Edit::Drain(node) => drain(snapshot, NODES[node % NODES.len()]),
        }
    }
}

const READY: (bool, bool, bool) = (true, true, false);
const STARTING: (bool, bool, bool) = (false, false, false);
const DRAINING: (bool, bool, bool) = (false, true, true);

fn index(at: Index, count: usize) -> Option<usize> {
    (count > 0).then(|| at.index(count))
}

fn pick<T>(all: Vec<T>, at: Index) -> Option<T> {
    let chosen = index(at, all.len())?;
    all.into_iter().nth(chosen)
}

fn slice_at(snapshot: &Snapshot, at: Index) -> Option<EndpointSlice> {
    pick(snapshot.slices().collect(), at).map(|slice| EndpointSlice::clone(slice))
}

fn setting(slice: EndpointSlice) -> Step {
    Step::setting([slice.into()])
}

fn on_slice(snapshot: &Snapshot, at: Index, change: impl FnOnce(&mut EndpointSlice)) -> Vec<Step> {
    let Some(mut slice) = slice_at(snapshot, at) else { return Vec::new() };
    change(&mut slice);
    vec![setting(slice)]
}

fn set_state(endpoint: &mut Endpoint, (ready, serving, terminating): (bool, bool, bool)) {
    (endpoint.ready, endpoint.serving, endpoint.terminating) = (ready, serving, terminating);
}

fn hint(endpoint: &mut Endpoint, zones: bool, nodes: bool) {
    endpoint.zone_hints = endpoint.zone().filter(|_| zones).map(str::to_owned).into_iter().collect();
    endpoint.node_hints = endpoint.node_name().filter(|_| nodes).map(str::to_owned).into_iter().collect();
}

fn scale(slice: &mut EndpointSlice, count: u8) {
    slice.endpoints.truncate(count.into());
    for endpoint in &mut slice.endpoints {
        set_state(endpoint, READY);
    }
    for host in 0..u8::MAX {
        if slice.endpoints.len() >= count.into() {
            return;
        }
        slice.endpoints.extend(newcomer(slice, host));
    }
}

/// A ready endpoint at an address that the slice does not have yet.
fn newcomer(slice: &EndpointSlice, host: u8) -> Option<Endpoint> {
    let net = host % 3;
    let node = NODES[usize::from(net)];
    let address: IpAddr = pod_address(slice.address_type(), net, 65 + host % 8);
    let known = slice.endpoints().iter().any(|endpoint| endpoint.address() == address);
    let endpoint =
        Endpoint { zone: zone_of(node).map(Into::into), ..Endpoint::ready_at(address).on_node(node) };
    (!known).then_some(endpoint)
}

fn roll(snapshot: &Snapshot, at: Index) -> Vec<Step> {
    let Some(mut slice) = slice_at(snapshot, at) else { return Vec::new() };
    let Some(mut newcomer) = (0..24).find_map(|host| newcomer(&slice, host)) else { return Vec::new() };
    let mut steps = Vec::new();
    set_state(&mut newcomer, STARTING);
    slice.endpoints.push(newcomer);
    steps.push(setting(slice.clone()));
    slice.endpoints.iter_mut().last().into_iter().for_each(|endpoint| set_state(endpoint, READY));
    set_state(&mut slice.endpoints[0], DRAINING);
    steps.push(setting(slice.clone()));
    slice.endpoints.remove(0);
    steps.push(setting(slice));
    steps
}

fn retype(snapshot: &Snapshot, at: Index, to: ServiceType) -> Option<Step> {
    let service = pick(snapshot.services().collect(), at)?;
    let slot = slot_of(service.name())?;
    Some(Step::setting([service::retyped(slot, service, to).into()]))
}

fn moved(snapshot: &Snapshot, at: Index, to: Index, overlap: bool) -> Vec<Step> {
    let Some(mut from) = slice_at(snapshot, at) else { return Vec::new() };
    let Some(service) = from.service() else { return Vec::new() };
    let siblings = snapshot.slices_of(service).filter(|slice| slice.address_type() == from.address_type());
    let Some(mut to) = pick(siblings.collect(), to).map(|slice| EndpointSlice::clone(slice)) else {
        return Vec::new();
    };
    if from.name() == to.name() || from.endpoints.is_empty() {
        return Vec::new();
    }
    to.endpoints.push(from.endpoints.remove(0));
    match overlap {
        true => vec![setting(to), setting(from)],
        false => vec![Step::setting([from.into(), to.into()])],
    }
}

fn retire(snapshot: &Snapshot, at: Index) -> Vec<Step> {
    let Some(service) = pick(snapshot.services().collect(), at) else { return Vec::new() };
    let slices = snapshot.slices_of(service.name());
    let slices: Vec<_> = slices.map(|slice| Object::EndpointSlice(Arc::clone(slice)).reference()).collect();
    vec![Step::removing([Object::Service(Arc::clone(service)).reference()]), Step::removing(slices)]
}

fn drain(snapshot: &Snapshot, node: &str) -> Vec<Step> {
    let is_here = |endpoint: &Endpoint| endpoint.node_name() == Some(node);
    let slices = || {
        let touched = snapshot.slices().filter(|slice| slice.endpoints().iter().any(is_here));
        touched.map(|slice| EndpointSlice::clone(slice))
    };
    let draining = slices().map(|mut slice| {
        let here = slice.endpoints.iter_mut().filter(|endpoint| endpoint.node_name.as_deref() == Some(node));
        here.for_each(|endpoint| set_state(endpoint, DRAINING));
        Object::from(slice)
    });
    let empty = slices().map(|mut slice| {
        slice.endpoints.retain(|endpoint| !is_here(endpoint));
        Object::from(slice)
    });
    let gone = ObjectRef::new(crate::Kind::Node, ObjectName::cluster(node));
    vec![Step::setting(draining), Step::setting(empty), Step::removing([gone])]
}
