use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::claim::Claim;
use crate::fake::Fake;
use crate::registry::{Leases, Watch};
use crate::{Overlay, Status};

const HOUR: Duration = Duration::from_secs(3600);

/// Leases in memory that cannot be reached at times.
#[derive(Clone, Debug, Default)]
struct Outage {
    leases: Leases,
    down: Arc<AtomicBool>,
    /// When leases were published, and when they were seen again after a time in which they were not.
    published: Arc<Mutex<Vec<Instant>>>,
    seen: Arc<Mutex<Vec<Instant>>>,
}

impl Outage {
    fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    fn error() -> RegistryError {
        RegistryError::Unavailable("no endpoint answers".into())
    }
}

impl Registry for Outage {
    fn acquire<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Lease, RegistryError>> {
        self.leases.acquire(claim)
    }

    fn publish(&self, lease: Lease) -> BoxFuture<'_, Result<Published, RegistryError>> {
        Box::pin(async move {
            if self.is_down() {
                return Err(Outage::error());
            }
            self.published.lock().unwrap().push(Instant::now());
            Ok(Published::new(self.leases.put(lease)?).renew_in(HOUR))
        })
    }

    fn withdraw<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Revision, RegistryError>> {
        self.leases.withdraw(lease)
    }

    fn watch(&self) -> Box<dyn Watch> {
        Box::new(OutageWatch { outage: self.clone(), inner: self.leases.watch(), failed: false })
    }
}

#[derive(Debug)]
struct OutageWatch {
    outage: Outage,
    inner: Box<dyn Watch>,
    failed: bool,
}

impl Watch for OutageWatch {
    fn changed(&mut self) -> BoxFuture<'_, Result<LeaseSet, RegistryError>> {
        Box::pin(async move {
            loop {
                if self.outage.is_down() {
                    self.failed = true;
                    return Err(Outage::error());
                }
                if std::mem::take(&mut self.failed) {
                    self.outage.seen.lock().unwrap().push(Instant::now());
                    return Ok(self.outage.leases.snapshot());
                }
                tokio::select! {
                    changed = self.inner.changed() => return changed,
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_back_is_told_of_the_lease_at_once() {
    let (fake, registry) = (Fake::new(), Outage::default());
    fake.add_link("eth0", "172.20.10.2/24".parse().unwrap(), 1500);
    let builder = Overlay::builder("10.244.0.0/16").node("server2").subnet("10.244.2.0/24");
    let overlay = builder.public_ip("172.20.10.2").registry(registry.clone()).build().unwrap();
    let (handle, run) = overlay.drive_on(fake);
    tokio::spawn(run);
    let is_well = |status: &Status| status.is_ready() && status.problems().is_empty();
    handle.until(is_well).await.unwrap();
    registry.down.store(true, Ordering::SeqCst);
    // The lease is due and expires; each attempt waits longer than the one before it.
    tokio::time::sleep(HOUR * 2).await;
    registry.leases.remove("server2");
    assert_eq!(registry.published.lock().unwrap().len(), 1);
    registry.down.store(false, Ordering::SeqCst);
    handle.until(is_well).await.unwrap();
    while registry.leases.snapshot().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (seen, published) = (registry.seen.lock().unwrap()[0], registry.published.lock().unwrap()[1]);
    assert!(
        published.saturating_duration_since(seen) <= Duration::from_millis(200),
        "{seen:?} {published:?}"
    );
}
