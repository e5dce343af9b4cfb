//! A compiled plan: virtual servers, addresses and glue that can be printed, compared and followed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;
use svc_ipvs::{Listed, ServiceId};
use svc_model::ObjectName;

use super::Backend;
use super::change::Change;
use super::servers::{Server, Settings};
use crate::Plan;
use crate::nftables::{self, Balancer};
use crate::packet::Packet;
use crate::plan::{Destination, FrontendKey, ServicePlan};
use crate::trace::nftables::Tables;
use crate::trace::{Ruleset as _, Trace, TraceError};

/// The rules of a plan.
///
/// They keep the plan, not its virtual servers: those are compiled when somebody asks for them. Displays as the input of
/// programs, each under a comment that names it: of `ipvsadm --restore`, which reads no comments (its lines are those that
/// begin with `-`), of `ip -batch`, and as `nft list ruleset` would print the rest. Cloning is O(1).
#[derive(Clone, Debug)]
pub struct Rules {
    settings: Arc<Settings>,
    glue: nftables::Rules,
    services: Map<ObjectName, Arc<ServicePlan>>,
    /// Who is served at a frontend.
    owners: Map<FrontendKey, ObjectName>,
    /// The frontends with an address, as the virtual servers that they are: these go before node ports.
    taken: Map<ServiceId, FrontendKey>,
}

impl Rules {
    pub(crate) fn new(plan: &Plan, backend: &Backend) -> Self {
        let balancer = Balancer::Ipvs(Arc::clone(&backend.addresses));
        let settings = Settings::new(plan.node(), backend.scheduler, &backend.addresses);
        let mut rules = Self {
            settings: Arc::new(settings),
            glue: backend.glue.compile_for(plan, &balancer),
            services: Map::new_sync(),
            owners: Map::new_sync(),
            taken: Map::new_sync(),
        };
        let names = plan.services().map(|service| service.name().clone()).collect();
        rules.follow(plan, &names);
        rules
    }

    /// Follows a plan whose `services` changed. O(size of these Services x log of all).
    pub fn update(&mut self, plan: &Plan, services: &BTreeSet<ObjectName>) {
        self.glue.update(plan, services);
        self.follow(plan, services);
    }

    /// What turns `from` into these rules. `from` must be of the same node and back end. Compares all Services, but looks into
    /// those that changed only.
    #[must_use]
    pub fn diff(&self, from: &Rules) -> Change {
        let names = self.services.keys().chain(from.services.keys());
        let is_same = |name: &ObjectName| match (self.services.get(name), from.services.get(name)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        self.diff_of(from, &names.filter(|name| !is_same(name)).cloned().collect())
    }

    /// As [`diff`](Self::diff), where it is known which Services changed.
    #[must_use]
    pub fn diff_of(&self, from: &Rules, services: &BTreeSet<ObjectName>) -> Change {
        Change { glue: self.glue.diff_of(&from.glue, services), ..self.servers_diff(from, services) }
    }

    /// The same, without the glue.
    pub(super) fn servers_diff(&self, from: &Rules, services: &BTreeSet<ObjectName>) -> Change {
        let mut change = Change::default();
        let ids: BTreeSet<_> = [self, from].iter().flat_map(|rules| rules.ids(services)).collect();
        let of = |rules: &Rules| ids.iter().filter_map(|id| rules.server(*id)).collect::<Vec<_>>();
        change.extend(svc_ipvs::diff(&of(from), &of(self)));
        let mut addresses = self.addresses_of(services);
        addresses.append(&mut from.addresses_of(services));
        for address in addresses {
            match (from.glue.binds(address), self.glue.binds(address)) {
                (false, true) => change.bind.push(address),
                (true, false) => change.unbind.push(address),
                _ => {}
            }
        }
        change
    }

    /// The virtual servers, in the order of their [`ServiceId`]: what the kernel should list, other programs' apart.
    #[must_use]
    pub fn servers(&self) -> Vec<Listed> {
        let all = self.services.values().flat_map(|service| self.settings.of(service));
        let ours = all.filter(|server| self.is_served(server)).map(|server| (server.id(), server.listed));
        ours.collect::<BTreeMap<_, _>>().into_values().collect()
    }

    /// The addresses that [`DEVICE`](super::DEVICE) should have.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.glue.bound_addresses()
    }

    /// The rules around the virtual servers.
    #[must_use]
    pub fn glue(&self) -> &nftables::Rules {
        &self.glue
    }

    /// The Services that these rules are for.
    #[must_use]
    pub fn services(&self) -> BTreeSet<ObjectName> {
        self.services.keys().cloned().collect()
    }

    /// The same rules without these Services.
    #[must_use]
    pub fn without<'a>(&self, services: impl IntoIterator<Item = &'a ObjectName>) -> Self {
        let mut rules = self.clone();
        let names: BTreeSet<_> = services.into_iter().cloned().collect();
        rules.forget(&names);
        names.iter().for_each(|name| _ = rules.services.remove_mut(name));
        rules.glue = rules.glue.without(&names);
        rules
    }

    /// Whose a virtual server is.
    #[must_use]
    pub fn owner(&self, server: ServiceId) -> Option<&ObjectName> {
        let frontend = self.taken.get(&server).copied().or_else(|| self.settings.node_port(server))?;
        self.owners.get(&frontend)
    }

    #[cfg(feature = "driver")]
    pub(crate) fn compat(&self) -> &crate::Compat {
        &self.settings.compat
    }

    /// What packets are traced through: as the kernel has it when all of this is in force.
    #[must_use]
    pub fn on_paper(&self) -> Tables {
        Tables::new(self.glue.tables()).with_ipvs(self.servers(), self.addresses())
    }

    /// What becomes of a packet. For many packets use [`on_paper`](Self::on_paper) once.
    ///
    /// # Errors
    ///
    /// Never for rules as they were compiled: there is nothing in them that a trace does not understand.
    pub fn trace(&self, packet: &Packet) -> Result<Trace, TraceError> {
        self.on_paper().trace(packet)
    }

    fn forget(&mut self, services: &BTreeSet<ObjectName>) {
        for server in services.iter().flat_map(|name| self.servers_of(name)).collect::<Vec<_>>() {
            self.owners.remove_mut(&server.frontend);
            // What a node port gives way to stays.
            if self.taken.get(&server.id()) == Some(&server.frontend) {
                self.taken.remove_mut(&server.id());
            }
        }
    }

    fn follow(&mut self, plan: &Plan, services: &BTreeSet<ObjectName>) {
        self.forget(services);
        self.services = plan.services_by_name().clone();
        for name in services {
            for server in self.servers_of(name) {
                self.owners.insert_mut(server.frontend, name.clone());
                if self.settings.node_port(server.id()) != Some(server.frontend) {
                    self.taken.insert_mut(server.id(), server.frontend);
                }
            }
        }
    }

    fn servers_of(&self, service: &ObjectName) -> Vec<Server> {
        self.services.get(service).map(|service| self.settings.of(service)).unwrap_or_default()
    }

    fn ids(&self, services: &BTreeSet<ObjectName>) -> Vec<ServiceId> {
        services.iter().flat_map(|name| self.servers_of(name)).map(|server| server.id()).collect()
    }

    /// Those of frontends without endpoints included.
    fn addresses_of(&self, services: &BTreeSet<ObjectName>) -> BTreeSet<IpAddr> {
        let ports = services.iter().filter_map(|name| self.services.get(name)).flat_map(|plan| plan.ports());
        let destinations =
            ports.flat_map(|port| port.frontends_in_force()).map(|frontend| frontend.key().destination);
        destinations
            .filter_map(|destination| match destination {
                Destination::Address(address) => Some(address),
                Destination::NodePort(_) => None,
            })
            .collect()
    }

    /// The virtual server of this id.
    fn server(&self, id: ServiceId) -> Option<Listed> {
        let frontend = self.taken.get(&id).copied().or_else(|| self.settings.node_port(id))?;
        let mut servers = self.servers_of(self.owners.get(&frontend)?).into_iter();
        servers.find(|server| server.id() == id && server.frontend == frontend).map(|server| server.listed)
    }

    /// Not a node port at an address and port that is a Service's.
    fn is_served(&self, server: &Server) -> bool {
        self.taken.get(&server.id()).is_none_or(|taken| *taken == server.frontend)
    }
}

/// Two are equal when they do the same.
impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.glue == other.glue && self.servers() == other.servers() && self.addresses().eq(other.addresses())
    }
}
