//! Datagrams by the batch: one system call receives up to 32, one sends the answers. For threads that do nothing else.
//!
//! As many sockets as threads share one address (SO_REUSEPORT); the kernel keeps each client with one of them.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsRawFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    cmsg_space, libc,
    sys::socket::{
        AddressFamily, MsgFlags, MultiHeaders, Shutdown, SockFlag, SockType, SockaddrStorage, bind, recvmmsg,
        sendmmsg, setsockopt, shutdown, socket,
        sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo, RcvBuf, RcvBufForce, ReusePort},
    },
};

use super::datagrams::{Peer, Source, asked_address, socket_address};

/// Datagrams that one system call moves.
pub(crate) const BATCH: usize = 32;
/// No query is longer; the rest of a longer datagram is cut off and makes it malformed.
const LONGEST_QUERY: usize = 4096;
/// From one buffer to the next: not a whole page, or all of them would want the same few lines of the cache.
const STRIDE: usize = LONGEST_QUERY + 192;
/// What the kernel keeps for a thread that is busy: about 1300 queries.
const RECEIVE_BUFFER: usize = 1 << 20;

/// A bound socket that blocks.
#[derive(Debug)]
pub(crate) struct BatchSocket {
    socket: UdpSocket,
    address: SocketAddr,
    closing: AtomicBool,
}

impl BatchSocket {
    /// As many sockets as asked for, all with the same address; nobody else may have it.
    pub(super) fn bind(address: SocketAddr, sockets: usize) -> io::Result<Vec<Self>> {
        let first = Self::open(address, false)?;
        // Only now: the first bind has to fail where somebody else listens.
        setsockopt(&first.socket, ReusePort, &true)?;
        let shared = first.address;
        let rest = (1..sockets).map(|_| Self::open(shared, true));
        std::iter::once(Ok(first)).chain(rest).collect()
    }

    fn open(address: SocketAddr, shared: bool) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let socket: OwnedFd = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        if shared {
            setsockopt(&socket, ReusePort, &true)?;
        }
        // Beyond the system's limit with CAP_NET_ADMIN only.
        if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER)?;
        }
        if address.ip().is_unspecified() {
            match address {
                SocketAddr::V4(_) => setsockopt(&socket, Ipv4PacketInfo, &true)?,
                SocketAddr::V6(_) => setsockopt(&socket, Ipv6RecvPacketInfo, &true)?,
            }
        }
        bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
        let socket = UdpSocket::from(socket);
        let address = socket.local_addr()?;
        Ok(Self { socket, address, closing: AtomicBool::new(false) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more queries: what the kernel has is still received, then nothing ([`receive`](Self::receive) gives 0).
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        // It says that the socket is not connected, and wakes the thread that waits in it.
        let _not_connected = shutdown(self.socket.as_raw_fd(), Shutdown::Read);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Waits for a query, and takes those that are there with it. None: closed, and all have been taken.
    pub(crate) fn receive(&self, inbox: &mut Inbox) -> io::Result<usize> {
        inbox.received.clear();
        let closing = self.is_closing();
        let flags = if closing { MsgFlags::MSG_DONTWAIT } else { MsgFlags::MSG_WAITFORONE };
        let Inbox { buffers, headers, received } = inbox;
        let mut buffers = buffers.chunks_exact_mut(STRIDE).map(|buffer| &mut buffer[..LONGEST_QUERY]);
        let mut parts: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(buffers.next().unwrap_or_default())]);
        let messages = match recvmmsg(self.socket.as_raw_fd(), headers, parts.iter_mut(), flags, None) {
            Err(nix::Error::EAGAIN) if closing => return Ok(0),
            messages => messages?,
        };
        let any = self.address.ip().is_unspecified();
        for (slot, message) in messages.enumerate() {
            // Nothing, as a query: it is how `close` wakes a thread.
            let Some(to) = message.address.filter(|_| message.bytes > 0) else { continue };
            let Some(client) = socket_address(&to) else { continue };
            let asked = if any { asked_address(&message)? } else { None };
            received.push(Received { slot, length: message.bytes, to, peer: Peer { client, asked } });
        }
        Ok(received.len())
    }

    /// Sends all answers; gives how many the kernel did not take.
    pub(crate) fn send(&self, outbox: &mut Outbox) -> u64 {
        let (mut at, mut unsent) = (0, 0);
        while at < outbox.len {
            let asked = outbox.asked[at];
            let same = outbox.asked[at..outbox.len].iter().take_while(|other| **other == asked).count();
            match self.send_run(outbox, at, at + same, &Source::new(asked)) {
                Ok(sent) => at += sent.max(1),
                Err(error) => {
                    // Of the first answer: the others may fare better.
                    tracing::debug!(%error, "send");
                    unsent += 1;
                    at += 1;
                }
            }
        }
        outbox.len = 0;
        unsent
    }

    fn send_run(&self, outbox: &mut Outbox, from: usize, to: usize, source: &Source) -> io::Result<usize> {
        let Outbox { answers, clients, headers, headers_with_source, .. } = outbox;
        let mut parts: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(|_| [IoSlice::new(&[])]);
        for (part, answer) in parts.iter_mut().zip(&answers[from..to]) {
            *part = [IoSlice::new(answer)];
        }
        let (fd, none) = (self.socket.as_raw_fd(), MsgFlags::empty());
        let (parts, clients) = (&parts[..to - from], &clients[from..to]);
        let control = source.control();
        let sent = match &control {
            None => sendmmsg(fd, headers, parts, clients, [], none)?.count(),
            Some(control) => {
                let headers = headers_with_source.get_or_insert_with(|| source.headers(BATCH));
                sendmmsg(fd, headers, parts, clients, [*control], none)?.count()
            }
        };
        Ok(sent)
    }

    /// Sends one answer; does not wait.
    pub(crate) fn send_one(&self, answer: &[u8], peer: Peer) -> io::Result<()> {
        super::datagrams::send(&self.socket, answer, peer)
    }
}

/// Queries as they come.
#[derive(Debug)]
pub(crate) struct Inbox {
    buffers: Vec<u8>,
    headers: MultiHeaders<SockaddrStorage>,
    received: Vec<Received>,
}

#[derive(Debug)]
struct Received {
    slot: usize,
    length: usize,
    to: SockaddrStorage,
    peer: Peer,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let space = cmsg_space!(libc::in6_pktinfo);
        Self {
            buffers: vec![0; STRIDE * BATCH],
            headers: MultiHeaders::preallocate(BATCH, Some(space)),
            received: Vec::with_capacity(BATCH),
        }
    }

    /// A query of the last batch, and who asks.
    pub(crate) fn query(&self, index: usize) -> (&[u8], Peer) {
        let received = &self.received[index];
        let start = received.slot * STRIDE;
        (&self.buffers[start..start + received.length], received.peer)
    }
}

/// Answers to be sent, in buffers that are used again.
#[derive(Debug)]
pub(crate) struct Outbox {
    answers: Vec<Vec<u8>>,
    clients: Vec<Option<SockaddrStorage>>,
    asked: Vec<Option<IpAddr>>,
    len: usize,
    headers: MultiHeaders<SockaddrStorage>,
    headers_with_source: Option<MultiHeaders<SockaddrStorage>>,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            answers: (0..BATCH).map(|_| Vec::with_capacity(1500)).collect(),
            clients: vec![None; BATCH],
            asked: vec![None; BATCH],
            len: 0,
            headers: MultiHeaders::preallocate(BATCH, None),
            headers_with_source: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where the next answer goes.
    pub(crate) fn next(&mut self) -> &mut Vec<u8> {
        &mut self.answers[self.len]
    }

    /// The next answer is there: for the client of a query of the last batch.
    pub(crate) fn owe(&mut self, inbox: &Inbox, index: usize) {
        let received = &inbox.received[index];
        self.clients[self.len] = Some(received.to);
        self.asked[self.len] = received.peer.asked;
        self.len += 1;
    }
}
