//! nftables as typed values: their text, their netlink form, one atomic batch

// Lets the strategies of the kernel tests serve the unit tests too.
#[cfg(test)]
extern crate self as svc_nft;

mod batch;
mod chain;
mod dataplane;
mod diff;
mod element;
mod error;
mod expr;
pub mod fake;
mod name;
mod named;
mod rule;
mod set;
mod statement;
#[cfg(test)]
#[path = "../tests/kernel/strategies.rs"]
#[allow(dead_code, reason = "shared with the kernel tests")]
mod strategies;
#[cfg(feature = "netlink")]
#[allow(clippy::disallowed_types, reason = "the one place of this crate with a socket")]
mod sys;
mod table;
mod text;
mod value;
mod verdict;
mod wire;

pub use batch::{Batch, Command, Object, Verb};
pub use chain::{Base, Chain, ChainType, Hook, Policy, Priority};
pub use dataplane::Dataplane;
pub use element::{Data, Element, Key};
pub use error::Error;
pub use expr::{CtState, CtStatus, Expr, FibAddress, FibType, Numgen};
pub use name::Name;
pub use rule::Rule;
pub use set::{KeyType, Set, SetData, SetFlag};
pub use statement::{CmpOp, DynsetOp, NatFlag, NatKind, NatTarget, RejectWith, Source, Statement};
#[cfg(feature = "netlink")]
pub use sys::Socket;
pub use table::{Family, Table, TableId};
pub use text::RuleText;
pub use value::{DataType, L4Proto, Value};
pub use verdict::Verdict;
pub use wire::{Encoded, Message};
