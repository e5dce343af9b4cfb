//! A UDP socket whose answers come from the address that was asked.
//!
//! Bound to an address it is a plain socket. Bound to all of them the kernel says with each query where it was sent (IP_PKTINFO,
//! IPV6_RECVPKTINFO), and is told with each answer: it would choose an address by the route otherwise, and the client would not
//! know the answer for its own.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd,
};

use nix::{
    cmsg_space, libc,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
        sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo},
    },
};
use tokio::{io::Interest, net::UdpSocket};

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Datagrams {
    socket: UdpSocket,
    address: SocketAddr,
}

/// Where a query came from, and which address it was sent to if that is not the socket's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) client: SocketAddr,
    asked: Option<IpAddr>,
}

impl Datagrams {
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let address = socket.local_addr()?;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => setsockopt(&socket, Ipv4PacketInfo, &true)?,
            IpAddr::V6(ip) if ip.is_unspecified() => setsockopt(&socket, Ipv6RecvPacketInfo, &true)?,
            _ => {}
        }
        Ok(Self { socket, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// A query, if one is there; its length and where it came from.
    pub(crate) fn try_receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Peer)> {
        if self.address.ip().is_unspecified() {
            return self.socket.try_io(Interest::READABLE, || receive(&self.socket, buffer));
        }
        let (length, client) = self.socket.try_recv_from(buffer)?;
        Ok((length, Peer { client, asked: None }))
    }

    /// Waits for room in the socket; what the network does with the answer is not known anyway.
    pub(crate) async fn send(&self, answer: &[u8], peer: Peer) -> io::Result<()> {
        match peer.asked {
            None => self.socket.send_to(answer, peer.client).await.map(drop),
            Some(asked) => {
                let send = || send(&self.socket, answer, peer.client, asked);
                self.socket.async_io(Interest::WRITABLE, send).await
            }
        }
    }
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Peer)> {
    let mut space = cmsg_space!(libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())?;
    let client = message.address.as_ref().and_then(socket_address).ok_or(io::ErrorKind::InvalidData)?;
    let asked = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr)).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()),
        _ => None,
    });
    Ok((message.bytes, Peer { client, asked }))
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::from(*address));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::from(*address)))
}

fn send(socket: &UdpSocket, answer: &[u8], client: SocketAddr, asked: IpAddr) -> io::Result<()> {
    let parts = [IoSlice::new(answer)];
    let to = SockaddrStorage::from(client);
    let send = |control| sendmsg(socket.as_raw_fd(), &parts, &[control], MsgFlags::empty(), Some(&to));
    match asked {
        IpAddr::V4(ip) => {
            let source = libc::in_addr { s_addr: ip.to_bits().to_be() };
            let nowhere = libc::in_addr { s_addr: 0 };
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: nowhere };
            send(ControlMessage::Ipv4PacketInfo(&info))?
        }
        IpAddr::V6(ip) => {
            let info =
                libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
            send(ControlMessage::Ipv6PacketInfo(&info))?
        }
    };
    Ok(())
}
