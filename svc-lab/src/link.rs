//! Links, addresses and routes of a namespace, by rtnetlink.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use futures_util::{StreamExt as _, TryStreamExt as _};
use ipnet::IpNet;
use netlink_packet_route::address::AddressHeaderFlags;
use netlink_packet_route::link::{
    BridgePortState, InfoBridgePort, InfoData, InfoPortData, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
    State,
};
use rtnetlink::{
    AddressMessageBuilder, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, MulticastGroup,
    RouteMessageBuilder, new_multicast_connection,
};

use crate::error::Error;
use crate::netns::Netns;

/// A veth pair: `port` on the switch, `eth0` in the host.
pub(crate) struct Cable<'a> {
    pub(crate) port: &'a str,
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: Option<u32>,
    pub(crate) host: BorrowedFd<'a>,
}

impl Cable<'_> {
    fn message(&self, bridge: u32) -> LinkMessage {
        let end = |link: LinkMessageBuilder<LinkUnspec>| match self.mtu {
            Some(mtu) => link.mtu(mtu),
            None => link,
        };
        let eth0 = LinkUnspec::new_with_name("eth0").address(self.mac.to_vec());
        let eth0 = end(eth0).setns_by_fd(self.host.as_raw_fd()).build();
        let port = LinkVeth::new(self.port, "eth0").controller(bridge).up();
        let port = port.set_info_data(InfoData::Veth(InfoVeth::Peer(eth0)));
        match self.mtu {
            Some(mtu) => port.mtu(mtu).build(),
            None => port.build(),
        }
    }
}

/// Creates the switch; a port forwards from its first moment, for the bridge speaks no spanning tree.
pub(crate) async fn add_bridge(netns: &Netns, name: &str) -> Result<u32, Error> {
    let bridge = LinkBridge::new(name).mcast_snooping(false).build();
    let added = netns.netlink().link().add(bridge).execute().await;
    added.map_err(|cause| Error::netlink("create", format_args!("bridge {name}"), cause))?;
    index(netns, name).await
}

/// Connects a host to the switch; packets pass when this returns.
pub(crate) async fn plug(switch: &Netns, bridge: u32, host: &Netns, cable: &Cable<'_>) -> Result<(), Error> {
    let added = switch.netlink().link().add(cable.message(bridge)).execute().await;
    added.map_err(|cause| {
        Error::netlink("connect", format_args!("host {:?} to the switch", host.name()), cause)
    })?;
    up(host, "eth0").await?;
    until(host, "eth0", is_up).await?;
    until(switch, cable.port, forwards).await
}

fn is_up(link: &LinkMessage) -> bool {
    link.attributes.contains(&LinkAttribute::OperState(State::Up))
}

fn forwards(link: &LinkMessage) -> bool {
    let info = link.attributes.iter().find_map(|it| match it {
        LinkAttribute::LinkInfo(info) => Some(info),
        _ => None,
    });
    info.into_iter().flatten().any(|it| match it {
        LinkInfo::PortData(InfoPortData::BridgePort(port)) => {
            port.contains(&InfoBridgePort::State(BridgePortState::Forwarding))
        }
        _ => false,
    })
}

/// Waits until a link is as wanted, woken by the kernel's own messages about links.
async fn until(netns: &Netns, name: &str, is_wanted: fn(&LinkMessage) -> bool) -> Result<(), Error> {
    let object = format!("{name} of host {:?}", netns.name());
    let name = name.to_owned();
    let waited = netns.task(move || async move {
        let (connection, netlink, mut messages) =
            new_multicast_connection(&[MulticastGroup::Link]).map_err(rtnetlink_error)?;
        let connection = tokio::task::spawn_local(connection);
        loop {
            let mut links = netlink.link().get().match_name(name.clone()).execute();
            if links.try_next().await?.is_some_and(|link| is_wanted(&link)) {
                break;
            }
            messages.next().await;
        }
        connection.abort();
        Ok(())
    });
    waited.await.map_err(|cause| Error::netlink("watch", object, cause))
}

fn rtnetlink_error(error: std::io::Error) -> rtnetlink::Error {
    rtnetlink::Error::NamespaceError(error.to_string())
}

pub(crate) async fn index(netns: &Netns, name: &str) -> Result<u32, Error> {
    let mut links = netns.netlink().link().get().match_name(name).execute();
    let failed =
        |cause| Error::netlink("find", format_args!("link {name} of host {:?}", netns.name()), cause);
    match links.try_next().await.map_err(failed)? {
        Some(link) => Ok(link.header.index),
        None => Err(Error::text("find", format_args!("link {name} of host {:?}", netns.name()), "no answer")),
    }
}

pub(crate) async fn up(netns: &Netns, name: &str) -> Result<(), Error> {
    let set = netns.netlink().link().set(LinkUnspec::new_with_name(name).up().build()).execute().await;
    set.map_err(|cause| Error::netlink("set up", format_args!("{name} of host {:?}", netns.name()), cause))
}

/// Sets up `lo` of the calling thread's namespace, which is no host's.
pub(crate) async fn own_loopback_up() -> Result<(), Error> {
    let failed = |cause| Error::netlink("set up", "lo of the lab itself", cause);
    let (connection, netlink, _) =
        rtnetlink::new_connection().map_err(|error| failed(rtnetlink_error(error)))?;
    let connection = tokio::spawn(connection);
    let set = netlink.link().set(LinkUnspec::new_with_name("lo").up().build()).execute().await;
    connection.abort();
    set.map_err(failed)
}

pub(crate) async fn delete(netns: &Netns, name: &str) -> Result<(), Error> {
    let index = index(netns, name).await?;
    let deleted = netns.netlink().link().del(index).execute().await;
    deleted
        .map_err(|cause| Error::netlink("delete", format_args!("{name} of host {:?}", netns.name()), cause))
}

/// The address is usable at once: duplicates are not searched for.
pub(crate) async fn add_address(netns: &Netns, link: &str, address: IpNet) -> Result<(), Error> {
    let index = index(netns, link).await?;
    let mut request = netns.netlink().address().add(index, address.addr(), address.prefix_len());
    if address.addr().is_ipv6() {
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
    }
    let failed =
        |cause| Error::netlink("add", format_args!("address {address} to host {:?}", netns.name()), cause);
    request.execute().await.map_err(failed)
}

pub(crate) async fn del_address(netns: &Netns, link: &str, address: IpNet) -> Result<(), Error> {
    let index = index(netns, link).await?;
    let message = match address {
        IpNet::V4(it) => {
            AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(it.addr(), it.prefix_len()).build()
        }
        IpNet::V6(it) => {
            AddressMessageBuilder::<Ipv6Addr>::new().index(index).address(it.addr(), it.prefix_len()).build()
        }
    };
    let failed =
        |cause| Error::netlink("delete", format_args!("address {address} of host {:?}", netns.name()), cause);
    netns.netlink().address().del(message).execute().await.map_err(failed)
}

pub(crate) async fn add_route(netns: &Netns, destination: IpNet, gateway: IpAddr) -> Result<(), Error> {
    let failed = |cause| Error::netlink("add", route_of(netns, destination, gateway), cause);
    netns.netlink().route().add(route(netns, destination, gateway)?).execute().await.map_err(failed)
}

pub(crate) async fn del_route(netns: &Netns, destination: IpNet, gateway: IpAddr) -> Result<(), Error> {
    let failed = |cause| Error::netlink("delete", route_of(netns, destination, gateway), cause);
    netns.netlink().route().del(route(netns, destination, gateway)?).execute().await.map_err(failed)
}

fn route(
    netns: &Netns,
    destination: IpNet,
    gateway: IpAddr,
) -> Result<netlink_packet_route::route::RouteMessage, Error> {
    let route = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(destination.network(), destination.prefix_len())
        .and_then(|route| route.gateway(gateway));
    let failed = |_| {
        Error::text("use", route_of(netns, destination, gateway), "an IPv6 destination has no IPv4 gateway")
    };
    Ok(route.map_err(failed)?.build())
}

fn route_of(netns: &Netns, destination: IpNet, gateway: IpAddr) -> String {
    format!("route {destination} via {gateway} of host {:?}", netns.name())
}
