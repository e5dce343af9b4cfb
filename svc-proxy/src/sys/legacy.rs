//! What ip_tables tells of its tables without handing out their rules.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use svc_model::AddressType;

use crate::iptables::TableName;

/// `IPT_SO_GET_INFO` and `IP6T_SO_GET_INFO` of `linux/netfilter_ipv4/ip_tables.h` and its sister.
const GET_INFO: i32 = 64;
/// `SOL_IP`, `SOL_IPV6`
const LEVELS: [i32; 2] = [0, 41];
/// `XT_TABLE_MAXNAMELEN`
const NAME: usize = 32;
/// `struct ipt_getinfo`: the name; the hooks, where each begins and ends, how many entries, of how many bytes.
const INFO: usize = NAME + 4 * (1 + 5 + 5 + 1 + 1);

/// Sockets by which tables are asked for, of the network namespace of the thread that first asks.
#[derive(Debug, Default)]
pub(super) struct Legacy {
    sockets: [Option<OwnedFd>; 2],
}

impl Legacy {
    /// A number that is another when rules have come or gone. Asks for tables that are there only: to ask for another would
    /// make it.
    pub(super) fn stamp(&mut self, family: AddressType) -> io::Result<u64> {
        let mut hasher = DefaultHasher::new();
        for table in present(family)? {
            let mut info = [0_u8; INFO];
            info[..table.as_str().len()].copy_from_slice(table.as_str().as_bytes());
            let at = usize::from(family == AddressType::Ipv6);
            let socket = match &mut self.sockets[at] {
                Some(socket) => socket,
                none => none.insert(open(family)?),
            };
            uapi::getsockopt(socket.as_raw_fd(), LEVELS[at], GET_INFO, &mut info)
                .map_err(|errno| io::Error::from_raw_os_error(errno.0))?;
            info.hash(&mut hasher);
        }
        Ok(hasher.finish())
    }
}

fn open(family: AddressType) -> io::Result<OwnedFd> {
    let family = if family == AddressType::Ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    Ok(socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)?)
}

/// The tables that ip_tables has in the network namespace of this thread.
pub(super) fn present(family: AddressType) -> io::Result<Vec<TableName>> {
    let file = if family == AddressType::Ipv6 { "ip6_tables_names" } else { "ip_tables_names" };
    let names = match fs::read_to_string(format!("/proc/thread-self/net/{file}")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        names => names?,
    };
    let has = |table: &TableName| names.lines().any(|name| name == table.as_str());
    Ok(TableName::ALL.into_iter().filter(has).collect())
}
