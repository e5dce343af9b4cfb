//! The socket of the IPVS family.

use std::fmt;

use netlink_packet_core::NLM_F_DUMP;
use netlink_sys::protocols::NETLINK_GENERIC;
use nix::errno::Errno;

use super::netlink::Netlink;
use crate::{
    Command, Dataplane, Error, Info, ListedDestination, Malformed, Refusal, Service, ServiceId, Stats,
    Timeouts, parse_destination, parse_service,
    wire::{
        Writer,
        message::{self, Head, Question, Received},
        parse_info, parse_timeouts,
    },
};

/// How often a list begins anew because virtual servers came and went meanwhile.
const RETRIES: usize = 20;

/// A netlink socket to the IPVS of the network namespace it was opened in.
///
/// Calls block, but the kernel answers within the call: a command takes some microseconds.
pub struct Socket {
    netlink: Netlink,
    family: u16,
}

impl Socket {
    /// Opens a socket in the network namespace of this thread. The kernel loads its module if that is allowed.
    ///
    /// # Errors
    ///
    /// This kernel has no IPVS ([`Error::is_unsupported`]), or descriptors have run out.
    pub fn open() -> Result<Self, Error> {
        let mut netlink = Netlink::open(NETLINK_GENERIC, "open a generic netlink socket")?;
        let mut family = None;
        let asked = netlink.ask("look for the IPVS netlink family", message::get_family, |received| {
            family = family.or(message::family_id(received));
            Ok(())
        });
        match (asked, family) {
            (Err(error), _) if error.errno() == Some(Errno::ENOENT as i32) => Err(Error::no_family()),
            (Err(error), _) => Err(error),
            (Ok(_), Some(family)) => Ok(Self { netlink, family }),
            (Ok(_), None) => Err(Error::no_family()),
        }
    }

    fn ask(
        &mut self,
        operation: &'static str,
        (question, flags): (Question, u16),
        each: impl FnMut(&Received<'_>) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let family = self.family;
        let request = |sequence, writer: &mut Writer| {
            message::question(Head { family, flags, sequence }, question, writer);
        };
        self.netlink.ask(operation, request, each)
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
            let mut listed = Vec::new();
            let datagrams = self.ask(operation, (question, NLM_F_DUMP), |received| {
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
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("family", &self.family).finish_non_exhaustive()
    }
}

impl Dataplane for Socket {
    fn apply(&mut self, commands: &[Command]) -> Result<Vec<Refusal>, Error> {
        let family = self.family;
        let request = |command: &Command, sequence, flags, writer: &mut Writer| {
            message::command(Head { family, flags, sequence }, command, writer);
        };
        let refused = self.netlink.pipeline("apply IPVS commands", commands, request)?;
        Ok(refused.into_iter().map(|(at, errno)| Refusal::new(at, &commands[at], errno)).collect())
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
        let mut info = Info::default();
        self.ask(OPERATION, (Question::Info, 0), |received| {
            info =
                parse_info(received.attrs()).map_err(|malformed| Error::malformed(OPERATION, malformed))?;
            Ok(())
        })?;
        Ok(info)
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        const OPERATION: &str = "read the timeouts of IPVS";
        let mut timeouts = Timeouts::default();
        self.ask(OPERATION, (Question::Timeouts, 0), |received| {
            timeouts = parse_timeouts(received.attrs())
                .map_err(|malformed| Error::malformed(OPERATION, malformed))?;
            Ok(())
        })?;
        Ok(timeouts)
    }
}
