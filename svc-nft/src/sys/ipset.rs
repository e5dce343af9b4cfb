//! Sets of ip_set over the same socket.

use nix::errno::Errno;

use super::{Request, Socket};
use crate::ipset::{IpSet, IpSets, Member, wire};
use crate::wire::attr::Writer;
use crate::wire::uapi::*;
use crate::{Error, Family};

impl IpSets for Socket {
    fn create(&mut self, set: &IpSet) -> Result<(), Error> {
        let done =
            self.tell(IPSET_CMD_CREATE, 0, "create", set.name(), |writer| wire::write_create(set, writer));
        done.map_err(|error| match error.errno() {
            // What nfnetlink says where nobody is responsible for a subsystem.
            Some(errno) if errno == Errno::EINVAL as i32 => {
                Error::os("create", object(set.name()), Errno::EOPNOTSUPP as i32)
            }
            _ => error,
        })
    }

    fn destroy(&mut self, name: &str) -> Result<bool, Error> {
        // Without this flag it would not tell that there was none.
        let destroyed = self
            .tell(IPSET_CMD_DESTROY, NLM_F_EXCL, "destroy", name, |writer| wire::write_name(name, writer));
        match destroyed {
            Err(error) if error.is_not_found() => Ok(false),
            destroyed => destroyed.map(|()| true),
        }
    }

    fn flush(&mut self, name: &str) -> Result<(), Error> {
        self.tell(IPSET_CMD_FLUSH, 0, "flush", name, |writer| wire::write_name(name, writer))
    }

    fn list(&mut self) -> Result<Vec<IpSet>, Error> {
        let mut sets = Vec::new();
        let listed = self.stream(dump(), ("list", &"sets"), wire::write_list, |bytes| {
            sets.extend(IpSet::parse_all(bytes));
        });
        match listed {
            // A kernel without ip_set has none.
            Err(error) if error.errno() == Some(Errno::EINVAL as i32) => Ok(Vec::new()),
            listed => listed.map(|()| sets),
        }
    }

    fn members(&mut self, name: &str) -> Result<Vec<Member>, Error> {
        let mut members = Vec::new();
        let write = |writer: &mut Writer| wire::write_name(name, writer);
        self.stream(dump(), ("list", &object(name)), write, |bytes| members.extend(wire::members(bytes)))?;
        Ok(members)
    }
}

impl Socket {
    fn tell(
        &mut self,
        command: u16,
        flags: u16,
        operation: &str,
        name: &str,
        write: impl FnOnce(&mut Writer),
    ) -> Result<(), Error> {
        let request = Request { kind: kind(command), flags, family: Some(Family::Ip) };
        self.stream(request, (operation, &object(name)), write, |_| {})
    }
}

fn dump() -> Request {
    Request { kind: kind(IPSET_CMD_LIST), flags: NLM_F_DUMP, family: Some(Family::Ip) }
}

fn kind(command: u16) -> u16 {
    NFNL_SUBSYS_IPSET << 8 | command
}

fn object(name: &str) -> String {
    format!("set {name}")
}
