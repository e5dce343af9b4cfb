//! What has to be done although nobody waits for it: probes, and replies that the cache needs again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::sleep,
};

use super::{Forwarder, upstream::Upstream};
use crate::{
    Transport,
    forward::Question,
    message::{Class, Header, Name, RecordType},
};

/// Something to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Ask a server that failed until it answers.
    Probe(Arc<Upstream>, Transport, ProbeSettings),
    /// Ask again what the cache has.
    Refresh(Question),
    /// See whether a server asks us what it is asked.
    Loops,
}

/// How a server that failed is asked whether it is there again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProbeSettings {
    pub(super) interval: Duration,
    pub(super) name: Name,
    pub(super) recursion: bool,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self { interval: Duration::from_millis(500), name: Name::root(), recursion: true }
    }
}

/// Jobs that wait. When there are too many, the next is left: whoever gave it will come again.
#[derive(Debug)]
pub(super) struct Jobs {
    sender: Sender<Job>,
    receiver: Mutex<Option<Receiver<Job>>>,
}

const MOST_JOBS: usize = 1024;
/// Jobs at a time.
const AT_ONCE: usize = 256;

impl Default for Jobs {
    fn default() -> Self {
        let (sender, receiver) = channel(MOST_JOBS);
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }
}

impl Jobs {
    pub(super) fn push(&self, job: Job) {
        if let Err(tokio::sync::mpsc::error::TrySendError::Full(Job::Probe(server, ..))) =
            self.sender.try_send(job)
        {
            server.health.not_probing();
        }
    }
}

/// Gives the receiver back when it is dropped: another caller may go on.
struct Taken<'j> {
    receiver: Receiver<Job>,
    jobs: &'j Jobs,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let (_, empty) = channel(1);
        let receiver = std::mem::replace(&mut self.receiver, empty);
        *self.jobs.receiver.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
    }
}

pub(super) async fn run(forwarder: &Forwarder) {
    let jobs = &forwarder.inner.jobs;
    let receiver = jobs.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(receiver) = receiver else { return std::future::pending().await };
    let mut taken = Taken { receiver, jobs };
    let mut running: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    loop {
        let room = running.len() < AT_ONCE;
        tokio::select! {
            Some(job) = taken.receiver.recv(), if room => running.push(Box::pin(run_job(forwarder, job))),
            Some(()) = running.next() => {}
        }
    }
}

async fn run_job(forwarder: &Forwarder, job: Job) {
    match job {
        Job::Probe(server, transport, settings) => probe(forwarder, &server, transport, &settings).await,
        Job::Refresh(question) => drop(forwarder.fetch(&question).await),
        Job::Loops => forwarder.probe_loops().await,
    }
}

async fn probe(forwarder: &Forwarder, server: &Upstream, transport: Transport, settings: &ProbeSettings) {
    loop {
        let flags = if settings.recursion { Header::RD } else { 0 };
        let query = query(forwarder.inner.random(), &settings.name, RecordType::NS, flags);
        if !server.health.probed(server.probe(transport, &query).await) {
            tracing::info!(server = %server.address(), "upstream answers again");
            return;
        }
        sleep(settings.interval).await;
    }
}

pub(super) fn query(id: u16, name: &Name, kind: RecordType, flags: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    Header { id, flags, counts: [1, 0, 0, 0] }.emit(&mut out);
    out.extend_from_slice(name.wire());
    out.extend_from_slice(&kind.number().to_be_bytes());
    out.extend_from_slice(&Class::IN.number().to_be_bytes());
    out
}
