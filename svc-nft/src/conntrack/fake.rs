//! Connection tracking in memory, for tests of programs that use this crate.

use super::{Conntrack, Filter, Flow};
use crate::Error;

/// Flows that are not a kernel's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    flows: Vec<Flow>,
    asked: Vec<Filter>,
    forgotten: Vec<Flow>,
    failures: Vec<i32>,
    inserted: u32,
}

impl Table {
    /// These flows.
    #[must_use]
    pub fn new(flows: impl IntoIterator<Item = Flow>) -> Self {
        let mut table = Self::default();
        flows.into_iter().for_each(|flow| table.insert(flow));
        table
    }

    /// One more flow. Another one with the same packets gives way, as there is only one at a time.
    pub fn insert(&mut self, flow: Flow) {
        self.flows.retain(|other| other.original() != flow.original() || other.zone() != flow.zone());
        self.inserted += 1;
        self.flows.push(Flow { id: Some(self.inserted), ..flow });
    }

    /// What flows there are.
    #[must_use]
    pub fn all(&self) -> &[Flow] {
        &self.flows
    }

    /// What was asked for, in order.
    pub fn asked(&self) -> &[Filter] {
        &self.asked
    }

    /// What was forgotten, in order.
    #[must_use]
    pub fn forgotten(&self) -> &[Flow] {
        &self.forgotten
    }

    /// Makes the next call fail with this errno; several calls fail as many.
    pub fn fail_next(&mut self, errno: i32) {
        self.failures.push(errno);
    }

    fn failure(&mut self) -> Option<i32> {
        if self.failures.is_empty() { None } else { Some(self.failures.remove(0)) }
    }
}

impl Conntrack for Table {
    fn flows(&mut self, filter: &Filter, show: &mut dyn FnMut(Flow)) -> Result<(), Error> {
        if let Some(errno) = self.failure() {
            return Err(Error::os("list", filter, errno));
        }
        self.asked.push(*filter);
        self.flows.iter().filter(|flow| filter.admits(flow)).for_each(|flow| show(*flow));
        Ok(())
    }

    fn forget(&mut self, flow: &Flow) -> Result<bool, Error> {
        if let Some(errno) = self.failure() {
            return Err(Error::os("forget flow", flow, errno));
        }
        let Some(at) = self.flows.iter().position(|other| other == flow) else { return Ok(false) };
        self.forgotten.push(self.flows.remove(at));
        Ok(true)
    }
}
