//! A connection to an endpoint, over TLS or not, with the timer that goes with it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::annotation::Policies;
use crate::backend::BackendProtocol;
use crate::driver::deadline::Deadline;
use crate::driver::router::Router;
use crate::sys::Connect;
use crate::table::Location;
use crate::upstream_tls::EndpointTls;

use super::Failure;

/// An endpoint and how it is spoken to, the last by [`EndpointTls::identity`]: connections are exchanged between requests of the
/// same key only.
pub(in crate::driver) type Key = (SocketAddr, BackendProtocol, u128);

/// The way to an endpoint.
#[derive(Clone, Copy, Debug)]
pub(in crate::driver) struct Hop<'a> {
    pub(in crate::driver) endpoint: SocketAddr,
    pub(in crate::driver) protocol: BackendProtocol,
    pub(in crate::driver) policies: &'a Policies,
    tls: Option<&'a EndpointTls>,
}

impl<'a> Hop<'a> {
    /// The way that an Ingress's annotations ask for.
    pub(super) fn of(location: &'a Location, endpoint: SocketAddr) -> Self {
        let policies = location.policies();
        Self { endpoint, protocol: policies.protocol(), policies, tls: location.upstream_tls() }
    }

    /// The way to a server that is no endpoint.
    pub(super) fn plain(endpoint: SocketAddr, policies: &'a Policies) -> Self {
        Self { endpoint, protocol: BackendProtocol::Http, policies, tls: None }
    }

    pub(in crate::driver) fn key(&self) -> Key {
        (self.endpoint, self.protocol, self.tls.map_or(0, EndpointTls::identity))
    }
}

#[derive(Debug)]
pub(in crate::driver) struct Link<S> {
    line: Line<S>,
    pub(super) deadline: Deadline,
}

#[derive(Debug)]
enum Line<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Connects, with the handshake of TLS, within `patience`.
    pub(super) async fn connect<C: Connect<Stream = S>>(
        router: &Router<C>,
        hop: Hop<'_>,
    ) -> Result<Self, Failure> {
        let connectors = match hop.tls {
            Some(tls) => tls.connectors().ok_or_else(|| io::Error::other("no such TLS can be spoken")),
            None => Ok(&router.connectors),
        };
        let connectors = connectors.map_err(Failure::Connect)?;
        // An address is no name that is sent: `proxy-ssl-server-name` is off unless an annotation says otherwise.
        let name = hop.tls.map(|tls| tls.name().clone());
        let name = name.unwrap_or_else(|| ServerName::IpAddress(hop.endpoint.ip().into()));
        let tls = hop.protocol.is_secure().then(|| (connectors.of(hop.protocol), name));
        Self::connect_over(router, hop.endpoint, tls, hop.policies.connect_timeout()).await
    }

    /// The same to a server whose name is told to it.
    pub(super) async fn connect_named<C: Connect<Stream = S>>(
        router: &Router<C>,
        endpoint: SocketAddr,
        name: ServerName<'static>,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let connector = router.connectors.of(BackendProtocol::Https);
        Self::connect_over(router, endpoint, Some((connector, name)), patience).await
    }

    async fn connect_over<C: Connect<Stream = S>>(
        router: &Router<C>,
        endpoint: SocketAddr,
        tls: Option<(&TlsConnector, ServerName<'static>)>,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let connecting = async {
            let stream = router.connect.connect(endpoint).await?;
            let Some((connector, name)) = tls else { return Ok(Line::Plain(stream)) };
            let shaken = connector.connect(name, stream).await.inspect_err(|error| note(endpoint, error));
            shaken.map(|stream| Line::Tls(Box::new(stream)))
        };
        let line = timeout(patience, connecting).await.map_err(|_| Failure::ConnectTimeout)?;
        Ok(Self { line: line.map_err(Failure::Connect)?, deadline: Deadline::default() })
    }

    /// Nothing has happened on it: neither an end nor bytes that nobody asked for.
    pub(super) fn is_silent(&mut self) -> bool {
        let mut byte = [0; 1];
        let mut cx = Context::from_waker(std::task::Waker::noop());
        Pin::new(self).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

/// Whoever runs the endpoint has to know that it is not believed.
fn note(endpoint: SocketAddr, error: &io::Error) {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(error @ rustls::Error::InvalidCertificate(_)) = inner {
        tracing::warn!(%endpoint, %error, "the endpoint's certificate is not believed (proxy-ssl-verify)");
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Link<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().line {
            Line::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Line::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Link<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().line {
            Line::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Line::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().line {
            Line::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Line::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().line {
            Line::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Line::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
