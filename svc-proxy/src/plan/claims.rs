//! Who has which frontend, when several Services ask for the same one.

use std::collections::BTreeSet;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;
use svc_model::ObjectName;

use super::frontend::{FrontendKey, FrontendKind, ServicePortName};
use super::service::ServicePlan;

/// All claims, by what is claimed. The best claim wins: by kind, then by name; so the result does not depend on the
/// order in which Services came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    claims: Map<FrontendKey, Claimants>,
}

/// Who claims one thing: nearly always one.
#[derive(Clone, Debug)]
struct Claimants {
    winner: Claim,
    /// Sorted.
    others: Option<Box<[Claim]>>,
}

impl Claimants {
    /// `None` for nobody.
    fn of(mut claims: Vec<Claim>) -> Option<Self> {
        claims.sort();
        let others = claims.split_off(claims.len().min(1));
        let others = (!others.is_empty()).then(|| others.into());
        claims.pop().map(|winner| Self { winner, others })
    }

    fn iter(&self) -> impl Iterator<Item = &Claim> {
        std::iter::once(&self.winner).chain(self.others.iter().flatten())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    kind: FrontendKind,
    name: Arc<ServicePortName>,
}

impl Claims {
    pub(crate) fn add(&mut self, plan: &ServicePlan) {
        for (key, kind, name) in plan.claims() {
            let claim = Claim { kind, name: Arc::clone(name) };
            let mut claims = self.claims_of(key);
            if claims.is_empty() {
                self.claims.insert_mut(key, Claimants { winner: claim, others: None });
                continue;
            }
            claims.push(claim);
            self.put(key, claims);
        }
    }

    pub(crate) fn remove(&mut self, plan: &ServicePlan) {
        for (key, kind, name) in plan.claims() {
            let mut claims = self.claims_of(key);
            if let Some(at) = claims.iter().position(|claim| claim.kind == kind && claim.name == *name) {
                claims.remove(at);
            }
            self.put(key, claims);
        }
    }

    fn claims_of(&self, key: FrontendKey) -> Vec<Claim> {
        self.claims.get(&key).into_iter().flat_map(Claimants::iter).cloned().collect()
    }

    fn put(&mut self, key: FrontendKey, claims: Vec<Claim>) {
        match Claimants::of(claims) {
            Some(claimants) => self.claims.insert_mut(key, claimants),
            None => drop(self.claims.remove_mut(&key)),
        }
    }

    /// The Services that have claims to what `plan` claims, where it is not the only claim.
    pub(crate) fn rivals(&self, plan: &ServicePlan, into: &mut BTreeSet<ObjectName>) {
        for (key, ..) in plan.claims() {
            let several = self.claims.get(&key).filter(|claimants| {
                claimants.others.is_some() || claimants.winner.name.service() != plan.name()
            });
            let claims = several.into_iter().flat_map(Claimants::iter);
            into.extend(claims.map(|claim| claim.name.service().clone()));
        }
    }

    /// Who has it.
    pub(crate) fn owner(&self, key: FrontendKey) -> Option<&ServicePortName> {
        Some(&self.claims.get(&key)?.winner.name)
    }

    /// The winner, unless it is this claim.
    pub(crate) fn taken_by(
        &self,
        key: FrontendKey,
        kind: FrontendKind,
        name: &Arc<ServicePortName>,
    ) -> Option<Arc<ServicePortName>> {
        let winner = &self.claims.get(&key)?.winner;
        (winner.kind != kind || winner.name != *name).then(|| Arc::clone(&winner.name))
    }
}
