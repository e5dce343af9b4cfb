//! A compiled plan: tables that can be printed, compared and followed.

#[cfg(feature = "driver")]
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use svc_model::{AddressType, ObjectName};

use super::Backend;
use super::change::Change;
use super::dialect::Dialect;
use super::family::FamilyRules;
#[cfg(feature = "driver")]
use super::table::TableName;
use super::table::Tables;
use crate::Plan;

/// The rules of a plan: all tables of each family that the node has.
///
/// They keep the plan, not its chains: those are compiled when somebody asks for them. Displays as the input of
/// `iptables-restore`, the families one after the other. Cloning is O(1).
///
/// ```
/// use svc_model::{Snapshot, yaml};
/// use svc_proxy::{Node, Plan, iptables, trace::Outcome};
///
/// let manifests = yaml::read("
/// {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.80, ports: [{port: 80}]}}
/// ---
/// {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
///  metadata: {name: web-1, labels: {kubernetes.io/service-name: web}},
///  ports: [{port: 9376}], endpoints: [{addresses: [10.244.2.65]}]}");
/// let snapshot: Snapshot = manifests.stored().0.into_iter().collect();
/// let node = Node::builder("server2").address("172.20.10.2").build()?;
/// let rules = Plan::new(&snapshot, &node).compile(&iptables::Backend::default());
/// assert!(rules.to_string().contains("-j DNAT --to-destination 10.244.2.65:9376"));
/// let trace = rules.trace(&"TCP 203.0.113.7 10.96.0.80:80".parse()?)?;
/// assert_eq!(trace.outcome(), Outcome::Forward);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rules {
    families: Vec<FamilyRules>,
}

impl Rules {
    pub(crate) fn new(plan: &Plan, backend: &Backend) -> Self {
        let families = plan.node().families().into_iter().map(|family| {
            let mut rules = FamilyRules::new(Dialect::new(plan.node(), family, backend));
            plan.services().for_each(|service| rules.move_keys(service.name(), None, Some(service)));
            rules.services = plan.services_by_name().clone();
            rules
        });
        Self { families: families.collect() }
    }

    /// Follows a plan whose `services` changed. O(size of these Services x log of all).
    pub fn update(&mut self, plan: &Plan, services: &BTreeSet<ObjectName>) {
        for family in &mut self.families {
            for name in services {
                let old = family.services.get(name).cloned();
                family.move_keys(name, old.as_deref(), plan.service(name));
            }
            // One tree for both families, however many changes there were.
            family.services = plan.services_by_name().clone();
        }
    }

    /// What turns `from` into these rules, family by family: only chains that differ. `from` must be of the same node and
    /// back end. Compares all Services, but looks into those that changed only.
    #[must_use]
    pub fn diff(&self, from: &Rules) -> Vec<Change> {
        self.each(from, |new, old| new.differing(old))
    }

    /// As [`diff`](Self::diff), where it is known which Services changed.
    #[must_use]
    pub fn diff_of(&self, from: &Rules, services: &BTreeSet<ObjectName>) -> Vec<Change> {
        self.each(from, |_, _| services.clone())
    }

    /// What turns what is listed of a family, as [`Tables::owned`] gives it, into these rules. Compiles one Service after the other
    /// and keeps none, so this is the way to load all of them.
    #[must_use]
    pub fn diff_listed(&self, listed: &Tables) -> Change {
        let mut families = self.families.iter();
        match families.find(|family| family.dialect.family == listed.family()) {
            Some(family) => family.change_from(listed, family.base()).0,
            None => Change::between(listed, &Tables::new(listed.family())),
        }
    }

    /// The tables as values, by family: what is ours of what `iptables-save` should list.
    #[must_use]
    pub fn tables(&self) -> Vec<Tables> {
        self.families.iter().map(|family| family.tables(family.base())).collect()
    }

    /// The same rules without these Services.
    #[must_use]
    pub fn without<'a>(&self, services: impl IntoIterator<Item = &'a ObjectName>) -> Self {
        let mut rules = self.clone();
        for name in services {
            for family in &mut rules.families {
                let old = family.services.get(name).cloned();
                family.move_keys(name, old.as_deref(), None);
                family.services.remove_mut(name);
            }
        }
        rules
    }

    /// The Services that these rules are for.
    #[must_use]
    pub fn services(&self) -> BTreeSet<ObjectName> {
        self.families.iter().flat_map(|family| family.services.keys()).cloned().collect()
    }

    /// The families that the node has, in order.
    #[must_use]
    pub fn families(&self) -> Vec<AddressType> {
        self.families.iter().map(|family| family.dialect.family).collect()
    }

    /// What no Service can change, by family.
    #[cfg(feature = "driver")]
    pub(crate) fn base(&self) -> Vec<Tables> {
        self.families.iter().map(FamilyRules::base).collect()
    }

    /// All of a family, with what no Service can change as it is in `base`.
    #[cfg(feature = "driver")]
    pub(crate) fn tables_with(&self, base: Tables) -> Tables {
        let mut families = self.families.iter();
        match families.find(|family| family.dialect.family == base.family()) {
            Some(family) => family.tables(base),
            None => base,
        }
    }

    /// What turns what is listed of a family into these rules, with what no Service can change as it is in `base`; and how many
    /// rules of each table there are then. Nobody keeps them all.
    #[cfg(feature = "driver")]
    pub(crate) fn change_from(&self, listed: &Tables, base: Tables) -> (Change, BTreeMap<TableName, u64>) {
        let mut families = self.families.iter();
        match families.find(|family| family.dialect.family == base.family()) {
            Some(family) => family.change_from(listed, base),
            None => (Change::between(listed, &base), BTreeMap::new()),
        }
    }

    /// The Services of which not everything is in these tables, which are by family.
    #[cfg(feature = "driver")]
    pub(crate) fn unlike(&self, listed: &[Tables]) -> BTreeSet<ObjectName> {
        self.families.iter().zip(listed).flat_map(|(family, listed)| family.unlike(listed)).collect()
    }

    fn each(
        &self,
        from: &Rules,
        services: impl Fn(&FamilyRules, &FamilyRules) -> BTreeSet<ObjectName>,
    ) -> Vec<Change> {
        let families = self.families.iter().zip(&from.families);
        families.map(|(new, old)| new.change(old, &services(new, old))).collect()
    }
}

/// Two are equal when they do the same.
impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.tables() == other.tables()
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables().iter().try_for_each(|tables| write!(f, "{tables}"))
    }
}
