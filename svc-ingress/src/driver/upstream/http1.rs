//! HTTP/1.1 to an endpoint: on an idle connection if there is one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::annotation::Policies;
use crate::driver::router::Router;
use crate::state::Pooled;
use crate::sys::Connect;
use crate::upstream::{Event, RequestFraming, ResponseError, ResponseHead};

use super::exchange::{Exchange, ExchangeError, Pauses, Sending};
use super::link::{Hop, Key, Link};
use super::{Failure, Outgoing};

/// A response's head with the rest of its exchange.
pub(super) struct Answer<S> {
    pub(super) head: ResponseHead,
    pub(super) switched: bool,
    pub(super) exchange: Box<Exchange<S>>,
}

/// Asks one endpoint: on an idle connection if there is one, on a new one if that turned out to be closed.
pub(super) async fn ask<C: Connect>(
    router: &Router<C>,
    outgoing: &mut Outgoing<'_>,
    hop: Hop<'_>,
) -> Result<Answer<C::Stream>, Failure> {
    let (key, policies) = (hop.key(), hop.policies);
    let now = Instant::now();
    // An upgrade gets a connection that is surely open.
    let idle = if outgoing.upgrade.is_some() {
        None
    } else {
        take_idle(router, key, outgoing.is_repeatable(), now).await
    };
    if let Some(connection) = idle {
        outgoing.connected = Some(Duration::ZERO);
        match exchange(router, connection, outgoing, policies, now).await {
            Err(Failure::Exchange(error, true))
                if !matches!(error, ExchangeError::Timeout)
                    && outgoing.is_repeatable()
                    && outgoing.rewind() => {}
            result => return result,
        }
    }
    let begun = Instant::now();
    let link = Link::connect(router, hop).await?;
    let now = Instant::now();
    outgoing.connected = Some(now - begun);
    exchange(router, Pooled::new(link, now), outgoing, policies, now).await
}

/// An idle connection on which nothing has happened.
async fn take_idle<C: Connect>(
    router: &Router<C>,
    key: Key,
    repeatable: bool,
    now: Instant,
) -> Option<Pooled<Link<C::Stream>>> {
    if !repeatable {
        // Lets the runtime hear of connections that ended meanwhile: this request has one try only.
        tokio::task::yield_now().await;
    }
    loop {
        let mut connection = router.kept.take(key, now)?;
        if connection.get_mut().is_silent() {
            return Some(connection);
        }
    }
}

pub(super) async fn exchange<C: Connect>(
    router: &Router<C>,
    connection: Pooled<Link<C::Stream>>,
    outgoing: &mut Outgoing<'_>,
    policies: &Policies,
    now: Instant,
) -> Result<Answer<C::Stream>, Failure> {
    let body = router.table.load().config().clients().body_timeout();
    let pauses = Pauses { read: policies.read_timeout(), send: policies.send_timeout(), body };
    let chunked = outgoing.framing == RequestFraming::Chunked;
    let sending = Sending::new(outgoing.body.take(), chunked);
    let (output, expected) = (outgoing.emit(router.kept.buffer()), outgoing.expected());
    let kept = Arc::clone(&router.kept);
    let mut exchange = Exchange::new(connection, kept, output, sending, expected, pauses, now.into());
    let result = loop {
        match std::future::poll_fn(|cx| exchange.poll_event(cx)).await {
            // RFC 9110 section 15.2 has a proxy forward these. Of 100 the router is the one who asked: its own client gets
            // one of its own.
            Ok(Event::Informational(head)) => {
                if let Some(hints) = outgoing.hints.filter(|_| head.status() != StatusCode::CONTINUE) {
                    hints.send(head.status(), head.into_headers()).await;
                }
            }
            Ok(Event::Head(head)) => return Ok(Answer { head, switched: false, exchange }),
            Ok(Event::Switched(head)) => return Ok(Answer { head, switched: true, exchange }),
            Ok(_) => break Failure::Exchange(ResponseError::Head.into(), false),
            Err(error) => break Failure::Exchange(error, exchange.is_unanswered()),
        }
    };
    outgoing.body = exchange.into_body();
    Err(result)
}
