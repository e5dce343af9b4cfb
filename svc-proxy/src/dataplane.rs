//! What the driver asks of a kernel.

use std::fmt;
use std::io;
use std::net::IpAddr;

use svc_nft::conntrack::Conntrack;

use crate::sysctl::Sysctls;
use crate::{iptables, ipvs};

/// A kernel, or something that behaves like one: [`sys::Kernel`](crate::sys::Kernel) or
/// [`fake::Kernel`](crate::fake::Kernel).
pub trait Dataplane: fmt::Debug {
    /// Its nftables.
    fn nftables(&mut self) -> &mut dyn svc_nft::Dataplane;

    /// Its iptables.
    fn iptables(&mut self) -> &mut dyn iptables::Dataplane;

    /// Its IPVS.
    fn ipvs(&mut self) -> &mut dyn ipvs::Dataplane;

    /// Its connection tracking.
    fn conntrack(&mut self) -> &mut dyn Conntrack;

    /// The addresses of its interfaces, those of `lo` included.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    fn local_addresses(&mut self) -> io::Result<Vec<IpAddr>>;

    /// Its settings.
    fn sysctls(&mut self) -> &mut dyn Sysctls;
}
