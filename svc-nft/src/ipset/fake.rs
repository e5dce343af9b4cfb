//! Sets in memory, for tests of programs that use this crate.

use std::collections::{BTreeMap, BTreeSet};

use super::{IpSet, IpSets, Member};
use crate::Error;

/// Sets that are not a kernel's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    sets: BTreeMap<String, (IpSet, Vec<Member>)>,
    asked: BTreeSet<String>,
    refused: Option<i32>,
}

const EEXIST: i32 = 17;
/// `IPSET_ERR_BUSY` of linux/netfilter/ipset/ip_set.h.
const BUSY: i32 = 4100;
const ENOENT: i32 = 2;

impl Sets {
    /// Adds an element, as a rule does.
    pub fn add(&mut self, name: &str, member: Member) {
        if let Some((_, members)) = self.sets.get_mut(name) {
            members.retain(|other| other.address != member.address);
            members.push(member);
        }
    }

    /// Rules ask these sets: they cannot be destroyed.
    pub fn refer<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.asked = names.into_iter().map(str::to_owned).collect();
    }

    /// Whether there is such a set.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.sets.contains_key(name)
    }

    /// Refuses to make any set, with this errno, as a kernel does that has none: until called with `None`.
    pub fn refuse(&mut self, errno: Option<i32>) {
        self.refused = errno;
    }

    fn of(&mut self, operation: &str, name: &str) -> Result<&mut (IpSet, Vec<Member>), Error> {
        self.sets.get_mut(name).ok_or_else(|| Error::os(operation, format!("set {name}"), ENOENT))
    }
}

impl IpSets for Sets {
    fn create(&mut self, set: &IpSet) -> Result<(), Error> {
        let there = self.sets.get(&set.name).map(|(there, _)| there.max_elements == set.max_elements);
        let refused = self.refused.or((there == Some(false)).then_some(EEXIST));
        if let Some(errno) = refused {
            return Err(Error::os("create", format!("set {}", set.name), errno));
        }
        self.sets.entry(set.name.clone()).or_insert_with(|| (set.clone(), Vec::new()));
        Ok(())
    }

    fn destroy(&mut self, name: &str) -> Result<bool, Error> {
        if self.asked.contains(name) {
            return Err(Error::os("destroy", format!("set {name}"), BUSY));
        }
        Ok(self.sets.remove(name).is_some())
    }

    fn flush(&mut self, name: &str) -> Result<(), Error> {
        self.of("flush", name)?.1.clear();
        Ok(())
    }

    fn list(&mut self) -> Result<Vec<IpSet>, Error> {
        Ok(self.sets.values().map(|(set, _)| set.clone()).collect())
    }

    fn members(&mut self, name: &str) -> Result<Vec<Member>, Error> {
        Ok(self.of("list", name)?.1.clone())
    }
}
