//! The running kernel: a netlink socket, the programs of iptables and the files below `/proc/sys`, all of the network
//! namespace of the thread that first uses them.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use nix::ifaddrs::getifaddrs;
use svc_model::AddressType;
use svc_nft::conntrack::{Conntrack, Filter, Flow};
use svc_nft::ipset::{IpSet, IpSets, Member};
use svc_nft::{Batch, Chain, Dataplane as _, Policy, Socket, Table, TableId};

use crate::iptables::{self, Cause, Change, Stamp, TableName, Tables, Variant, netfilter};
use crate::sysctl::Sysctls;
use crate::{Dataplane, ipvs};

mod legacy;
mod programs;

pub use programs::Programs;

/// The kernel this thread runs on. Nothing is opened before it is needed: whoever drives the proxy decides the
/// network namespace.
#[derive(Debug, Default)]
pub struct Kernel {
    socket: Option<Socket>,
    send_at_most: Option<usize>,
    programs: Programs,
    legacy: legacy::Legacy,
    servers: Option<svc_ipvs::Socket>,
    devices: Option<svc_ipvs::AddressSocket>,
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

    /// The same with the programs of iptables found and run like this.
    #[must_use]
    pub fn programs(mut self, programs: Programs) -> Self {
        self.programs = programs;
        self
    }

    fn remove_empty_table(&mut self, table: &TableId) -> Result<(), svc_nft::Error> {
        let socket = self.socket()?;
        let generation = socket.generation()?;
        let Some(listed) = socket.list_table(table)? else { return Ok(()) };
        let does_nothing = |chain: &Chain| {
            chain.rules().is_empty() && chain.hook().is_some_and(|base| base.policy == Policy::Accept)
        };
        if listed.sets().is_empty() && listed.chains().iter().all(does_nothing) {
            socket.apply_at(generation, Batch::new().delete_table(table))?;
        }
        Ok(())
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

impl iptables::Dataplane for Kernel {
    fn default_variant(&mut self) -> Result<Variant, iptables::Error> {
        self.programs.default_variant()
    }

    fn present(&mut self, variant: Variant, family: AddressType) -> Result<Vec<TableName>, iptables::Error> {
        match variant {
            Variant::Legacy => {
                legacy::present(family).map_err(|error| unknown(variant, "list its tables", &error))
            }
            Variant::Nft => {
                let tables = self.list_tables();
                let tables = tables.map_err(|error| silent(variant, "list its tables", error.errno()))?;
                let has = |name: &TableName| tables.contains(&TableId::new(netfilter(family), name.as_str()));
                Ok(TableName::ALL.into_iter().filter(has).collect())
            }
        }
    }

    fn list(
        &mut self,
        variant: Variant,
        family: AddressType,
        tables: &[TableName],
    ) -> Result<Tables, iptables::Error> {
        let mut present = self.present(variant, family)?;
        present.retain(|table| tables.contains(table));
        let mut listed = self.programs.list(variant, family, &present)?;
        if tables.contains(&TableName::Nat) {
            let sets = IpSets::list(self).map_err(|error| silent(variant, "list sets", error.errno()))?;
            let of_family = sets.into_iter().filter(|set| set.family() == netfilter(family));
            of_family.for_each(|set| listed.insert_set(set));
        }
        Ok(listed)
    }

    fn restore(&mut self, variant: Variant, change: &Change) -> Result<(), iptables::Error> {
        self.programs.restore(variant, change)
    }

    /// Tables of ip_tables stay as long as their network namespace.
    fn remove_empty(&mut self, variant: Variant, family: AddressType) -> Result<(), iptables::Error> {
        if variant == Variant::Legacy {
            return Ok(());
        }
        for name in self.present(variant, family)? {
            let table = TableId::new(netfilter(family), name.as_str());
            // Whoever changes rules meanwhile may have put one there.
            match self.remove_empty_table(&table) {
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(silent(variant, "remove an empty table", error.errno())),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn sets(&mut self) -> &mut dyn IpSets {
        self
    }

    /// The nft variant's tables have no stamps of their own: it is the generation of all rules of nf_tables.
    fn stamp(&mut self, variant: Variant, family: AddressType) -> Result<Stamp, iptables::Error> {
        let number = match variant {
            Variant::Legacy => self
                .legacy
                .stamp(family)
                .map_err(|error| unknown(variant, "read its tables' sizes", &error))?,
            Variant::Nft => {
                let generation = self.generation();
                generation.map_err(|error| silent(variant, "read the generation", error.errno()))?.into()
            }
        };
        Ok(Stamp::new(number))
    }
}

fn unknown(variant: Variant, operation: &'static str, error: &io::Error) -> iptables::Error {
    silent(variant, operation, error.raw_os_error())
}

/// The kernel does not answer.
fn silent(variant: Variant, operation: &'static str, errno: Option<i32>) -> iptables::Error {
    let cause = Cause::Unrunnable { operation, errno: errno.unwrap_or(0) };
    iptables::Error::new(format!("iptables ({variant})"), cause)
}

impl Conntrack for Kernel {
    fn flows(&mut self, filter: &Filter, show: &mut dyn FnMut(Flow)) -> Result<(), svc_nft::Error> {
        self.socket()?.flows(filter, show)
    }

    fn forget(&mut self, flow: &Flow) -> Result<bool, svc_nft::Error> {
        self.socket()?.forget(flow)
    }
}

impl IpSets for Kernel {
    fn create(&mut self, set: &IpSet) -> Result<(), svc_nft::Error> {
        self.socket()?.create(set)
    }

    fn destroy(&mut self, name: &str) -> Result<bool, svc_nft::Error> {
        self.socket()?.destroy(name)
    }

    fn flush(&mut self, name: &str) -> Result<(), svc_nft::Error> {
        self.socket()?.flush(name)
    }

    fn list(&mut self) -> Result<Vec<IpSet>, svc_nft::Error> {
        self.socket()?.list()
    }

    fn members(&mut self, name: &str) -> Result<Vec<Member>, svc_nft::Error> {
        self.socket()?.members(name)
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

impl ipvs::Dataplane for Kernel {
    fn servers(&mut self) -> Result<&mut dyn svc_ipvs::Dataplane, svc_ipvs::Error> {
        Ok(match &mut self.servers {
            Some(socket) => socket,
            none => none.insert(svc_ipvs::Socket::open()?),
        })
    }

    fn devices(&mut self) -> Result<&mut dyn svc_ipvs::Addresses, svc_ipvs::Error> {
        Ok(match &mut self.devices {
            Some(socket) => socket,
            none => none.insert(svc_ipvs::AddressSocket::open()?),
        })
    }
}

impl Dataplane for Kernel {
    fn ipvs(&mut self) -> &mut dyn ipvs::Dataplane {
        self
    }

    fn nftables(&mut self) -> &mut dyn svc_nft::Dataplane {
        self
    }

    fn iptables(&mut self) -> &mut dyn iptables::Dataplane {
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
