//! The iptables back end: a plan as chains under kube-proxy's names, led to by a tree of chains.
//!
//! Chains are called and mean what they do in kube-proxy's iptables mode (`KUBE-SERVICES`, `KUBE-SVC-…`, `KUBE-SEP-…`,
//! `KUBE-EXT-…`, `KUBE-SVL-…`, `KUBE-FW-…`, `KUBE-MARK-MASQ` and the others). What differs is the way to them: kube-proxy
//! asks for one Service after another, here `KUBE-SERVICES` leads through chains that each ask for three more bits of the
//! address (`KUBE-DST-…`), so that the first packet of a connection passes O(log n) rules, and a packet that is for no
//! Service leaves after a few. [`Backend::flat`] has kube-proxy's layout.
//!
//! Values here are what `iptables-save` lists, and print so; [`Tables::parse`] reads it back. A change is a
//! [`Change`]: the input of `iptables-restore --noflush` that rewrites only the chains that differ.
//!
//! xt_recent remembers 100 clients a list (its module's `ip_list_tot`), too few for session affinity. Each endpoint has as
//! many lists as [`Backend::affinity_lists`] says, told apart by the last bits of the client's address.

mod base;
mod change;
mod dataplane;
mod dialect;
mod error;
mod fragment;
mod matching;
mod name;
mod parse;
#[cfg(feature = "driver")]
mod pieces;
mod restore;
mod rule;
mod rules;
mod table;
mod target;
mod tree;

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;

pub use base::MARKER;
pub(crate) use base::reason_of_chain;
pub use change::{CausedLine, Change};
pub use dataplane::{Dataplane, Stamp, Variant};
pub(crate) use error::Cause;
pub use error::Error;
#[cfg(feature = "driver")]
pub(crate) use error::Holder;
pub use matching::{AddressKind, CtState, Match, Negatable, Recent};
pub use parse::ParseError;
#[cfg(feature = "driver")]
pub(crate) use pieces::pieces;
pub use rule::{Masked, Rule};
pub use rules::Rules;
pub use table::{Chain, Policy, Table, TableName, Tables};
pub use target::{RejectWith, Target};

use crate::Plan;
use crate::plan::Compiler;

/// Lists of clients per endpoint: with 100 clients each, 6 400 clients of an endpoint are remembered.
const AFFINITY_LISTS: u32 = 64;

/// Compiles plans to iptables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    flat: bool,
    lists: u32,
}

impl Default for Backend {
    fn default() -> Self {
        Self { flat: false, lists: AFFINITY_LISTS }
    }
}

impl Backend {
    /// With kube-proxy's layout: one rule after another in `KUBE-SERVICES`.
    #[must_use]
    pub fn flat(mut self, flat: bool) -> Self {
        self.flat = flat;
        self
    }

    /// With so many lists of clients for each endpoint with session affinity: rounded up to a power of 2, at most 256.
    /// With [`Compat::affinity_of_100_clients`](crate::Compat::affinity_of_100_clients) it is one.
    #[must_use]
    pub fn affinity_lists(mut self, lists: u32) -> Self {
        self.lists = lists.clamp(1, 256).next_power_of_two();
        self
    }
}

impl Compiler for Backend {
    type Rules = Rules;

    fn compile(&self, plan: &Plan) -> Rules {
        Rules::new(plan, self)
    }
}
