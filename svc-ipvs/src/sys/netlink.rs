//! A netlink socket of any family: a question, or a pipeline of requests. Calls block, but the kernel answers within them.

use std::io;
use std::os::fd::AsFd as _;

use netlink_packet_core::NLM_F_ACK;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, setsockopt, sockopt};

use crate::Error;
use crate::wire::Writer;
use crate::wire::message::{self, Received};

/// The kernel sends at most this much at a time.
const RECEIVE: usize = 64 * 1024;
/// Messages in one send. The kernel answers only what it refuses, and the last: all answers have to fit the receive
/// buffer, at about a kilobyte each.
const PIPELINE: usize = 512;
const RECEIVE_BUFFER: usize = 2 * 1024 * 1024;

pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    pub(super) fn open(protocol: isize, operation: &'static str) -> Result<Self, Error> {
        let fail = |error: io::Error| Error::io(operation, &error);
        let mut socket = Socket::new(protocol).map_err(fail)?;
        socket.bind_auto().map_err(fail)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(fail)?;
        socket.set_cap_ack(true).map_err(fail)?;
        // Best effort: a smaller buffer only means that a flood of refusals makes us ask again.
        let _ = setsockopt(&socket.as_fd(), sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .or_else(|_| setsockopt(&socket.as_fd(), sockopt::RcvBuf, &RECEIVE_BUFFER));
        Ok(Self { socket, sequence: 0 })
    }

    fn next(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn send(&self, operation: &'static str, bytes: &[u8]) -> Result<(), Error> {
        loop {
            match self.socket.send(bytes, 0) {
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
            match self.socket.recv(bytes, flags.bits()) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(Error::io(operation, &error)),
            }
        }
    }

    /// Answers to an earlier request that nobody read.
    fn drain(&self, operation: &'static str) {
        let mut bytes = Vec::new();
        while matches!(self.receive(operation, &mut bytes, false), Ok(true)) {}
    }

    /// From now on the kernel tells what these groups are about.
    pub(super) fn join(&mut self, operation: &'static str, groups: &[u32]) -> Result<(), Error> {
        let joined = groups.iter().try_for_each(|group| self.socket.add_membership(*group));
        joined.map_err(|error| Error::io(operation, &error))
    }

    /// Reads what the kernel has told, without waiting; false where it told more than there was room for.
    pub(super) fn poll(
        &self,
        operation: &'static str,
        mut each: impl FnMut(&Received<'_>),
    ) -> Result<bool, Error> {
        let (mut bytes, mut all) = (Vec::new(), true);
        loop {
            match self.receive(operation, &mut bytes, false) {
                Ok(true) => message::split(&bytes).for_each(|received| each(&received)),
                Ok(false) => return Ok(all),
                Err(error) if error.errno() == Some(Errno::ENOBUFS as i32) => all = false,
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends one request, given its number, and reads up to its end; says how many datagrams brought something.
    pub(super) fn ask(
        &mut self,
        operation: &'static str,
        request: impl FnOnce(u32, &mut Writer),
        mut each: impl FnMut(&Received<'_>) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        self.drain(operation);
        let mut writer = Writer::default();
        request(self.next(), &mut writer);
        self.send(operation, &writer.bytes)?;
        // A request that is no dump gives one message and no end.
        let dump = message::is_dump(&writer.bytes);
        let (mut bytes, mut datagrams) = (Vec::new(), 0);
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

    /// Sends requests, each given its number and its flags; says which were refused, by their place, and why. Each is
    /// handled within the send, so that all answers are there then: the refusals, and the acknowledgement of the last.
    pub(super) fn pipeline<T>(
        &mut self,
        operation: &'static str,
        all: &[T],
        request: impl Fn(&T, u32, u16, &mut Writer),
    ) -> Result<Vec<(usize, i32)>, Error> {
        let (mut refused, mut bytes, mut writer) = (Vec::new(), Vec::new(), Writer::default());
        for (chunk, some) in all.chunks(PIPELINE).enumerate() {
            self.drain(operation);
            let start = self.sequence.wrapping_add(1);
            writer.bytes.clear();
            for (number, one) in some.iter().enumerate() {
                let flags = if number + 1 == some.len() { NLM_F_ACK } else { 0 };
                request(one, self.next(), flags, &mut writer);
            }
            self.send(operation, &writer.bytes)?;
            let mut ended = false;
            while !ended {
                self.receive(operation, &mut bytes, true)?;
                for received in message::split(&bytes) {
                    let Some(errno) = received.errno() else { continue };
                    let number = usize::try_from(received.sequence.wrapping_sub(start)).unwrap_or(usize::MAX);
                    ended |= number + 1 == some.len();
                    if number < some.len() && errno != 0 {
                        refused.push((chunk * PIPELINE + number, errno));
                    }
                }
            }
        }
        Ok(refused)
    }
}
