//! A request of the router's own to a server that is no endpoint: the head of the answer is what counts.

use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use http::request::Parts;
use http::{HeaderMap, StatusCode};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::annotation::Policies;
use crate::driver::router::Router;
use crate::state::Pooled;
use crate::sys::Connect;
use crate::upstream::Event;

use super::http1::{self, Answer};
use super::link::{Hop, Key, Link};
use super::{Failure, Outgoing};

/// A body that is longer ends its connection.
const MAX_BODY: usize = 64 * 1024;

/// What is asked, and where.
pub(in crate::driver) struct Fetch<'a> {
    pub(in crate::driver) parts: Parts,
    pub(in crate::driver) target: &'a str,
    pub(in crate::driver) host: &'a str,
    pub(in crate::driver) address: SocketAddr,
    /// The server's name, where it is spoken to over TLS.
    pub(in crate::driver) tls: Option<ServerName<'static>>,
}

/// Asks, with the timeouts of these policies. Connections without TLS are used again.
pub(in crate::driver) async fn fetch<C: Connect>(
    router: &Router<C>,
    mut request: Fetch<'_>,
    policies: &Policies,
) -> Result<(StatusCode, HeaderMap), Failure> {
    let mut outgoing = Outgoing::bodiless(&mut request.parts, request.target, request.host);
    let Some(name) = request.tls else {
        let hop = Hop::plain(request.address, policies);
        let answer = http1::ask(router, &mut outgoing, hop).await?;
        return Ok(finish(Some(hop.key()), answer));
    };
    let link = Link::connect_named(router, request.address, name, policies.connect_timeout()).await?;
    let now = Instant::now();
    let connection = Pooled::new(link, now);
    let answer = http1::exchange(router, connection, &mut outgoing, policies, now).await?;
    // Another name at this address would be another server.
    Ok(finish(None, answer))
}

/// The answer's head. Where its body is here already the connection can be used again; nobody waits for one that is not.
fn finish<S: AsyncRead + AsyncWrite + Unpin>(key: Option<Key>, answer: Answer<S>) -> (StatusCode, HeaderMap) {
    let head = (answer.head.status(), answer.head.into_headers());
    let Some(key) = key.filter(|_| !answer.switched) else { return head };
    let (mut exchange, mut read) = (answer.exchange, 0);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    while read <= MAX_BODY {
        match exchange.poll_event(&mut cx) {
            Poll::Ready(Ok(Event::Data(data))) => read += data.len(),
            Poll::Ready(Ok(Event::Trailers(_))) => {}
            Poll::Ready(Ok(_)) => {
                exchange.finish(key);
                break;
            }
            Poll::Ready(Err(_)) | Poll::Pending => break,
        }
    }
    head
}
