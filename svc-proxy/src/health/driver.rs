//! The loop that opens and closes ports, and answers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use svc_model::Snapshot;
use svc_model::store::{Reached, Watch};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::Server;
use super::checks::{self, Checks};
use super::handle::{Problem, Status};
use super::page::Page;
use super::view::{Role, View, is_eligible};
use crate::metrics::Metrics;
use crate::{Node, sys};

/// When ports that could not be opened are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Connections at a time, of each port; more wait.
const CONNECTIONS: usize = 64;
/// Who says nothing for so long is no longer listened to.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Driver {
    server: Server,
    view: View,
    /// What there is.
    wanted: Watch,
    /// What rules follow.
    programmed: Watch,
    revisions: Reached,
    inbox: mpsc::UnboundedReceiver<Node>,
    reports: watch::Sender<Status>,
    checks: Checks,
    /// What is open, and where it really is.
    open: BTreeMap<(SocketAddr, Role), (SocketAddr, AbortHandle)>,
    problems: Vec<Problem>,
    retry_at: Instant,
    tasks: JoinSet<()>,
}

impl Driver {
    pub(super) fn new(
        server: Server,
        watch: Watch,
        revisions: Reached,
        metrics: Metrics,
        inbox: mpsc::UnboundedReceiver<Node>,
        reports: watch::Sender<Status>,
    ) -> Self {
        let view = View::new(server.mode, server.stale_after, metrics);
        let programmed = watch.clone().behind(revisions.clone());
        Self {
            server,
            view,
            wanted: watch,
            programmed,
            revisions,
            inbox,
            reports,
            checks: Checks::default(),
            open: BTreeMap::new(),
            problems: Vec::new(),
            retry_at: Instant::now(),
            tasks: JoinSet::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let first = self.programmed.snapshot();
        self.handle_wanted(&first);
        self.settle().await;
        let (mut started, mut store_open, mut proxy_runs) = (false, true, true);
        loop {
            let mut revisions = self.revisions.clone();
            tokio::select! {
                biased;
                node = self.inbox.recv() => {
                    let Some(node) = node else { return };
                    self.server.node = node;
                    if started {
                        self.recount(&self.programmed.snapshot());
                    }
                    self.settle().await;
                }
                change = self.wanted.changed(), if store_open => match change {
                    Ok((snapshot, _)) => self.handle_wanted(&snapshot),
                    Err(_closed) => store_open = false,
                },
                reached = revisions.at_least(first.revision()), if !started && proxy_runs => {
                    (started, proxy_runs) = (reached.is_ok(), reached.is_ok());
                    if started {
                        self.recount(&first);
                        self.handle_programmed(&first);
                        self.settle().await;
                    }
                }
                change = self.programmed.changed(), if started && store_open && proxy_runs => {
                    let Ok((snapshot, delta)) = change else {
                        // Of the two, the store says for itself whether it is gone.
                        proxy_runs = false;
                        continue;
                    };
                    self.checks.update(&snapshot, &self.server.node, delta.services());
                    self.handle_programmed(&snapshot);
                    self.settle().await;
                }
                () = tokio::time::sleep_until(self.retry_at), if !self.problems.is_empty() => self.settle().await,
            }
        }
    }

    fn handle_wanted(&self, snapshot: &Snapshot) {
        let mut known = self.view.known();
        known.freshness.handle_wanted(snapshot.revision(), Instant::now().into_std());
        known.eligible = is_eligible(snapshot, self.server.node.name());
    }

    /// The kernel holds this snapshot, and the checks are those of it.
    fn handle_programmed(&mut self, snapshot: &Snapshot) {
        let now = (Instant::now().into_std(), SystemTime::now());
        let mut known = self.view.known();
        known.freshness.handle_programmed(snapshot.revision(), now);
        known.endpoints = self.checks.endpoints();
    }

    fn recount(&mut self, snapshot: &Snapshot) {
        self.checks = Checks::default();
        self.checks.update(snapshot, &self.server.node, snapshot.services().map(|service| service.name()));
        self.view.known().endpoints = self.checks.endpoints();
    }

    /// Closes what is no longer wanted, opens what is.
    async fn settle(&mut self) {
        let wanted = self.roles();
        self.open.retain(|key, (_, task)| {
            let stays = wanted.contains(key) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        // The ports of what was closed are free once its tasks are gone.
        while self.tasks.len() > self.open.len() && self.tasks.join_next().await.is_some() {}
        self.retry_at = Instant::now() + RETRY;
        self.problems.clear();
        for (address, role) in wanted {
            if self.open.contains_key(&(address, role.clone())) {
                continue;
            }
            match TcpListener::bind(address).await {
                Ok(listener) => self.serve(address, role, listener),
                Err(error) => self.problems.push(problem(address, &role, &error)),
            }
        }
        self.report();
    }

    /// What is to be open, the proxy's own ports first.
    fn roles(&self) -> Vec<(SocketAddr, Role)> {
        let own = [(self.server.healthz, Role::Healthz), (self.server.metrics, Role::Metrics)];
        let mut roles: Vec<_> =
            own.into_iter().filter_map(|(address, role)| address.map(|address| (address, role))).collect();
        let mut checks = self.checks.ports().peekable();
        if checks.peek().is_some() {
            let addresses = checks::addresses(&self.server.node, &sys::local_addresses().unwrap_or_default());
            for (service, port) in checks {
                roles.extend(
                    checks::sockets(&addresses, port).map(|socket| (socket, Role::Check(service.clone()))),
                );
            }
        }
        roles
    }

    fn serve(&mut self, address: SocketAddr, role: Role, listener: TcpListener) {
        let bound = listener.local_addr().unwrap_or(address);
        let task = self.tasks.spawn(accept(listener, role.clone(), self.view.clone()));
        self.open.insert((address, role), (bound, task));
    }

    fn report(&self) {
        let mut status = Status { problems: self.problems.clone(), ..Status::default() };
        for ((_, role), (bound, _)) in &self.open {
            status.listening.push(*bound);
            match role {
                Role::Healthz => status.healthz = Some(*bound),
                Role::Metrics => status.metrics = Some(*bound),
                Role::Check(_) => {}
            }
        }
        status.listening.sort_unstable();
        for problem in
            self.problems.iter().filter(|problem| !self.reports.borrow().problems.contains(problem))
        {
            tracing::warn!("{problem}; tried again");
        }
        self.reports.send_if_modified(|known| std::mem::replace(known, status.clone()) != status);
    }
}

fn problem(address: SocketAddr, role: &Role, error: &io::Error) -> Problem {
    let (what, service) = match role {
        Role::Healthz => ("/healthz".to_owned(), None),
        Role::Metrics => ("/metrics".to_owned(), None),
        Role::Check(service) => {
            (format!("Service {service}: spec.healthCheckNodePort"), Some(service.clone()))
        }
    };
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => ": end the program that has it, or choose another port",
        io::ErrorKind::AddrNotAvailable => ": the node does not have this address",
        io::ErrorKind::PermissionDenied => ": ports below 1024 need CAP_NET_BIND_SERVICE",
        _ => "",
    };
    Problem { what, service, address, reason: format!("{error}{advice}") }
}

/// Answers until it is aborted.
async fn accept(listener: TcpListener, role: Role, view: View) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(converse(stream, role.clone(), view.clone()))),
                Err(error) => {
                    tracing::debug!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

async fn converse(stream: TcpStream, role: Role, view: View) {
    let answer = service_fn(|request: Request<_>| {
        let now = (Instant::now().into_std(), SystemTime::now());
        let page = view.answer(&role, request.uri().path(), now);
        std::future::ready(Ok::<_, Infallible>(response(page)))
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a request for health or metrics");
    }
}

fn response(page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page.body)));
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", page.content_type.parse().expect("a fixed text"));
    headers.insert("x-content-type-options", "nosniff".parse().expect("a fixed text"));
    if let Some(weight) = page.weight {
        headers.insert("x-load-balancing-endpoint-weight", weight.into());
    }
    response
}
