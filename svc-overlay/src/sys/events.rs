//! Notifications of the kernel that something of ours may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::{fmt, io};

use ipnet::IpNet;

use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use netlink_packet_route::route::{RouteMessage, RouteProtocol};
use netlink_sys::{AsyncSocket, AsyncSocketExt, Socket, TokioSocket, protocols::NETLINK_ROUTE};

use super::dump;
use super::netlink::parse;
use crate::error::Error;
use crate::kernel::{PROTOCOL, Scope};
use crate::mac::Mac;
use crate::operation::Operation;

/// So many own deletions of which the kernel has not told yet are remembered.
const MOST_EXPECTED: usize = 1 << 16;

const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_NEIGH: u32 = 3;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
const RTNLGRP_IPV6_ROUTE: u32 = 11;

pub(super) struct Events {
    socket: TokioSocket,
    scope: Scope,
    /// The interface indices of the VXLAN devices, from the last dump.
    pub(super) devices: BTreeSet<u32>,
    /// That of the underlay device.
    pub(super) underlay: Option<u32>,
    /// What was deleted here: to be told of it is no news.
    expected: BTreeSet<Gone>,
}

/// What a notification of a deletion is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gone {
    Route(IpNet),
    Neighbour(IpAddr),
    Fdb(Mac),
}

impl Events {
    pub(super) fn open(scope: &Scope) -> Result<Self, Error> {
        let failed = |cause| Error::new("open", "netlink socket for notifications", cause);
        let mut socket = TokioSocket::new(NETLINK_ROUTE).map_err(failed)?;
        let groups = [
            RTNLGRP_LINK,
            RTNLGRP_NEIGH,
            RTNLGRP_IPV4_IFADDR,
            RTNLGRP_IPV4_ROUTE,
            RTNLGRP_IPV6_IFADDR,
            RTNLGRP_IPV6_ROUTE,
        ];
        join(socket.socket_mut(), &groups).map_err(failed)?;
        Ok(Events {
            socket,
            scope: scope.clone(),
            devices: BTreeSet::new(),
            underlay: None,
            expected: BTreeSet::new(),
        })
    }

    pub(super) fn follow(&mut self, scope: &Scope) {
        if self.scope != *scope {
            self.scope = scope.clone();
        }
    }

    /// An own operation was made.
    pub(super) fn expect(&mut self, operation: &Operation) {
        let gone = match operation {
            Operation::DeleteRoute(route) => Gone::Route(route.destination),
            Operation::DeleteNeighbour(neighbour) => Gone::Neighbour(neighbour.address),
            Operation::DeleteFdb(entry) => Gone::Fdb(entry.mac),
            _ => return,
        };
        if self.expected.len() == MOST_EXPECTED {
            self.expected.clear();
        }
        self.expected.insert(gone);
    }

    pub(super) async fn changed(&mut self) {
        loop {
            match self.socket.recv_from_full().await {
                Ok((bytes, _)) if !self.concerns(&bytes) => {}
                Ok(_) => return,
                // ENOBUFS: notifications were lost, anything may have changed.
                Err(_) => return self.expected.clear(),
            }
        }
    }

    /// All messages are looked at: each may be one that was expected.
    fn concerns(&mut self, bytes: &[u8]) -> bool {
        let mut concerns = false;
        for (_, payload) in parse(bytes) {
            if let NetlinkPayload::InnerMessage(message) = payload {
                concerns |= self.concerns_message(&message);
            }
        }
        concerns
    }

    fn concerns_message(&mut self, message: &RouteNetlinkMessage) -> bool {
        match message {
            RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link) => {
                self.concerns_link(link)
            }
            RouteNetlinkMessage::NewAddress(_) | RouteNetlinkMessage::DelAddress(_) => true,
            RouteNetlinkMessage::DelRoute(route) => {
                route.header.protocol == RouteProtocol::from(PROTOCOL) && !self.expects(gone_route(route))
            }
            RouteNetlinkMessage::DelNeighbour(neighbour) => {
                self.devices.contains(&neighbour.header.ifindex) && !self.expects(gone_neighbour(neighbour))
            }
            _ => false,
        }
    }

    fn expects(&mut self, gone: Option<Gone>) -> bool {
        gone.is_some_and(|gone| self.expected.remove(&gone))
    }

    fn concerns_link(&self, link: &LinkMessage) -> bool {
        let named = |name: &String| {
            self.scope.devices.contains(name)
                || *name == self.scope.bridge
                || Some(name) == self.scope.underlay.as_ref()
        };
        let of_underlay = Some(link.header.index) == self.underlay;
        of_underlay
            || link.attributes.iter().any(|attribute| match attribute {
                LinkAttribute::IfName(name) => named(name),
                _ => false,
            })
    }
}

fn gone_route(message: &RouteMessage) -> Option<Gone> {
    dump::route(message, &BTreeMap::new()).map(|route| Gone::Route(route.destination))
}

fn gone_neighbour(message: &NeighbourMessage) -> Option<Gone> {
    match message.header.family {
        AddressFamily::Bridge => dump::fdb_entry(message, "").map(|entry| Gone::Fdb(entry.mac)),
        // It has no link address any more.
        _ => message.attributes.iter().find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => {
                Some(Gone::Neighbour((*address).into()))
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => {
                Some(Gone::Neighbour((*address).into()))
            }
            _ => None,
        }),
    }
}

fn join(socket: &mut Socket, groups: &[u32]) -> io::Result<()> {
    socket.bind_auto()?;
    groups.iter().try_for_each(|group| socket.add_membership(*group))
}

/// A non-blocking socket that receives notifications about links.
pub(super) fn links() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    join(&mut socket, &[RTNLGRP_LINK])?;
    socket.set_non_blocking(true)?;
    Ok(socket)
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("scope", &self.scope)
            .field("devices", &self.devices)
            .finish_non_exhaustive()
    }
}
