//! The running kernel: a netlink socket and the files below `/proc/sys`, both of the network namespace of the thread
//! that first uses them.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use nix::ifaddrs::getifaddrs;
use svc_nft::conntrack::{Conntrack, Filter, Flow};
use svc_nft::{Batch, Socket, Table, TableId};

use crate::Dataplane;
use crate::sysctl::Sysctls;

/// The kernel this thread runs on. Nothing is opened before it is needed: whoever drives the proxy decides the
/// network namespace.
#[derive(Debug, Default)]
pub struct Kernel {
    socket: Option<Socket>,
    send_at_most: Option<usize>,
}

impl Kernel {
    /// The kernel, not yet spoken to.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with at most this many bytes in one batch: what is more goes in several.
    #[must_use]
    pub fn send_at_most(mut self, bytes: usize) -> Self {
        self.send_at_most = Some(bytes);
        self
    }

    fn socket(&mut self) -> Result<&mut Socket, svc_nft::Error> {
        match &mut self.socket {
            Some(socket) => Ok(socket),
            none => {
                let socket = Socket::open()?;
                Ok(none.insert(match self.send_at_most {
                    Some(bytes) => socket.send_at_most(bytes),
                    None => socket,
                }))
            }
        }
    }
}

impl svc_nft::Dataplane for Kernel {
    fn apply(&mut self, batch: &Batch) -> Result<(), svc_nft::Error> {
        self.socket()?.apply(batch)
    }

    fn generation(&mut self) -> Result<u32, svc_nft::Error> {
        self.socket()?.generation()
    }

    fn apply_at(&mut self, generation: u32, batch: &Batch) -> Result<(), svc_nft::Error> {
        self.socket()?.apply_at(generation, batch)
    }

    fn list_table(&mut self, table: &TableId) -> Result<Option<Table>, svc_nft::Error> {
        self.socket()?.list_table(table)
    }

    fn list_tables(&mut self) -> Result<Vec<TableId>, svc_nft::Error> {
        self.socket()?.list_tables()
    }
}

impl Conntrack for Kernel {
    fn flows(&mut self, filter: &Filter, show: &mut dyn FnMut(Flow)) -> Result<(), svc_nft::Error> {
        self.socket()?.flows(filter, show)
    }

    fn forget(&mut self, flow: &Flow) -> Result<bool, svc_nft::Error> {
        self.socket()?.forget(flow)
    }
}

impl Sysctls for Kernel {
    fn sysctl(&mut self, name: &str) -> io::Result<Option<String>> {
        match std::fs::read_to_string(path(name)) {
            Ok(value) => Ok(Some(value.trim_end().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn set_sysctl(&mut self, name: &str, value: &str) -> io::Result<()> {
        std::fs::write(path(name), value)
    }
}

impl Dataplane for Kernel {
    fn nftables(&mut self) -> &mut dyn svc_nft::Dataplane {
        self
    }

    fn conntrack(&mut self) -> &mut dyn Conntrack {
        self
    }

    fn local_addresses(&mut self) -> io::Result<Vec<IpAddr>> {
        local_addresses()
    }

    fn sysctls(&mut self) -> &mut dyn Sysctls {
        self
    }
}

/// The addresses of the interfaces in the network namespace of this thread.
pub(crate) fn local_addresses() -> io::Result<Vec<IpAddr>> {
    let addresses = getifaddrs()?.filter_map(|interface| interface.address);
    let ip = addresses.filter_map(|address| {
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    });
    Ok(ip.collect())
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(name)
}
