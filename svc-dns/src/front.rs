//! What stands between clients and the responder: rewriting, hosts, templates and search paths in front of it, the cache and the
//! forwarder behind it.
//!
//! Pure but for the forwarder's sockets: [`respond`](Front::respond) does not wait and may be called from any thread; what has to wait
//! is [`resolve`](Front::resolve)d.

mod prefer;
mod search;
mod site;
mod special;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

pub(crate) use self::prefer::Preferred;
pub use self::site::{Site, SiteBuilder};
use crate::{
    Action, Client, Forwarder, Outcome, Responder,
    forward::Forward,
    forwarder::ForwardStats,
    message::{Header, Query, QuestionName, Rcode, Writer},
    responder::Asked,
    rewrite::{Rewritten, Undo, rewrite},
};

/// Rules and a forwarder. A clone is the same front.
///
/// ```
/// use svc_dns::{Forwarder, Front, Hosts, Site};
///
/// let (hosts, _problems) = Hosts::parse("192.0.2.7 printer.office");
/// let forwarder = Forwarder::builder().upstream("172.20.10.53").build()?;
/// let front = Front::new().site(Site::builder(".").hosts(hosts).build()?).forward(forwarder);
/// # Ok::<(), svc_dns::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Front {
    sites: Arc<Vec<Site>>,
    forwarder: Option<Forwarder>,
    counts: Arc<Counts>,
}

/// What happened in front of the zone.
#[derive(Debug, Default)]
struct Counts {
    /// Answers about `localhost`.
    local: AtomicU64,
    /// Answers that were found on a search path.
    walked: AtomicU64,
}

impl Front {
    /// No rules, no forwarder: the responder alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds rules for a domain. The longest domain that holds a name counts.
    #[must_use]
    pub fn site(mut self, site: Site) -> Self {
        Arc::make_mut(&mut self.sites).push(site);
        self
    }

    /// Forwards names that nobody here answers.
    #[must_use]
    pub fn forward(mut self, forwarder: Forwarder) -> Self {
        self.forwarder = Some(forwarder);
        self
    }

    /// The forwarder.
    #[must_use]
    pub fn forwarder(&self) -> Option<&Forwarder> {
        self.forwarder.as_ref()
    }

    /// Queries for `localhost` that [`local`](SiteBuilder::local) answered.
    #[must_use]
    pub fn local_answers(&self) -> u64 {
        self.counts.local.load(Ordering::Relaxed)
    }

    /// Queries that were answered with what a search path led to.
    #[must_use]
    pub fn paths_walked(&self) -> u64 {
        self.counts.walked.load(Ordering::Relaxed)
    }

    /// The rules.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter()
    }

    /// Whether an address of a pod has to lead to its namespace: the responder's zone has to
    /// [keep them](crate::ZoneBuilder::pod_names) then.
    #[must_use]
    pub fn needs_pods(&self) -> bool {
        self.sites.iter().any(|site| site.autopath().is_some())
    }

    /// Answers one message as [`Responder::respond`] does; from the cache, too. Does not wait.
    pub fn respond(
        &self,
        responder: &Responder,
        message: &[u8],
        client: Client,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Outcome {
        self.respond_and_tell(responder, message, client, now, out).0
    }

    /// The same, and what was asked for where that is known: rules may have made another question of it.
    pub(crate) fn respond_and_tell(
        &self,
        responder: &Responder,
        message: &[u8],
        client: Client,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> (Outcome, Option<Asked>) {
        let (outcome, asked) = if self.sites.is_empty() {
            responder.respond_and_tell(message, client, out)
        } else {
            out.clear();
            (self.respond_by_rules(responder, message, client, out), None)
        };
        match outcome {
            Outcome::Forward(forward) if self.chase_by_rules(responder, &forward, client, out) => {
                (Outcome::Answer, asked)
            }
            Outcome::Forward(forward) => (self.answer_now(responder, forward, now, out), asked),
            outcome => (outcome, asked),
        }
    }

    fn respond_by_rules(
        &self,
        responder: &Responder,
        message: &[u8],
        client: Client,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let parsed = Query::parse(message).ok();
        let Some(query) = parsed.filter(|query| query.edns().is_none_or(|edns| edns.version == 0)) else {
            return responder.respond(message, client, out);
        };
        let Some(site) = self.site_of(&query) else { return responder.respond(message, client, out) };
        let limit = responder.limit(query.edns(), client.transport);
        let refused = match site.action(&query, client) {
            Action::Allow => None,
            Action::Drop => return Outcome::Drop,
            Action::Empty => Some(Rcode::NOERROR),
            Action::Refuse => Some(Rcode::REFUSED),
        };
        if let Some(rcode) = refused {
            Writer::reply(&query, limit, out).finish(rcode);
            return Outcome::Answer;
        }
        match rewrite(site.rules(), message, &query) {
            Rewritten::Unchanged => {
                let outcome = self.in_site(site, responder, message, &query, client, out);
                prefer(site, outcome, out)
            }
            Rewritten::Wrong => {
                Writer::reply(&query, limit, out).finish(Rcode::SERVFAIL);
                Outcome::Answer
            }
            Rewritten::To(message, undo) => {
                let Ok(query) = Query::parse(&message) else { return Outcome::Drop };
                let outcome = self.in_site(site, responder, &message, &query, client, out);
                prefer(site, finally(outcome, undo, limit, out), out)
            }
        }
    }

    /// The target of an alias is a name like others: hosts and templates may answer it.
    fn chase_by_rules(
        &self,
        responder: &Responder,
        forward: &Forward,
        client: Client,
        out: &mut Vec<u8>,
    ) -> bool {
        if self.sites.is_empty() || !forward.is_chase() || forward.after().search.is_some() {
            return false;
        }
        let mut reply = Vec::new();
        let outcome = self.respond_by_rules(responder, &forward.query(0), client, &mut reply);
        let answered = matches!(outcome, Outcome::Answer);
        if answered {
            forward.finish(Ok(&reply), out);
            undo(&forward.after().undo, forward, out);
            undo(&forward.after().finally, forward, out);
            forward.after().preferred.apply(out);
        }
        answered
    }

    fn site_of(&self, query: &Query<'_>) -> Option<&Site> {
        let name = query.question().name().clone();
        let holding = self.sites.iter().filter(|site| site.holds(name.wire()));
        holding.max_by_key(|site| site.domain().wire().len())
    }

    fn in_site(
        &self,
        site: &Site,
        responder: &Responder,
        message: &[u8],
        query: &Query<'_>,
        client: Client,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let outcome = site.respond(responder, message, query, client, out);
        if site.answers_locally(query) {
            self.counts.local.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(outcome, Outcome::Answer) && self.forwarder.is_some() {
            // Recursion is to be had, whoever answered this one.
            out[3] |= Header::RA.to_be_bytes()[1];
        }
        match site.autopath() {
            Some(autopath) if matches!(outcome, Outcome::Answer) && rcode(out) == Rcode::NXDOMAIN => {
                let outcome = search::walk(autopath, site, responder, message, query, client, out);
                if matches!(outcome, Outcome::Answer) && rcode(out) != Rcode::NXDOMAIN {
                    self.counts.walked.fetch_add(1, Ordering::Relaxed);
                }
                outcome
            }
            _ => outcome,
        }
    }

    /// The cache may have it, or nobody is responsible.
    fn answer_now(
        &self,
        responder: &Responder,
        forward: Box<Forward>,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let own = responder.zone_of(&QuestionName::from(forward.name())).is_some();
        // A name of the zone that falls through: tomorrow the zone may know it.
        let forward = if own { Box::new(forward.uncached()) } else { forward };
        let Some(forwarder) = &self.forwarder else {
            forward.finish(Err(Rcode::REFUSED), out);
            return Outcome::Answer;
        };
        let after = forward.after();
        if !forwarder.answer_now(&forward, now, out)
            || after.search.is_some() && rcode(out) == Rcode::NXDOMAIN
        {
            return Outcome::Forward(forward);
        }
        undo(&after.undo, &forward, out);
        undo(&after.finally, &forward, out);
        after.preferred.apply(out);
        Outcome::Answer
    }

    /// Asks the servers that [`respond`](Self::respond) could not do without, and gives the client's answer. Cancel safe.
    pub async fn resolve(&self, forward: &Forward) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(forwarder) = &self.forwarder else {
            forward.finish(Err(Rcode::REFUSED), &mut out);
            return out;
        };
        let after = forward.after();
        match &after.search {
            None => {
                forwarder.ask(forward, &mut out).await;
                undo(&after.undo, forward, &mut out);
            }
            Some(search) => {
                out.clone_from(&search.nothing);
                for candidate in std::iter::once(forward).chain(&search.next) {
                    let answer = forwarder.resolve(candidate).await;
                    if rcode(&answer) != Rcode::NXDOMAIN {
                        self.counts.walked.fetch_add(1, Ordering::Relaxed);
                        out = answer;
                        undo(&candidate.after().undo, candidate, &mut out);
                        break;
                    }
                }
            }
        }
        undo(&after.finally, forward, &mut out);
        after.preferred.apply(&mut out);
        out
    }

    /// See [`Forwarder::upkeep`]. Never ends.
    pub async fn upkeep(&self) {
        match &self.forwarder {
            Some(forwarder) => forwarder.upkeep().await,
            None => std::future::pending().await,
        }
    }

    /// What the forwarder has done.
    #[must_use]
    pub fn stats(&self) -> ForwardStats {
        self.forwarder.as_ref().map(Forwarder::stats).unwrap_or_default()
    }
}

fn undo(undo: &Option<Box<Undo>>, forward: &Forward, out: &mut Vec<u8>) {
    if let Some(undo) = undo {
        undo.apply(forward.limit(), out);
    }
}

/// Addresses in the site's favourite networks come first.
fn prefer(site: &Site, mut outcome: Outcome, out: &mut [u8]) -> Outcome {
    match &mut outcome {
        Outcome::Answer => site.preferred().apply(out),
        Outcome::Forward(forward) => forward.after_mut().preferred = site.preferred().clone(),
        _ => {}
    }
    outcome
}

/// The client sees its own question again.
fn finally(outcome: Outcome, undo: Box<Undo>, limit: usize, out: &mut Vec<u8>) -> Outcome {
    match outcome {
        Outcome::Answer => undo.apply(limit, out),
        Outcome::Forward(mut forward) => {
            forward.after_mut().finally = Some(undo);
            return Outcome::Forward(forward);
        }
        _ => {}
    }
    outcome
}

/// The code of a message, without its EDNS extension.
fn rcode(message: &[u8]) -> Rcode {
    Header::parse(message).map_or(Rcode::SERVFAIL, |header| header.rcode())
}

#[cfg(test)]
mod tests;
