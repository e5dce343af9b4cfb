//! Where this node is on the underlay. When the device loses the node's address, another one that it has takes the place.
//!
//! Nothing is done while there is no other: an address that comes back after a moment, as when a DHCP client asks anew, was not
//! lost. One that comes back later is not returned to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::Instant;
use tracing::info;

use super::run::Driver;
use crate::config::{Config, Stack};
use crate::dataplane::Dataplane;
use crate::error::Error;
use crate::family::Family;
use crate::interface::{Interface, InterfaceQuery, Interfaces};
use crate::kernel::{Kernel, Underlay};

/// An address of another network is taken only after this: one of the network of the lost one may be about to come.
const SETTLES: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Place {
    query: InterfaceQuery,
    /// The device when it last had all of the node's addresses.
    seen: Option<Underlay>,
    /// Since when it has them no more.
    lost: Option<Instant>,
}

impl Place {
    pub(super) fn new(query: InterfaceQuery) -> Self {
        Place { query, seen: None, lost: None }
    }

    pub(super) fn seen(&self) -> Option<&Underlay> {
        self.seen.as_ref()
    }

    fn is_at(&mut self, underlay: &Underlay) {
        (self.seen, self.lost) = (Some(underlay.clone()), None);
    }

    /// The addresses that take the place of those that the device has lost; nothing while one of them has no successor.
    fn successors(
        &mut self,
        config: &Config,
        underlay: &Underlay,
        host: &Interfaces,
        now: Instant,
    ) -> Option<BTreeMap<Family, IpAddr>> {
        let seen = self.seen.as_ref()?;
        let settled = now.duration_since(*self.lost.get_or_insert(now)) >= SETTLES;
        let link = host.links.iter().find(|link| link.name == underlay.name)?;
        let lost = config.stacks.iter().filter(|stack| !has(underlay, stack.local));
        let successor = |stack: &Stack| {
            let near =
                |address: &IpAddr| network_of(seen, stack.local).is_some_and(|net| net.contains(address));
            let usable = |address: &&IpAddr| {
                Family::of(**address) == stack.family()
                    && !config.stacks.iter().any(|stack| stack.network.contains(*address))
            };
            let mut addresses: Vec<_> = link.addresses.iter().filter(usable).copied().collect();
            // Stable: of equal ones the best first.
            addresses.sort_by_key(|address| !near(address));
            let found = self.asked(Interface::new(&link.name, addresses), stack.family(), host)?;
            (stack.follows && (settled || near(&found))).then_some((stack.family(), found))
        };
        lost.map(successor).collect()
    }

    /// What the query finds on one device. That nothing leads out over it at the moment is no matter.
    fn asked(&self, link: Interface, family: Family, host: &Interfaces) -> Option<IpAddr> {
        let default = BTreeMap::from([(family, link.name.clone())]);
        let host = Interfaces { links: vec![link], default, sources: host.sources.clone() };
        self.query.choose(&host, &[family]).ok()?.addresses.first().copied()
    }
}

impl<D: Dataplane> Driver<D> {
    /// What the kernel holds, and the underlay device with all of the node's addresses; without it when it has not.
    pub(super) fn locate(&mut self) -> Result<(Kernel, Option<Underlay>), Error> {
        let kernel = self.list()?;
        if let Some(underlay) = self.here(&kernel) {
            return Ok((kernel, Some(underlay)));
        }
        if !self.follow()? {
            return Ok((kernel, None));
        }
        let kernel = self.list()?;
        let underlay = self.here(&kernel);
        Ok((kernel, underlay))
    }

    fn here(&mut self, kernel: &Kernel) -> Option<Underlay> {
        let has_all =
            |underlay: &&Underlay| self.config.stacks.iter().all(|stack| has(underlay, stack.local));
        let underlay = kernel.underlay.as_ref().filter(has_all)?.clone();
        self.place.is_at(&underlay);
        Some(underlay)
    }

    /// Takes other addresses of the device for those that it has lost. Whether it has.
    fn follow(&mut self) -> Result<bool, Error> {
        let Some(name) = self.place.seen().map(|seen| seen.name.clone()) else { return Ok(false) };
        let mut scope = self.scope.clone();
        scope.underlay = Some(name);
        let Some(underlay) = self.dataplane.list(&scope)?.underlay else { return Ok(false) };
        let targets: Vec<_> = self.place.query.targets().collect();
        let host = self.dataplane.interfaces(&targets)?;
        let Some(addresses) = self.place.successors(&self.config, &underlay, &host, Instant::now()) else {
            return Ok(false);
        };
        for (family, to) in &addresses {
            let from = self.config.stack(*family).map(|stack| stack.local.to_string()).unwrap_or_default();
            info!(%from, %to, device = underlay.name, "the underlay has another address: the node moves there");
        }
        self.config = self.config.at(&addresses);
        self.scope = self.config.scope();
        Ok(true)
    }

    pub(super) fn underlay_wanted(&self) -> String {
        let addresses: Vec<_> = self.scope.locals.iter().map(ToString::to_string).collect();
        let addresses = addresses.join(" and ");
        match &self.scope.underlay {
            Some(name) => format!("the name {name} and the address {addresses}"),
            None => format!("the address {addresses}"),
        }
    }
}

/// Link-local IPv6 addresses are not among those that are listed: that one is there is not known, nor that it is not.
fn has(underlay: &Underlay, address: IpAddr) -> bool {
    let unlisted = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    unlisted || underlay.addresses.iter().any(|net| net.addr() == address)
}

fn network_of(underlay: &Underlay, address: IpAddr) -> Option<IpNet> {
    underlay.addresses.iter().find(|net| net.addr() == address).map(IpNet::trunc)
}

#[cfg(test)]
mod tests;
