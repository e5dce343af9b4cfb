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
//! xt_recent remembers 100 clients a list (its module's `ip_list_tot`), too few for session affinity. Each endpoint of a
//! Service that asks for it has a set of ip_set instead, with room for as many as [`Backend::affinity_clients`] says.

mod around;
mod base;
mod change;
mod dataplane;
mod dialect;
mod draft;
mod error;
mod family;
mod fragment;
mod lead;
mod matching;
mod name;
mod parse;
#[cfg(feature = "driver")]
mod pieces;
mod print;
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
pub use matching::{AddressKind, CtState, Match, Negatable};
pub use parse::ParseError;
#[cfg(feature = "driver")]
pub(crate) use pieces::pieces;
pub use rule::{Masked, Rule};
pub use rules::Rules;
pub(crate) use table::netfilter;
pub use table::{Chain, Policy, Table, TableName, Tables};
pub use target::{RejectWith, Target};

use crate::Plan;
use crate::plan::Compiler;

/// Clients that are remembered of an endpoint.
const AFFINITY_CLIENTS: u32 = 65_536;

/// Compiles plans to iptables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    flat: bool,
    clients: u32,
}

impl Default for Backend {
    fn default() -> Self {
        Self { flat: false, clients: AFFINITY_CLIENTS }
    }
}

impl Backend {
    /// With kube-proxy's layout: one rule after another in `KUBE-SERVICES`.
    #[must_use]
    pub fn flat(mut self, flat: bool) -> Self {
        self.flat = flat;
        self
    }

    /// Remembers so many clients of each endpoint with session affinity: 65 536 unless set, at least one. When there are more,
    /// each new one takes another's place, but for one of fifty, who is served and not remembered. The kernel takes 2 bytes for each from the beginning, so 128 KiB unless set, and
    /// some 30 for those that are there. With
    /// [`Compat::affinity_of_100_clients`](crate::Compat::affinity_of_100_clients) it is 100.
    #[must_use]
    pub fn affinity_clients(mut self, clients: u32) -> Self {
        self.clients = clients.max(1);
        self
    }
}

impl Compiler for Backend {
    type Rules = Rules;

    fn compile(&self, plan: &Plan) -> Rules {
        Rules::new(plan, self)
    }
}
