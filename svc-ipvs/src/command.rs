//! One change.

use std::net::SocketAddr;

use crate::{Destination, Service, ServiceId, Timeouts};

/// One change; the kernel takes or refuses it by itself. Prints as `ipvsadm --restore` reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// A virtual server that is not there.
    AddService(Service),
    /// Another scheduler, flags or timeout for one that is.
    SetService(Service),
    /// A virtual server and all its destinations go.
    DeleteService(ServiceId),
    /// A destination that is not there.
    AddDestination(ServiceId, Destination),
    /// Another weight, way or threshold for one that is.
    SetDestination(ServiceId, Destination),
    /// A destination goes, its connections with the next packet.
    DeleteDestination(ServiceId, SocketAddr),
    /// Timeouts of the whole network namespace.
    SetTimeouts(Timeouts),
}
