//! Packet capture in a host, by a packet socket.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket, sockopt,
};
use tokio::sync::Notify;

use crate::error::Error;
use crate::host::Host;
use crate::packet::Packet;

/// How much the kernel may keep for us; it grants what `net.core.rmem_max` allows.
const BUFFER: usize = 8 << 20;
/// `PACKET_OUTGOING` of linux/if_packet.h.
const OUTGOING: u8 = 4;
/// `ARPHRD_ETHER` and `ARPHRD_LOOPBACK` of linux/if_arp.h: what begins with an Ethernet header.
const ETHERNET: [u16; 2] = [1, 772];

/// A capture that has begun: what passes the link from now on, both directions, in order. It ends when dropped.
///
/// Frames wait in a buffer of the kernel and are lost when it overflows (some hundred full-size ones, with the usual
/// `net.core.rmem_max`), which a thread that does nothing but read makes unlikely.
#[derive(Debug)]
pub struct Capture {
    shared: Arc<Shared>,
    name: String,
    /// Dropping it ends the reading thread.
    _stop: PipeWriter,
}

#[derive(Debug)]
struct Shared {
    socket: OwnedFd,
    link: Link,
    packets: Mutex<VecDeque<Packet>>,
    arrived: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    /// `None` is all of them.
    index: Option<usize>,
    /// A packet passes a loopback link twice, out and in; only the second counts, as in tcpdump.
    is_loopback: bool,
}

impl Host {
    /// Begins to capture on a link of this host, `eth0` or `flannel.1` say, or on `any`. Capture has begun when this
    /// returns.
    ///
    /// # Errors
    ///
    /// If there is no such link.
    pub async fn capture(&self, link: &str) -> Result<Capture, Error> {
        let name = format!("{link} of host {:?}", self.name());
        let wanted = link.to_owned();
        let opened = self.inside().task(move || async move { open(&wanted) }).outcome().await.flatten();
        Capture::begin(name, opened)
    }
}

impl Capture {
    /// Begins to capture on a link of the network namespace in which the calling thread is, or on `any`: outside a lab.
    ///
    /// # Errors
    ///
    /// If there is no such link, or the process lacks `CAP_NET_RAW`.
    pub fn here(link: &str) -> Result<Capture, Error> {
        Capture::begin(link.to_owned(), open(link))
    }

    fn begin(name: String, opened: io::Result<(OwnedFd, Link)>) -> Result<Capture, Error> {
        let failed = |cause| Error::new("capture on", &name, cause);
        let (socket, link) = opened.map_err(failed)?;
        let shared = Shared { socket, link, packets: Mutex::default(), arrived: Notify::new() };
        let shared = Arc::new(shared);
        let stop = read(shared.clone()).map_err(failed)?;
        Ok(Capture { shared, name, _stop: stop })
    }
}

fn open(link: &str) -> io::Result<(OwnedFd, Link)> {
    let index = match link {
        "any" => None,
        name => Some(usize::try_from(nix::net::if_::if_nametoindex(name)?).map_err(io::Error::other)?),
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    setsockopt(&socket, sockopt::RcvBuf, &BUFFER)?;
    Ok((socket, Link { index, is_loopback: link == "lo" }))
}

/// Starts the thread that moves packets from the kernel's buffer to ours until the pipe's other end is dropped.
fn read(shared: Arc<Shared>) -> io::Result<PipeWriter> {
    let (stopped, stop) = io::pipe()?;
    std::thread::Builder::new().name("capture".into()).spawn(move || {
        while wait(&shared.socket, &stopped) {
            shared.drain(&mut shared.packets());
            shared.arrived.notify_one();
        }
    })?;
    Ok(stop)
}

/// Waits for a packet; false once the capture has been dropped.
fn wait(socket: &OwnedFd, stopped: &PipeReader) -> bool {
    let mut wanted =
        [PollFd::new(socket.as_fd(), PollFlags::POLLIN), PollFd::new(stopped.as_fd(), PollFlags::empty())];
    match poll(&mut wanted, PollTimeout::NONE) {
        Ok(_) => !wanted[1].any().unwrap_or(true),
        Err(errno) => errno == Errno::EINTR,
    }
}

impl Shared {
    fn packets(&self) -> std::sync::MutexGuard<'_, VecDeque<Packet>> {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes all that the kernel has by now. Called with the queue locked, so that order is kept.
    fn drain(&self, packets: &mut VecDeque<Packet>) {
        let mut frame = vec![0; 1 << 18];
        loop {
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut frame) {
                Ok((length, from)) => packets.extend(self.link.packet(&frame[..length], from)),
                Err(Errno::EINTR | Errno::ENETDOWN) => {}
                Err(_) => return,
            }
        }
    }
}

impl Link {
    fn packet(self, frame: &[u8], from: Option<LinkAddr>) -> Option<Packet> {
        let from = from?;
        let outgoing = from.pkttype() == OUTGOING;
        let wanted = self.index.is_none_or(|index| index == from.ifindex())
            && ETHERNET.contains(&from.hatype())
            && !(outgoing && self.is_loopback);
        let packet = if wanted { Packet::parse(frame).ok()? } else { return None };
        Some(packet.with_outgoing(outgoing))
    }
}

impl Capture {
    /// The next packet, waiting for one if need be. Cancel safe: no packet is lost when the future is dropped.
    pub async fn next(&mut self) -> Packet {
        loop {
            if let Some(packet) = self.shared.packets().pop_front() {
                return packet;
            }
            self.shared.arrived.notified().await;
        }
    }

    /// The first packet that is as wanted, among those that have come and those that will. The others stay for later
    /// calls.
    ///
    /// # Errors
    ///
    /// If none has come before the timeout; the error lists those that did.
    pub async fn find(
        &mut self,
        timeout: Duration,
        is_wanted: impl Fn(&Packet) -> bool,
    ) -> Result<Packet, Error> {
        match tokio::time::timeout(timeout, self.matching(is_wanted)).await {
            Ok(packet) => Ok(packet),
            Err(_) => Err(self.not_found(timeout)),
        }
    }

    /// All packets that have come so far and were not returned yet. What a host sent or received before this call is
    /// among them.
    pub fn so_far(&mut self) -> Vec<Packet> {
        let mut packets = self.shared.packets();
        self.shared.drain(&mut packets);
        packets.drain(..).collect()
    }

    async fn matching(&mut self, is_wanted: impl Fn(&Packet) -> bool) -> Packet {
        let mut seen = 0;
        loop {
            {
                let mut packets = self.shared.packets();
                let found = packets.iter().skip(seen).position(&is_wanted);
                if let Some(packet) = found.and_then(|found| packets.remove(seen + found)) {
                    return packet;
                }
                seen = packets.len();
            }
            self.shared.arrived.notified().await;
        }
    }

    fn not_found(&self, timeout: Duration) -> Error {
        let packets = self.shared.packets();
        let mut why = format!("none within {timeout:?}; of others there were {}", packets.len());
        for packet in packets.iter().take(20) {
            let _ = write!(why, "\n  {packet}");
        }
        Error::text("capture the wanted packet on", &self.name, why)
    }
}
