//! An address to listen on, and what serves there.

use std::sync::Arc;

use tokio::{net::TcpListener, sync::watch};

use super::{
    Shared, tcp, udp,
    workers::{HandOver, Workers},
};
use crate::{
    ServerAddress,
    error::ServerError,
    sys::{Datagrams, Listener, Sockets, Speech, resolve},
};
#[cfg(feature = "tls")]
use crate::{Tls, tls::DOT};

/// An address to listen on.
#[derive(Clone, Debug)]
pub(super) enum Listen {
    Udp(ServerAddress),
    Tcp(ServerAddress),
    Both(ServerAddress),
    #[cfg(feature = "tls")]
    Tls(ServerAddress, Tls),
    #[cfg(feature = "https")]
    Https(ServerAddress, Tls),
}

impl Listen {
    pub(super) fn address(&self) -> ServerAddress {
        match self {
            Self::Udp(address) | Self::Tcp(address) | Self::Both(address) => *address,
            #[cfg(feature = "tls")]
            Self::Tls(address, _) => *address,
            #[cfg(feature = "https")]
            Self::Https(address, _) => *address,
        }
    }

    pub(super) async fn bind(&self, threads: usize) -> Result<Vec<Listener>, ServerError> {
        let at =
            resolve(self.address()).map_err(|cause| ServerError::new("listen on", self.address(), cause))?;
        let streams = |speech| Ok(vec![Listener::Streams(Sockets::tcp(at)?, speech)]);
        match self {
            Self::Udp(_) => Ok(vec![Sockets::udp(at, threads).await?]),
            Self::Tcp(_) => streams(Speech::Plain),
            Self::Both(_) => Ok(Sockets::both(at, threads).await?.into()),
            #[cfg(feature = "tls")]
            Self::Tls(_, tls) => streams(Speech::Tls(tls.speaking(&[DOT]).into())),
            #[cfg(feature = "https")]
            Self::Https(_, tls) => streams(Speech::Https(tls.speaking(&[b"h2", b"http/1.1"]).into())),
        }
    }
}

/// What serves at a socket.
pub(super) enum Part {
    Datagrams(Datagrams),
    Streams(TcpListener, Speech),
    Threads(Workers),
}

impl Part {
    pub(super) fn start(
        listener: Listener,
        shared: &Arc<Shared>,
        hand_over: &HandOver,
    ) -> Result<Self, ServerError> {
        Ok(match listener {
            Listener::Udp(socket) => Self::Datagrams(socket),
            Listener::Streams(listener, speech) => Self::Streams(listener, speech),
            Listener::Batches(sockets) => Self::Threads(Workers::start(sockets, shared, hand_over)?),
        })
    }

    /// Serves until told to stop, and gives the answers that are still owed.
    pub(super) async fn serve(self, shared: &Arc<Shared>, mut stop: watch::Receiver<()>) {
        match self {
            Self::Datagrams(socket) => udp::serve(&socket, shared, stop).await,
            Self::Streams(listener, speech) => tcp::serve(listener, speech, shared, stop).await,
            Self::Threads(workers) => {
                let _gone = stop.changed().await;
                drop(workers);
            }
        }
    }
}
