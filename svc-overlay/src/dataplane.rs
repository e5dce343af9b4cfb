//! What the driver needs from a kernel. [`sys`](crate::System) is the real one, [`Fake`](crate::fake::Fake) one in memory.

use std::future::Future;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use crate::error::Error;
use crate::interface::Interfaces;
use crate::kernel::{Kernel, Scope};
use crate::operation::Operation;
use crate::pod::Port;

/// A kernel, or something that behaves like one.
pub trait Dataplane: Send {
    /// What it holds now of the objects in `scope`.
    ///
    /// # Errors
    ///
    /// When the kernel cannot be asked.
    fn list(&mut self, scope: &Scope) -> Result<Kernel, Error>;

    /// Its links, and from where these addresses are reached.
    ///
    /// # Errors
    ///
    /// When the kernel cannot be asked.
    fn interfaces(&mut self, targets: &[IpAddr]) -> Result<Interfaces, Error>;

    /// Makes the operations one after another; one result each, in order. A failure does not stop those behind it.
    fn apply(&mut self, operations: &[Operation]) -> Vec<Result<(), Error>>;

    /// Makes a pod's veth pair: one end on the bridge with hairpin mode on, the other in the pod's network namespace
    /// with address and default route. Returns once the port forwards.
    ///
    /// # Errors
    ///
    /// What failed first; nothing of the pair is left then.
    fn plug(&mut self, netns: BorrowedFd<'_>, port: &Port) -> Result<(), Error>;

    /// Waits until something in the kernel changed that may be of interest; a false alarm does no harm.
    ///
    /// Cancel safe.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}
