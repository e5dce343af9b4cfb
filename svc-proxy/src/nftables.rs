//! The nftables back end: a plan as one table per family, in a shape with no kernel object per Service.
//!
//! A verdict map leads from (address, protocol, port) to a chain that all Services with as many endpoints share; that
//! chain draws a number and looks the endpoint up in a data map by (address, protocol, port, number). Only session
//! affinity and source ranges need chains of their own. So a change is a handful of map elements, whatever the number
//! of Services.
//!
//! Affinity has a set and a chain for each endpoint: one map of clients for all would keep leading to endpoints that are
//! gone, and its rules (what to remember is looked up in another map) stop the nft program 1.0.6 when somebody lists them.
//!
//! Needs Linux 5.13 (NAT to address and port from a concatenated map, reject at prerouting).

mod base;
mod cause;
mod change;
mod dialect;
mod fragment;
mod map;
mod own;
mod reason;
mod rules;
mod shared;
mod trace;
mod whose;

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;

use svc_nft::{Family, Name, TableId};

use crate::Plan;
use crate::plan::Compiler;

pub use cause::CausedCommand;
pub(crate) use dialect::Balancer;
pub(crate) use reason::{reason_of_chain, reason_of_set};
pub(crate) use rules::MARKER;
pub use rules::Rules;
pub(crate) use whose::LongNames;

/// What the tables are called unless told otherwise.
const TABLE: &str = "svc-proxy";

/// Compiles plans to nftables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    table: Name,
}

impl Default for Backend {
    fn default() -> Self {
        Self { table: TABLE.into() }
    }
}

impl Backend {
    /// The same back end with tables of another name, for a second proxy beside the first.
    #[must_use]
    pub fn table(mut self, name: impl Into<Name>) -> Self {
        self.table = name.into();
        self
    }

    #[cfg(feature = "driver")]
    pub(crate) fn name(&self) -> &str {
        &self.table
    }

    /// The rules of a plan where IPVS leads, or not.
    pub(crate) fn compile_for(&self, plan: &Plan, balancer: &Balancer) -> Rules {
        Rules::new(plan, &self.table, balancer)
    }

    /// The tables that rules of this back end may be in: those of families that a node does not have included.
    #[must_use]
    pub fn tables(&self) -> [TableId; 2] {
        [Family::Ip, Family::Ip6].map(|family| TableId::new(family, &self.table))
    }
}

impl Compiler for Backend {
    type Rules = Rules;

    fn compile(&self, plan: &Plan) -> Rules {
        self.compile_for(plan, &Balancer::Chains)
    }
}
