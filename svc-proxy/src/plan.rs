//! The plan: which frontends exist and what becomes of connections to them. Pure; knows no back end.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;
use svc_model::{Delta, ObjectName, Revision, Snapshot};

use crate::Node;

mod claims;
mod endpoint;
mod frontend;
mod health;
mod problem;
mod service;
mod table;

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;

use claims::Claims;
pub use endpoint::Endpoint;
pub use frontend::{
    Destination, Frontend, FrontendKey, FrontendKind, Masquerade, Outcome, ServicePortName, SourceClass,
};
pub use health::HealthCheck;
pub use problem::Problem;
pub use service::{PortPlan, Reading, ServicePlan};

/// What a node should do with connections to Services: a value that can be printed, compared and compiled.
///
/// Displays as a table, one line per frontend. Cloning is O(1).
#[derive(Clone, Debug)]
pub struct Plan {
    node: Arc<Node>,
    zone: Option<String>,
    revision: Revision,
    services: Map<ObjectName, Arc<ServicePlan>>,
    claims: Claims,
    /// Services that do not get all they ask for.
    contested: Map<ObjectName, ()>,
}

impl Plan {
    /// The plan of `node` for all Services of a snapshot.
    #[must_use]
    pub fn new(snapshot: &Snapshot, node: &Node) -> Self {
        let mut plan = Plan {
            node: Arc::new(node.clone()),
            zone: zone_of(snapshot, node),
            revision: snapshot.revision(),
            services: Map::new_sync(),
            claims: Claims::default(),
            contested: Map::new_sync(),
        };
        let names = snapshot.services().map(|service| service.name().clone()).collect();
        plan.recompute(snapshot, &names);
        plan
    }

    /// Follows a change: `snapshot` is what `delta` leads to. Returns the Services whose part of the plan is another
    /// now. Only the Services of the delta are recomputed, and those that compete with them for an address; all,
    /// when this node moved to another zone.
    pub fn update(&mut self, snapshot: &Snapshot, delta: &Delta) -> BTreeSet<ObjectName> {
        self.revision = snapshot.revision();
        let zone = zone_of(snapshot, &self.node);
        if zone == self.zone {
            return self.recompute(snapshot, delta.services());
        }
        self.zone = zone;
        let names = snapshot.services().map(|service| service.name()).chain(self.services.keys()).cloned();
        self.recompute(snapshot, &names.collect())
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The revision of the snapshot this plan was made from.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The Services that have anything to forward, by name.
    pub fn services(&self) -> impl Iterator<Item = &ServicePlan> {
        self.services.values().map(AsRef::as_ref)
    }

    pub(crate) fn services_by_name(&self) -> &Map<ObjectName, Arc<ServicePlan>> {
        &self.services
    }

    /// The part of one Service.
    #[must_use]
    pub fn service(&self, name: &ObjectName) -> Option<&ServicePlan> {
        self.services.get(name).map(AsRef::as_ref)
    }

    /// All frontends with the port they lead to, by Service.
    pub fn frontends(&self) -> impl Iterator<Item = (&PortPlan, &Frontend)> {
        let ports = self.services().flat_map(ServicePlan::ports);
        ports.flat_map(|port| port.frontends().iter().map(move |frontend| (port, frontend)))
    }

    /// What a frontend leads to.
    #[must_use]
    pub fn frontend(&self, key: FrontendKey) -> Option<(&PortPlan, &Frontend)> {
        let owner = self.claims.owner(key)?;
        let ports = self.service(owner.service())?.ports().iter();
        ports
            .flat_map(|port| port.frontends_in_force().map(move |frontend| (port, frontend)))
            .find(|(_, frontend)| frontend.key() == key)
    }

    /// What Services ask for and do not get: addresses that another Service has.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let ports = self.contested.keys().filter_map(|name| self.service(name)).flat_map(ServicePlan::ports);
        let frontends = ports.flat_map(|port| port.frontends().iter().map(move |frontend| (port, frontend)));
        frontends.filter_map(|(port, frontend)| Problem::of(port, frontend)).collect()
    }

    /// The rules that do it, in the form of one back end.
    #[must_use]
    pub fn compile<C: Compiler>(&self, compiler: &C) -> C::Rules {
        compiler.compile(self)
    }

    fn recompute(&mut self, snapshot: &Snapshot, names: &BTreeSet<ObjectName>) -> BTreeSet<ObjectName> {
        let before = self.services.clone();
        let (mut changed, mut unsettled) = (Vec::new(), BTreeSet::new());
        for name in names {
            let new = ServicePlan::new(name, snapshot, &self.node, self.zone.as_deref());
            if self.replace(name, new, &mut unsettled) {
                changed.push(name.clone());
            }
        }
        // Sorted, as they were: gathered in no time.
        let mut changed: BTreeSet<_> = changed.into_iter().collect();
        for name in unsettled {
            self.settle(&name);
            match self.services.get(&name) == before.get(&name) {
                true => _ = changed.remove(&name),
                false => _ = changed.insert(name),
            }
        }
        changed
    }

    /// Puts a Service's new part in place, and notes whose frontends are to be decided anew. Whether it is another than before.
    fn replace(
        &mut self,
        name: &ObjectName,
        new: Option<ServicePlan>,
        unsettled: &mut BTreeSet<ObjectName>,
    ) -> bool {
        let old = self.services.get(name).cloned();
        let claimed = old.iter().flat_map(|plan| plan.claims());
        // Where endpoints come and go, as most changes are, nobody claims anything else.
        if !new.iter().flat_map(ServicePlan::claims).eq(claimed) {
            let mut rivals = BTreeSet::new();
            if let Some(old) = &old {
                self.claims.remove(old);
                self.claims.rivals(old, &mut rivals);
            }
            if let Some(new) = &new {
                self.claims.add(new);
                self.claims.rivals(new, &mut rivals);
            }
            unsettled.extend(rivals);
        }
        if !self.contested.is_empty() && self.contested.contains_key(name) {
            unsettled.insert(name.clone());
        }
        if old.as_deref() == new.as_ref() {
            return false;
        }
        match new {
            Some(new) => self.services.insert_mut(name.clone(), Arc::new(new)),
            None => drop(self.services.remove_mut(name)),
        }
        true
    }

    /// Decides a Service's contested frontends.
    fn settle(&mut self, name: &ObjectName) {
        if let Some(settled) = self.services.get(name).and_then(|plan| plan.settled(&self.claims)) {
            self.services.insert_mut(name.clone(), Arc::new(settled));
        }
        if self.service(name).is_some_and(ServicePlan::is_contested) {
            self.contested.insert_mut(name.clone(), ());
        } else {
            self.contested.remove_mut(name);
        }
    }
}

fn zone_of(snapshot: &Snapshot, node: &Node) -> Option<String> {
    let label = || snapshot.node(node.name()).and_then(|node| node.zone());
    node.zone().or_else(label).map(str::to_owned)
}

/// Two plans are equal when they do the same, whatever revision they were made from.
impl PartialEq for Plan {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node && self.services == other.services
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table::write(self, f)
    }
}

/// A back end's pure half: from a plan to rules that can be printed, compared and diffed.
pub trait Compiler {
    /// The rules.
    type Rules: fmt::Display;

    /// Compiles a whole plan.
    fn compile(&self, plan: &Plan) -> Self::Rules;
}
