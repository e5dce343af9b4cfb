//! A kernel in memory, for tests of programs that embed the proxy.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use svc_ipvs::{
    AddressDevice, Addresses, Command, Found, Info, ListedDestination, Refusal, ServiceId, Stats, Timeouts,
};
use svc_model::AddressType;
use svc_nft::conntrack::{self, Conntrack, Filter, Flow};
use svc_nft::ipset::{self, IpSet, IpSets, Member};
use svc_nft::{Batch, Table, TableId};

use crate::iptables::{self, Change, Stamp, TableName, Tables, Variant};
use crate::sysctl::Sysctls;
use crate::{Dataplane, ipvs};

mod tables;

use tables::Iptables;

/// Nftables and settings of a kernel that is not there. Clones share one kernel: give one to the proxy, look at the
/// other.
///
/// ```
/// use svc_proxy::{fake, sysctl::Sysctls};
///
/// let mut kernel = fake::Kernel::new().with_sysctl("net/ipv4/ip_forward", "0");
/// let mut same = kernel.clone();
/// same.set_sysctl("net/ipv4/ip_forward", "1")?;
/// assert_eq!(kernel.sysctl("net/ipv4/ip_forward")?.as_deref(), Some("1"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    nftables: svc_nft::fake::Kernel,
    iptables: Iptables,
    sysctls: BTreeMap<String, String>,
    conntrack: conntrack::fake::Table,
    addresses: Vec<IpAddr>,
    /// Those that were there when somebody asked for changes.
    asked: Option<Vec<IpAddr>>,
    has_no_ipvs: bool,
    servers: svc_ipvs::fake::Kernel,
    devices: svc_ipvs::fake::Devices,
}

impl Kernel {
    /// A kernel without tables and settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same kernel with one more setting.
    #[must_use]
    pub fn with_sysctl(self, name: &str, value: &str) -> Self {
        self.lock().sysctls.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same kernel with one more address of its own.
    #[must_use]
    pub fn with_address(self, address: IpAddr) -> Self {
        self.lock().addresses.push(address);
        self
    }

    /// The same kernel without IPVS.
    #[must_use]
    pub fn without_ipvs(self) -> Self {
        self.lock().has_no_ipvs = true;
        self
    }

    /// Its own addresses are these from now on.
    pub fn set_addresses(&self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.lock().addresses = addresses.into_iter().collect();
    }

    /// One more flow in its connection tracking.
    pub fn insert_flow(&self, flow: Flow) {
        self.lock().conntrack.insert(flow);
    }

    /// Its connection tracking, as it is now.
    #[must_use]
    pub fn flow_table(&self) -> conntrack::fake::Table {
        self.lock().conntrack.clone()
    }

    /// Makes the next request to connection tracking fail with this errno.
    pub fn fail_next_of_conntrack(&self, errno: i32) {
        self.lock().conntrack.fail_next(errno);
    }

    /// Its IPVS, as it is now.
    #[must_use]
    pub fn virtual_servers(&self) -> svc_ipvs::fake::Kernel {
        self.lock().servers.clone()
    }

    /// Does something to its IPVS, as somebody else may.
    pub fn with_virtual_servers<T>(&self, act: impl FnOnce(&mut svc_ipvs::fake::Kernel) -> T) -> T {
        act(&mut self.lock().servers)
    }

    /// Its devices of addresses, as they are now.
    #[must_use]
    pub fn devices(&self) -> svc_ipvs::fake::Devices {
        self.lock().devices.clone()
    }

    /// Every batch it took, in order.
    #[must_use]
    pub fn batches(&self) -> Vec<Batch> {
        self.lock().nftables.batches().to_vec()
    }

    /// Makes the next batch fail with this errno, without taking effect.
    pub fn fail_next(&self, errno: i32) {
        self.lock().nftables.fail_next(errno);
    }

    /// Refuses every command whose text contains this, with this errno, until called with an empty text.
    pub fn refuse(&self, text: impl Into<String>, errno: i32) {
        self.lock().nftables.refuse(text, errno);
    }

    /// Refuses batches whose netlink form is longer than this.
    pub fn refuse_longer_than(&self, bytes: usize) {
        self.lock().nftables.refuse_longer_than(bytes);
    }

    /// How often a table was listed.
    #[must_use]
    pub fn listings(&self) -> usize {
        self.lock().nftables.listings()
    }

    /// What a plain `iptables-restore` programs: the nft variant unless set.
    pub fn set_default_variant(&self, variant: Variant) {
        self.lock().iptables.default_variant = Some(variant);
    }

    /// Every change that its iptables took, in order.
    #[must_use]
    pub fn changes(&self) -> Vec<(Variant, Change)> {
        self.lock().iptables.changes.clone()
    }

    /// How often tables of iptables were listed.
    #[must_use]
    pub fn listings_of_iptables(&self) -> usize {
        self.lock().iptables.listings
    }

    /// Feeds `iptables-restore --noflush`, as somebody else may.
    ///
    /// # Errors
    ///
    /// A line is refused; its table is as before.
    pub fn restore(&self, variant: Variant, family: AddressType, input: &str) -> Result<(), iptables::Error> {
        self.lock().iptables.feed(variant, family, input)
    }

    /// Refuses every line for iptables that contains this, until called with an empty text. `by_table`: without saying
    /// which line it was, as the kernel does.
    pub fn refuse_line(&self, text: impl Into<String>, by_table: bool) {
        let iptables = &mut self.lock().iptables;
        iptables.refused = Some(text.into()).filter(|text| !text.is_empty());
        iptables.by_table = by_table;
    }

    /// Its sets of ip_set, as they are now.
    #[must_use]
    pub fn sets_of_iptables(&self) -> ipset::fake::Sets {
        self.lock().iptables.sets.clone()
    }

    /// Does something to its sets of ip_set, as somebody else may.
    pub fn with_sets_of_iptables<T>(&self, act: impl FnOnce(&mut ipset::fake::Sets) -> T) -> T {
        act(&mut self.lock().iptables.sets)
    }

    /// Makes the next restore fail as when this program is not installed.
    pub fn miss_program(&self, program: &str) {
        self.lock().iptables.failures.push(iptables::Error::new(program, iptables::Cause::Missing));
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl svc_nft::Dataplane for Kernel {
    fn apply(&mut self, batch: &Batch) -> Result<(), svc_nft::Error> {
        self.lock().nftables.apply(batch)
    }

    fn generation(&mut self) -> Result<u32, svc_nft::Error> {
        self.lock().nftables.generation()
    }

    fn apply_at(&mut self, generation: u32, batch: &Batch) -> Result<(), svc_nft::Error> {
        self.lock().nftables.apply_at(generation, batch)
    }

    fn list_table(&mut self, table: &TableId) -> Result<Option<Table>, svc_nft::Error> {
        self.lock().nftables.list_table(table)
    }

    fn list_tables(&mut self) -> Result<Vec<TableId>, svc_nft::Error> {
        self.lock().nftables.list_tables()
    }
}

impl iptables::Dataplane for Kernel {
    fn default_variant(&mut self) -> Result<Variant, iptables::Error> {
        self.lock().iptables.default_variant()
    }

    fn present(&mut self, variant: Variant, family: AddressType) -> Result<Vec<TableName>, iptables::Error> {
        self.lock().iptables.present(variant, family)
    }

    fn list(
        &mut self,
        variant: Variant,
        family: AddressType,
        tables: &[TableName],
    ) -> Result<Tables, iptables::Error> {
        self.lock().iptables.list(variant, family, tables)
    }

    fn restore(&mut self, variant: Variant, change: &Change) -> Result<(), iptables::Error> {
        self.lock().iptables.restore(variant, change)
    }

    fn remove_empty(&mut self, variant: Variant, family: AddressType) -> Result<(), iptables::Error> {
        self.lock().iptables.remove_empty(variant, family)
    }

    fn stamp(&mut self, variant: Variant, family: AddressType) -> Result<Stamp, iptables::Error> {
        self.lock().iptables.stamp(variant, family)
    }

    fn sets(&mut self) -> &mut dyn IpSets {
        self
    }
}

impl IpSets for Kernel {
    fn create(&mut self, set: &IpSet) -> Result<(), svc_nft::Error> {
        self.lock().iptables.sets.create(set)
    }

    fn destroy(&mut self, name: &str) -> Result<bool, svc_nft::Error> {
        self.lock().iptables.sets.destroy(name)
    }

    fn flush(&mut self, name: &str) -> Result<(), svc_nft::Error> {
        self.lock().iptables.sets.flush(name)
    }

    fn list(&mut self) -> Result<Vec<IpSet>, svc_nft::Error> {
        self.lock().iptables.sets.list()
    }

    fn members(&mut self, name: &str) -> Result<Vec<Member>, svc_nft::Error> {
        self.lock().iptables.sets.members(name)
    }
}

impl Conntrack for Kernel {
    fn flows(&mut self, filter: &Filter, show: &mut dyn FnMut(Flow)) -> Result<(), svc_nft::Error> {
        self.lock().conntrack.flows(filter, show)
    }

    fn forget(&mut self, flow: &Flow) -> Result<bool, svc_nft::Error> {
        self.lock().conntrack.forget(flow)
    }
}

impl Sysctls for Kernel {
    fn sysctl(&mut self, name: &str) -> io::Result<Option<String>> {
        Ok(self.lock().sysctls.get(name).cloned())
    }

    fn set_sysctl(&mut self, name: &str, value: &str) -> io::Result<()> {
        let mut kernel = self.lock();
        let known = kernel.sysctls.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        value.clone_into(known);
        Ok(())
    }
}

impl svc_ipvs::Dataplane for Kernel {
    fn apply(&mut self, commands: &[Command]) -> Result<Vec<Refusal>, svc_ipvs::Error> {
        self.lock().servers.apply(commands)
    }

    fn services(&mut self) -> Result<Vec<(svc_ipvs::Service, Stats)>, svc_ipvs::Error> {
        self.lock().servers.services()
    }

    fn destinations(&mut self, of: ServiceId) -> Result<Vec<ListedDestination>, svc_ipvs::Error> {
        self.lock().servers.destinations(of)
    }

    fn info(&mut self) -> Result<Info, svc_ipvs::Error> {
        self.lock().servers.info()
    }

    fn timeouts(&mut self) -> Result<Timeouts, svc_ipvs::Error> {
        self.lock().servers.timeouts()
    }
}

impl Addresses for Kernel {
    fn find(&mut self, device: &AddressDevice) -> Result<Found, svc_ipvs::Error> {
        self.lock().devices.find(device)
    }

    fn create(&mut self, device: &AddressDevice) -> Result<(), svc_ipvs::Error> {
        self.lock().devices.create(device)
    }

    fn adopt(&mut self, device: &AddressDevice) -> Result<(), svc_ipvs::Error> {
        self.lock().devices.adopt(device)
    }

    fn bind(&mut self, device: &AddressDevice, addresses: &[IpAddr]) -> Result<(), svc_ipvs::Error> {
        self.lock().devices.bind(device, addresses)
    }

    fn unbind(&mut self, device: &AddressDevice, addresses: &[IpAddr]) -> Result<(), svc_ipvs::Error> {
        self.lock().devices.unbind(device, addresses)
    }

    fn poll_changed(&mut self, _but: &AddressDevice) -> Result<bool, svc_ipvs::Error> {
        let mut kernel = self.lock();
        let now = Some(kernel.addresses.clone());
        let before = std::mem::replace(&mut kernel.asked, now);
        Ok(before != kernel.asked)
    }

    fn remove(&mut self, device: &AddressDevice) -> Result<(), svc_ipvs::Error> {
        self.lock().devices.remove(device)
    }
}

impl ipvs::Dataplane for Kernel {
    fn servers(&mut self) -> Result<&mut dyn svc_ipvs::Dataplane, svc_ipvs::Error> {
        let has_none = self.lock().has_no_ipvs;
        if has_none { Err(svc_ipvs::fake::absent()) } else { Ok(self) }
    }

    fn devices(&mut self) -> Result<&mut dyn Addresses, svc_ipvs::Error> {
        Ok(self)
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
        let kernel = self.lock();
        Ok(kernel.addresses.iter().copied().chain(kernel.devices.addresses()).collect())
    }

    fn sysctls(&mut self) -> &mut dyn Sysctls {
        self
    }
}
