//! nftables as typed values: their text, their netlink form, one atomic batch.
//!
//! For programs that own a table of their own and keep it in step with something: a Service proxy, an overlay network,
//! a firewall. It speaks to the kernel directly; no `nft` program is needed, though what it would print is what
//! [`Table`] prints. It is not a binding to all of nftables: it has what such programs need, and a listing keeps what
//! it does not know as [`Statement::Other`].
//!
//! ```text
//!   Table { Set { Element { Key, Data } }, Chain { Rule { Statement { Expr, Value } } } }     values
//!      |  Display: `nft list table`        |  diff(current), Batch::load
//!      v                                   v
//!    text                                Batch      Display: a script for `nft -f`          values
//!                                          |  encode                                        pure
//!                                          v
//!   Dataplane:  apply, list_table   <-  netlink messages                                    pure
//!      |              |
//!    Socket      fake::Kernel                                                               I/O | memory
//! ```
//!
//! # Example
//!
//! Two endpoints behind one address. A map leads from address, protocol and port to a chain that all Services with two
//! endpoints share, and another from the same and a random number to the endpoint: no kernel object belongs to one
//! Service alone, so a change costs a few elements however many Services there are.
//!
//! ```
//! use std::net::Ipv4Addr;
//! use svc_nft::*;
//!
//! let service = [Ipv4Addr::new(10, 96, 0, 10).into(), L4Proto::TCP.into(), Value::Port(80)];
//! let endpoint = |index: u32, last: u8| {
//!     let key = Key::new(service.iter().cloned().chain([Value::Integer(index)]));
//!     Element::mapping(key, [Ipv4Addr::new(10, 244, 0, last).into(), Value::Port(8080)])
//! };
//! let key = [Expr::IpDaddr, Expr::L4Proto, Expr::ThDport];
//! let draw = [Expr::IpDaddr, Expr::L4Proto, Expr::ThDport, Expr::numgen_random(2)];
//! let table = Table::new(Family::Ip, "demo")
//!     .set(Set::vmap("services", key).element(Element::mapping(service.clone(), Verdict::goto("endpoints-2"))))
//!     .set(Set::map("endpoints", draw, [Expr::IpDaddr, Expr::ThDport]).element(endpoint(0, 5)).element(endpoint(1, 6)))
//!     .chain(Chain::regular("endpoints-2").rule([Statement::dnat_map(draw, "endpoints", false)]))
//!     .chain(
//!         Chain::base("prerouting", ChainType::Nat, Hook::Prerouting, Priority::DSTNAT)
//!             .rule(Rule::new([Statement::vmap(key, "services")]).comment("every Service")),
//!     );
//! assert_eq!(table.to_string(), "\
//! table ip demo {
//! \tmap services {
//! \t\ttypeof ip daddr . meta l4proto . th dport : verdict
//! \t\telements = { 10.96.0.10 . tcp . 80 : goto endpoints-2 }
//! \t}
//!
//! \tmap endpoints {
//! \t\ttypeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport
//! \t\telements = { 10.96.0.10 . tcp . 80 . 0 : 10.244.0.5 . 8080,
//! \t\t\t     10.96.0.10 . tcp . 80 . 1 : 10.244.0.6 . 8080 }
//! \t}
//!
//! \tchain endpoints-2 {
//! \t\tdnat ip to ip daddr . meta l4proto . th dport . numgen random mod 2 map @endpoints
//! \t}
//!
//! \tchain prerouting {
//! \t\ttype nat hook prerouting priority dstnat; policy accept;
//! \t\tip daddr . meta l4proto . th dport vmap @services comment \"every Service\"
//! \t}
//! }
//! ");
//!
//! // The same code runs on `Socket::open()?`, given the right to change this network namespace's rules.
//! let mut kernel = fake::Kernel::new();
//! let current = kernel.list_table(table.id())?;
//! kernel.apply(&table.diff(current.as_ref()))?;
//!
//! // Another endpoint: what there is to do is a value too.
//! let mut wanted = table.clone();
//! wanted.find_set_mut("endpoints").map(|set| set.insert(endpoint(1, 7)));
//! let change = wanted.diff(&table);
//! assert_eq!(change.to_string(), "\
//! delete element ip demo endpoints { 10.96.0.10 . tcp . 80 . 1 }
//! add element ip demo endpoints { 10.96.0.10 . tcp . 80 . 1 : 10.244.0.7 . 8080 }
//! ");
//! kernel.apply(&change)?;
//! assert_eq!(kernel.list_table(wanted.id())?, Some(wanted));
//! # Ok::<(), Error>(())
//! ```
//!
//! # What is needed
//!
//! | for | kernel | module | capability |
//! |---|---|---|---|
//! | everything | 5.13 | `nf_tables` | `CAP_NET_ADMIN` over the network namespace; a user namespace of one's own will do |
//! | nat, masquerade | | `nft_chain_nat`, `nft_nat`, `nft_masq`, `nf_conntrack` | |
//! | `fib`, `numgen`, `reject`, `ct` | | `nft_fib_inet`, `nft_numgen`, `nft_reject_inet`, `nft_ct` | |
//! | [`Verb::Destroy`] | 6.3 | | |
//! | a map looked up as a set is ([`Statement::lookup`]) | 6.12; 6.1 refuses it | | |
//! | batches above twice `net.core.wmem_max` | | | `CAP_NET_ADMIN` over the first user namespace |
//!
//! Modules are loaded by the kernel itself when a rule needs them.
//!
//! # Errors
//!
//! A batch takes effect as a whole or not at all. [`Error`] names the first command that was refused, and the element
//! within it, and is asked by [`is_not_found`](Error::is_not_found), [`is_exists`](Error::is_exists),
//! [`is_busy`](Error::is_busy), [`is_permission_denied`](Error::is_permission_denied) and
//! [`is_transient`](Error::is_transient), which look at the kernel's errno and at nothing else.
//!
//! # The nft program
//!
//! The text is that of version 1.0.6 on a host with Debian's `/etc/protocols`; tests hold it to the program by thousands
//! of generated rules. The program stops at a rule with [`Source::Map`], which the kernel takes and obeys; avoid it
//! where people list rules.
//!
//! # Connection tracking
//!
//! [`conntrack`] lists the flows that a kernel knows, as a stream, and forgets single ones (ctnetlink, over the same socket;
//! module `nf_conntrack_netlink`).
//!
//! # Sets of iptables
//!
//! [`ipset`] makes, lists and removes sets that rules of iptables ask (ip_set, over the same socket; module
//! `ip_set_hash_ip`).
//!
//! # Features
//!
//! - `netlink` (default): `Socket`. Without it the crate is pure and needs no operating system.
//!
//! Calls of a socket block, for microseconds as a rule; nothing is async here, so there is nothing to cancel. The oldest
//! supported Rust is 1.89.

// Lets the strategies of the kernel tests serve the unit tests too.
#[cfg(test)]
extern crate self as svc_nft;

mod batch;
mod chain;
pub mod conntrack;
mod dataplane;
mod diff;
mod element;
mod elements;
mod error;
mod expr;
pub mod fake;
pub mod ipset;
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
pub use elements::Elements;
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
pub use wire::{Encoded, Listing, Message};
