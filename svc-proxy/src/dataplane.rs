//! What the driver asks of a kernel.

use std::fmt;

use crate::sysctl::Sysctls;

/// A kernel, or something that behaves like one: [`sys::Kernel`](crate::sys::Kernel) or
/// [`fake::Kernel`](crate::fake::Kernel).
pub trait Dataplane: fmt::Debug {
    /// Its nftables.
    fn nftables(&mut self) -> &mut dyn svc_nft::Dataplane;

    /// Its settings.
    fn sysctls(&mut self) -> &mut dyn Sysctls;
}
