//! What the driver asks of a kernel's iptables.

use std::fmt;

use svc_model::AddressType;
use svc_nft::ipset::IpSets;

use super::{Change, Error, TableName, Tables};

/// The two things in a kernel that are programmed by `iptables`. They do not see one another's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Variant {
    /// ip_tables: `iptables-legacy`.
    Legacy,
    /// nf_tables: `iptables-nft`.
    Nft,
}

impl Variant {
    /// Both.
    pub const ALL: [Variant; 2] = [Variant::Legacy, Variant::Nft];

    /// As programs have it in their names: `iptables-legacy-restore`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Variant::Legacy => "legacy",
            Variant::Nft => "nft",
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Something that is another when somebody has changed rules. What changes both the number and the length of a table's rules
/// is always noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp(pub(crate) u64);

impl Stamp {
    /// A stamp of a dataplane of one's own: any number that changes with the rules.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The stamp of the nft variant when so many tables were changed since.
    #[cfg(feature = "driver")]
    pub(crate) fn after(self, tables: usize) -> Self {
        Self(self.0 + u64::try_from(tables).unwrap_or(u64::MAX))
    }
}

/// The tables of a kernel, or of something that behaves like one.
pub trait Dataplane: fmt::Debug {
    /// The variant that a plain `iptables-restore` programs on this host.
    ///
    /// # Errors
    ///
    /// It is missing or too old.
    fn default_variant(&mut self) -> Result<Variant, Error>;

    /// Which tables there are. Asking makes none.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    fn present(&mut self, variant: Variant, family: AddressType) -> Result<Vec<TableName>, Error>;

    /// Tables as `iptables-save` lists them; of those that are not there, nothing. With `nat` come the sets of the family.
    ///
    /// # Errors
    ///
    /// The program is missing, too old, or fails; or its output is none.
    fn list(&mut self, variant: Variant, family: AddressType, tables: &[TableName]) -> Result<Tables, Error>;

    /// `iptables-restore --noflush`: each table whole or not at all, in order, until one is refused. The sets of the change are
    /// made and removed by others.
    ///
    /// # Errors
    ///
    /// The program is missing, too old, or fails; or a line is refused.
    fn restore(&mut self, variant: Variant, change: &Change) -> Result<(), Error>;

    /// Removes tables that are as they were made, without any rule, where the variant can. They do nothing.
    ///
    /// # Errors
    ///
    /// The kernel does not let them go.
    fn remove_empty(&mut self, variant: Variant, family: AddressType) -> Result<(), Error>;

    /// Its sets, whichever variant's rules ask them.
    fn sets(&mut self) -> &mut dyn IpSets;

    /// Whether rules of tables that are there have changed since: cheap, whatever their number.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    fn stamp(&mut self, variant: Variant, family: AddressType) -> Result<Stamp, Error>;
}
