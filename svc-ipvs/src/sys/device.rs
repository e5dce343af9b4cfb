//! Devices of the running kernel.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use netlink_sys::protocols::NETLINK_ROUTE;

use super::netlink::Netlink;
use crate::wire::{Writer, route};
use crate::{AddressDevice, Addresses, Error, Found};

const ENODEV: i32 = 19;
/// What a kernel without IPv6 says.
const EAFNOSUPPORT: i32 = 97;
const EADDRNOTAVAIL: i32 = 99;

/// A message about a device, with its number and flags.
type Request = fn(&AddressDevice, u32, u16, &mut Writer);

/// A netlink socket to the devices of the network namespace it was opened in.
pub struct AddressSocket {
    netlink: Netlink,
    /// Tells of addresses that come and go, once somebody has asked.
    events: Option<Netlink>,
}

impl AddressSocket {
    /// Opens a socket in the network namespace of this thread.
    ///
    /// # Errors
    ///
    /// Descriptors have run out.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { netlink: Netlink::open(NETLINK_ROUTE, "open a route netlink socket")?, events: None })
    }

    /// Index and alias of a device, if there is one.
    fn look(&mut self, device: &AddressDevice) -> Result<Option<(u32, Option<String>)>, Error> {
        let mut found = None;
        let asked = self.netlink.ask(
            "look for the device of IPVS addresses",
            |sequence, writer| route::find(device, sequence, writer),
            |received| {
                found = found.take().or_else(|| route::found(received));
                Ok(())
            },
        );
        match asked {
            Err(error) if error.errno() == Some(ENODEV) => Ok(None),
            asked => asked.map(|_| found),
        }
    }

    fn index(&mut self, operation: &'static str, device: &AddressDevice) -> Result<u32, Error> {
        self.look(device)?.map(|(index, _)| index).ok_or_else(|| Error::device(operation, ENODEV))
    }

    fn request(
        &mut self,
        operation: &'static str,
        requests: &[Request],
        device: &AddressDevice,
    ) -> Result<(), Error> {
        let send = |request: &Request, sequence, flags, writer: &mut Writer| {
            request(device, sequence, flags, writer);
        };
        let mut refused = self.netlink.pipeline(operation, requests, send)?;
        refused.retain(|(_, errno)| *errno != EAFNOSUPPORT);
        refused.first().map_or(Ok(()), |(_, errno)| Err(Error::device(operation, *errno)))
    }
}

impl fmt::Debug for AddressSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressSocket").finish_non_exhaustive()
    }
}

impl Addresses for AddressSocket {
    fn find(&mut self, device: &AddressDevice) -> Result<Found, Error> {
        let Some((index, alias)) = self.look(device)? else { return Ok(Found::Nothing) };
        if alias.as_deref() != Some(device.alias()) {
            return Ok(Found::Foreign);
        }
        let mut addresses = BTreeSet::new();
        self.netlink.ask("list the addresses of IPVS", route::addresses, |received| {
            let address = route::address(received).filter(|(of, _)| *of == index);
            addresses.extend(address.map(|(_, address)| address).filter(|address| !is_link_local(*address)));
            Ok(())
        })?;
        Ok(Found::Ours(addresses.into_iter().collect()))
    }

    fn create(&mut self, device: &AddressDevice) -> Result<(), Error> {
        // All in one system call: there is never one of ours without its alias.
        let requests: [Request; 3] = [route::create, route::no_link_local, route::mark];
        self.request("make the device of IPVS addresses", &requests, device)
    }

    fn adopt(&mut self, device: &AddressDevice) -> Result<(), Error> {
        self.request("adopt the device of IPVS addresses", &[route::mark], device)
    }

    fn bind(&mut self, device: &AddressDevice, addresses: &[IpAddr]) -> Result<(), Error> {
        const OPERATION: &str = "put an address on the device of IPVS addresses";
        let index = self.index(OPERATION, device)?;
        let request = |address: &IpAddr, sequence, flags, writer: &mut Writer| {
            route::bind(*address, index, sequence, flags, writer);
        };
        let refused = self.netlink.pipeline(OPERATION, addresses, request)?;
        refused.first().map_or(Ok(()), |(at, errno)| Err(Error::address(OPERATION, addresses[*at], *errno)))
    }

    fn unbind(&mut self, device: &AddressDevice, addresses: &[IpAddr]) -> Result<(), Error> {
        const OPERATION: &str = "take an address from the device of IPVS addresses";
        let index = self.index(OPERATION, device)?;
        let request = |address: &IpAddr, sequence, flags, writer: &mut Writer| {
            route::unbind(*address, index, sequence, flags, writer);
        };
        let mut refused = self.netlink.pipeline(OPERATION, addresses, request)?;
        refused.retain(|(_, errno)| *errno != EADDRNOTAVAIL);
        refused.first().map_or(Ok(()), |(at, errno)| Err(Error::address(OPERATION, addresses[*at], *errno)))
    }

    fn poll_changed(&mut self, but: &AddressDevice) -> Result<bool, Error> {
        const OPERATION: &str = "follow the addresses of the host";
        let Some(events) = &mut self.events else {
            let mut events = Netlink::open(NETLINK_ROUTE, OPERATION)?;
            events.join(OPERATION, &route::ADDRESS_GROUPS)?;
            self.events = Some(events);
            return Ok(true);
        };
        let mut changed = BTreeSet::new();
        let all = events.poll(OPERATION, |received| changed.extend(route::changed(received)))?;
        if changed.is_empty() {
            return Ok(!all);
        }
        let ours = self.look(but)?.map(|(index, _)| index);
        Ok(!all || changed.iter().any(|index| Some(*index) != ours))
    }

    fn remove(&mut self, device: &AddressDevice) -> Result<(), Error> {
        match self.request("remove the device of IPVS addresses", &[route::remove], device) {
            Err(error) if error.errno() == Some(ENODEV) => Ok(()),
            removed => removed,
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
