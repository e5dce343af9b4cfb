//! What a worker keeps from one request for the next: idle connections, and memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::BytesMut;
use http::HeaderMap;

use crate::state::{IdlePool, Pooled};

use super::link::{Key, Link};

/// Pieces of each kind: as many as are in use at one moment, not as there are requests that wait.
const MAX_SPARES: usize = 32;

/// Shared by a worker's requests.
#[derive(Debug)]
pub(in crate::driver) struct Kept<S> {
    idle: Mutex<IdlePool<Key, Link<S>>>,
    spares: Mutex<Spares>,
}

/// A worker's own.
pub(in crate::driver) type Shared<S> = Arc<Kept<S>>;

#[derive(Debug, Default)]
struct Spares {
    buffers: Vec<BytesMut>,
    fields: Vec<HeaderMap>,
}

impl<S> Default for Kept<S> {
    fn default() -> Self {
        Self { idle: Mutex::default(), spares: Mutex::default() }
    }
}

impl<S> Kept<S> {
    /// An idle connection to an endpoint.
    pub(super) fn take(&self, key: Key, now: Instant) -> Option<Pooled<Link<S>>> {
        lock(&self.idle).take(key, now)
    }

    /// Keeps a connection whose response is over.
    pub(in crate::driver) fn put(&self, key: Key, connection: Pooled<Link<S>>) {
        lock(&self.idle).put(key, connection, Instant::now());
    }

    /// An empty buffer. Its memory is that of an earlier one if nobody has a piece of that any more, which
    /// [`BytesMut::reserve`] finds out.
    pub(super) fn buffer(&self) -> BytesMut {
        lock(&self.spares).buffers.pop().unwrap_or_default()
    }

    pub(super) fn put_buffer(&self, mut buffer: BytesMut) {
        buffer.clear();
        let buffers = &mut lock(&self.spares).buffers;
        if buffers.len() < MAX_SPARES && buffer.capacity() > 0 {
            buffers.push(buffer);
        }
    }

    /// A map without fields.
    pub(super) fn fields(&self) -> HeaderMap {
        lock(&self.spares).fields.pop().unwrap_or_default()
    }

    pub(in crate::driver) fn put_fields(&self, mut map: HeaderMap) {
        map.clear();
        let fields = &mut lock(&self.spares).fields;
        if fields.len() < MAX_SPARES && map.capacity() > 0 {
            fields.push(map);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
