use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::*;
use crate::claim::Claim;
use crate::driver::Handle;
use crate::driver::tests::{Moody, overlay, peer, underlay};
use crate::fake::Fake;
use crate::registry::{Leases, Watch};

const HOUR: Duration = Duration::from_secs(3600);

/// Leases in memory that cannot be reached at times.
#[derive(Clone, Debug, Default)]
struct Outage {
    leases: Leases,
    down: Arc<watch::Sender<bool>>,
    /// When leases were published, and when they were seen again after a time in which they were not.
    published: Arc<watch::Sender<Vec<Instant>>>,
    seen: Arc<watch::Sender<Vec<Instant>>>,
}

impl Outage {
    fn is_down(&self) -> bool {
        *self.down.borrow()
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
            self.published.send_modify(|times| times.push(Instant::now()));
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
            let OutageWatch { outage, inner, failed } = self;
            let mut down = outage.down.subscribe();
            if !outage.is_down() && std::mem::take(failed) {
                outage.seen.send_modify(|times| times.push(Instant::now()));
                return Ok(outage.leases.snapshot());
            }
            let goes_down = async { down.wait_for(|down| *down).await.map(drop) };
            tokio::select! {
                biased;
                _ = goes_down => {
                    *failed = true;
                    Err(Outage::error())
                }
                changed = inner.changed() => changed,
            }
        })
    }
}

/// Drives server2 with a registry that cannot be reached at times, until it is ready.
async fn with_outages(registry: &Outage) -> (Fake, Handle) {
    let fake = underlay();
    let overlay = overlay(&Moody::default()).registry(registry.clone()).build().unwrap();
    let (handle, run) = overlay.drive_on(fake.clone());
    tokio::spawn(run);
    let peers = registry.leases.snapshot().len();
    handle.until(|status| status.is_ready() && status.peers() == peers).await.unwrap();
    (fake, handle)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_back_is_told_of_the_lease_at_once() {
    let registry = Outage::default();
    let (_fake, handle) = with_outages(&registry).await;
    registry.down.send_replace(true);
    // The lease is due and expires; each attempt waits longer than the one before it.
    tokio::time::sleep(HOUR * 2).await;
    registry.leases.remove("server2");
    assert_eq!(registry.published.borrow().len(), 1);
    registry.down.send_replace(false);
    registry.published.subscribe().wait_for(|times| times.len() == 2).await.unwrap();
    let (seen, published) = (registry.seen.borrow()[0], registry.published.borrow()[1]);
    assert!(
        published.saturating_duration_since(seen) <= Duration::from_millis(200),
        "{seen:?} {published:?}"
    );
    handle.until(|status| status.is_ready() && status.problems().is_empty()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn peers_that_are_gone_after_an_outage_stay_a_while_and_then_go() {
    let registry = Outage::default();
    [5, 7].into_iter().for_each(|third| assert!(registry.leases.put(peer(third)).is_ok()));
    let (fake, handle) = with_outages(&registry).await;
    let _setting_up = fake.take_log();
    registry.down.send_replace(true);
    handle.until(|status| !status.problems().is_empty()).await.unwrap();
    for node in ["n5", "n7"] {
        registry.leases.remove(node);
    }
    registry.down.send_replace(false);
    let status = handle.until(|status| status.lingering() == 2).await.unwrap();
    let back = Instant::now();
    assert_eq!(status.peers(), 2);
    registry.leases.put(peer(5)).unwrap();
    handle.until(|status| status.lingering() == 1).await.unwrap();
    assert_eq!(fake.take_log(), []);
    let status = handle.until(|status| status.lingering() == 0).await.unwrap();
    assert_eq!((status.peers(), back.elapsed().as_secs()), (1, 120));
    let log: Vec<_> = fake.take_log().iter().map(ToString::to_string).collect();
    assert!(
        log.len() == 3 && log.iter().any(|line| line.starts_with("ip route delete 10.244.7.0/24")),
        "{log:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_before_it_expires_and_published_again_when_it_is_lost() {
    let (fake, registry) = (underlay(), Moody::default());
    let hour = Duration::from_secs(3600);
    registry.answers.lock().unwrap().extend([Ok(None), Ok(Some(hour)), Ok(Some(hour))]);
    let (handle, run) = overlay(&registry).reconcile_every(hour * 24).build().unwrap().drive_on(fake.clone());
    tokio::spawn(run);
    handle.until(|status| status.lease().is_some()).await.unwrap();
    let left = |registry: &Moody| registry.answers.lock().unwrap().len();
    assert_eq!(left(&registry), 2);
    tokio::time::advance(hour - Duration::from_secs(60)).await;
    assert_eq!(left(&registry), 2, "not before its time");
    tokio::time::advance(Duration::from_secs(61)).await;
    while left(&registry) == 2 {
        tokio::task::yield_now().await;
    }
    registry.leases.remove("server2");
    let mut watch = registry.leases.watch();
    while watch.changed().await.unwrap().is_empty() {}
    assert_eq!(left(&registry), 0, "published again at once");
}

/// Drives server2 with this answer to its first publication, and a clock that counts on while the machine sleeps.
fn sleeper(registry: &Moody) -> (Handle, Arc<AtomicU64>) {
    let slept = Arc::new(AtomicU64::new(0));
    let seconds = Arc::clone(&slept);
    let clock = Clock::of(move || Duration::from_secs(seconds.load(Ordering::SeqCst)));
    let (handle, run) = overlay(registry).build().unwrap().drive_with(underlay(), clock);
    tokio::spawn(run);
    (handle, slept)
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_renews_its_lease_when_it_wakes() {
    let registry = Moody::default();
    let day = Duration::from_secs(86_400);
    registry.answers.lock().unwrap().extend([Ok(None), Ok(Some(day)), Ok(Some(day))]);
    let (handle, slept) = sleeper(&registry);
    handle.until(|status| status.lease().is_some()).await.unwrap();
    let left = || registry.answers.lock().unwrap().len();
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(left(), 2, "not before its time");
    slept.store(86_400 + 7200, Ordering::SeqCst);
    // The next whole comparison sees what time it is.
    while left() == 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // A jump over many times of renewal is one renewal.
    slept.store(100 * 86_400, Ordering::SeqCst);
    while left() == 1 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(day / 24).await;
    assert_eq!(left(), 0);
    assert_eq!(handle.status().problems(), []);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_removes_again_and_again_is_not_published_without_a_pause() {
    let registry = Moody::default();
    let (handle, _) = sleeper(&registry);
    let mut watch = registry.leases.watch();
    let begin = tokio::time::Instant::now();
    let mut published = 0;
    while begin.elapsed() < Duration::from_secs(60) {
        if watch.changed().await.unwrap().iter().any(|lease| lease.node() == "server2") {
            published += 1;
            registry.leases.remove("server2");
        }
    }
    assert!((60..=601).contains(&published), "{published} times in a minute");
    drop(handle);
}
