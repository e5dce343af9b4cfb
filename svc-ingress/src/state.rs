//! Idle connections to endpoints: which may be used again. Knows no sockets and no clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

const MAX_IDLE: usize = 320;
const MAX_USES: u32 = 10_000;
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_AGE: Duration = Duration::from_secs(3600);

/// A connection and what its past says of it.
#[derive(Debug)]
pub struct Pooled<C> {
    connection: C,
    born: Instant,
    idle_since: Instant,
    uses: u32,
}

impl<C> Pooled<C> {
    /// A connection that was just made.
    #[must_use]
    pub fn new(connection: C, now: Instant) -> Self {
        Self { connection, born: now, idle_since: now, uses: 0 }
    }

    /// It has carried a request before: the backend may close it at any time.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.uses > 0
    }

    /// The connection.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut C {
        &mut self.connection
    }

    /// The connection, by value.
    #[must_use]
    pub fn into_inner(self) -> C {
        self.connection
    }

    fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.idle_since) < IDLE_TIMEOUT && now.duration_since(self.born) < MAX_AGE
    }
}

/// Idle connections by endpoint (`K`: its address and how it is spoken to); those of one endpoint are used last in, first
/// out.
#[derive(Debug)]
pub struct IdlePool<K, C> {
    idle: BTreeMap<K, Vec<Pooled<C>>>,
    count: usize,
}

impl<K, C> Default for IdlePool<K, C> {
    fn default() -> Self {
        Self { idle: BTreeMap::new(), count: 0 }
    }
}

impl<K: Ord + Copy, C> IdlePool<K, C> {
    /// The connection to an endpoint that was used last, if any is young enough.
    pub fn take(&mut self, endpoint: K, now: Instant) -> Option<Pooled<C>> {
        let connections = self.idle.get_mut(&endpoint)?;
        let taken = connections.pop().filter(|connection| connection.is_fresh(now));
        match taken {
            Some(_) => self.count -= 1,
            // The others have been idle for longer still.
            None => self.forget(endpoint),
        }
        taken
    }

    /// Keeps a connection whose response ended exactly where it should; closed instead if it is old or there are too
    /// many.
    pub fn put(&mut self, endpoint: K, mut connection: Pooled<C>, now: Instant) {
        connection.uses += 1;
        connection.idle_since = now;
        if connection.uses >= MAX_USES || !connection.is_fresh(now) {
            return;
        }
        if self.count >= MAX_IDLE {
            self.sweep(now);
        }
        if self.count < MAX_IDLE {
            self.idle.entry(endpoint).or_default().push(connection);
            self.count += 1;
        }
    }

    /// Closes what has been idle for too long.
    pub fn sweep(&mut self, now: Instant) {
        self.idle
            .values_mut()
            .for_each(|connections| connections.retain(|connection| connection.is_fresh(now)));
        self.idle.retain(|_, connections| !connections.is_empty());
        self.count = self.idle.values().map(Vec::len).sum();
    }

    /// How many connections are idle.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// None is idle.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn forget(&mut self, endpoint: K) {
        self.idle.remove(&endpoint);
        self.count = self.idle.values().map(Vec::len).sum();
    }
}
