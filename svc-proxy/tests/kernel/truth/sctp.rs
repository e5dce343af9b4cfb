//! SCTP where the kernel has no sockets for it: an INIT that is written by hand, and whoever gets it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::socket::{self, AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, sockopt};
use svc_lab::{Host, Result};
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use super::flows::{Seen, endpoint};

/// The packets that arrived, by their initiate tag.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    shared: Arc<(Mutex<BTreeMap<u32, Seen>>, Notify)>,
}

impl Arrivals {
    fn add(&self, tag: u32, seen: Seen) {
        self.shared.0.lock().unwrap().insert(tag, seen);
        self.shared.1.notify_waiters();
    }

    async fn of(&self, tag: u32) -> Seen {
        loop {
            let more = self.shared.1.notified();
            if let Some(seen) = self.shared.0.lock().unwrap().remove(&tag) {
                return seen;
            }
            more.await;
        }
    }
}

/// Notes what arrives at a host, in both families.
pub async fn serve(host: &Host, name: &'static str, arrivals: &Arrivals) -> Result {
    for v6 in [false, true] {
        let arrivals = arrivals.clone();
        host.run(move || async move {
            let socket = datagrams(open(v6)?)?;
            tokio::spawn(async move {
                let mut bytes = [0; 256];
                while let Ok((length, source)) = socket.recv_from(&mut bytes).await {
                    if let Some(tag) = tag(&bytes[..length], v6) {
                        let source = source.ip();
                        arrivals.add(tag, Seen::Served { endpoint: endpoint(name, v6), source });
                    }
                }
            });
            Ok::<_, io::Error>(())
        })
        .await?;
    }
    Ok(())
}

/// Sends an INIT, and waits until it arrives anywhere or is refused.
pub async fn send(from: SocketAddr, to: SocketAddr, arrivals: &Arrivals) -> io::Result<Seen> {
    static TAG: AtomicU32 = AtomicU32::new(1);
    let tag = TAG.fetch_add(1, Ordering::Relaxed);
    let socket = open(to.is_ipv6())?;
    let without_port = |address: SocketAddr| SockaddrStorage::from(SocketAddr::new(address.ip(), 0));
    socket::bind(socket.as_raw_fd(), &without_port(from))?;
    socket::connect(socket.as_raw_fd(), &without_port(to))?;
    let socket = datagrams(socket)?;
    let [high, low] = tag.to_be_bytes()[2..] else { unreachable!() };
    let port = 1024 + (u16::from_be_bytes([high, low]) % 60_000);
    // What is dropped on the way out of the own host is told at once.
    if let Err(error) = socket.send(&init(port, to.port(), tag)).await
        && error.kind() != ErrorKind::PermissionDenied
    {
        return Err(error);
    }
    let mut bytes = [0; 256];
    let refused = async {
        loop {
            socket.recv(&mut bytes).await?;
        }
    };
    tokio::select! {
        seen = arrivals.of(tag) => Ok(seen),
        error = refused => error,
    }
}

fn open(v6: bool) -> io::Result<OwnedFd> {
    let family = if v6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(family, SockType::Raw, flags, SockProtocol::Sctp)?;
    socket::setsockopt(&socket, sockopt::RcvBuf, &(1 << 20))?;
    Ok(socket)
}

/// A raw socket receives and sends as one for datagrams does.
fn datagrams(socket: OwnedFd) -> io::Result<UdpSocket> {
    UdpSocket::from_std(socket.into())
}

/// An INIT chunk (RFC 9260, section 3.3.2) in a packet of its own.
fn init(from: u16, to: u16, tag: u32) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(from.to_be_bytes());
    packet.extend(to.to_be_bytes());
    // Verification tag and checksum; then the chunk's type, flags and length.
    packet.extend([0; 8]);
    packet.extend([1, 0, 0, 20]);
    packet.extend(tag.to_be_bytes());
    packet.extend(65_536_u32.to_be_bytes());
    packet.extend([0, 10, 0, 10]);
    packet.extend(tag.to_be_bytes());
    let checksum = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&checksum);
    packet
}

/// RFC 9260, appendix A.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// The initiate tag of an INIT, behind an IP header where the kernel gives one.
fn tag(packet: &[u8], v6: bool) -> Option<u32> {
    let header = if v6 { 0 } else { usize::from(packet.first()? & 0xf) * 4 };
    let chunk = packet.get(header + 12..header + 20)?;
    (chunk[0] == 1).then(|| u32::from_be_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]))
}
