//! A client that keeps asking, each time over a new connection, and counts what fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use svc_lab::{Host, Task};

use super::http::Get;

/// A client at work in a host.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    succeeded: Arc<AtomicU64>,
    task: Task<Count>,
}

/// What a client saw.
#[derive(Clone, Debug, Default)]
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
        let succeeded = Arc::new(AtomicU64::new(0));
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&succeeded));
        let task = host.spawn(move || async move {
            let mut count = Count::default();
            while !stopped.load(Ordering::Relaxed) {
                match get.send().await {
                    Ok(reply) if reply.status() == 200 => {
                        count.succeeded += 1;
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(reply) => count.fail(format!("status {}", reply.status())),
                    Err(error) => count.fail(format!("{error:#}")),
                }
            }
            count
        });
        Self { stop, succeeded, task }
    }

    /// Waits until `more` further requests have succeeded, or two seconds have passed.
    pub async fn progress(&self, more: u64) {
        let goal = self.succeeded.load(Ordering::Relaxed) + more;
        for _ in 0..400 {
            if self.succeeded.load(Ordering::Relaxed) >= goal {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
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
