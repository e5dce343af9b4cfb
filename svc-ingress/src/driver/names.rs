//! Addresses of servers that are no endpoints, by the system's resolver, remembered for a moment.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::generations::Generations;
use crate::target;

const MAX_NAMES: usize = 1024;
/// The resolver does not tell how long an answer is good: ingress-nginx looks as often as this.
const KEPT: Duration = Duration::from_secs(1);

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
    /// The addresses of a server, none of them the router's own machine unless that is allowed.
    pub(super) async fn allowed(
        &self,
        host: &str,
        port: u16,
        local: bool,
    ) -> Result<Vec<SocketAddr>, String> {
        let found = match bare(host).parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.resolve(host, port).await.map_err(|error| format!("its name: {error}"))?,
        };
        let allowed: Vec<_> =
            found.iter().copied().filter(|address| local || !target::is_local(address.ip())).collect();
        if allowed.is_empty() && !found.is_empty() {
            return Err("it is on this machine, which is not allowed".to_owned());
        }
        Ok(allowed)
    }

    /// The addresses of a name.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
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

/// A host without the brackets of an IPv6 address.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}
