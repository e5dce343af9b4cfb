//! Operations to netlink messages, in batches.

use std::collections::BTreeMap;
use std::io;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;

use super::messages;
use super::netlink::{Netlink, Request};
use crate::operation::Operation;

const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;
const SET: u16 = NLM_F_CREATE | NLM_F_REPLACE;

/// Makes the operations in one system call; one result each.
pub(super) fn apply(netlink: &mut Netlink, operations: &[Operation]) -> Vec<io::Result<()>> {
    let (mut indices, mut requests) = (Indices::default(), Vec::new());
    let mut count_of = |operation| {
        let of_operation = indices.requests(netlink, operation)?;
        let count = of_operation.len();
        requests.extend(of_operation);
        Ok(count)
    };
    let counts: Vec<io::Result<usize>> = operations.iter().map(&mut count_of).collect();
    let mut answers = netlink.batch(requests).into_iter();
    let result = |count: io::Result<usize>| answers.by_ref().take(count?).fold(Ok(()), io::Result::and);
    counts.into_iter().map(result).collect()
}

/// The interface index of a link.
pub(super) fn index(netlink: &mut Netlink, name: &str) -> io::Result<u32> {
    find(netlink, name).map(|link| link.header.index)
}

/// The link of a name.
pub(super) fn find(netlink: &mut Netlink, name: &str) -> io::Result<LinkMessage> {
    match netlink.find(RouteNetlinkMessage::GetLink(messages::link(name)))? {
        RouteNetlinkMessage::NewLink(link) => Ok(link),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Interface indices looked up once a batch.
#[derive(Default)]
struct Indices(BTreeMap<String, u32>);

impl Indices {
    fn index(&mut self, netlink: &mut Netlink, name: &str) -> io::Result<u32> {
        if let Some(index) = self.0.get(name) {
            return Ok(*index);
        }
        let index = index(netlink, name)?;
        self.0.insert(name.to_owned(), index);
        Ok(index)
    }

    fn requests(&mut self, netlink: &mut Netlink, operation: &Operation) -> io::Result<Vec<Request>> {
        use RouteNetlinkMessage as M;
        let mut index = |name: &str| self.index(netlink, name);
        Ok(match operation {
            Operation::AddDevice(device, mark) => made(messages::new_device(device), &device.name, mark),
            Operation::AddBridge(bridge, mark) => made(messages::new_bridge(bridge), &bridge.name, mark),
            Operation::SetDevice(device) => vec![
                (M::SetLink(messages::set_device(device)), 0),
                (M::NewLink(messages::set_learning(device)), 0),
            ],
            Operation::SetBridge(bridge) => vec![(M::SetLink(messages::set_bridge(bridge)), 0)],
            Operation::DeleteLink(name) => vec![(M::DelLink(messages::link(name)), 0)],
            Operation::AddAddress(net, name) => {
                vec![(M::NewAddress(messages::address(*net, index(name)?)), NEW)]
            }
            Operation::DeleteAddress(net, name) => {
                vec![(M::DelAddress(messages::address(*net, index(name)?)), 0)]
            }
            Operation::SetNeighbour(neighbour) => {
                vec![(M::NewNeighbour(messages::neighbour(neighbour, index(&neighbour.device)?)), SET)]
            }
            Operation::DeleteNeighbour(neighbour) => {
                vec![(M::DelNeighbour(messages::neighbour(neighbour, index(&neighbour.device)?)), 0)]
            }
            Operation::SetFdb(entry) => {
                vec![(M::NewNeighbour(messages::fdb(entry, index(&entry.device)?)), SET)]
            }
            Operation::DeleteFdb(entry) => {
                vec![(M::DelNeighbour(messages::fdb(entry, index(&entry.device)?)), 0)]
            }
            Operation::AddRoute(route) => {
                vec![(M::NewRoute(messages::route(route, index(&route.device)?)), NEW)]
            }
            Operation::ReplaceRoute(route) => {
                vec![(M::NewRoute(messages::route(route, index(&route.device)?)), SET)]
            }
            Operation::DeleteRoute(route) => {
                vec![(M::DelRoute(messages::route(route, index(&route.device)?)), 0)]
            }
            Operation::SetSysctl { .. }
            | Operation::SetRules(_)
            | Operation::DeleteRules(_)
            | Operation::SetChecksumOffload { .. } => Vec::new(),
        })
    }
}

/// A new link is marked in the same system call that makes it: there is never one of ours without its mark.
fn made(message: LinkMessage, name: &str, mark: &crate::mark::Mark) -> Vec<Request> {
    let marked = messages::up(messages::marked(name, mark));
    vec![(RouteNetlinkMessage::NewLink(message), NEW), (RouteNetlinkMessage::SetLink(marked), 0)]
}
