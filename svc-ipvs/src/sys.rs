//! The netlink socket; the only place of this crate that does I/O.

use std::{fmt, io, os::fd::AsFd};

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};
use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_GENERIC};
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, setsockopt, sockopt},
};

use crate::{
    Command, Dataplane, Error, Info, ListedDestination, Malformed, Refusal, Service, ServiceId, Stats,
    Timeouts, parse_destination, parse_service,
    wire::{
        message::{self, Head, Question, Received},
        parse_info, parse_timeouts,
    },
};

/// The kernel sends at most this much at a time.
const RECEIVE: usize = 64 * 1024;
/// Messages in one send. The kernel answers only what it refuses, and the last: all answers have to fit the receive
/// buffer, at about a kilobyte each.
const PIPELINE: usize = 512;
const RECEIVE_BUFFER: usize = 2 * 1024 * 1024;
/// How often a list begins anew because virtual servers came and went meanwhile.
const RETRIES: usize = 20;

/// A netlink socket to the IPVS of the network namespace it was opened in.
///
/// Calls block, but the kernel answers within the call: a command takes some microseconds.
pub struct Socket {
    netlink: Netlink,
    family: u16,
    sequence: u32,
}

impl Socket {
    /// Opens a socket in the network namespace of this thread. The kernel loads its module if that is allowed.
    ///
    /// # Errors
    ///
    /// This kernel has no IPVS ([`Error::is_unsupported`]), or descriptors have run out.
    pub fn open() -> Result<Self, Error> {
        let fail = |error: io::Error| Error::io("open a generic netlink socket", &error);
        let mut netlink = Netlink::new(NETLINK_GENERIC).map_err(fail)?;
        netlink.bind_auto().map_err(fail)?;
        netlink.connect(&SocketAddr::new(0, 0)).map_err(fail)?;
        netlink.set_cap_ack(true).map_err(fail)?;
        // Best effort: a smaller buffer only means that a flood of refusals makes us ask again.
        let _ = setsockopt(&netlink.as_fd(), sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .or_else(|_| setsockopt(&netlink.as_fd(), sockopt::RcvBuf, &RECEIVE_BUFFER));
        let mut socket = Self { netlink, family: 0, sequence: 0 };
        socket.family = socket.find_family()?;
        Ok(socket)
    }

    fn find_family(&mut self) -> Result<u16, Error> {
        let sequence = self.next();
        let mut id = None;
        let asked =
            self.ask("look for the IPVS netlink family", &message::get_family(sequence), |received| {
                id = id.or(message::family_id(received));
                Ok(())
            });
        match asked {
            Err(error) if error.errno() == Some(Errno::ENOENT as i32) => Err(Error::no_family()),
            Err(error) => Err(error),
            Ok(_) => id.ok_or_else(Error::no_family),
        }
    }

    fn next(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn send(&self, operation: &'static str, bytes: &[u8]) -> Result<(), Error> {
        loop {
            match self.netlink.send(bytes, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(operation, &error)),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Reads one datagram in place of what is in `bytes`; says whether there was one.
    fn receive(&self, operation: &'static str, bytes: &mut Vec<u8>, wait: bool) -> Result<bool, Error> {
        let flags = if wait { MsgFlags::empty() } else { MsgFlags::MSG_DONTWAIT };
        bytes.clear();
        bytes.reserve(RECEIVE);
        loop {
            match self.netlink.recv(bytes, flags.bits()) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(Error::io(operation, &error)),
            }
        }
    }

    /// Sends one request and reads up to its end; says how many datagrams brought something.
    fn ask(
        &mut self,
        operation: &'static str,
        request: &[u8],
        mut each: impl FnMut(&Received<'_>) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        self.drain(operation);
        self.send(operation, request)?;
        let mut bytes = Vec::new();
        let mut datagrams = 0;
        // A request that is no dump gives one message and no end.
        let dump = message::is_dump(request);
        loop {
            self.receive(operation, &mut bytes, true)?;
            datagrams += 1;
            for received in message::split(&bytes).filter(|received| received.sequence == self.sequence) {
                match received.errno() {
                    None => each(&received)?,
                    Some(0) => return Ok(datagrams - 1),
                    Some(errno) => return Err(Error::os(operation, errno)),
                }
                if !dump {
                    return Ok(datagrams);
                }
            }
        }
    }

    /// Everything that a question gives. The kernel goes on from one datagram to the next by number, and counts virtual
    /// servers of other network namespaces too: what is made or deleted meanwhile, even there, makes it repeat or pass
    /// over some. So a list that took several datagrams counts if the next one agrees with it.
    fn dump<T, K: Ord>(
        &mut self,
        operation: &'static str,
        question: Question,
        parse: impl Fn(&Received<'_>) -> Option<Result<T, Malformed>>,
        key: impl Fn(&T) -> K,
    ) -> Result<Vec<T>, Error> {
        let mut before: Option<Vec<K>> = None;
        for _ in 0..RETRIES {
            let request = self.question(question, NLM_F_DUMP);
            let mut listed = Vec::new();
            let datagrams = self.ask(operation, &request, |received| {
                if let Some(parsed) = parse(received) {
                    listed.push(parsed.map_err(|malformed| Error::malformed(operation, malformed))?);
                }
                Ok(())
            })?;
            let mut keys: Vec<_> = listed.iter().map(&key).collect();
            keys.sort_unstable();
            let unique = keys.windows(2).all(|pair| pair[0] != pair[1]);
            if datagrams <= 1 || (unique && before.as_ref() == Some(&keys)) {
                return Ok(listed);
            }
            before = Some(keys).filter(|_| unique);
        }
        Err(Error::os(operation, Errno::EAGAIN as i32))
    }

    /// Answers to an earlier request that nobody read.
    fn drain(&self, operation: &'static str) {
        let mut bytes = Vec::new();
        while matches!(self.receive(operation, &mut bytes, false), Ok(true)) {}
    }

    fn question(&mut self, question: Question, flags: u16) -> Vec<u8> {
        let head = Head { family: self.family, flags, sequence: self.next() };
        message::question(head, question)
    }

    /// Sends at most [`PIPELINE`] commands at once. Each is handled within the send, so that all answers are there then:
    /// the refusals, and the acknowledgement of the last command.
    fn pipeline(
        &mut self,
        first: usize,
        commands: &[Command],
        refused: &mut Vec<Refusal>,
    ) -> Result<(), Error> {
        const OPERATION: &str = "apply IPVS commands";
        self.drain(OPERATION);
        let start = self.sequence.wrapping_add(1);
        let mut request = Vec::new();
        for (number, command) in commands.iter().enumerate() {
            let flags = if number + 1 == commands.len() { NLM_F_ACK } else { 0 };
            let head = Head { family: self.family, flags, sequence: self.next() };
            request.extend(message::command(head, command));
        }
        self.send(OPERATION, &request)?;
        let (mut bytes, mut ended) = (Vec::new(), false);
        while !ended {
            self.receive(OPERATION, &mut bytes, true)?;
            for received in message::split(&bytes) {
                let Some(errno) = received.errno() else { continue };
                let number = usize::try_from(received.sequence.wrapping_sub(start)).unwrap_or(usize::MAX);
                ended |= number + 1 == commands.len();
                if let Some(command) = commands.get(number).filter(|_| errno != 0) {
                    refused.push(Refusal::new(first + number, command, errno));
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("family", &self.family).finish_non_exhaustive()
    }
}

impl Dataplane for Socket {
    fn apply(&mut self, commands: &[Command]) -> Result<Vec<Refusal>, Error> {
        let mut refused = Vec::new();
        for (chunk, commands) in commands.chunks(PIPELINE).enumerate() {
            self.pipeline(chunk * PIPELINE, commands, &mut refused)?;
        }
        Ok(refused)
    }

    fn services(&mut self) -> Result<Vec<(Service, Stats)>, Error> {
        let parse = |received: &Received<'_>| received.service().map(parse_service);
        self.dump("list IPVS virtual servers", Question::Services, parse, |(service, _)| service.id())
    }

    fn destinations(&mut self, of: ServiceId) -> Result<Vec<ListedDestination>, Error> {
        let operation = "list the destinations of an IPVS virtual server";
        let parse = |received: &Received<'_>| {
            received.destination().map(|bytes| parse_destination(bytes, of.family()))
        };
        self.dump(operation, Question::Destinations(of), parse, |listed| listed.destination.address())
    }

    fn info(&mut self) -> Result<Info, Error> {
        const OPERATION: &str = "read the version of IPVS";
        let request = self.question(Question::Info, 0);
        let mut info = Info::default();
        self.ask(OPERATION, &request, |received| {
            info =
                parse_info(received.attrs()).map_err(|malformed| Error::malformed(OPERATION, malformed))?;
            Ok(())
        })?;
        Ok(info)
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        const OPERATION: &str = "read the timeouts of IPVS";
        let request = self.question(Question::Timeouts, 0);
        let mut timeouts = Timeouts::default();
        self.ask(OPERATION, &request, |received| {
            timeouts = parse_timeouts(received.attrs())
                .map_err(|malformed| Error::malformed(OPERATION, malformed))?;
            Ok(())
        })?;
        Ok(timeouts)
    }
}
