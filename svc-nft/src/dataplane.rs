//! What this crate asks of a kernel.

use crate::{Batch, Error, Table, TableId};

/// A kernel's nftables, or something that behaves like it: the real one behind a `Socket`, or
/// [`fake::Kernel`](crate::fake::Kernel).
pub trait Dataplane {
    /// Makes every command of the batch take effect, or none.
    ///
    /// # Errors
    ///
    /// The first command that was refused, by number and name.
    fn apply(&mut self, batch: &Batch) -> Result<(), Error>;

    /// The whole table: sets with elements, chains with rules; none if there is no such table.
    ///
    /// # Errors
    ///
    /// The kernel would not list it.
    fn list_table(&mut self, table: &TableId) -> Result<Option<Table>, Error>;

    /// Every table of the families that this crate knows.
    ///
    /// # Errors
    ///
    /// The kernel would not list them.
    fn list_tables(&mut self) -> Result<Vec<TableId>, Error>;
}
