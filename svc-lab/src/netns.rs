//! One network namespace: a thread that lives in it, with a runtime of its own.

use std::any::Any;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use futures_util::future::{AbortHandle, Abortable};
use nix::sched::{CloneFlags, unshare};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;

use crate::error::Error;
use crate::namespaces;

type Job = Box<dyn FnOnce(&Ending) + Send>;

enum Order {
    Run(Job),
    Stop,
}

/// The handle to a namespace's thread. The namespace ends with the thread, and the thread with its last handle.
#[derive(Clone, Debug)]
pub(crate) struct Netns {
    name: Arc<str>,
    orders: mpsc::UnboundedSender<Order>,
    born: Arc<Born>,
}

/// What the thread tells about itself once it is in its namespace.
#[derive(Debug)]
struct Born {
    file: File,
    outer_tid: i32,
    netlink: rtnetlink::Handle,
}

impl Netns {
    /// Starts a thread in a new namespace; it is there when this returns.
    pub(crate) async fn spawn(name: &str) -> Result<Self, Error> {
        let (orders, receiver) = mpsc::unbounded_channel();
        let (ready, is_ready) = oneshot::channel();
        let failed =
            |cause| Error::new("create a network namespace for", format_args!("host {name:?}"), cause);
        if name.is_empty() || name.contains('\0') {
            return Err(failed(io::Error::other("its name has to be some text without a zero byte")));
        }
        let thread = std::thread::Builder::new().name(name.into());
        thread.spawn(move || live(ready, receiver)).map_err(failed)?;
        let born =
            is_ready.await.unwrap_or_else(|_| Err(io::Error::other("its thread died"))).map_err(failed)?;
        Ok(Self { name: name.into(), orders, born: Arc::new(born) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn file(&self) -> &File {
        &self.born.file
    }

    pub(crate) fn outer_tid(&self) -> i32 {
        self.born.outer_tid
    }

    /// Talks to this namespace, whoever calls.
    pub(crate) fn netlink(&self) -> &rtnetlink::Handle {
        &self.born.netlink
    }

    /// Ends the thread, dropping its tasks, and waits until that is done.
    pub(crate) async fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
        self.orders.closed().await;
    }

    pub(crate) fn task<F, Fut>(&self, make: F) -> Task<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        self.task_to_the_end(|_| make())
    }

    /// A task that has something to finish when the host ends.
    pub(crate) fn task_to_the_end<F, Fut>(&self, make: F) -> Task<Fut::Output>
    where
        F: FnOnce(Ending) -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        let (sender, result) = oneshot::channel();
        let (abort, registration) = AbortHandle::new_pair();
        let job = Box::new(move |ending: &Ending| {
            let ending = ending.clone();
            let work = async move {
                let outcome = AssertUnwindSafe(async move { make(ending).await }).catch_unwind().await;
                let _ = sender.send(outcome);
            };
            tokio::task::spawn_local(Abortable::new(work, registration));
        });
        let _ = self.orders.send(Order::Run(job));
        // Once the thread has ended the job is dropped, and the sender of the result with it.
        Task { host: self.name.clone(), result, abort, detached: false }
    }
}

fn live(ready: oneshot::Sender<io::Result<Born>>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let born = be_born();
        let alive = born.is_ok();
        if ready.send(born).is_err() || !alive {
            return;
        }
        let (ending, last_rites) = LastRites::prepare();
        while let Some(Order::Run(job)) = orders.recv().await {
            job(&ending);
        }
        drop(ending);
        last_rites.perform().await;
    });
    drop(local);
    runtime.shutdown_background();
    drop(orders);
}

fn be_born() -> io::Result<Born> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let (connection, netlink, _) = rtnetlink::new_connection()?;
    tokio::task::spawn_local(connection);
    Ok(Born { file: File::open("/proc/thread-self/ns/net")?, outer_tid: namespaces::outer_tid()?, netlink })
}

/// What a task needs that has something to finish when its host ends: the news, and a vote to go on till then.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    begun: watch::Receiver<()>,
    _vote: mpsc::Sender<()>,
}

impl Ending {
    /// Waits until the host begins to end.
    pub(crate) async fn begun(&mut self) {
        while self.begun.changed().await.is_ok() {}
    }
}

/// The host's side of [`Ending`].
struct LastRites {
    begin: watch::Sender<()>,
    votes: mpsc::Receiver<()>,
}

impl LastRites {
    fn prepare() -> (Ending, Self) {
        let (begin, begun) = watch::channel(());
        let (vote, votes) = mpsc::channel(1);
        (Ending { begun, _vote: vote }, Self { begin, votes })
    }

    async fn perform(mut self) {
        drop(self.begin);
        self.votes.recv().await;
    }
}

/// A future that runs on a host's thread; awaiting it gives its output. Dropping it aborts the future.
#[must_use = "dropping a task aborts it; `detach` lets it run on"]
#[derive(Debug)]
pub struct Task<T> {
    host: Arc<str>,
    result: oneshot::Receiver<Result<T, Box<dyn Any + Send>>>,
    abort: AbortHandle,
    detached: bool,
}

impl<T> Task<T> {
    /// Lets the future run for as long as its host lives, without anyone waiting for it.
    pub fn detach(mut self) {
        self.detached = true;
    }
}

impl<T> Task<T> {
    fn poll_outcome(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match ready!(Pin::new(&mut self.result).poll(context)) {
            Ok(Ok(output)) => Poll::Ready(Ok(output)),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Poll::Ready(Err(io::Error::other("the host is gone: it was removed"))),
        }
    }

    /// The output, or that the host is gone.
    pub(crate) async fn outcome(mut self) -> io::Result<T> {
        poll_fn(|context| self.poll_outcome(context)).await
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    /// # Panics
    ///
    /// If the future panicked, or if its host was removed meanwhile.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let outcome = ready!(self.poll_outcome(context));
        Poll::Ready(outcome.unwrap_or_else(|error| panic!("{:?}: {error}", self.host)))
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if !self.detached {
            self.abort.abort();
        }
    }
}
