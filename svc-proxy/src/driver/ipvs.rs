//! IPVS' side of the driver: adopt what is there, change what differs, let connections end.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use svc_ipvs::{AddressDevice, Command, Found, Refusal, ServiceId};

use super::mode::{Applied, Mode, Remains, Resynced};
use super::nftables::Nft;
use crate::ipvs::{Backend, Change, DEVICE, Rules};
use crate::sysctl::settle::{self, Before};
use crate::{Dataplane, Error, Rejection};

mod leaving;
mod record;

use leaving::Leaving;
use record::Record;

/// Says that the device is ours.
const ALIAS: &str = "managed by svc-proxy";
/// Nobody has it (RFC 5737): a scheduler is tried with it.
const PROBE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 0)), 20_000);

/// Virtual servers, the addresses of our device, and the rules around them.
#[derive(Debug)]
pub(super) struct Ipvs {
    backend: Backend,
    glue: Nft,
    record: Record,
    device: AddressDevice,
    adopt: bool,
    leaving: Leaving,
}

impl Ipvs {
    pub(super) fn new(backend: Backend, adopt: bool) -> Self {
        let glue = backend.glue().clone();
        Self {
            record: Record::new(glue.name()),
            device: AddressDevice::new(DEVICE, ALIAS),
            glue: Nft::new(glue),
            backend,
            adopt,
            leaving: Leaving::default(),
        }
    }

    /// Everything in its order; what was refused is left out.
    fn put(&mut self, kernel: &mut dyn Dataplane, change: &Change) -> Result<Vec<Refusal>, Error> {
        self.leaving.bind(change.bound());
        let node_ports: Vec<_> = added(change.coming()).filter(|id| self.is_recorded(*id)).collect();
        self.glue.send(kernel.nftables(), &self.record.add(&node_ports))?;
        if !change.bound().is_empty() {
            kernel.ipvs().devices()?.bind(&self.device, change.bound())?;
        }
        let servers = kernel.ipvs().servers()?;
        let coming = self.leaving.coming(servers, change.coming())?;
        let refused = come(servers, coming)?;
        // What is there and was not ours is not ours now.
        let foreign = refused.iter().filter(|refusal| refusal.is_exists());
        let foreign = foreign.filter_map(|refusal| id_of(refusal.command()));
        let foreign: Vec<_> = foreign.filter(|id| node_ports.contains(id)).collect();
        self.glue.send(kernel.nftables(), &self.record.forget(&foreign))?;
        self.leaving.take(change.going());
        self.leaving.unbind(change.unbound().iter().copied());
        self.let_go(kernel)?;
        Ok(refused)
    }

    /// Removes what has no connections any more.
    fn let_go(&mut self, kernel: &mut dyn Dataplane) -> Result<(), Error> {
        if self.leaving.is_empty() {
            return Ok(());
        }
        let gone = self.leaving.poll(kernel.ipvs().servers()?)?;
        if !gone.addresses.is_empty() {
            kernel.ipvs().devices()?.unbind(&self.device, &gone.addresses)?;
        }
        let recorded: Vec<_> = gone.servers.into_iter().filter(|id| self.is_recorded(*id)).collect();
        self.glue.send(kernel.nftables(), &self.record.forget(&recorded))?;
        Ok(())
    }

    /// A virtual server at an address that is not our device's.
    fn is_recorded(&self, id: ServiceId) -> bool {
        id.address().is_some_and(|address| self.backend.has_address(address.ip()))
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

    /// What brings everything that is ours of what the kernel has to these rules, and the Services that would have to change
    /// what is another program's.
    fn compare(
        &self,
        kernel: &mut dyn Dataplane,
        rules: &Rules,
    ) -> Result<(Change, BTreeSet<ServiceId>), Error> {
        let bound = self.device(kernel)?;
        let recorded = self.record.read(kernel.nftables())?;
        let listed = kernel.ipvs().servers()?.list()?;
        let is_ours = |id: ServiceId| {
            rules.are_alone()
                || recorded.contains(&id)
                || id.address().is_some_and(|address| bound.contains(&address.ip()))
        };
        let wanted = rules.servers();
        let (ours, others): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|listed| is_ours(listed.service().id()));
        let others: BTreeSet<_> = others.iter().map(|listed| listed.service().id()).collect();
        let ids = wanted.iter().map(|wanted| wanted.service().id());
        let taken: BTreeSet<_> = ids.filter(|id| others.contains(id) && !self.adopt).collect();
        let addresses: BTreeSet<_> = rules.addresses().collect();
        let mut change = Change::default();
        change.extend(svc_ipvs::diff(&ours, &wanted));
        change.bind = addresses.iter().filter(|address| !bound.contains(address)).copied().collect();
        change.unbind = bound.into_iter().filter(|address| !addresses.contains(address)).collect();
        Ok((change, taken))
    }
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
        let ours = match kernel.ipvs().devices()?.find(&self.device)? {
            Found::Ours(addresses) => addresses,
            _ => Vec::new(),
        };
        let all = kernel.local_addresses();
        let all = all.map_err(|error| Error::Addresses(error.raw_os_error().unwrap_or(0)))?;
        let now = self.backend.clone().addresses(all.into_iter().filter(|address| !ours.contains(address)));
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
        let (_, taken) = self.compare(kernel, rules)?;
        let foreign = |id: ServiceId| {
            let owner = rules.owner(id)?;
            Some(Rejection::new(owner.clone(), Error::ForeignServer { server: id }))
        };
        let mut rejections: Vec<_> = taken.into_iter().filter_map(foreign).collect();
        let mut rules = rules.without(rejections.iter().map(Rejection::service));
        let mut changed = false;
        loop {
            let glue = self.glue.resync(kernel, rules.glue(), before)?;
            // Before any virtual server is there: IPVS decides with the first packet of a connection whether conntrack may
            // know it, and one that it may not know is never masqueraded.
            settle::switch_on(kernel.sysctls(), super::Backend::Ipvs.needs(), before);
            let (change, _) = self.compare(kernel, &rules)?;
            changed |= glue.changed || !change.is_empty();
            let refused = self.put(kernel, &change)?;
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
        }
    }

    fn remember(&mut self, kernel: &mut dyn Dataplane, rules: &Rules, before: &Before) -> Result<(), Error> {
        self.glue.remember(kernel, rules.glue(), before)
    }

    fn others_changed(&mut self, kernel: &mut dyn Dataplane) -> bool {
        if let Err(error) = self.let_go(kernel) {
            tracing::warn!(%error, "virtual servers that nobody wants any more are there still");
        }
        self.glue.others_changed(kernel)
    }
}

impl Remains for Ipvs {
    fn recollect(&mut self, kernel: &mut dyn Dataplane) -> Result<Before, Error> {
        self.glue.recollect(kernel)
    }

    fn remove(&mut self, kernel: &mut dyn Dataplane, at_once: bool) -> Vec<Error> {
        let mut errors = self.glue.remove(kernel, at_once);
        if let Err(error) = self.remove_servers(kernel, at_once) {
            errors.push(error);
        }
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
        let servers = kernel.ipvs().servers()?;
        let mut left = 0;
        let is_ours = |id: &ServiceId| {
            recorded.contains(id) || id.address().is_some_and(|address| bound.contains(&address.ip()))
        };
        let all = servers.services()?.into_iter().map(|(service, _)| service.id());
        let ours: Vec<_> = all.filter(is_ours).map(Command::DeleteService).collect();
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
