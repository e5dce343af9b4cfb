//! What this crate asks of a kernel.

use std::sync::{Arc, Mutex, PoisonError};

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

    /// The generation of the rule set: another one after every batch of anybody.
    ///
    /// # Errors
    ///
    /// The kernel did not answer.
    fn generation(&mut self) -> Result<u32, Error>;

    /// Applies the batch unless the rule set has another generation by now: then the error
    /// [is stale](Error::is_stale), and the caller lists and plans anew.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    fn apply_at(&mut self, generation: u32, batch: &Batch) -> Result<(), Error>;

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

impl<D: Dataplane + ?Sized> Dataplane for &mut D {
    fn apply(&mut self, batch: &Batch) -> Result<(), Error> {
        (**self).apply(batch)
    }

    fn generation(&mut self) -> Result<u32, Error> {
        (**self).generation()
    }

    fn apply_at(&mut self, generation: u32, batch: &Batch) -> Result<(), Error> {
        (**self).apply_at(generation, batch)
    }

    fn list_table(&mut self, table: &TableId) -> Result<Option<Table>, Error> {
        (**self).list_table(table)
    }

    fn list_tables(&mut self) -> Result<Vec<TableId>, Error> {
        (**self).list_tables()
    }
}

impl<D: Dataplane + ?Sized> Dataplane for Box<D> {
    fn apply(&mut self, batch: &Batch) -> Result<(), Error> {
        (**self).apply(batch)
    }

    fn generation(&mut self) -> Result<u32, Error> {
        (**self).generation()
    }

    fn apply_at(&mut self, generation: u32, batch: &Batch) -> Result<(), Error> {
        (**self).apply_at(generation, batch)
    }

    fn list_table(&mut self, table: &TableId) -> Result<Option<Table>, Error> {
        (**self).list_table(table)
    }

    fn list_tables(&mut self) -> Result<Vec<TableId>, Error> {
        (**self).list_tables()
    }
}

/// One dataplane for several owners: a driver, and the test that looks at what it did.
impl<D: Dataplane + ?Sized> Dataplane for Arc<Mutex<D>> {
    fn apply(&mut self, batch: &Batch) -> Result<(), Error> {
        self.lock().unwrap_or_else(PoisonError::into_inner).apply(batch)
    }

    fn generation(&mut self) -> Result<u32, Error> {
        self.lock().unwrap_or_else(PoisonError::into_inner).generation()
    }

    fn apply_at(&mut self, generation: u32, batch: &Batch) -> Result<(), Error> {
        self.lock().unwrap_or_else(PoisonError::into_inner).apply_at(generation, batch)
    }

    fn list_table(&mut self, table: &TableId) -> Result<Option<Table>, Error> {
        self.lock().unwrap_or_else(PoisonError::into_inner).list_table(table)
    }

    fn list_tables(&mut self) -> Result<Vec<TableId>, Error> {
        self.lock().unwrap_or_else(PoisonError::into_inner).list_tables()
    }
}
