//! A pod's veth pair.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage as M;
use netlink_packet_route::link::{
    BridgePortState, InfoBridgePort, InfoPortData, LinkAttribute, LinkInfo, LinkMessage, State,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::netlink::Netlink;
use super::{events, links, messages, netns, sysctl};
use crate::error::Error;
use crate::kernel::Route;
use crate::pod::Port;

const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;
/// How long a port may take until it forwards; the kernel may hold carrier changes back for a second.
const PATIENCE_STEPS: usize = 100;
const STEP_MILLISECONDS: u16 = 50;

/// Makes the pair; on failure nothing of it is left.
pub(super) fn plug(host: &mut Netlink, netns: BorrowedFd<'_>, port: &Port) -> Result<(), Error> {
    let name = &port.host_interface;
    let failed = |cause| Error::new("attach", name, cause);
    let bridge = links::index(host, &port.bridge).map_err(|cause| Error::new("find", &port.bridge, cause))?;
    if links::find(host, name).is_ok() {
        // Somebody's link: it must be neither changed here nor deleted below.
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    make(host, netns, port, bridge).and_then(|()| finish(host, netns, port)).map_err(|cause| {
        // The other end goes with it.
        let _gone = host.request(M::DelLink(messages::link(name)), 0);
        failed(cause)
    })
}

/// In one system call, so that a killed process leaves no pair without its mark.
fn make(host: &mut Netlink, netns: BorrowedFd<'_>, port: &Port, bridge: u32) -> io::Result<()> {
    let name = &port.host_interface;
    let requests = vec![
        (M::NewLink(messages::new_veth(port, netns, bridge)), NEW),
        (M::SetLink(messages::marked(name, &port.mark)), 0),
        (M::NewLink(messages::hairpin(name)), 0),
    ];
    host.batch(requests).into_iter().collect()
}

fn finish(host: &mut Netlink, netns: BorrowedFd<'_>, port: &Port) -> io::Result<()> {
    let name = &port.host_interface;
    // IPv6 may be switched off; then there is no such file.
    let _absent = sysctl::write(&crate::config::accept_ra(name), "0");
    host.request(M::SetLink(messages::up(messages::link(name))), 0)?;
    netns::inside(netns, |pod| configure(pod, port))?;
    wait(host, name, is_forwarding)
}

/// The pod's side, on a thread in its namespace.
fn configure(pod: &mut Netlink, port: &Port) -> io::Result<()> {
    let name = &port.interface;
    pod.request(M::SetLink(messages::up(messages::link("lo"))), 0)?;
    // Says the address to the neighbours when the link comes up; where /proc/sys cannot be written they ask.
    let _silent = sysctl::write(&format!("net/ipv4/conf/{name}/arp_notify"), "1");
    let index = links::index(pod, name)?;
    for address in &port.addresses {
        pod.request(M::NewAddress(messages::address(*address, index)), NEW)?;
    }
    pod.request(M::SetLink(messages::up(messages::link(name))), 0)?;
    for gateway in &port.gateways {
        pod.request(M::NewRoute(messages::route(&default_route(*gateway, name), index)), NEW)?;
    }
    wait(pod, name, is_up)
}

fn default_route(gateway: IpAddr, interface: &str) -> Route {
    let any = match gateway {
        IpAddr::V4(_) => IpNet::V4(Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(Ipv6Net::default()),
    };
    // 4 is `static`: the pod's namespace is the pod's, our own number means nothing there.
    Route { protocol: 4, ..Route::direct(any, gateway, interface) }
}

/// Waits until the link is as wanted, woken by the kernel's notifications.
fn wait(netlink: &mut Netlink, name: &str, wanted: fn(&LinkMessage) -> bool) -> io::Result<()> {
    let notifications = events::links()?;
    for _ in 0..PATIENCE_STEPS {
        if wanted(&links::find(netlink, name)?) {
            return Ok(());
        }
        let mut readable = [PollFd::new(notifications.as_fd(), PollFlags::POLLIN)];
        poll(&mut readable, PollTimeout::from(STEP_MILLISECONDS))?;
        while notifications.recv_from_full().is_ok() {}
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn is_up(link: &LinkMessage) -> bool {
    link.attributes.contains(&LinkAttribute::OperState(State::Up))
}

fn is_forwarding(link: &LinkMessage) -> bool {
    let infos = link.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => Some(infos),
        _ => None,
    });
    infos.flatten().any(|info| match info {
        LinkInfo::PortData(InfoPortData::BridgePort(port)) => {
            port.contains(&InfoBridgePort::State(BridgePortState::Forwarding))
        }
        _ => false,
    })
}
