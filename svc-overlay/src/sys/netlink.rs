//! A netlink route socket: requests in batches, dumps.
//!
//! The kernel answers inside `sendmsg`, so the blocking `recv` that follows never waits.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// How often a dump is begun again when the objects change under it.
const DUMP_TRIES: usize = 5;
const RECEIVE_BUFFER: usize = 1 << 20;
/// The kernel fills no datagram of a dump beyond 32 KiB.
const DATAGRAM: usize = 64 << 10;

/// A message and its flags, to which the socket adds number, request and ACK flags.
pub(super) type Request = (RouteNetlinkMessage, u16);

#[derive(Debug)]
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
    received: Vec<u8>,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Answers to failed requests need not hold the request.
        socket.set_cap_ack(true)?;
        socket.set_rx_buf_sz(RECEIVE_BUFFER)?;
        Ok(Netlink { socket, sequence: 0, received: Vec::with_capacity(DATAGRAM) })
    }

    /// One request.
    pub(super) fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.batch(vec![(message, flags)]).pop().unwrap_or(Ok(()))
    }

    /// Requests in one system call, so that a killed process has made all or none of them; one result each.
    pub(super) fn batch(&mut self, requests: Vec<Request>) -> Vec<io::Result<()>> {
        let count = requests.len();
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for (number, (message, flags)) in requests.into_iter().enumerate() {
            // A refusal is told in any case (netlink_rcv_skb in the kernel), and in order: the last answer says that all is done.
            let last = if number + 1 == count { NLM_F_ACK } else { 0 };
            self.encode(&mut bytes, message, flags | last);
        }
        let answers = if count == 0 { Ok(()) } else { self.send(&bytes) };
        let answers = answers.and_then(|()| self.answers(first, count));
        match answers {
            Ok(codes) => codes.into_iter().map(errno).collect(),
            Err(error) => (0..count).map(|_| Err(copy(&error))).collect(),
        }
    }

    /// All objects that answer to a request.
    pub(super) fn dump(&mut self, message: &RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..DUMP_TRIES {
            if let Some(objects) = self.try_dump(message.clone())? {
                return Ok(objects);
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// The one object that answers to a request.
    pub(super) fn find(&mut self, message: RouteNetlinkMessage) -> io::Result<RouteNetlinkMessage> {
        self.ask(message, 0)?;
        loop {
            for (header, payload) in self.receive()? {
                match payload {
                    _ if header.sequence_number != self.sequence => {}
                    NetlinkPayload::InnerMessage(object) => return Ok(object),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => return Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
        }
    }

    /// Nothing when the dump was inconsistent and has to be taken again.
    fn try_dump(&mut self, message: RouteNetlinkMessage) -> io::Result<Option<Vec<RouteNetlinkMessage>>> {
        self.ask(message, NLM_F_DUMP)?;
        let (mut objects, mut interrupted) = (Vec::new(), false);
        loop {
            for (header, payload) in self.receive()? {
                if header.sequence_number != self.sequence {
                    continue;
                }
                interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
                match payload {
                    NetlinkPayload::InnerMessage(object) => objects.push(object),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::Done(_) => return Ok((!interrupted).then_some(objects)),
                    _ => {}
                }
            }
        }
    }

    fn ask(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes, message, flags);
        self.send(&bytes)
    }

    fn encode(&mut self, bytes: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let begin = bytes.len();
        bytes.resize(begin + message.buffer_len().next_multiple_of(4), 0);
        message.serialize(&mut bytes[begin..]);
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.socket.send(bytes, 0)? {
            sent if sent == bytes.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// The error codes, in the order of the requests; zero for what was not refused before the last one was answered.
    fn answers(&mut self, first: u32, count: usize) -> io::Result<Vec<i32>> {
        let mut codes = vec![0; count];
        let mut done = count == 0;
        while !done {
            for (header, payload) in self.receive()? {
                let place = usize::try_from(header.sequence_number.wrapping_sub(first)).ok();
                let slot = place.and_then(|place| codes.get_mut(place));
                if let (Some(slot), NetlinkPayload::Error(error)) = (slot, payload) {
                    *slot = error.raw_code();
                    done |= place == Some(count - 1);
                }
            }
        }
        Ok(codes)
    }

    fn receive(&mut self) -> io::Result<Vec<(NetlinkHeader, NetlinkPayload<RouteNetlinkMessage>)>> {
        self.received.clear();
        self.socket.recv(&mut self.received, 0)?;
        Ok(parse(&self.received))
    }
}

/// The messages of a datagram. One that cannot be read (a kernel newer than our decoder) is left out.
pub(super) fn parse(mut bytes: &[u8]) -> Vec<(NetlinkHeader, NetlinkPayload<RouteNetlinkMessage>)> {
    let mut messages = Vec::new();
    while let Ok(buffer) = NetlinkBuffer::new_checked(bytes) {
        let length = usize::try_from(buffer.length()).unwrap_or(usize::MAX);
        if let Ok(message) = NetlinkMessage::deserialize(bytes) {
            messages.push(message.into_parts());
        }
        bytes = bytes.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
    }
    messages
}

fn errno(code: i32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.saturating_abs())) }
}

fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}
