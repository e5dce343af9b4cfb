//! Health, readiness and metrics of several servers.

use std::{fmt, future::Future, net::SocketAddr, sync::Arc};

use super::{
    handle::{Handle, View},
    web,
};
use crate::{ServerAddress, error::ServerError, sys::Sockets};

/// Tells over HTTP how several servers are: `/health`, `/ready` when all of them are, `/metrics` of all. A single server can do it
/// [itself](super::ServerBuilder::operations).
#[derive(Clone)]
pub struct Pages {
    views: Vec<View>,
    more: Arc<More>,
}

/// What the embedder counts.
pub(super) type More = dyn Fn() -> Vec<String> + Send + Sync;

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("views", &self.views).finish_non_exhaustive()
    }
}

impl Pages {
    /// About these servers; they may stop while they are told about.
    #[must_use]
    pub fn of(handles: &[Handle]) -> Self {
        Self { views: handles.iter().map(Handle::view).collect(), more: Arc::new(Vec::new) }
    }

    /// Also tells what the embedder counts, under `/metrics`: each line `name{label="value"} number`, in any order and without
    /// comments. A name that ends in `_total` is a counter, those of a histogram end in `_seconds` or `_bytes` and in `_bucket`,
    /// `_sum` or `_count` behind that.
    #[must_use]
    pub fn also(self, more: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        Self { more: Arc::new(more), ..self }
    }

    /// Listens, and gives the address and the future that answers; it never ends.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn serve(
        &self,
        address: ServerAddress,
    ) -> Result<(SocketAddr, impl Future<Output = ()> + Send + use<>), ServerError> {
        let (listener, views, more) = (Sockets::page(address)?, self.views.clone(), Arc::clone(&self.more));
        let bound = listener.local_addr().unwrap_or(address.socket());
        Ok((bound, async move { web::serve(&listener, &views, &*more).await }))
    }
}
