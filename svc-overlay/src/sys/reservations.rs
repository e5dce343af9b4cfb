//! Addresses that are given out, as files: the form of the CNI plugin host-local, so that both may share a directory.
//!
//! A file is named like the address and holds who has it; `last_reserved_ip.N` holds the address that range `N` gave out
//! last; `lock` is locked by whoever changes anything. A file is made before an address is used and taken away after it
//! was: a process that is killed in between leaves a file too many, never one too few.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::pod::PodId;

/// The second line of a file, as host-local writes it: the interface.
const INTERFACE: &str = "eth0";

#[derive(Debug)]
pub(crate) struct Reservations {
    directory: PathBuf,
}

/// Who has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A pod that this crate attached.
    Pod(PodId),
    /// A container of somebody else's.
    Foreign(String),
}

impl Reservations {
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let failed = |cause| Error::new("make", directory.display(), cause);
        fs::create_dir_all(directory).map_err(failed)?;
        Ok(Reservations { directory: directory.to_owned() })
    }

    /// All addresses that are given out.
    pub(crate) fn list(&self) -> Result<Vec<(IpAddr, Owner)>, Error> {
        let failed = |cause| Error::new("read", self.directory.display(), cause);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(address) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            // One that is gone meanwhile is free.
            if let Ok(text) = fs::read_to_string(self.path(&name)) {
                found.push((address, owner(&text)));
            }
        }
        Ok(found)
    }

    /// Takes an address; false when somebody has it.
    pub(crate) fn take(&self, address: IpAddr, pod: &PodId) -> Result<bool, Error> {
        let _lock = self.lock()?;
        let path = self.path(address.to_string());
        let failed = |cause| Error::new("write", path.display(), cause);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            file => file.map_err(failed)?,
        };
        let written =
            file.write_all(format!("{pod}\r\n{INTERFACE}").as_bytes()).and_then(|()| file.sync_all());
        if written.is_err() {
            let _gone = fs::remove_file(&path);
        }
        written.map_err(failed).map(|()| true)
    }

    /// Gives an address back, if this pod has it.
    pub(crate) fn give_back(&self, address: IpAddr, pod: &PodId) -> Result<(), Error> {
        let _lock = self.lock()?;
        let path = self.path(address.to_string());
        match fs::read_to_string(&path) {
            Ok(text) if owner(&text) == Owner::Pod(pod.clone()) => {}
            _ => return Ok(()),
        }
        fs::remove_file(&path).map_err(|cause| Error::new("remove", path.display(), cause))
    }

    /// The address that a range gave out last.
    pub(crate) fn last(&self, range: usize) -> Option<IpAddr> {
        fs::read_to_string(self.path(format!("last_reserved_ip.{range}"))).ok()?.trim().parse().ok()
    }

    pub(crate) fn set_last(&self, range: usize, address: IpAddr) -> Result<(), Error> {
        let _lock = self.lock()?;
        let path = self.path(format!("last_reserved_ip.{range}"));
        fs::write(&path, address.to_string()).map_err(|cause| Error::new("write", path.display(), cause))
    }

    /// Held until it is dropped.
    fn lock(&self) -> Result<File, Error> {
        let path = self.path("lock");
        let failed = |cause| Error::new("lock", path.display(), cause);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.join(name)
    }
}

/// Ours are `namespace/name`; host-local's are the ids of containers, which have no slash.
fn owner(text: &str) -> Owner {
    let id = text.lines().next().unwrap_or_default().trim();
    id.parse().map_or_else(|_| Owner::Foreign(id.to_owned()), Owner::Pod)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [10, 244, 2, last].into()
    }

    #[test]
    fn an_address_has_one_owner_whoever_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let reservations = Reservations::open(&directory.path().join("cbr0")).unwrap();
        let (a, b) = (PodId::new("default", "a"), PodId::new("default", "b"));
        fs::write(directory.path().join("cbr0/10.244.2.9"), "0123abc\r\neth0").unwrap();
        assert!(reservations.take(ip(2), &a).unwrap());
        assert!(!reservations.take(ip(2), &b).unwrap() && !reservations.take(ip(9), &b).unwrap());
        reservations.give_back(ip(2), &b).unwrap();
        reservations.give_back(ip(9), &b).unwrap();
        let mut list = reservations.list().unwrap();
        list.sort_by_key(|(address, _)| *address);
        assert_eq!(list, [(ip(2), Owner::Pod(a.clone())), (ip(9), Owner::Foreign("0123abc".into()))]);
        reservations.give_back(ip(2), &a).unwrap();
        assert!(reservations.take(ip(2), &b).unwrap());
    }

    #[test]
    fn the_last_address_is_remembered_for_each_range() {
        let directory = tempfile::tempdir().unwrap();
        let reservations = Reservations::open(directory.path()).unwrap();
        reservations.set_last(0, ip(7)).unwrap();
        assert_eq!((reservations.last(0), reservations.last(1)), (Some(ip(7)), None));
        assert_eq!(reservations.list().unwrap(), [], "neither that file nor the lock is an address");
    }
}
