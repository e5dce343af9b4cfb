//! The pods' addresses of all families: who has which, in memory and, where that is wished, in files.

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use crate::error::{Error, PodError};
use crate::family::Family;
use crate::ipam::{Ipam, IpamError};
use crate::kernel::{Kernel, PodPort};
use crate::pod::PodId;
use crate::sys::reservations::{Owner, Reservations};

#[derive(Debug)]
pub(super) struct Addresses {
    /// One for each family.
    ipams: Vec<Ipam>,
    files: Option<Reservations>,
}

impl Addresses {
    /// What the marks of the ports in a kernel say, and the files. Files of pods that have no port are left from a process
    /// that was killed, or from before the machine was switched off: they are taken away.
    pub(super) fn find(
        subnets: impl Iterator<Item = IpNet>,
        kernel: &Kernel,
        directory: Option<&Path>,
    ) -> Result<Self, Error> {
        let files = directory.map(Reservations::open).transpose()?;
        let last = |range| files.as_ref().and_then(|files| files.last(range));
        let ipams = subnets.enumerate().map(|(range, subnet)| Ipam::new(subnet).after(last(range))).collect();
        let mut addresses = Addresses { ipams, files };
        for (pod, address) in kernel.ports.iter().flat_map(pod_addresses) {
            addresses.adopt(pod, *address);
        }
        addresses.settle_files(kernel)?;
        Ok(addresses)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (IpAddr, &PodId)> {
        // Somebody else's have no namespace.
        self.ipams.iter().flat_map(Ipam::iter).filter(|(_, pod)| !pod.namespace().is_empty())
    }

    /// An address of each family, or none at all.
    pub(super) fn acquire(&mut self, pod: &PodId, wanted: &[IpAddr]) -> Result<Vec<IpNet>, PodError> {
        let lost = |address: &&IpAddr| !self.ipams.iter().any(|ipam| of_family(ipam, address));
        if let (Some(address), Some(ipam)) = (wanted.iter().find(lost), self.ipams.clone().first_mut()) {
            // Refused by whichever subnet there is, in its words.
            ipam.acquire(pod, Some(*address))?;
        }
        let mut acquired = Vec::new();
        for range in 0..self.ipams.len() {
            match self.acquire_in(range, pod, wanted) {
                Ok(address) => acquired.push(address),
                Err(error @ PodError::Address(IpamError::Attached { .. })) => return Err(error),
                Err(error) => {
                    self.release(pod);
                    return Err(error);
                }
            }
        }
        Ok(acquired)
    }

    /// Takes all addresses of a pod back; how many it had.
    pub(super) fn release(&mut self, pod: &PodId) -> usize {
        let released: Vec<_> = self.ipams.iter_mut().filter_map(|ipam| ipam.release(pod)).collect();
        for address in &released {
            // A file too many is taken away at the next start.
            let _kept = self.files.as_ref().map(|files| files.give_back(*address, pod));
        }
        released.len()
    }

    fn acquire_in(&mut self, range: usize, pod: &PodId, wanted: &[IpAddr]) -> Result<IpNet, PodError> {
        let failed = |cause| PodError::Kernel { pod: pod.clone(), cause };
        loop {
            let ipam = &mut self.ipams[range];
            let wanted = wanted.iter().find(|address| of_family(ipam, address)).copied();
            let address = ipam.acquire(pod, wanted)?;
            let taken =
                self.files.as_ref().map_or(Ok(true), |files| files.take(address, pod)).map_err(failed)?;
            if taken {
                let remembered = self.files.as_ref().filter(|_| wanted.is_none());
                remembered.map_or(Ok(()), |files| files.set_last(range, address)).map_err(failed)?;
                let len = ipam.subnet().prefix_len();
                return IpNet::new(address, len).map_err(|_| PodError::Stopped);
            }
            // Somebody who shares the directory was faster: the next one, or, if it had to be this, an error that says so.
            ipam.release(pod);
            ipam.block(address);
        }
    }

    /// An address outside the subnets belongs to a former lease: it blocks nothing here.
    fn adopt(&mut self, pod: &PodId, address: IpAddr) {
        for ipam in self.ipams.iter_mut().filter(|ipam| of_family(ipam, &address)) {
            let _foreign = ipam.acquire(pod, Some(address));
        }
    }

    fn settle_files(&mut self, kernel: &Kernel) -> Result<(), Error> {
        let Some(files) = &self.files else { return Ok(()) };
        for (address, owner) in files.list()? {
            match owner {
                Owner::Pod(pod) if kernel.ports.iter().any(|port| port.pod == pod) => {}
                Owner::Pod(pod) => files.give_back(address, &pod)?,
                Owner::Foreign(_) => {
                    self.ipams
                        .iter_mut()
                        .filter(|ipam| of_family(ipam, &address))
                        .for_each(|ipam| ipam.block(address));
                }
            }
        }
        // Pods that were attached before there was a directory.
        for (pod, address) in kernel.ports.iter().flat_map(pod_addresses) {
            files.take(*address, pod)?;
        }
        Ok(())
    }
}

fn pod_addresses(port: &PodPort) -> impl Iterator<Item = (&PodId, &IpAddr)> {
    port.addresses.iter().map(|address| (&port.pod, address))
}

fn of_family(ipam: &Ipam, address: &IpAddr) -> bool {
    Family::of_net(ipam.subnet()) == Family::of(*address)
}

#[cfg(test)]
mod tests;
