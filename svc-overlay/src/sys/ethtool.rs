//! Which work a network card may do for the packets of a link: ethtool's generic netlink family.
//!
//! Numbers are those of linux/ethtool_netlink.h and linux/genetlink.h.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};

use crate::error::Error;

const FEATURE: &str = "tx-checksum-ip-generic";

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;
const NESTED: u16 = 1 << 15;

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

const ETHTOOL_MSG_FEATURES_GET: u8 = 11;
const ETHTOOL_MSG_FEATURES_SET: u8 = 12;
const ETHTOOL_A_FEATURES_HEADER: u16 = 1;
const ETHTOOL_A_FEATURES_WANTED: u16 = 3;
const ETHTOOL_A_FEATURES_ACTIVE: u16 = 4;
const ETHTOOL_A_HEADER_DEV_NAME: u16 = 2;
const ETHTOOL_A_BITSET_BITS: u16 = 3;
const ETHTOOL_A_BITSET_BITS_BIT: u16 = 1;
const ETHTOOL_A_BITSET_BIT_NAME: u16 = 2;
const ETHTOOL_A_BITSET_BIT_VALUE: u16 = 3;

const GENL_HEADER: usize = 4;
const NETLINK_HEADER: usize = 16;

/// Whether a network card may compute the checksums of packets that leave by `device`.
pub(super) fn checksum_offload(device: &str) -> Result<bool, Error> {
    let failed = |cause| Error::new("read features of", device, cause);
    let answer = Ethtool::open().and_then(|mut ethtool| {
        ethtool.call(ETHTOOL_MSG_FEATURES_GET, &nested(ETHTOOL_A_FEATURES_HEADER, &name(device)))
    });
    Ok(names(&answer.map_err(failed)?).any(|name| name == FEATURE.as_bytes()))
}

/// Lets the network card compute them, or the kernel.
pub(super) fn set_checksum_offload(device: &str, on: bool) -> Result<(), Error> {
    let mut bit = attribute(ETHTOOL_A_BITSET_BIT_NAME, &text(FEATURE));
    if on {
        bit.extend(attribute(ETHTOOL_A_BITSET_BIT_VALUE, &[]));
    }
    let bits = nested(ETHTOOL_A_BITSET_BITS, &nested(ETHTOOL_A_BITSET_BITS_BIT, &bit));
    let mut body = nested(ETHTOOL_A_FEATURES_HEADER, &name(device));
    body.extend(nested(ETHTOOL_A_FEATURES_WANTED, &bits));
    let made = Ethtool::open().and_then(|mut ethtool| ethtool.call(ETHTOOL_MSG_FEATURES_SET, &body));
    made.map(drop).map_err(|cause| Error::new("switch checksum offload of", device, cause))
}

struct Ethtool {
    socket: Socket,
    family: u16,
}

impl Ethtool {
    /// The kernel says which number the family has.
    fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let mut ethtool = Ethtool { socket, family: GENL_ID_CTRL };
        let answer = ethtool.call(CTRL_CMD_GETFAMILY, &attribute(CTRL_ATTR_FAMILY_NAME, &text("ethtool")))?;
        let id = attributes(&answer).find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID);
        let id = id.and_then(|(_, data)| <[u8; 2]>::try_from(data).ok());
        ethtool.family = u16::from_ne_bytes(id.ok_or(io::ErrorKind::Unsupported)?);
        Ok(ethtool)
    }

    /// The attributes of the answer; none where the answer is only that it was done.
    fn call(&mut self, command: u8, body: &[u8]) -> io::Result<Vec<u8>> {
        let length = u32::try_from(NETLINK_HEADER + GENL_HEADER + body.len()).map_err(io::Error::other)?;
        let mut message = Vec::new();
        message.extend(length.to_ne_bytes());
        message.extend(self.family.to_ne_bytes());
        message.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        message.extend([0; 8]);
        message.extend([command, 1, 0, 0]);
        message.extend(body);
        self.socket.send(&message, 0)?;
        let mut answer = Vec::new();
        loop {
            let (bytes, _) = self.socket.recv_from_full()?;
            for (kind, payload) in messages(&bytes) {
                if kind == NLMSG_ERROR {
                    return acknowledged(payload).map(|()| answer);
                }
                answer = payload.get(GENL_HEADER..).unwrap_or_default().to_vec();
            }
        }
    }
}

fn acknowledged(payload: &[u8]) -> io::Result<()> {
    let code = payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.saturating_abs())) }
}

fn name(device: &str) -> Vec<u8> {
    attribute(ETHTOOL_A_HEADER_DEV_NAME, &text(device))
}

fn text(text: &str) -> Vec<u8> {
    text.bytes().chain([0]).collect()
}

fn nested(kind: u16, data: &[u8]) -> Vec<u8> {
    attribute(kind | NESTED, data)
}

fn attribute(kind: u16, data: &[u8]) -> Vec<u8> {
    // Names are short: an interface's has at most 15 bytes.
    let length = u16::try_from(data.len() + 4).unwrap_or(u16::MAX);
    let mut bytes = Vec::from(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Type and payload of each message of a datagram.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let payload = bytes.get(NETLINK_HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, payload))
    })
}

/// Type and data of each attribute.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?) & !NESTED;
        let data = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, data))
    })
}

/// The names of the features that are active.
fn names(answer: &[u8]) -> impl Iterator<Item = &[u8]> {
    let within =
        |bytes, wanted| attributes(bytes).filter(move |(kind, _)| *kind == wanted).map(|(_, data)| data);
    let bits =
        within(answer, ETHTOOL_A_FEATURES_ACTIVE).flat_map(move |set| within(set, ETHTOOL_A_BITSET_BITS));
    let bits = bits.flat_map(move |bits| within(bits, ETHTOOL_A_BITSET_BITS_BIT));
    let names = bits.flat_map(move |bit| within(bit, ETHTOOL_A_BITSET_BIT_NAME));
    names.map(|name| name.strip_suffix(&[0]).unwrap_or(name))
}
