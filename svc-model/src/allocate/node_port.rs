//! Node ports (KEP-3668: the bands).

use std::ops::RangeInclusive;

use super::AllocateError;
use super::ledger::{Ledger, Range};
use crate::ObjectName;

/// The node ports of a cluster and the Services that hold them. A port belongs to one Service, which may use it for
/// several protocols; `healthCheckNodePort`s come from here too.
#[derive(Clone, Debug)]
pub struct NodePorts {
    range: RangeInclusive<u16>,
    ledger: Ledger,
    seed: u64,
}

impl NodePorts {
    /// The ports of `range`; Kubernetes' own is 30000-32767.
    #[must_use]
    pub fn new(range: RangeInclusive<u16>, seed: u64) -> Self {
        let (first, last) = (u128::from(*range.start()), u128::from(*range.end()));
        let size = (last + 1).saturating_sub(first);
        let ledger = Ledger::new(Range { first, last, dynamic: first + static_band(size) });
        Self { range, ledger, seed }
    }

    /// The range.
    #[must_use]
    pub fn range(&self) -> RangeInclusive<u16> {
        self.range.clone()
    }

    /// The Service that holds `port`.
    #[must_use]
    pub fn owner(&self, port: u16) -> Option<&ObjectName> {
        self.ledger.holder(port.into())
    }

    /// A free port for `owner`, from the dynamic band as long as it lasts.
    ///
    /// # Errors
    /// [`AllocateError::Exhausted`].
    pub fn allocate(&mut self, owner: &ObjectName) -> Result<u16, AllocateError> {
        let found = self.ledger.allocate(owner, self.seed);
        let exhausted = || AllocateError::Exhausted { range: self.describe() };
        found.and_then(|number| u16::try_from(number).ok()).ok_or_else(exhausted)
    }

    /// Exactly `port` for `owner`.
    ///
    /// # Errors
    /// [`AllocateError::Taken`] naming both, [`AllocateError::OutOfRange`].
    pub fn claim(&mut self, port: u16, owner: &ObjectName) -> Result<(), AllocateError> {
        let value = port.to_string();
        if !self.range.contains(&port) {
            return Err(AllocateError::OutOfRange { value, range: self.describe() });
        }
        let claimed = self.ledger.claim(port.into(), owner);
        claimed.map_err(|holder| AllocateError::Taken { value, holder, asker: owner.clone() })
    }

    /// Takes back what `owner` holds, but for `keep`.
    pub fn retain(&mut self, owner: &ObjectName, keep: &[u16]) {
        self.ledger.retain(owner, &keep.iter().map(|port| u128::from(*port)).collect());
    }

    /// Takes back everything that `owner` holds.
    pub fn release(&mut self, owner: &ObjectName) {
        self.retain(owner, &[]);
    }

    /// How many ports are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.ledger.len()
    }

    fn describe(&self) -> String {
        format!("{}-{}", self.range.start(), self.range.end())
    }
}

/// How many of the first of `size` ports automatic allocation leaves alone (KEP-3668).
pub(super) fn static_band(size: u128) -> u128 {
    if size <= 16 { 0 } else { (size / 32).clamp(16, 128) }
}
