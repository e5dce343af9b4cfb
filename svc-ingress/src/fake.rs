//! Endpoints in memory, for tests of routes and policies without sockets.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::sys::Connect;

/// A network without a kernel: connections reach whoever listens at an address, and are refused where nobody does.
#[derive(Clone, Debug, Default)]
pub struct Network {
    listeners: Arc<Mutex<BTreeMap<SocketAddr, mpsc::UnboundedSender<DuplexStream>>>>,
}

/// Takes the connections to one address; refused again once it is dropped.
#[derive(Debug)]
pub struct Listener {
    connections: mpsc::UnboundedReceiver<DuplexStream>,
}

impl Network {
    /// A network on which nobody listens.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens at an address, in place of whoever did.
    #[must_use]
    pub fn listen(&self, endpoint: SocketAddr) -> Listener {
        let (sender, connections) = mpsc::unbounded_channel();
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint, sender);
        Listener { connections }
    }
}

impl Listener {
    /// The backend's end of the next connection; `None` once the address belongs to another listener.
    pub async fn accept(&mut self) -> Option<DuplexStream> {
        self.connections.recv().await
    }
}

impl Connect for Network {
    type Stream = DuplexStream;

    async fn connect(&self, endpoint: SocketAddr) -> io::Result<DuplexStream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let listener = listeners.get(&endpoint).ok_or_else(refused)?;
        let (router, backend) = tokio::io::duplex(64 * 1024);
        listener.send(backend).map_err(|_| refused())?;
        Ok(router)
    }
}
