//! Notifications of the kernel that something of ours may have changed.

use std::collections::BTreeSet;
use std::{fmt, io};

use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::route::RouteProtocol;
use netlink_sys::{AsyncSocket, AsyncSocketExt, Socket, TokioSocket, protocols::NETLINK_ROUTE};

use super::netlink::parse;
use crate::error::Error;
use crate::kernel::{PROTOCOL, Scope};

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
        Ok(Events { socket, scope: scope.clone(), devices: BTreeSet::new(), underlay: None })
    }

    pub(super) fn follow(&mut self, scope: &Scope) {
        if self.scope != *scope {
            self.scope = scope.clone();
        }
    }

    pub(super) async fn changed(&mut self) {
        loop {
            match self.socket.recv_from_full().await {
                Ok((bytes, _)) if !self.concerns(&bytes) => {}
                // An error is ENOBUFS: notifications were lost, anything may have changed.
                _ => return,
            }
        }
    }

    fn concerns(&self, bytes: &[u8]) -> bool {
        parse(bytes).iter().any(|(_, payload)| match payload {
            NetlinkPayload::InnerMessage(message) => self.concerns_message(message),
            _ => false,
        })
    }

    fn concerns_message(&self, message: &RouteNetlinkMessage) -> bool {
        match message {
            RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link) => {
                self.concerns_link(link)
            }
            RouteNetlinkMessage::NewAddress(_) | RouteNetlinkMessage::DelAddress(_) => true,
            RouteNetlinkMessage::DelRoute(route) => route.header.protocol == RouteProtocol::from(PROTOCOL),
            RouteNetlinkMessage::DelNeighbour(neighbour) => self.devices.contains(&neighbour.header.ifindex),
            _ => false,
        }
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
