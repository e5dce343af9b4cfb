//! A server, how it does, and what it has said.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{Exchange, Histogram, UpstreamStats, health::Health};
use crate::{
    Transport,
    message::{Header, Rcode},
};

#[derive(Debug)]
pub(super) struct Upstream {
    address: SocketAddr,
    network: Arc<dyn Exchange>,
    pub(super) health: Health,
    replies: Mutex<BTreeMap<u16, Histogram>>,
    failed_probes: AtomicU64,
}

impl Upstream {
    pub(super) fn new(address: SocketAddr, network: Arc<dyn Exchange>) -> Self {
        Self {
            address,
            network,
            health: Health::default(),
            replies: Mutex::default(),
            failed_probes: AtomicU64::new(0),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks, and counts the reply.
    pub(super) async fn exchange(
        &self,
        transport: Transport,
        query: &[u8],
        patience: Duration,
    ) -> io::Result<Vec<u8>> {
        let start = Instant::now();
        let reply = timeout(patience, self.network.exchange(self.address, transport, query)).await??;
        let rcode = Header::parse(&reply).map_or(Rcode::FORMERR, |header| header.rcode());
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        replies.entry(rcode.number()).or_default().count(start.elapsed());
        Ok(reply)
    }

    /// Any reply will do.
    pub(super) async fn probe(&self, transport: Transport, query: &[u8]) -> bool {
        const PATIENCE: Duration = Duration::from_secs(1);
        let replied = timeout(PATIENCE, self.network.exchange(self.address, transport, query)).await;
        let well = match replied {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => error.kind() == io::ErrorKind::InvalidData,
            Err(_) => false,
        };
        if !well {
            self.failed_probes.fetch_add(1, Ordering::Relaxed);
        }
        well
    }

    pub(super) fn stats(&self, max_fails: u32) -> UpstreamStats {
        let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let [reused, connected] = self.network.connections();
        UpstreamStats {
            address: self.address,
            encrypted: self.network.encrypts(),
            down: self.health.is_down(max_fails),
            failed_probes: self.failed_probes.load(Ordering::Relaxed),
            replies: replies.iter().map(|(&rcode, times)| (Rcode::new(rcode), *times)).collect(),
            connections_reused: reused,
            connections_made: connected,
        }
    }
}
