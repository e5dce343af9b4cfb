//! Addresses of servers that are no endpoints, by the system's resolver, remembered for a moment.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::generations::Generations;

const MAX_NAMES: usize = 1024;
/// The resolver does not tell how long an answer is good.
const KEPT: Duration = Duration::from_secs(5);

type Known = Generations<(String, u16), (Vec<SocketAddr>, Instant)>;

/// Names that were asked for lately, for all workers.
#[derive(Clone, Debug)]
pub(super) struct Names(Arc<Mutex<Known>>);

impl Default for Names {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Generations::new(MAX_NAMES))))
    }
}

impl Names {
    /// The addresses of a name.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let key = (host.to_owned(), port);
        let known = |known: &mut Known| {
            let found = known.get_mut(key.clone()).filter(|(_, until)| Instant::now() < *until);
            found.map(|(addresses, _)| addresses.clone())
        };
        if let Some(addresses) = known(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(addresses);
        }
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, (addresses.clone(), Instant::now() + KEPT));
        Ok(addresses)
    }
}
