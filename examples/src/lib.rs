//! The parts that the programs share: the lab's cluster, the tour through it, and the node stack.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "programs own their sockets, clocks and processes; the layering rule is for the libraries"
)]
#![allow(clippy::print_stdout, reason = "programs print")]

pub mod apps;
pub mod certificates;
pub mod client;
pub mod cluster;
pub mod kube_proxy;
pub mod leases;
pub mod manifests;
#[allow(clippy::exhaustive_structs, reason = "the options of one program")]
pub mod nameserver;
#[allow(clippy::exhaustive_structs, clippy::exhaustive_enums, reason = "the options of one program")]
pub mod overlay;
#[allow(clippy::exhaustive_structs, clippy::exhaustive_enums, reason = "the options of one program")]
pub mod router;
#[allow(clippy::exhaustive_structs, clippy::exhaustive_enums, reason = "the options of one program")]
pub mod rules;
pub mod show;
mod source;
pub mod stack;
pub mod tour;

/// Every Rust example of the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
