//! Health, readiness and metrics of several servers.

use std::{future::Future, net::SocketAddr};

use super::{
    handle::{Handle, View},
    web,
};
use crate::{ServerAddress, error::ServerError, sys::Sockets};

/// Tells over HTTP how several servers are: `/health`, `/ready` when all of them are, `/metrics` of all. A single server can do it
/// [itself](super::ServerBuilder::operations).
#[derive(Clone, Debug)]
pub struct Pages {
    views: Vec<View>,
}

impl Pages {
    /// About these servers; they may stop while they are told about.
    #[must_use]
    pub fn of(handles: &[Handle]) -> Self {
        Self { views: handles.iter().map(Handle::view).collect() }
    }

    /// Listens, and gives the address and the future that answers; it never ends.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn serve(
        &self,
        address: ServerAddress,
    ) -> Result<(SocketAddr, impl Future<Output = ()> + Send + use<>), ServerError> {
        let (listener, views) = (Sockets::page(address)?, self.views.clone());
        let bound = listener.local_addr().unwrap_or(address.socket());
        Ok((bound, async move { web::serve(&listener, &views).await }))
    }
}
