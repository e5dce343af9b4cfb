//! Sets of clients: made before rules ask them, removed when none does any more.

use std::collections::BTreeSet;
use std::time::Duration;

use svc_model::AddressType;

use crate::iptables::{Change, Dataplane as Tool, Error, Tables, netfilter};

/// For how long a set that should go is waited for.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSES: usize = 200;

/// Sets that nothing asks any more, and that the kernel has not let go yet: rules of nf_tables keep theirs for a moment.
#[derive(Debug, Default)]
pub(super) struct Unused {
    names: BTreeSet<String>,
}

impl Unused {
    /// Makes the sets that a change asks for.
    pub(super) fn make(&mut self, kernel: &mut dyn Tool, change: &Change) -> Result<(), Error> {
        change.made().iter().try_for_each(|set| {
            self.names.remove(set.name());
            kernel.sets().create(set).map_err(|error| Error::no_set(change, set.name(), error))
        })
    }

    /// Removes sets, as soon as the kernel lets go of them.
    pub(super) fn discard(&mut self, kernel: &mut dyn Tool, names: &[String]) {
        self.names.extend(names.iter().cloned());
        self.retry(kernel);
    }

    /// Those that are left.
    pub(super) fn retry(&mut self, kernel: &mut dyn Tool) {
        self.names.retain(|name| match kernel.sets().destroy(name) {
            Err(error) if error.is_busy() => true,
            Err(error) => {
                tracing::warn!(%error, "a set of clients that nothing asks stays");
                false
            }
            Ok(_) => false,
        });
    }
}

/// Our sets of a family. A kernel that tells of none has none.
pub(super) fn names(kernel: &mut dyn Tool, family: AddressType) -> Vec<String> {
    let mut tables = Tables::new(family);
    let sets = kernel.sets().list().unwrap_or_default().into_iter();
    sets.filter(|set| set.family() == netfilter(family)).for_each(|set| tables.insert_set(set));
    tables.owned().sets().keys().cloned().collect()
}

/// Removes sets now.
pub(super) fn remove(kernel: &mut dyn Tool, change: &Change) -> Result<(), Error> {
    for name in change.unused() {
        let mut pauses = 0..PAUSES;
        loop {
            match kernel.sets().destroy(name) {
                Err(error) if error.is_busy() && pauses.next().is_some() => std::thread::sleep(PAUSE),
                Err(error) => return Err(Error::no_set(change, name, error)),
                Ok(_) => break,
            }
        }
    }
    Ok(())
}
