//! IPVS in memory, for tests of programs that use this crate.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::{
    Activity, AddressDevice, Addresses, Command, Dataplane, Destination, Error, Found, Info,
    ListedDestination, Refusal, Scheduler, Service, ServiceId, Stats, Timeouts,
};

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const ERANGE: i32 = 34;

/// IPVS in memory: holds to the kernel's rules of what exists and what may be changed. The same tests run on it and on
/// the kernel. It looks at no packets: connections are what [`connect`](Self::connect) says.
#[derive(Clone, Debug)]
pub struct Kernel {
    services: BTreeMap<ServiceId, (Service, BTreeMap<std::net::SocketAddr, ListedDestination>)>,
    timeouts: Timeouts,
    schedulers: Vec<Scheduler>,
    commands: Vec<Command>,
    failures: Vec<i32>,
    denied: bool,
    listings: usize,
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new()
    }
}

impl Kernel {
    /// Without virtual servers, with every scheduler.
    #[must_use]
    pub fn new() -> Self {
        let schedulers = Scheduler::ALL.to_vec();
        let timeouts = Timeouts::new(900, 120, 300);
        Self {
            services: BTreeMap::new(),
            timeouts,
            schedulers,
            commands: Vec::new(),
            failures: Vec::new(),
            denied: false,
            listings: 0,
        }
    }

    /// The same with these schedulers only.
    #[must_use]
    pub fn with_schedulers(mut self, schedulers: &[Scheduler]) -> Self {
        self.schedulers = schedulers.to_vec();
        self
    }

    /// Refuses everything, as to a process without privileges.
    pub fn deny(&mut self) {
        self.denied = true;
    }

    /// How often virtual servers, or the destinations of one, were listed.
    #[must_use]
    pub fn listings(&self) -> usize {
        self.listings
    }

    /// Every command that took effect, in order.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Makes the next call of [`apply`](Dataplane::apply) fail with this errno before anything is changed.
    pub fn fail_next(&mut self, errno: i32) {
        self.failures.push(errno);
    }

    /// Says how many connections a destination has; nothing happens if there is none.
    pub fn connect(&mut self, service: ServiceId, to: std::net::SocketAddr, activity: Activity) {
        if let Some(listed) =
            self.services.get_mut(&service).and_then(|(_, destinations)| destinations.get_mut(&to))
        {
            listed.activity = activity;
        }
    }

    fn command(&mut self, command: &Command) -> Result<(), i32> {
        match command {
            _ if self.denied => return Err(EPERM),
            Command::AddService(service) => {
                self.check(service)?;
                if self.services.contains_key(&service.id()) {
                    return Err(EEXIST);
                }
                self.services.insert(service.id(), (service.clone(), BTreeMap::new()));
            }
            Command::SetService(service) => {
                if !self.services.contains_key(&service.id()) {
                    return Err(ESRCH);
                }
                self.check(service)?;
                self.service(service.id())?.0 = service.clone();
            }
            Command::DeleteService(id) => {
                self.services.remove(id).ok_or(ESRCH)?;
            }
            Command::AddDestination(id, destination) => {
                let (_, destinations) = self.service(*id)?;
                check_thresholds(destination)?;
                if destinations.contains_key(&destination.address()) {
                    return Err(EEXIST);
                }
                let new = ListedDestination::new(destination.clone(), Activity::default(), Stats::default());
                destinations.insert(destination.address(), new);
            }
            Command::SetDestination(id, destination) => {
                let (_, destinations) = self.service(*id)?;
                check_thresholds(destination)?;
                destinations.get_mut(&destination.address()).ok_or(ENOENT)?.destination = destination.clone();
            }
            Command::DeleteDestination(id, address) => {
                self.service(*id)?.1.remove(address).ok_or(ENOENT)?;
            }
            Command::SetTimeouts(timeouts) => {
                let change = |old: &mut u32, new| *old = if new == 0 { *old } else { new };
                change(&mut self.timeouts.tcp, timeouts.tcp);
                change(&mut self.timeouts.tcp_fin, timeouts.tcp_fin);
                change(&mut self.timeouts.udp, timeouts.udp);
            }
        }
        Ok(())
    }

    fn service(
        &mut self,
        id: ServiceId,
    ) -> Result<&mut (Service, BTreeMap<std::net::SocketAddr, ListedDestination>), i32> {
        self.services.get_mut(&id).ok_or(ESRCH)
    }

    fn note_listing(&mut self, operation: &'static str) -> Result<(), Error> {
        self.listings += 1;
        if self.denied { Err(Error::os(operation, EPERM)) } else { Ok(()) }
    }

    fn check(&self, service: &Service) -> Result<(), i32> {
        match service.scheduler() {
            Some(scheduler) if !self.schedulers.contains(&scheduler) => Err(ENOENT),
            _ => Ok(()),
        }
    }
}

/// What is said where a kernel has no IPVS.
#[must_use]
pub fn absent() -> Error {
    Error::no_family()
}

fn check_thresholds(destination: &Destination) -> Result<(), i32> {
    if destination.lower_threshold() > destination.upper_threshold() { Err(ERANGE) } else { Ok(()) }
}

impl Dataplane for Kernel {
    fn apply(&mut self, commands: &[Command]) -> Result<Vec<Refusal>, Error> {
        if !self.failures.is_empty() {
            return Err(Error::os("apply IPVS commands", self.failures.remove(0)));
        }
        let mut refused = Vec::new();
        for (number, command) in commands.iter().enumerate() {
            match self.command(command) {
                Ok(()) => self.commands.push(command.clone()),
                Err(errno) => refused.push(Refusal::new(number, command, errno)),
            }
        }
        Ok(refused)
    }

    fn services(&mut self) -> Result<Vec<(Service, Stats)>, Error> {
        self.note_listing("list IPVS virtual servers")?;
        Ok(self.services.values().map(|(service, _)| (service.clone(), Stats::default())).collect())
    }

    fn destinations(&mut self, of: ServiceId) -> Result<Vec<ListedDestination>, Error> {
        self.note_listing("list the destinations of an IPVS virtual server")?;
        Ok(self.services.get(&of).map(|(_, all)| all.values().cloned().collect()).unwrap_or_default())
    }

    fn info(&mut self) -> Result<Info, Error> {
        Ok(Info { version: [1, 2, 1], connection_table: 4096 })
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        Ok(self.timeouts)
    }
}

/// Devices in memory.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    /// Alias and addresses, by name.
    devices: BTreeMap<String, (String, BTreeSet<IpAddr>)>,
    /// As they were when somebody asked for changes.
    asked: Option<BTreeMap<String, BTreeSet<IpAddr>>>,
}

impl Devices {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a device of somebody else's.
    #[must_use]
    pub fn with_foreign(mut self, name: &str) -> Self {
        self.devices.insert(name.to_owned(), Default::default());
        self
    }

    /// The addresses of all of them.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.devices.values().flat_map(|(_, addresses)| addresses.iter().copied())
    }

    fn ours(
        &mut self,
        operation: &'static str,
        device: &AddressDevice,
    ) -> Result<&mut BTreeSet<IpAddr>, Error> {
        let found = self.devices.get_mut(device.name());
        found.map(|(_, addresses)| addresses).ok_or_else(|| Error::device(operation, ENODEV))
    }
}

impl Addresses for Devices {
    fn find(&mut self, device: &AddressDevice) -> Result<Found, Error> {
        Ok(match self.devices.get(device.name()) {
            None => Found::Nothing,
            Some((alias, addresses)) if alias == device.alias() => {
                Found::Ours(addresses.iter().copied().collect())
            }
            Some(_) => Found::Foreign,
        })
    }

    fn create(&mut self, device: &AddressDevice) -> Result<(), Error> {
        if self.devices.contains_key(device.name()) {
            return Err(Error::device("make the device of IPVS addresses", EEXIST));
        }
        let new = (device.alias().to_owned(), BTreeSet::new());
        self.devices.insert(device.name().to_owned(), new);
        Ok(())
    }

    fn adopt(&mut self, device: &AddressDevice) -> Result<(), Error> {
        self.ours("adopt the device of IPVS addresses", device)?;
        if let Some((alias, _)) = self.devices.get_mut(device.name()) {
            device.alias().clone_into(alias);
        }
        Ok(())
    }

    fn bind(&mut self, device: &AddressDevice, addresses: &[IpAddr]) -> Result<(), Error> {
        self.ours("put an address on the device of IPVS addresses", device)?.extend(addresses);
        Ok(())
    }

    fn unbind(&mut self, device: &AddressDevice, addresses: &[IpAddr]) -> Result<(), Error> {
        let held = self.ours("take an address from the device of IPVS addresses", device)?;
        held.retain(|address| !addresses.contains(address));
        Ok(())
    }

    fn poll_changed(&mut self, but: &AddressDevice) -> Result<bool, Error> {
        let others = self.devices.iter().filter(|(name, _)| *name != but.name());
        let now = others.map(|(name, (_, addresses))| (name.clone(), addresses.clone())).collect();
        let before = self.asked.replace(now);
        Ok(before != self.asked)
    }

    fn remove(&mut self, device: &AddressDevice) -> Result<(), Error> {
        self.devices.remove(device.name());
        Ok(())
    }
}
