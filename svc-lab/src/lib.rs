//! Rootless labs of network namespaces: hosts, pods, a switch, packet capture
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a lab is made of threads, processes, files and sockets"
)]

mod capture;
mod dump;
mod error;
mod host;
mod keep;
mod lab;
mod link;
mod namespaces;
mod netns;
pub mod packet;
mod process;
mod run;
mod stage;
mod sysctl;

pub use capture::Capture;
pub use error::Error;
pub use host::Host;
pub use lab::{HostBuilder, Lab};
pub use netns::Task;
pub use packet::Packet;
pub use process::{HostCommand, Process};
pub use run::{Result, enter, is_inside, main, run};
