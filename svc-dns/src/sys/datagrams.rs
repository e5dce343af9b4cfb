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
        ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmsg,
        sendmsg, setsockopt,
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
    pub(super) asked: Option<IpAddr>,
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
        if peer.asked.is_none() {
            return self.socket.send_to(answer, peer.client).await.map(drop);
        }
        self.socket.async_io(Interest::WRITABLE, || send(&self.socket, answer, peer)).await
    }
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Peer)> {
    let mut space = cmsg_space!(libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())?;
    let client = message.address.as_ref().and_then(socket_address).ok_or(io::ErrorKind::InvalidData)?;
    Ok((message.bytes, Peer { client, asked: asked_address(&message)? }))
}

/// The address that a datagram was sent to.
pub(super) fn asked_address(message: &RecvMsg<'_, '_, SockaddrStorage>) -> io::Result<Option<IpAddr>> {
    Ok(message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr)).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()),
        _ => None,
    }))
}

pub(super) fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::from(*address));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::from(*address)))
}

/// Which address an answer has to come from.
pub(super) enum Source {
    /// The socket's own.
    Bound,
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

impl Source {
    /// For a query that was sent to `asked`.
    pub(super) fn new(asked: Option<IpAddr>) -> Self {
        match asked {
            None => Self::Bound,
            Some(IpAddr::V4(ip)) => {
                let source = libc::in_addr { s_addr: ip.to_bits().to_be() };
                let nowhere = libc::in_addr { s_addr: 0 };
                Self::V4(libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: nowhere })
            }
            Some(IpAddr::V6(ip)) => {
                let source = libc::in6_addr { s6_addr: ip.octets() };
                Self::V6(libc::in6_pktinfo { ipi6_addr: source, ipi6_ifindex: 0 })
            }
        }
    }

    /// What the kernel is told with each answer.
    pub(super) fn control(&self) -> Option<ControlMessage<'_>> {
        match self {
            Self::Bound => None,
            Self::V4(info) => Some(ControlMessage::Ipv4PacketInfo(info)),
            Self::V6(info) => Some(ControlMessage::Ipv6PacketInfo(info)),
        }
    }

    /// Headers with room for exactly that.
    pub(super) fn headers(&self, messages: usize) -> MultiHeaders<SockaddrStorage> {
        let space = match self {
            Self::Bound => None,
            Self::V4(_) => Some(cmsg_space!(libc::in_pktinfo)),
            Self::V6(_) => Some(cmsg_space!(libc::in6_pktinfo)),
        };
        MultiHeaders::preallocate(messages, space)
    }
}

/// Sends one answer.
pub(super) fn send(socket: &impl AsRawFd, answer: &[u8], peer: Peer) -> io::Result<()> {
    let (parts, to) = ([IoSlice::new(answer)], SockaddrStorage::from(peer.client));
    let source = Source::new(peer.asked);
    let control: Vec<_> = source.control().into_iter().collect();
    sendmsg(socket.as_raw_fd(), &parts, &control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
    Ok(())
}
