//! The TLS side of the HTTPS listener.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::table::RouteTable;

use super::provider;

/// TLS 1.2 and 1.3 with the certificates of whatever table is current: a handshake takes what stands there now, a
/// connection keeps what it began with.
pub(crate) fn acceptor(table: Arc<ArcSwap<RouteTable>>) -> Result<TlsAcceptor, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Resolver { table }));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session would go on with the certificate of another host or of an earlier day.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[derive(Debug)]
struct Resolver {
    table: Arc<ArcSwap<RouteTable>>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table.load();
        table.certificate(hello.server_name()).map(|certificate| Arc::clone(certificate.certified_key()))
    }
}
