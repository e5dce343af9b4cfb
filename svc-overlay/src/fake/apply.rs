//! Operations on the kernel in memory.

use std::io;

use ipnet::IpNet;
use svc_nft::TableId;

use super::{Kind, State, connected, is_host};
use crate::config::accept_ra;
use crate::error::Error;
use crate::family::Family;
use crate::kernel::{Bridge, Device, FdbEntry, Neighbour, Route};
use crate::mark::Mark;
use crate::operation::Operation;
use crate::pod::Port;

const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const EADDRNOTAVAIL: i32 = 99;
const ENETDOWN: i32 = 100;

type Made = Result<(), i32>;

impl State {
    pub(super) fn make(&mut self, operation: &Operation) -> Result<(), Error> {
        let text = operation.to_string();
        let failure =
            self.failures.iter().find(|(prefix, _)| text.starts_with(*prefix)).map(|(_, errno)| *errno);
        let made = failure.map_or_else(|| self.change(operation), Err);
        let failed = |errno| Error::new("apply", operation, io::Error::from_raw_os_error(errno));
        made.map_err(failed)?;
        self.log.push(operation.clone());
        Ok(())
    }

    pub(super) fn plug(&mut self, port: &Port) -> Result<(), Error> {
        let failure = self.failures.get("plug").copied();
        let made = failure.map_or_else(|| self.add_port(port), Err);
        made.map_err(|errno| Error::new("attach", &port.host_interface, io::Error::from_raw_os_error(errno)))
    }

    fn add_port(&mut self, port: &Port) -> Made {
        if !self.links.contains_key(&port.bridge) {
            return Err(ENODEV);
        }
        self.add_link(&port.host_interface, Kind::Port, Some(port.mark.clone()))
    }

    fn change(&mut self, operation: &Operation) -> Made {
        match operation {
            Operation::AddDevice(device, mark) => {
                self.add_link(&device.name, Kind::Device(device.clone()), Some(mark.clone()))
            }
            Operation::AddBridge(bridge, mark) => {
                self.add_link(&bridge.name, Kind::Bridge(bridge.clone()), Some(mark.clone()))
            }
            Operation::SetDevice(device) => self.set_device(device),
            Operation::SetBridge(bridge) => self.set_bridge(bridge),
            Operation::DeleteLink(name) => self.forget(name).map(drop).ok_or(ENODEV),
            Operation::AddAddress(address, device) => self.add_address(*address, device),
            Operation::DeleteAddress(address, device) => self.delete_address(*address, device),
            Operation::SetNeighbour(neighbour) => self.set_neighbour(neighbour),
            Operation::DeleteNeighbour(neighbour) => self.delete_neighbour(neighbour),
            Operation::SetFdb(entry) => self.set_fdb(entry),
            Operation::DeleteFdb(entry) => {
                let there = self.fdb.remove(entry);
                there.then_some(()).ok_or(ENOENT)
            }
            Operation::AddRoute(route) => self.add_route(route),
            Operation::ReplaceRoute(route) => {
                self.routes.retain(|other| other.destination != route.destination);
                self.add_route(route)
            }
            Operation::DeleteRoute(route) => {
                let there = self.routes.remove(route);
                there.then_some(()).ok_or(ESRCH)
            }
            Operation::SetSysctl { key, value } => self.set_sysctl(key, value),
            Operation::SetRules(rules) => {
                self.rules.insert(family_of(rules.table()), rules.clone());
                Ok(())
            }
            Operation::DeleteRules(table) => self.rules.remove(&family_of(table)).map(drop).ok_or(ENOENT),
            Operation::SetChecksumOffload { device, on } => {
                *self.checksum_offload.get_mut(device).ok_or(ENODEV)? = *on;
                Ok(())
            }
        }
    }

    fn add_link(&mut self, name: &str, kind: Kind, mark: Option<Mark>) -> Made {
        if self.links.contains_key(name) {
            return Err(EEXIST);
        }
        if matches!(kind, Kind::Device(_)) {
            self.checksum_offload.insert(name.to_owned(), true);
        }
        let mut link = self.new_link(kind, mark);
        link.up = true;
        self.links.insert(name.to_owned(), link);
        self.sysctls.insert(accept_ra(name), "1".to_owned());
        Ok(())
    }

    fn set_device(&mut self, device: &Device) -> Made {
        let link = self.links.get_mut(&device.name).ok_or(ENODEV)?;
        link.kind = Kind::Device(device.clone());
        link.up = true;
        Ok(())
    }

    fn set_bridge(&mut self, bridge: &Bridge) -> Made {
        let link = self.links.get_mut(&bridge.name).ok_or(ENODEV)?;
        link.kind = Kind::Bridge(bridge.clone());
        link.up = true;
        Ok(())
    }

    fn add_address(&mut self, address: IpNet, device: &str) -> Made {
        let link = self.links.get_mut(device).ok_or(ENODEV)?;
        if !link.addresses.insert(address) {
            return Err(EEXIST);
        }
        if !is_host(address) {
            self.routes.insert(connected(address, device));
        }
        Ok(())
    }

    fn delete_address(&mut self, address: IpNet, device: &str) -> Made {
        let link = self.links.get_mut(device).ok_or(ENODEV)?;
        if !link.addresses.remove(&address) {
            return Err(EADDRNOTAVAIL);
        }
        self.routes.remove(&connected(address, device));
        Ok(())
    }

    fn set_neighbour(&mut self, neighbour: &Neighbour) -> Made {
        let up = self.links.get(&neighbour.device).ok_or(ENODEV)?.up;
        if !up {
            return Err(ENETDOWN);
        }
        let same =
            |other: &Neighbour| (&other.device, other.address) == (&neighbour.device, neighbour.address);
        self.neighbours.retain(|other| !same(other));
        self.neighbours.insert(neighbour.clone());
        Ok(())
    }

    fn delete_neighbour(&mut self, neighbour: &Neighbour) -> Made {
        let before = self.neighbours.len();
        let same =
            |other: &Neighbour| (&other.device, other.address) == (&neighbour.device, neighbour.address);
        self.neighbours.retain(|other| !same(other));
        if self.neighbours.len() < before { Ok(()) } else { Err(ENOENT) }
    }

    fn set_fdb(&mut self, entry: &FdbEntry) -> Made {
        let link = self.links.get(&entry.device).ok_or(ENODEV)?;
        if link.device().is_none() {
            return Err(EINVAL);
        }
        self.fdb.retain(|other| (&other.device, other.mac) != (&entry.device, entry.mac));
        self.fdb.insert(entry.clone());
        Ok(())
    }

    fn add_route(&mut self, route: &Route) -> Made {
        match self.links.get(&route.device) {
            None => return Err(ENODEV),
            Some(link) if !link.up => return Err(ENETDOWN),
            Some(_) => {}
        }
        if self.routes.iter().any(|other| other.destination == route.destination) {
            return Err(EEXIST);
        }
        self.routes.insert(route.clone());
        Ok(())
    }

    fn set_sysctl(&mut self, key: &str, value: &str) -> Made {
        *self.sysctls.get_mut(key).ok_or(ENOENT)? = value.to_owned();
        Ok(())
    }
}

fn family_of(table: &TableId) -> Family {
    if table.family() == svc_nft::Family::Ip { Family::V4 } else { Family::V6 }
}
