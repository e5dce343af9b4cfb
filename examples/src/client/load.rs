//! A client that keeps asking, each time over a new connection, and counts what fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use svc_lab::{Host, Task};
use tokio::sync::watch;

use super::http::Get;

/// A client at work in a host.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    succeeded: watch::Receiver<u64>,
    place: String,
    task: Task<Count>,
}

/// What a client saw.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Count {
    /// Requests answered with 200.
    pub succeeded: u64,
    /// All others.
    pub failed: u64,
    /// The first that failed.
    pub first_failure: Option<String>,
}

impl Load {
    /// Starts asking from `host`.
    #[must_use]
    pub fn start(host: &Host, get: Get) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (counter, succeeded) = watch::channel(0);
        let stopped = Arc::clone(&stop);
        let task = host.spawn(move || async move {
            let mut count = Count::default();
            while !stopped.load(Ordering::Relaxed) {
                match get.send().await {
                    Ok(reply) if reply.status() == 200 => {
                        count.succeeded += 1;
                        counter.send_modify(|count| *count += 1);
                    }
                    Ok(reply) => count.fail(format!("status {}", reply.status())),
                    Err(error) => count.fail(format!("{error:#}")),
                }
            }
            count
        });
        Self { stop, succeeded, place: host.name().to_owned(), task }
    }

    /// Waits until `more` further requests have succeeded.
    ///
    /// # Errors
    /// They have not within twenty seconds.
    pub async fn progress(&mut self, more: u64) -> anyhow::Result<()> {
        let goal = *self.succeeded.borrow() + more;
        let reached = self.succeeded.wait_for(|count| *count >= goal);
        tokio::time::timeout(Duration::from_secs(20), reached)
            .await
            .with_context(|| format!("the client in {} makes no progress", self.place))??;
        Ok(())
    }

    /// Stops asking.
    pub async fn stop(self) -> Count {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await
    }
}

impl Count {
    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.first_failure.get_or_insert(why);
    }
}
