//! The netlink socket; the only place of this crate that does I/O.

use std::{
    fmt,
    io::{self, IoSlice},
    os::fd::{AsFd as _, AsRawFd as _},
};

use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, sendmsg, setsockopt, sockopt},
};

use crate::{
    Batch, Command, Dataplane, Encoded, Error, Family, Listing, Table, TableId,
    wire::{
        attr::{Attrs, Writer},
        message,
        uapi::*,
    },
};

mod conntrack;
mod ipset;

/// How much one receive may bring; the kernel sends at most 32 KiB at a time.
const RECEIVE: usize = 64 * 1024;
/// How much room for answers: refusals of a large batch come all at once.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// How many pieces one system call takes (`UIO_MAXIOV`).
const MOST_PIECES: usize = 1024;
/// How often a listing begins anew because somebody changed the rules meanwhile.
const RETRIES: usize = 20;

/// A netlink socket to the nftables of the network namespace it was opened in.
///
/// Calls block, but the kernel answers within the call: a batch of a few elements takes microseconds, ten thousand
/// elements some tens of milliseconds.
#[derive(Debug)]
pub struct Socket {
    netlink: Netlink,
    sequence: u32,
    send_buffer: usize,
    most: usize,
}

impl Socket {
    /// Opens a socket in the network namespace of this thread.
    ///
    /// # Errors
    ///
    /// The kernel has no netfilter netlink, or descriptors have run out.
    pub fn open() -> Result<Self, Error> {
        let fail = |error: io::Error| Error::io("open", "netfilter netlink socket", &error);
        let mut netlink = Netlink::new(NETLINK_NETFILTER).map_err(fail)?;
        netlink.bind_auto().map_err(fail)?;
        netlink.connect(&SocketAddr::new(0, 0)).map_err(fail)?;
        netlink.set_cap_ack(true).map_err(fail)?;
        netlink.set_ext_ack(true).map_err(fail)?;
        // Best effort: a smaller buffer only loses refusals after the first ones.
        let _ = setsockopt(&netlink.as_fd(), sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .or_else(|_| setsockopt(&netlink.as_fd(), sockopt::RcvBuf, &RECEIVE_BUFFER));
        Ok(Self { netlink, sequence: 0, send_buffer: 0, most: usize::MAX })
    }

    /// The same socket with a send buffer of this many bytes at most, where memory counts: the kernel refuses larger
    /// batches ([`Error::is_too_large`]). Unless set, the buffer grows as batches do, as far as the kernel allows.
    #[must_use]
    pub fn send_at_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    fn send(&mut self, batch: &Batch, encoded: &Encoded<'_>) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        self.drain();
        self.make_room(encoded.len());
        self.send_pieces(encoded).map_err(|error| Error::io("send", Summary(batch), &error))?;
        self.read_answers(batch, encoded)
    }

    /// Answers to an earlier batch that nobody read.
    fn drain(&self) {
        let mut bytes = Vec::new();
        while matches!(self.receive(&mut bytes, false), Ok(true)) {}
    }

    /// The batch has to fit the send buffer in one piece. `SO_SNDBUFFORCE` needs privileges over the first user
    /// namespace; without, the kernel gives at most `net.core.wmem_max`.
    fn make_room(&mut self, needed: usize) {
        // The kernel counts its own bookkeeping too.
        let wanted = (needed + needed / 4 + 64 * 1024).min(self.most);
        if wanted <= self.send_buffer {
            return;
        }
        let given = setsockopt(&self.netlink.as_fd(), sockopt::SndBufForce, &wanted)
            .or_else(|_| setsockopt(&self.netlink.as_fd(), sockopt::SndBuf, &wanted));
        if given.is_ok() {
            self.send_buffer = wanted;
        }
    }

    /// The kernel takes a batch in one message or not at all, but it may come from many places.
    fn send_pieces(&self, encoded: &Encoded<'_>) -> io::Result<()> {
        let pieces: Vec<_> = encoded.pieces().map(IoSlice::new).collect();
        if pieces.len() > MOST_PIECES {
            return self.send_slices(&[IoSlice::new(&encoded.to_bytes())]);
        }
        self.send_slices(&pieces)
    }

    fn send_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<()> {
        loop {
            match sendmsg::<()>(self.netlink.as_raw_fd(), slices, &[], MsgFlags::empty(), None) {
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Reads one datagram into `bytes`, in place of what is there; says whether there was one.
    fn receive(&self, bytes: &mut Vec<u8>, wait: bool) -> io::Result<bool> {
        let flags = if wait { 0 } else { MsgFlags::MSG_DONTWAIT.bits() };
        bytes.clear();
        bytes.reserve(RECEIVE);
        loop {
            match self.netlink.recv(bytes, flags) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// The kernel has handled the whole batch when the send returns, so every answer is there to be read: refusals
    /// in the order of commands, and the acknowledgement of the last one.
    fn read_answers(&self, batch: &Batch, encoded: &Encoded<'_>) -> Result<(), Error> {
        let (mut first, mut overrun, mut acknowledged) = (None, false, false);
        let mut bytes = Vec::new();
        loop {
            match self.receive(&mut bytes, false) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    overrun = true;
                    continue;
                }
                Err(error) => return Err(Error::io("receive", Summary(batch), &error)),
            }
            for answer in message::split(&bytes).filter_map(|message| Answer::parse(&message)) {
                match answer.errno {
                    0 => acknowledged = true,
                    _ => first = first.or(Some(answer)),
                }
            }
        }
        match first {
            Some(answer) => Err(answer.error(batch, encoded)),
            None if acknowledged => Ok(()),
            // The acknowledgement got lost among more answers than there was room for, so there were refusals.
            None if overrun => Err(Error::os("apply", Summary(batch), Errno::ENOBUFS as i32)),
            None => Err(Error::os("apply", Summary(batch), Errno::EPROTO as i32)),
        }
    }

    /// Sends one request and gives everything that comes back, up to its end.
    fn request(
        &mut self,
        request: Request,
        (operation, object): (&str, &dyn fmt::Display),
        attributes: impl FnOnce(&mut Writer),
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut answers = Vec::new();
        self.stream(request, (operation, object), attributes, |bytes| answers.push(bytes.to_vec()))?;
        Ok(answers)
    }

    /// Sends one request and shows everything that comes back, up to its end, a datagram at a time.
    fn stream(
        &mut self,
        request: Request,
        (operation, object): (&str, &dyn fmt::Display),
        attributes: impl FnOnce(&mut Writer),
        mut show: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let fail = |error: io::Error| Error::io(operation, object, &error);
        let Request { kind, flags, family } = request;
        self.drain();
        self.sequence = self.sequence.wrapping_add(1);
        let mut writer = Writer::default();
        message::write_as(&mut writer, kind, flags | NLM_F_ACK, self.sequence, family, attributes);
        self.send_slices(&[IoSlice::new(&writer.into_bytes())]).map_err(fail)?;
        let mut bytes = Vec::new();
        loop {
            self.receive(&mut bytes, true).map_err(fail)?;
            show(&bytes);
            match end_of(&bytes) {
                None => {}
                Some(0) => return Ok(()),
                Some(errno) => return Err(Error::os(operation, object, errno)),
            }
        }
    }
}

/// The errno with which a dump or request ends, if it does here.
fn end_of(bytes: &[u8]) -> Option<i32> {
    let mut end = None;
    for message in message::split(bytes) {
        if message.flags & NLM_F_DUMP_INTR != 0 {
            return Some(Errno::EINTR as i32);
        }
        match message.kind {
            NLMSG_DONE => end = Some(0),
            NLMSG_ERROR => end = Answer::parse(&message).map(|answer| answer.errno),
            _ => {}
        }
    }
    end
}

/// What an `NLMSG_ERROR` says; errno 0 is an acknowledgement.
#[derive(Clone, Copy, Debug)]
struct Answer {
    errno: i32,
    sequence: u32,
    /// Where in the message the offending attribute stands.
    offset: Option<usize>,
}

impl Answer {
    fn parse(message: &message::Received<'_>) -> Option<Self> {
        if message.kind != NLMSG_ERROR {
            return None;
        }
        let (errno, rest) = message.payload.split_first_chunk::<4>()?;
        let attributes = match message.flags & NLM_F_ACK_TLVS {
            0 => &[][..],
            _ => rest.get(message::HEADER..).unwrap_or_default(),
        };
        let offset = Attrs(attributes)
            .bytes(NLMSGERR_ATTR_OFFS)
            .and_then(|bytes| usize::try_from(u32::from_ne_bytes(bytes.try_into().ok()?)).ok());
        Some(Self { errno: i32::from_ne_bytes(*errno).wrapping_neg(), sequence: message.sequence, offset })
    }

    /// The command, and within it the element, that this is about.
    fn error(self, batch: &Batch, encoded: &Encoded<'_>) -> Error {
        let Some(message) = encoded.message(self.sequence) else {
            return Error::os("apply", Summary(batch), self.errno);
        };
        let Some(command) = batch.commands().get(message.command) else {
            return Error::os("apply", Summary(batch), self.errno);
        };
        let element = self.offset.and_then(|offset| encoded.element_at(message, offset));
        Error::refused(message.command, command, element, self.errno)
    }
}

/// A batch as the object of an error that is about no single command.
struct Summary<'a>(&'a Batch);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tables: Vec<_> = self.0.commands().iter().map(|Command { table, .. }| table).collect();
        tables.sort_unstable();
        tables.dedup();
        write!(f, "a batch of {} commands for table", self.0.len())?;
        for (index, table) in tables.iter().enumerate() {
            write!(f, "{} {table}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl Dataplane for Socket {
    fn apply(&mut self, batch: &Batch) -> Result<(), Error> {
        self.send(batch, &batch.encode()?)
    }

    fn generation(&mut self) -> Result<u32, Error> {
        let request = Request { kind: nft(NFT_MSG_GETGEN), flags: 0, family: None };
        let answers = self.request(request, ("read", &"generation"), |_| {})?;
        let generation = answers
            .iter()
            .flat_map(|bytes| message::split(bytes))
            .filter(|message| message.nft_kind() == Some(NFT_MSG_NEWGEN))
            .find_map(|message| message.attrs().be32(NFTA_GEN_ID));
        generation.ok_or_else(|| Error::os("read", "generation", Errno::EPROTO as i32))
    }

    fn apply_at(&mut self, generation: u32, batch: &Batch) -> Result<(), Error> {
        self.send(batch, &batch.encode_at(Some(generation))?)
    }

    fn list_table(&mut self, table: &TableId) -> Result<Option<Table>, Error> {
        let mut attempt = 0;
        loop {
            match self.list_once(table) {
                Err(error) if error.is_transient() && attempt < RETRIES => attempt += 1,
                Ok(Listed::Changed) if attempt < RETRIES => attempt += 1,
                Ok(Listed::Changed) => return Err(Error::os("list table", table, Errno::EAGAIN as i32)),
                Ok(Listed::Table(listed)) => return Ok(listed.map(|listed| *listed)),
                Err(error) => return Err(error),
            }
        }
    }

    fn list_tables(&mut self) -> Result<Vec<TableId>, Error> {
        let request = Request { kind: nft(NFT_MSG_GETTABLE), flags: NLM_F_DUMP, family: None };
        let answers = self.request(request, ("list", &"tables"), |_| {})?;
        let messages = answers.iter().flat_map(|bytes| message::split(bytes));
        Ok(messages.filter_map(|message| message.table()).collect())
    }
}

enum Listed {
    Table(Option<Box<Table>>),
    Changed,
}

impl Socket {
    /// A listing takes several requests; it counts if the generation is the same before and after.
    fn list_once(&mut self, id: &TableId) -> Result<Listed, Error> {
        let generation = self.generation()?;
        let listed = self.list_parts(id)?;
        let unchanged = self.generation()? == generation;
        Ok(if unchanged { Listed::Table(listed.map(Box::new)) } else { Listed::Changed })
    }

    fn list_parts(&mut self, id: &TableId) -> Result<Option<Table>, Error> {
        let mut listing = Listing::new(id.clone());
        self.dump(&mut listing, id, NFT_MSG_GETTABLE, |_| {})?;
        if !listing.exists() {
            return Ok(None);
        }
        self.dump(&mut listing, id, NFT_MSG_GETSET, |writer| writer.text(NFTA_SET_TABLE, id.name()))?;
        for set in listing.set_names() {
            self.dump(&mut listing, id, NFT_MSG_GETSETELEM, |writer| {
                writer.text(NFTA_SET_ELEM_LIST_TABLE, id.name());
                writer.text(NFTA_SET_ELEM_LIST_SET, &set);
            })?;
            if !listing.close_set(&set) {
                return Err(Error::os("list table", id, Errno::EAGAIN as i32));
            }
        }
        self.dump(&mut listing, id, NFT_MSG_GETCHAIN, |_| {})?;
        self.dump(&mut listing, id, NFT_MSG_GETRULE, |writer| writer.text(NFTA_RULE_TABLE, id.name()))?;
        Ok(listing.finish())
    }

    fn dump(
        &mut self,
        listing: &mut Listing,
        id: &TableId,
        kind: u16,
        attributes: impl FnOnce(&mut Writer),
    ) -> Result<(), Error> {
        let request = Request { kind: nft(kind), flags: NLM_F_DUMP, family: Some(id.family()) };
        self.stream(request, ("list table", id), attributes, |bytes| listing.read(bytes))
    }
}

/// What to ask, apart from attributes.
#[derive(Clone, Copy)]
struct Request {
    /// The subsystem in the upper byte.
    kind: u16,
    flags: u16,
    family: Option<Family>,
}

fn nft(kind: u16) -> u16 {
    NFNL_SUBSYS_NFTABLES << 8 | kind
}
