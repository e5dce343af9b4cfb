//! What clients show in their handshakes, and what becomes of their requests by it.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Response, StatusCode, Version};
use rustls::ServerConnection;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::certificate_auth::{CertificateRefusal, ClientAuth, Judged};
use crate::table::RouteTable;

use super::reply::{ReplyBody, close, redirect, status};

/// What a client has shown in its handshake.
#[derive(Debug)]
pub(super) struct Shown {
    server_name: Option<Box<str>>,
    chain: Box<[CertificateDer<'static>]>,
    /// What that came to last, and by which policy.
    judged: Mutex<Option<(Arc<ClientAuth>, Arc<Judged>)>>,
}

impl Shown {
    pub(super) fn new(connection: &ServerConnection) -> Self {
        let chain = connection.peer_certificates().unwrap_or_default();
        Self {
            server_name: connection.server_name().map(Into::into),
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            judged: Mutex::default(),
        }
    }

    /// What it comes to for a request to `host`: nothing where that asks for no certificate. Whether a chain is believed is
    /// looked at once, and again when the authorities are others.
    ///
    /// # Errors
    ///
    /// The answer instead.
    pub(super) fn judge<S>(
        &self,
        table: &RouteTable,
        host: &str,
        version: Version,
    ) -> Result<Option<Arc<Judged>>, Box<Response<ReplyBody<S>>>> {
        // What ends here would go on in plain text.
        if table.passthrough(host).is_some() {
            return Err(misdirected(version));
        }
        let policy = table.client_auth_of_request(self.server_name.as_deref(), host);
        let policy = policy.map_err(|_| misdirected(version))?;
        let Some(auth) = policy else { return Ok(None) };
        let judged = self.judged_by(auth);
        match judged.refusal() {
            Some(refusal) => {
                tracing::debug!(host, %refusal, "refused");
                Err(Box::new(refused(auth, refusal, version)))
            }
            None => Ok(Some(judged)),
        }
    }

    fn judged_by(&self, auth: &Arc<ClientAuth>) -> Arc<Judged> {
        let mut last = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((by, judged)) if Arc::ptr_eq(by, auth) => Arc::clone(judged),
            _ => {
                let judged = Arc::new(auth.judge(&self.chain, UnixTime::now()));
                *last = Some((Arc::clone(auth), Arc::clone(&judged)));
                judged
            }
        }
    }
}

fn misdirected<S>(version: Version) -> Box<Response<ReplyBody<S>>> {
    Box::new(close(status(StatusCode::MISDIRECTED_REQUEST), version))
}

/// The client may show another certificate in another connection: this one ends.
pub(super) fn refused<S>(
    auth: &ClientAuth,
    refusal: CertificateRefusal,
    version: Version,
) -> Response<ReplyBody<S>> {
    match auth.policy().error_page().filter(|_| refusal.has_error_page()) {
        Some(page) => close(redirect((StatusCode::FOUND, page.to_owned())), version),
        None => close(status(refusal.status()), version),
    }
}
