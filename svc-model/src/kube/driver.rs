//! The loop that an embedder runs: requests to the API server, answers into the store.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::lines::Lines;
use super::reflector::{Change, Failure, Reflector, Request, Wait};
use super::requests::Counter;
use super::resource::Resource;
use super::status::{State, Status};
use super::{Cluster, Settings, decode, referenced};
use crate::store::Store;
use crate::sys::api::{self, Answer, Channel};
use crate::{Kind, ObjectName};

/// The largest error that is read.
pub(super) const MAX_ERROR_BYTES: usize = 64 << 10;

/// For a page.
const PAGE_PATIENCE: Duration = Duration::from_secs(60);

/// How many Secrets are followed; each takes a connection.
const MAX_SECRETS: usize = 1000;

/// What all parts share.
pub(super) struct Follower {
    pub(super) cluster: Cluster,
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) status: watch::Sender<Status>,
    /// The Ingresses were listed: it is known which Secrets there are.
    pub(super) ingresses: Notify,
    pub(super) requests: Counter,
}

type Reflections = FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// Follows until nobody listens any more.
pub(super) async fn run(follower: Follower) {
    let follower = Arc::new(follower);
    tokio::select! {
        () = follower.status.closed() => {}
        () = follow_all(&follower) => {}
    }
}

async fn follow_all(follower: &Arc<Follower>) {
    let (mut watch, mut secrets) = (follower.store.watch(), BTreeMap::new());
    let all = follower.settings.resources().into_iter();
    let all = all.map(|resource| reflect(Arc::clone(follower), resource));
    let mut reflections: Reflections = all.map(|all| Box::pin(all) as _).collect();
    let with_secrets = follower.settings.kinds.contains(&Kind::Secret);
    loop {
        tokio::select! {
            _ = reflections.next(), if !reflections.is_empty() => {}
            changed = watch.changed(), if with_secrets => match changed {
                Ok((_, delta)) if delta.ingresses().is_empty() => {}
                Ok(_) => follow_secrets(follower, &mut secrets, &reflections),
                Err(_) => return,
            },
            () = follower.ingresses.notified(), if with_secrets => {
                follow_secrets(follower, &mut secrets, &reflections);
            }
        }
    }
}

/// Begins to follow the Secrets that are referenced now, and ends that of others. Dropping the sender ends one.
fn follow_secrets(
    follower: &Arc<Follower>,
    followed: &mut BTreeMap<ObjectName, oneshot::Sender<Infallible>>,
    reflections: &Reflections,
) {
    let known = follower.status.borrow().is_listed(Kind::Ingress);
    let named = follower.settings.secrets.iter().cloned();
    let (mut wanted, outside): (BTreeSet<_>, BTreeSet<_>) = referenced::secrets(&follower.store.snapshot())
        .into_iter()
        .chain(named)
        .partition(|name| follower.settings.follows_namespace(name.namespace()));
    let beyond = wanted.len().saturating_sub(MAX_SECRETS);
    (0..beyond).for_each(|_| drop(wanted.pop_last()));
    followed.retain(|name, _| wanted.contains(name));
    for name in wanted {
        followed.entry(name.clone()).or_insert_with(|| {
            let (end, ended) = oneshot::channel();
            reflections.push(Box::pin(reflect_until(Arc::clone(follower), name, ended)));
            end
        });
    }
    follower.status.send_if_modified(|status| {
        let now = (Some(known), beyond, outside);
        let before = (status.secrets, status.beyond, std::mem::take(&mut status.outside));
        let differs = before != now;
        (status.secrets, status.beyond, status.outside) = now;
        differs
    });
}

/// Follows one Secret until it is not wanted any more, and takes it away then.
fn reflect_until(
    follower: Arc<Follower>,
    name: ObjectName,
    ended: oneshot::Receiver<Infallible>,
) -> impl Future<Output = ()> {
    let resource = Resource::named(Kind::Secret, name);
    follower.publish(&resource, |_| {});
    async move {
        let mut reflector = Reflector::new(resource.clone(), follower.settings.page_size);
        tokio::select! {
            _ = ended => {}
            () = follower.reflect(&mut reflector) => {}
        }
        follower.store.update([], reflector.known());
        follower.status.send_modify(|status| drop(status.collections.remove(&resource)));
    }
}

async fn reflect(follower: Arc<Follower>, resource: Resource) {
    let mut reflector = Reflector::new(resource, follower.settings.page_size);
    follower.reflect(&mut reflector).await;
}

impl Follower {
    /// Lists, watches, and begins again, for ever.
    async fn reflect(&self, reflector: &mut Reflector) {
        let mut backoff = Backoff::between(self.settings.least_wait, self.settings.most_wait);
        let mut idle = None;
        loop {
            let mut progress = false;
            let done = self.once(reflector, &mut idle, &mut progress).await;
            if progress {
                backoff.succeeded();
            }
            let wait = match done {
                // A watch that ends before it said anything is nothing to run after.
                Ok(()) if progress => Wait::Not,
                Ok(()) => Wait::Backoff,
                Err(failure) => self.failed(reflector, &failure, progress),
            };
            match wait {
                Wait::Not => {}
                Wait::Backoff => sleep(backoff.after_failure(api::chance())).await,
                Wait::For(wait) => sleep(wait).await,
            }
        }
    }

    /// One request and its answer. `progress`: something came of it.
    async fn once(
        &self,
        reflector: &mut Reflector,
        idle: &mut Option<Channel>,
        progress: &mut bool,
    ) -> Result<(), Failure> {
        let least = self.settings.watch_seconds;
        let seconds = least + u64::from(api::chance()) % least;
        match reflector.request(seconds) {
            Request::List(path) => {
                let late = |_| Failure::Unreachable("a page takes too long".to_owned());
                let body = timeout(PAGE_PATIENCE, self.page(&path, idle)).await.map_err(late)??;
                let page = decode::page(reflector.resource().kind(), &body).map_err(Failure::Garbage)?;
                *progress = true;
                if let Some(change) = reflector.page(page) {
                    self.apply(reflector, change);
                }
                Ok(())
            }
            Request::Watch(path) => {
                let life = Duration::from_secs(seconds) + self.settings.watch_grace;
                let silent = |_| Failure::Unreachable("the watch does not end".to_owned());
                timeout(life, self.watch(&path, reflector, idle, progress)).await.map_err(silent)?
            }
        }
    }

    async fn page(&self, path: &str, idle: &mut Option<Channel>) -> Result<Vec<u8>, Failure> {
        let mut answer = self.get(path, idle).await?;
        let page = whole(&mut answer, self.settings.max_page_bytes).await?.ok_or(Failure::TooLarge);
        *idle = answer.body.into_idle();
        page
    }

    async fn watch(
        &self,
        path: &str,
        reflector: &mut Reflector,
        idle: &mut Option<Channel>,
        progress: &mut bool,
    ) -> Result<(), Failure> {
        let mut answer = self.get(path, idle).await?;
        self.publish(reflector.resource(), |state| state.trouble = None);
        let mut lines = Lines::default();
        while let Some(bytes) = answer.body.next().await.map_err(Failure::Unreachable)? {
            lines.feed(&bytes);
            while let Some(line) = lines.next().map_err(|_| Failure::TooLarge)? {
                let event = decode::event(reflector.resource().kind(), line).map_err(Failure::Garbage)?;
                let change = reflector.event(event)?;
                *progress = true;
                change.into_iter().for_each(|change| self.apply(reflector, change));
            }
        }
        *idle = answer.body.into_idle();
        Ok(())
    }

    async fn get(&self, path: &str, idle: &mut Option<Channel>) -> Result<Answer, Failure> {
        let begun = Instant::now();
        let answer = api::get(&self.cluster, path, idle.take()).await;
        self.requests.count(answer.as_ref().ok().map(|answer| answer.code), begun.elapsed());
        let mut answer = answer.map_err(Failure::Unreachable)?;
        if answer.code == 200 {
            return Ok(answer);
        }
        let body = whole(&mut answer, MAX_ERROR_BYTES).await?.unwrap_or_default();
        let mut status = decode::status(&body);
        status.code = answer.code;
        *idle = answer.body.into_idle();
        Err(Failure::Refused { status, retry_after: answer.retry_after })
    }

    fn apply(&self, reflector: &Reflector, change: Change) {
        let listed = change.listed;
        self.store.update(change.set, change.removed);
        self.publish(reflector.resource(), |state| {
            state.listed |= listed;
            state.trouble = None;
            if state.faults != *reflector.faults() {
                state.faults.clone_from(reflector.faults());
            }
        });
        if listed && reflector.resource().kind() == Kind::Ingress {
            self.ingresses.notify_one();
        }
    }

    fn failed(&self, reflector: &mut Reflector, failure: &Failure, progress: bool) -> Wait {
        let (wait, trouble) = reflector.failed(failure);
        // Connections break now and then. What matters is whether the next one can be made.
        if progress && matches!(failure, Failure::Unreachable(_)) {
            return Wait::Not;
        }
        if let Some(trouble) = trouble {
            let absent = Reflector::is_absent(failure);
            self.publish(reflector.resource(), |state| {
                state.listed |= absent;
                state.trouble = Some(trouble);
            });
            if absent && reflector.resource().kind() == Kind::Ingress {
                self.ingresses.notify_one();
            }
        }
        wait
    }

    /// Changes what is said of a collection; who listens hears of it only if it is different.
    fn publish(&self, resource: &Resource, change: impl FnOnce(&mut State)) {
        self.status.send_if_modified(|status| {
            let is_new = !status.collections.contains_key(resource);
            let state = status.collections.entry(resource.clone()).or_default();
            let before = (state.listed, state.trouble.clone(), state.faults.len());
            change(state);
            is_new || before != (state.listed, state.trouble.clone(), state.faults.len())
        });
    }
}

/// The whole body, unless it has more bytes than this.
pub(super) async fn whole(answer: &mut Answer, most: usize) -> Result<Option<Vec<u8>>, Failure> {
    let mut body = Vec::new();
    while let Some(bytes) = answer.body.next().await.map_err(Failure::Unreachable)? {
        if body.len() + bytes.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&bytes);
    }
    Ok(Some(body))
}
