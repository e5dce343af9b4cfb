//! A connection to an endpoint, over TLS or not, with the timer that goes with it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::backend::BackendProtocol;
use crate::driver::deadline::Deadline;
use crate::driver::router::Router;
use crate::sys::Connect;

use super::Failure;

/// An endpoint and how it is spoken to: connections are exchanged between requests of the same key only.
pub(in crate::driver) type Key = (SocketAddr, BackendProtocol);

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
        key: Key,
        patience: Duration,
    ) -> Result<Self, Failure> {
        // An address is no name that is sent: `proxy-ssl-server-name` is off unless an annotation says otherwise.
        Self::connect_named(router, key, ServerName::IpAddress(key.0.ip().into()), patience).await
    }

    /// The same to a server whose name is told to it.
    pub(super) async fn connect_named<C: Connect<Stream = S>>(
        router: &Router<C>,
        (endpoint, protocol): Key,
        name: ServerName<'static>,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let connecting = async {
            let stream = router.connect.connect(endpoint).await?;
            if !protocol.is_secure() {
                return Ok(Line::Plain(stream));
            }
            let connector = router.connectors.of(protocol);
            connector.connect(name, stream).await.map(|stream| Line::Tls(Box::new(stream)))
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
