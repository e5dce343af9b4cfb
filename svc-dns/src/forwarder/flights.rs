//! Questions under way: who has the same question waits for the same reply.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

use crate::message::Rcode;

/// A server's message, or what to say without one.
pub(super) type Answered = Result<Arc<[u8]>, Rcode>;

pub(super) type Flight = BoxFuture<'static, Answered>;

/// A flight is kept up by those who wait for it: when the last of them goes, it goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    /// With its number: another may have taken its place when it ends.
    flights: HashMap<Box<[u8]>, (u64, WeakShared<Flight>)>,
    count: u64,
}

impl Flights {
    /// Waits for the reply to a question; it goes out only if it is not under way.
    pub(super) fn join(&self, identity: Box<[u8]>, start: impl FnOnce() -> Flight) -> Shared<Flight> {
        let mut open = self.open();
        if let Some(flight) = open.flights.get(&identity).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        open.count += 1;
        let number = open.count;
        let landing = Landing { flights: self.clone(), identity: identity.clone(), number };
        let flight = start();
        let flight: Flight = Box::pin(async move {
            let _landing = landing;
            flight.await
        });
        let flight: Shared<Flight> = flight.shared();
        if let Some(weak) = flight.downgrade() {
            open.flights.insert(identity, (number, weak));
        }
        flight
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open().flights.len()
    }
}

/// Takes a flight off the list, however it ends.
struct Landing {
    flights: Flights,
    identity: Box<[u8]>,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut open = self.flights.open();
        if open.flights.get(&self.identity).is_some_and(|(number, _)| *number == self.number) {
            open.flights.remove(&self.identity);
        }
    }
}
