//! What the driver asks of a kernel's IPVS.

use std::fmt;

/// Virtual servers and the device with their addresses.
pub trait Dataplane: fmt::Debug {
    /// The virtual servers.
    ///
    /// # Errors
    ///
    /// This kernel has no IPVS, or it cannot be asked.
    fn servers(&mut self) -> Result<&mut dyn svc_ipvs::Dataplane, svc_ipvs::Error>;

    /// Devices and their addresses.
    ///
    /// # Errors
    ///
    /// They cannot be asked for.
    fn devices(&mut self) -> Result<&mut dyn svc_ipvs::Addresses, svc_ipvs::Error>;
}
