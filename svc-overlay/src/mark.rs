//! What we write on our links so that we, and people, know them again: the link's alias.
//!
//! The alias is kept by the kernel as long as the link lives, so a restarted process finds there what it needs: which
//! pod a port belongs to, and what the sysctls were before.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::pod::PodId;

const OWNER: &str = "svc-overlay";

/// A parsed alias of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mark {
    /// The VXLAN device or the bridge, with the values of the sysctls that were changed.
    Device {
        /// Key of `/proc/sys` to the value before.
        before: BTreeMap<String, String>,
    },
    /// The host end of a pod's veth pair.
    Pod {
        /// The pod.
        pod: PodId,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
}

impl Mark {
    /// Reads an alias; nothing when it is not one of ours.
    #[must_use]
    pub fn parse(alias: &str) -> Option<Self> {
        let mut words = alias.split(' ');
        if words.next() != Some(OWNER) {
            return None;
        }
        match words.next() {
            Some("pod") => {
                let pod = words.next()?.parse().ok()?;
                let addresses: Vec<IpAddr> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
                (!addresses.is_empty()).then_some(Mark::Pod { pod, addresses })
            }
            first => {
                let pairs = first.into_iter().chain(words).filter_map(|word| word.split_once('='));
                Some(Mark::Device { before: pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect() })
            }
        }
    }

    /// The sysctls' values before, on a device.
    pub fn before(&self) -> impl Iterator<Item = (&str, &str)> {
        let before = match self {
            Mark::Device { before } => Some(before),
            Mark::Pod { .. } => None,
        };
        before.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OWNER)?;
        match self {
            Mark::Device { before } => before.iter().try_for_each(|(key, value)| write!(f, " {key}={value}")),
            Mark::Pod { pod, addresses } => {
                write!(f, " pod {pod}")?;
                addresses.iter().try_for_each(|address| write!(f, " {address}"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
