//! Generic-netlink messages: `struct nlmsghdr`, `struct genlmsghdr`, attributes.

use netlink_packet_core::{Emitable, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader};

use super::{
    attr::{Attrs, Writer},
    destination::{write_address, write_destination},
    service::{write_id, write_service},
    uapi::*,
};
use crate::{Command, ServiceId};

pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;
/// Command, version, two reserved bytes.
const GENERIC: usize = 4;

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_VERSION: u8 = 2;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// Where a message goes and what comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) family: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
}

/// The request for the number of the family.
pub(crate) fn get_family(sequence: u32, writer: &mut Writer) {
    let head = Head { family: GENL_ID_CTRL, flags: 0, sequence };
    message(writer, head, CTRL_CMD_GETFAMILY, CTRL_VERSION, |writer| {
        writer.text(CTRL_ATTR_FAMILY_NAME, IPVS_GENL_NAME);
    });
}

pub(crate) fn family_id(answer: &Received<'_>) -> Option<u16> {
    answer.attrs().u16(CTRL_ATTR_FAMILY_ID)
}

/// One command.
pub(crate) fn command(head: Head, command: &Command, writer: &mut Writer) {
    let number = match command {
        Command::AddService(_) => IPVS_CMD_NEW_SERVICE,
        Command::SetService(_) => IPVS_CMD_SET_SERVICE,
        Command::DeleteService(_) => IPVS_CMD_DEL_SERVICE,
        Command::AddDestination(..) => IPVS_CMD_NEW_DEST,
        Command::SetDestination(..) => IPVS_CMD_SET_DEST,
        Command::DeleteDestination(..) => IPVS_CMD_DEL_DEST,
        Command::SetTimeouts(_) => IPVS_CMD_SET_CONFIG,
    };
    message(writer, head, number, IPVS_GENL_VERSION, |writer| match command {
        Command::AddService(service) | Command::SetService(service) => write_service(service, writer),
        Command::DeleteService(id) => write_id(*id, writer),
        Command::AddDestination(id, to) | Command::SetDestination(id, to) => {
            write_id(*id, writer);
            write_destination(to, writer);
        }
        Command::DeleteDestination(id, to) => {
            write_id(*id, writer);
            write_address(*to, writer);
        }
        Command::SetTimeouts(timeouts) => {
            writer.u32(IPVS_CMD_ATTR_TIMEOUT_TCP, timeouts.tcp);
            writer.u32(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcp_fin);
            writer.u32(IPVS_CMD_ATTR_TIMEOUT_UDP, timeouts.udp);
        }
    });
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
    Services,
    Destinations(ServiceId),
    Info,
    Timeouts,
}

pub(crate) fn question(head: Head, question: Question, writer: &mut Writer) {
    let number = match question {
        Question::Services => IPVS_CMD_GET_SERVICE,
        Question::Destinations(_) => IPVS_CMD_GET_DEST,
        Question::Info => IPVS_CMD_GET_INFO,
        Question::Timeouts => IPVS_CMD_GET_CONFIG,
    };
    message(writer, head, number, IPVS_GENL_VERSION, |writer| {
        if let Question::Destinations(of) = question {
            write_id(of, writer);
        }
    });
}

fn message(writer: &mut Writer, head: Head, command: u8, version: u8, attributes: impl FnOnce(&mut Writer)) {
    let Head { family, flags, sequence } = head;
    numbered(writer, family, flags, sequence, &[command, version, 0, 0], attributes);
}

/// A request of any family: its own header, then attributes.
pub(super) fn numbered(
    writer: &mut Writer,
    kind: u16,
    flags: u16,
    sequence: u32,
    head: &[u8],
    attributes: impl FnOnce(&mut Writer),
) {
    let start = writer.bytes.len();
    writer.bytes.extend_from_slice(&[0; HEADER]);
    writer.bytes.extend_from_slice(head);
    attributes(writer);
    let mut header = NetlinkHeader::default();
    header.length = u32::try_from(writer.bytes.len() - start).unwrap_or(u32::MAX);
    header.message_type = kind;
    header.flags = NLM_F_REQUEST | flags;
    header.sequence_number = sequence;
    header.emit(&mut writer.bytes[start..]);
    writer.pad();
}

/// Whether a request of ours asks for a list.
pub(crate) fn is_dump(request: &[u8]) -> bool {
    NetlinkBuffer::new_checked(request).is_ok_and(|buffer| buffer.flags() & NLM_F_DUMP != 0)
}

/// One message that was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    payload: &'a [u8],
}

impl<'a> Received<'a> {
    /// The errno of an `NLMSG_ERROR`, and of what ends a dump; 0 is an acknowledgement.
    pub(crate) fn errno(&self) -> Option<i32> {
        let ends = matches!(self.kind, NLMSG_ERROR | NLMSG_DONE);
        let code = self.payload.first_chunk::<4>().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
        ends.then_some(code.wrapping_neg())
    }

    /// What stands behind the header of a message of this kind.
    pub(super) fn of_kind(&self, kind: u16) -> Option<&'a [u8]> {
        (self.kind == kind).then_some(self.payload)
    }

    pub(crate) fn attrs(&self) -> Attrs<'a> {
        Attrs(self.payload.get(GENERIC..).unwrap_or_default())
    }

    /// What stands inside the service or the destination that this tells of.
    pub(crate) fn service(&self) -> Option<&'a [u8]> {
        self.attrs().bytes(IPVS_CMD_ATTR_SERVICE)
    }

    pub(crate) fn destination(&self) -> Option<&'a [u8]> {
        self.attrs().bytes(IPVS_CMD_ATTR_DEST)
    }
}

/// Splits what one receive gave; ends at the first malformed message.
pub(crate) fn split(mut bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let buffer = NetlinkBuffer::new_checked(bytes).ok()?;
        let length = usize::try_from(buffer.length()).ok()?;
        let received = Received {
            kind: buffer.message_type(),
            sequence: buffer.sequence_number(),
            payload: bytes.get(HEADER..length)?,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(received)
    })
}
