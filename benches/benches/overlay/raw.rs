//! The least that can be done: the same messages to the kernel, ready as bytes, over a bare socket.

use std::io;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::sockopt::RcvBuf;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
};

/// How many messages go in one system call.
const BATCH: usize = 600;

const RTM_NEWROUTE: u16 = 24;
const RTM_NEWNEIGH: u16 = 28;
/// Request, with an answer.
const ASKED: u16 = 0x1 | 0x4;
const CREATE: u16 = 0x400;
const REPLACE: u16 = 0x100;
const EXCLUSIVE: u16 = 0x200;

/// FDB entry, neighbour and route of so many peers, in that order of kinds.
pub(crate) fn messages(count: u16, device: u32) -> Vec<Vec<u8>> {
    let peers = || (0..count).map(u16::to_be_bytes);
    let mac = |[high, low]: [u8; 2]| [2, 0, 0, 0, high, low];
    let subnet = |[high, low]: [u8; 2]| [10, high, low, 0];
    let replace = ASKED | CREATE | REPLACE;
    let fdb = peers().map(|n| {
        let attributes = [attribute(2, &mac(n)), attribute(1, &[172, 21, n[0], n[1]])];
        message(RTM_NEWNEIGH, replace, &neighbour(7, device, 2), &attributes)
    });
    let neighbours = peers().map(|n| {
        let attributes = [attribute(1, &subnet(n)), attribute(2, &mac(n)), attribute(12, &[120])];
        message(RTM_NEWNEIGH, replace, &neighbour(2, device, 0), &attributes)
    });
    let routes = peers().map(|n| {
        // AF_INET, a /24 of the main table, by us, anywhere, unicast, onlink.
        let header = [2, 24, 0, 0, 254, 120, 0, 1, 4, 0, 0, 0];
        let attributes =
            [attribute(1, &subnet(n)), attribute(5, &subnet(n)), attribute(4, &device.to_ne_bytes())];
        message(RTM_NEWROUTE, ASKED | CREATE | EXCLUSIVE, &header, &attributes)
    });
    fdb.chain(neighbours).chain(routes).collect()
}

/// Sends them and reads one answer to each.
pub(crate) fn program(messages: &[Vec<u8>]) -> io::Result<()> {
    let socket =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    setsockopt(&socket, RcvBuf, &(1 << 20))?;
    let mut answer = [0; 4096];
    for batch in messages.chunks(BATCH / 4) {
        send(socket.as_raw_fd(), &batch.concat(), MsgFlags::empty())?;
        for _ in batch {
            let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            // After the header: a negative error number, or zero.
            let code =
                answer[..length].get(16..20).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes);
            if code != Some(0) {
                return Err(io::Error::from_raw_os_error(code.unwrap_or_default().saturating_neg()));
            }
        }
    }
    Ok(())
}

/// ndmsg of linux/neighbour.h, permanent.
fn neighbour(family: u8, device: u32, flags: u8) -> [u8; 12] {
    let [a, b, c, d] = device.to_ne_bytes();
    [family, 0, 0, 0, a, b, c, d, 0x80, 0, flags, 1]
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("a short attribute");
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn message(kind: u16, flags: u16, header: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let body = [header.to_vec(), attributes.concat()].concat();
    let length = u32::try_from(16 + body.len()).expect("a short message");
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend([kind.to_ne_bytes(), flags.to_ne_bytes()].concat());
    // Neither number nor sender: answers come in order.
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}
