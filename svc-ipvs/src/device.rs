//! The device that has the addresses of virtual servers: IPVS takes only what is for the host itself.

use std::fmt;
use std::net::IpAddr;

use crate::Error;

/// A device that has addresses and nothing else, by name. It is of kind `dummy`, up, and says in its alias whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressDevice {
    name: String,
    alias: String,
}

impl AddressDevice {
    /// A device of this name (at most 15 bytes) that is marked by this alias (at most 255).
    pub fn new(name: impl Into<String>, alias: impl Into<String>) -> Self {
        Self { name: name.into(), alias: alias.into() }
    }

    /// The name, as in `kube-ipvs0`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The alias, `IFLA_IFALIAS`.
    #[must_use]
    pub fn alias(&self) -> &str {
        &self.alias
    }
}

/// What there is under a device's name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// Nothing.
    Nothing,
    /// The device with these addresses, in their order. Link-local ones of IPv6 apart.
    Ours(Vec<IpAddr>),
    /// A device with another alias, or none: somebody else's.
    Foreign,
}

/// Devices of a kernel, or of something that behaves like it: [`AddressSocket`](crate::AddressSocket) or
/// [`fake::Devices`](crate::fake::Devices).
pub trait Addresses: fmt::Debug {
    /// Looks for a device.
    ///
    /// # Errors
    ///
    /// The kernel could not be asked.
    fn find(&mut self, device: &AddressDevice) -> Result<Found, Error>;

    /// Makes a device; its alias is there in the moment in which it is.
    ///
    /// # Errors
    ///
    /// There is one of this name, the kernel has no dummy devices, or it is not permitted.
    fn create(&mut self, device: &AddressDevice) -> Result<(), Error>;

    /// Makes a device that is somebody else's ours, with the addresses it has.
    ///
    /// # Errors
    ///
    /// There is none, or it is not permitted.
    fn adopt(&mut self, device: &AddressDevice) -> Result<(), Error>;

    /// Puts addresses on a device; those that are there already stay.
    ///
    /// # Errors
    ///
    /// The kernel refused one, which is named; the others are there.
    fn bind(&mut self, device: &AddressDevice, addresses: &[IpAddr]) -> Result<(), Error>;

    /// Takes addresses from a device; those that are not there are no fault.
    ///
    /// # Errors
    ///
    /// The kernel refused one, which is named; the others are gone.
    fn unbind(&mut self, device: &AddressDevice, addresses: &[IpAddr]) -> Result<(), Error>;

    /// Whether addresses of the host came or went since the last call, on devices other than this one; yes at the first call.
    /// Without a change it costs one system call.
    ///
    /// # Errors
    ///
    /// The kernel could not be asked.
    fn poll_changed(&mut self, but: &AddressDevice) -> Result<bool, Error>;

    /// Removes a device with all its addresses; none is no fault.
    ///
    /// # Errors
    ///
    /// It is not permitted.
    fn remove(&mut self, device: &AddressDevice) -> Result<(), Error>;
}
