//! `mirror-target`: a copy of a request for another server. No request waits for it, and nobody is told what becomes of it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Request};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::annotation::Mirror;
use crate::authority::Authority;
use crate::backend::BackendProtocol;
use crate::sys::Connect;
use crate::table::Route;
use crate::tls::Connectors;

use super::asked::Asked;
use super::names::{Names, bare};
use super::router::Router;
use super::upstream::Outgoing;

/// Copies of a worker at one time, and the body of each: further ones, and larger ones, are not made.
const MAX_UNDER_WAY: usize = 64;
const MAX_BODY: usize = 1 << 20;

/// The copies of a worker that are under way.
#[derive(Default)]
pub(super) struct Mirrors(Mutex<JoinSet<()>>);

impl fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrors").finish_non_exhaustive()
    }
}

/// A body on its way to a backend, kept for the copy.
#[derive(Debug)]
pub(super) struct Tee {
    body: BytesMut,
    whole: oneshot::Sender<Bytes>,
}

impl Tee {
    /// A piece passes; `false` once it is too much.
    pub(super) fn add(&mut self, piece: &[u8]) -> bool {
        let fits = self.body.len() + piece.len() <= MAX_BODY;
        if fits {
            self.body.extend_from_slice(piece);
        }
        fits
    }

    /// The body is whole.
    pub(super) fn end(self) {
        let _ = self.whole.send(self.body.freeze());
    }
}

/// Where a copy goes.
struct Copy<C> {
    connect: C,
    names: Names,
    connectors: Option<Connectors>,
    server: Authority,
    port: u16,
    local: bool,
    patience: Duration,
}

/// Begins a copy of a request, if one is asked for.
pub(super) fn begin<C: Connect>(
    router: &Router<C>,
    mirror: &Mirror,
    route: &Route,
    asked: &Asked,
    outgoing: &mut Outgoing<'_>,
) {
    let mut tasks = router.mirrors.0.lock().unwrap_or_else(PoisonError::into_inner);
    while tasks.try_join_next().is_some() {}
    if tasks.len() >= MAX_UNDER_WAY {
        return tracing::debug!(%route, "too many copies are under way: this request is not copied");
    }
    let scope = asked.scope(outgoing.parts(), route);
    let (server, target) = (mirror.authority().fill(scope), mirror.target().fill(scope));
    let Some(server) = Authority::parse(&server).filter(|_| target.starts_with('/')) else {
        return tracing::debug!(%route, server, target, "mirror-target names no server for this request");
    };
    let host = mirror.host().map_or_else(|| server.as_str().to_owned(), |host| host.fill(scope));
    let mut request = Request::new(());
    *request.method_mut() = outgoing.parts().method.clone();
    *request.headers_mut() = outgoing.headers();
    for name in [CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE] {
        request.headers_mut().remove(name);
    }
    let (Ok(host), Ok(uri)) = (HeaderValue::from_str(&host), target.parse()) else { return };
    request.headers_mut().insert(HOST, host);
    *request.uri_mut() = uri;
    let body = mirror.copies_bodies().then(|| {
        let (whole, body) = oneshot::channel();
        outgoing.copy_to(Tee { body: BytesMut::new(), whole });
        body
    });
    let copy = Copy {
        connect: router.connect.clone(),
        names: router.names.clone(),
        connectors: mirror.is_https().then(|| router.connectors.clone()),
        port: server.port().unwrap_or(if mirror.is_https() { 443 } else { 80 }),
        server,
        local: router.table.load().config().allows_local_targets(),
        patience: route.policies().connect_timeout() + route.policies().read_timeout(),
    };
    tasks.spawn(async move {
        let body = match body {
            // Nothing is copied of a request whose body did not come to its end, or is too large.
            Some(body) => match body.await {
                Ok(body) => body,
                Err(_) => return,
            },
            None => Bytes::new(),
        };
        let patience = copy.patience;
        match timeout(patience, copy.send(request.map(|()| Full::new(body)))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error, "a copy was not sent"),
            Err(_) => tracing::debug!("a copy was not answered in time"),
        }
    });
}

impl<C: Connect> Copy<C> {
    async fn send(self, request: Request<Full<Bytes>>) -> Result<(), String> {
        let addresses = self.names.allowed(self.server.host(), self.port, self.local).await?;
        let address: SocketAddr = *addresses.first().ok_or("the server's name has no address")?;
        let text = |error: std::io::Error| error.to_string();
        let stream = self.connect.connect(address).await.map_err(text)?;
        let Some(connectors) = self.connectors else { return exchange(stream, request).await };
        let name =
            ServerName::try_from(bare(self.server.host()).to_owned()).map_err(|error| error.to_string())?;
        let connector = connectors.of(BackendProtocol::Https);
        exchange(connector.connect(name, stream).await.map_err(text)?, request).await
    }
}

/// The answer's head is awaited, so that the server has read the request; what it says is nobody's.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let text = |error: hyper::Error| error.to_string();
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    tokio::select! {
        answer = client.send_request(request) => answer.map(|_| ()).map_err(text),
        ended = connection => ended.map_err(text),
    }
}
