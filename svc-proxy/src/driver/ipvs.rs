//! IPVS' side of the driver: adopt what is there, change what differs, let connections end.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use svc_ipvs::{AddressDevice, Command, Found, Refusal, ServiceId, Timeouts};
use tokio::time::Instant;

use super::RECHECK;
use super::mode::{Applied, Mode, Remains, Resynced};
use super::nftables::Nft;
use crate::ipvs::{Backend, Change, DEVICE, Rules};
use crate::sysctl::Wanted;
use crate::sysctl::settle::{self, Before, Setting};
use crate::{Compat, Dataplane, Error, Rejection};

mod held;
mod leaving;
mod record;

use held::{Held, Others};
use leaving::{Gone, Leaving};
use record::Record;

/// Says that the device is ours.
const ALIAS: &str = "managed by svc-proxy";
/// Nobody has it (RFC 5737): a scheduler is tried with it.
const PROBE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 0)), 20_000);

/// What the kernel remembers the timeouts by that were before ours: no setting below `/proc/sys` is called so.
const TIMEOUTS: &str = "ipvs/timeouts";

/// Virtual servers, the addresses of our device, and the rules around them.
#[derive(Debug)]
pub(super) struct Ipvs {
    backend: Backend,
    glue: Nft,
    record: Record,
    /// What is recorded, as far as is known: others may flush all rules.
    recorded: BTreeSet<ServiceId>,
    device: AddressDevice,
    adopt: bool,
    leaving: Leaving,
    /// When the connections of what is leaving were last looked at.
    polled: Option<Instant>,
}

impl Ipvs {
    pub(super) fn new(backend: Backend, adopt: bool) -> Self {
        let glue = backend.glue().clone();
        Self {
            record: Record::new(glue.name()),
            recorded: BTreeSet::new(),
            device: AddressDevice::new(DEVICE, ALIAS),
            glue: Nft::new(glue),
            backend,
            adopt,
            leaving: Leaving::default(),
            polled: None,
        }
    }

    /// Everything in its order; what was refused is left out.
    fn put(&mut self, kernel: &mut dyn Dataplane, change: &Change) -> Result<Vec<Refusal>, Error> {
        self.leaving.bind(change.bound());
        let is_new = |id: &ServiceId| self.backend.needs_record(*id) && !self.recorded.contains(id);
        let new: Vec<_> = added(change.coming()).filter(is_new).collect();
        self.note(kernel, &new)?;
        if !change.bound().is_empty() {
            kernel.ipvs().devices()?.bind(&self.device, change.bound())?;
        }
        let servers = kernel.ipvs().servers()?;
        let coming = self.leaving.coming(servers, change.coming())?;
        let refused = come(servers, coming)?;
        // What is there and was not ours is not ours now.
        let foreign = refused.iter().filter(|refusal| refusal.is_exists());
        let foreign = foreign.filter_map(|refusal| id_of(refusal.command()));
        self.forget(kernel, foreign.filter(|id| new.contains(id)).collect())?;
        self.leaving.take(change.going());
        self.leaving.unbind(change.unbound().iter().copied());
        let gone = self.leaving.poll_new(kernel.ipvs().servers()?)?;
        self.let_go(kernel, gone)?;
        Ok(refused)
    }

    /// Removes what has no connections any more.
    fn poll_leaving(&mut self, kernel: &mut dyn Dataplane, now: Instant) -> Result<(), Error> {
        let is_early = self.polled.is_some_and(|polled| now < polled + RECHECK);
        if self.leaving.is_empty() || is_early {
            return Ok(());
        }
        self.polled = Some(now);
        let gone = self.leaving.poll(kernel.ipvs().servers()?)?;
        self.let_go(kernel, gone)
    }

    fn let_go(&mut self, kernel: &mut dyn Dataplane, gone: Gone) -> Result<(), Error> {
        if !gone.addresses.is_empty() {
            kernel.ipvs().devices()?.unbind(&self.device, &gone.addresses)?;
        }
        self.forget(kernel, gone.servers)
    }

    /// Records virtual servers as ours.
    fn note(&mut self, kernel: &mut dyn Dataplane, servers: &[ServiceId]) -> Result<(), Error> {
        self.glue.send(kernel.nftables(), &self.record.add(servers))?;
        self.recorded.extend(servers);
        Ok(())
    }

    fn forget(&mut self, kernel: &mut dyn Dataplane, servers: Vec<ServiceId>) -> Result<(), Error> {
        let recorded: Vec<_> = servers.into_iter().filter(|id| self.recorded.remove(id)).collect();
        self.glue.send(kernel.nftables(), &self.record.forget(&recorded))?;
        Ok(())
    }

    /// What the kernel has recorded; what others took from there is put back.
    fn mend_record(&mut self, kernel: &mut dyn Dataplane) -> Result<bool, Error> {
        let there = self.record.read(kernel.nftables())?;
        let lost: Vec<_> = self.recorded.difference(&there).copied().collect();
        self.note(kernel, &lost)?;
        self.recorded.extend(there);
        Ok(!lost.is_empty())
    }

    /// Tries what every virtual server needs, before anything is changed.
    fn try_scheduler(&self, kernel: &mut dyn Dataplane) -> Result<(), Error> {
        let servers = kernel.ipvs().servers()?;
        let probe = svc_ipvs::Service::new(ServiceId::tcp(PROBE), self.backend.scheduler_name());
        let refused = servers.apply(&[Command::AddService(probe)])?;
        match refused.into_iter().find(|refusal| !refusal.is_exists()) {
            Some(refusal) => Err(Error::IpvsRefused(Box::new(refusal))),
            None => {
                servers.apply(&[Command::DeleteService(ServiceId::tcp(PROBE))]).map(drop).map_err(Error::from)
            }
        }
    }

    /// Notes what the timeouts were, and sets those that are asked for.
    fn set_timeouts(
        &self,
        kernel: &mut dyn Dataplane,
        before: &mut Before,
    ) -> Result<Option<Command>, Error> {
        let wanted = self.backend.idle_timeouts();
        if wanted == Timeouts::default() {
            return Ok(None);
        }
        let now = kernel.ipvs().servers()?.timeouts()?;
        let or = |wanted, now| if wanted == 0 { now } else { wanted };
        let then =
            Timeouts::new(or(wanted.tcp, now.tcp), or(wanted.tcp_fin, now.tcp_fin), or(wanted.udp, now.udp));
        if then == now {
            return Ok(None);
        }
        let text = format!("{} {} {}", now.tcp, now.tcp_fin, now.udp);
        before.entry(TIMEOUTS.to_owned()).or_insert(text);
        Ok(Some(Command::SetTimeouts(then)))
    }

    /// The addresses that our device has; it is there afterwards.
    fn device(&self, kernel: &mut dyn Dataplane) -> Result<Vec<IpAddr>, Error> {
        let devices = kernel.ipvs().devices()?;
        match devices.find(&self.device)? {
            Found::Ours(addresses) => return Ok(addresses),
            Found::Foreign if self.adopt => devices.adopt(&self.device)?,
            Found::Foreign => return Err(Error::ForeignDevice { device: DEVICE }),
            _ => devices.create(&self.device)?,
        }
        match devices.find(&self.device)? {
            Found::Ours(addresses) => Ok(addresses),
            _ => Err(Error::ForeignDevice { device: DEVICE }),
        }
    }

    /// Lists everything.
    fn held(&mut self, kernel: &mut dyn Dataplane) -> Result<Held, Error> {
        let bound = self.device(kernel)?;
        self.mend_record(kernel)?;
        let listed = kernel.ipvs().servers()?.list()?;
        Ok(Held { bound, recorded: self.recorded.clone(), listed })
    }
}

/// The kernel settings that IPVS needs.
pub(super) fn needs(backend: &Backend, compat: &Compat) -> Vec<Setting> {
    let clients = "clients that stay with an endpoint that is about to go";
    let forgets = Setting::on("net/ipv4/vs/expire_quiescent_template", clients);
    let arp = "leaving the addresses of kube-ipvs0 to whoever announces them";
    let arp = [("net/ipv4/conf/all/arp_ignore", 1), ("net/ipv4/conf/all/arp_announce", 2)]
        .map(|(name, value)| Setting { name, wanted: Wanted::Is(value), needed_for: arp });
    let usual = [
        Setting::on("net/ipv4/vs/conntrack", "masquerading what IPVS forwards"),
        Setting::on("net/ipv4/vs/expire_nodest_conn", "clients whose endpoint is gone"),
    ];
    let forgets = (!compat.affinity_outlives_endpoints).then_some(forgets);
    usual.into_iter().chain(forgets).chain(arp.into_iter().filter(|_| backend.is_arp_strict())).collect()
}

/// Virtual servers before their real servers: those of one that was refused are left out, for it may be another program's.
fn come(servers: &mut dyn svc_ipvs::Dataplane, commands: Vec<Command>) -> Result<Vec<Refusal>, Error> {
    let is_server = |command: &Command| matches!(command, Command::AddService(_) | Command::SetService(_));
    let (virtual_servers, mut real): (Vec<_>, Vec<_>) = commands.into_iter().partition(is_server);
    let mut refused = servers.apply(&virtual_servers)?;
    let without: BTreeSet<_> = refused.iter().filter_map(|refusal| id_of(refusal.command())).collect();
    real.retain(|command| id_of(command).is_none_or(|id| !without.contains(&id)));
    refused.extend(servers.apply(&real)?);
    Ok(refused)
}

/// The virtual servers that commands add.
fn added(commands: &[Command]) -> impl Iterator<Item = ServiceId> {
    commands.iter().filter_map(|command| match command {
        Command::AddService(service) => Some(service.id()),
        _ => None,
    })
}

fn id_of(command: &Command) -> Option<ServiceId> {
    match command {
        Command::AddService(service) | Command::SetService(service) => Some(service.id()),
        Command::DeleteService(id)
        | Command::AddDestination(id, _)
        | Command::SetDestination(id, _)
        | Command::DeleteDestination(id, _) => Some(*id),
        _ => None,
    }
}

impl Mode for Ipvs {
    type Backend = Backend;

    fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The addresses that the host has, but for those that it has for our sake.
    fn look_around(&mut self, kernel: &mut dyn Dataplane) -> Result<bool, Error> {
        let mut ours: BTreeSet<_> = match kernel.ipvs().devices()?.find(&self.device)? {
            Found::Ours(addresses) => addresses.into_iter().collect(),
            _ => BTreeSet::new(),
        };
        let all = kernel.local_addresses();
        let mut all = all.map_err(|error| Error::Addresses(error.raw_os_error().unwrap_or(0)))?;
        // Another device may have the same one: then it is there twice.
        all.retain(|address| !ours.remove(address));
        let now = self.backend.clone().addresses(all);
        let other = now != self.backend;
        self.backend = now;
        Ok(other)
    }

    fn apply(&mut self, kernel: &mut dyn Dataplane, change: &Change) -> Result<Applied, Error> {
        let glue = self.glue.apply(kernel, change.glue())?;
        if glue.refused.is_some() {
            return Ok(glue);
        }
        let refused = self.put(kernel, change)?.into_iter().next();
        Ok(Applied { refused: refused.map(|refusal| Error::IpvsRefused(Box::new(refusal))), ..glue })
    }

    fn resync(
        &mut self,
        kernel: &mut dyn Dataplane,
        rules: &Rules,
        before: &mut Before,
    ) -> Result<Resynced, Error> {
        self.try_scheduler(kernel)?;
        let mut held = self.held(kernel)?;
        let others = match (rules.compat().delete_foreign, self.adopt) {
            (true, _) => Others::Deleted,
            (_, true) => Others::Adopted,
            _ => Others::Stay,
        };
        let foreign = |id: ServiceId| {
            let owner = rules.owner(id)?;
            Some(Rejection::new(owner.clone(), Error::ForeignServer { server: id }))
        };
        let taken = held.compare(&self.backend, rules, others).taken;
        let mut rejections: Vec<_> = taken.into_iter().filter_map(foreign).collect();
        let mut rules = rules.without(rejections.iter().map(Rejection::service));
        let mut timeouts = self.set_timeouts(kernel, before)?;
        let mut changed = timeouts.is_some();
        loop {
            // The table remembers what timeouts were, too.
            let glue = self.glue.resync(kernel, rules.glue(), before)?;
            // Before any virtual server is there: IPVS decides with the first packet of a connection whether conntrack may
            // know it, and one that it may not know is never masqueraded.
            settle::set_all(kernel.sysctls(), &needs(&self.backend, rules.compat()), before);
            if let Some(refusal) = kernel.ipvs().servers()?.apply(timeouts.take().as_slice())?.pop() {
                return Err(Error::IpvsRefused(Box::new(refusal)));
            }
            let compared = held.compare(&self.backend, &rules, others);
            self.note(kernel, &compared.unrecorded)?;
            changed |= glue.changed || !compared.change.is_empty();
            let refused = self.put(kernel, &compared.change)?;
            let refused = refused.into_iter().filter_map(|refusal| {
                let owner = rules.owner(id_of(refusal.command())?)?.clone();
                Some(Rejection::new(owner, Error::IpvsRefused(Box::new(refusal))))
            });
            let more: Vec<_> = glue.rejections.into_iter().chain(refused).collect();
            if more.is_empty() {
                return Ok(Resynced { rejections, changed });
            }
            rules = rules.without(more.iter().map(Rejection::service));
            rejections.extend(more);
            held = self.held(kernel)?;
        }
    }

    /// Virtual servers are as they were left: rules of nftables are all that others were seen to change.
    fn look(
        &mut self,
        kernel: &mut dyn Dataplane,
        rules: &Rules,
        before: &mut Before,
    ) -> Result<Resynced, Error> {
        let lost = self.mend_record(kernel)?;
        let glue = self.glue.resync(kernel, rules.glue(), before)?;
        if glue.rejections.is_empty() {
            return Ok(Resynced { changed: glue.changed || lost, ..glue });
        }
        self.resync(kernel, rules, before)
    }

    fn remember(&mut self, kernel: &mut dyn Dataplane, rules: &Rules, before: &Before) -> Result<(), Error> {
        self.glue.remember(kernel, rules.glue(), before)
    }

    fn others_changed(&mut self, kernel: &mut dyn Dataplane) -> bool {
        if let Err(error) = self.poll_leaving(kernel, Instant::now()) {
            tracing::warn!(%error, "virtual servers that nobody wants any more are there still");
        }
        self.glue.others_changed(kernel)
    }

    fn surroundings_changed(&mut self, kernel: &mut dyn Dataplane) -> bool {
        let changed = kernel.ipvs().devices().and_then(|devices| devices.poll_changed(&self.device));
        changed.unwrap_or_else(|error| {
            tracing::warn!(%error, "addresses of the node that come now have no node ports for a while");
            false
        })
    }
}

impl Remains for Ipvs {
    fn recollect(&mut self, kernel: &mut dyn Dataplane) -> Result<Before, Error> {
        self.glue.recollect(kernel)
    }

    fn remove(&mut self, kernel: &mut dyn Dataplane, at_once: bool) -> Vec<Error> {
        let before = self.glue.recollect(kernel).unwrap_or_default();
        let mut errors = self.glue.remove(kernel, at_once);
        errors.extend(restore_timeouts(kernel, &before).err());
        errors.extend(self.remove_servers(kernel, at_once).err());
        errors
    }
}

impl Ipvs {
    fn remove_servers(&mut self, kernel: &mut dyn Dataplane, at_once: bool) -> Result<(), Error> {
        let recorded = self.record.read(kernel.nftables())?;
        let bound = match kernel.ipvs().devices()?.find(&self.device)? {
            Found::Ours(addresses) => addresses,
            _ if recorded.is_empty() => return Ok(()),
            _ => Vec::new(),
        };
        let held = Held { bound, recorded, listed: Vec::new() };
        let servers = kernel.ipvs().servers()?;
        let all = servers.services()?.into_iter().map(|(service, _)| service.id());
        let ours = all.filter(|id| held.is_ours(&self.backend, *id));
        let ours: Vec<_> = ours.map(Command::DeleteService).collect();
        let mut left = 0;
        if at_once {
            servers.apply(&ours)?;
        } else {
            self.leaving.take(&ours);
            self.leaving.poll(servers)?;
            left = self.leaving.servers();
        }
        if left > 0 {
            return Err(Error::Draining { servers: left });
        }
        kernel.ipvs().devices()?.remove(&self.device)?;
        self.record.remove(kernel.nftables())
    }
}

/// As they were before ours, where ours were set.
fn restore_timeouts(kernel: &mut dyn Dataplane, before: &Before) -> Result<(), Error> {
    let numbers =
        before.get(TIMEOUTS).map(|text| text.split(' ').map(str::parse).collect::<Result<Vec<_>, _>>());
    if let Some(Ok([tcp, tcp_fin, udp])) = numbers.as_ref().map(|numbers| numbers.as_deref()) {
        let command = Command::SetTimeouts(Timeouts::new(*tcp, *tcp_fin, *udp));
        kernel.ipvs().servers()?.apply(&[command])?;
    }
    Ok(())
}
