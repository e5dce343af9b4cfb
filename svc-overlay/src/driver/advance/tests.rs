use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::Status;
use crate::dataplane::Dataplane;
use crate::driver::Handle;
use crate::driver::tests::{Moody, overlay, peer, underlay};
use crate::fake::Fake;
use crate::kernel::{Kernel, Route, Scope};
use crate::lease::Lease;
use crate::mac::Mac;
use crate::operation::Operation;
use crate::pod::Port;
use crate::registry::Leases;

/// A kernel in memory that counts how often it was listed.
#[derive(Clone, Debug)]
struct Counting {
    fake: Fake,
    lists: Arc<AtomicUsize>,
}

impl Dataplane for Counting {
    fn list(&mut self, scope: &Scope) -> Result<Kernel, crate::Error> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        self.fake.list(scope)
    }

    fn interfaces(&mut self, targets: &[std::net::IpAddr]) -> Result<crate::Interfaces, crate::Error> {
        self.fake.interfaces(targets)
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<Result<(), crate::Error>> {
        self.fake.apply(operations)
    }

    fn plug(&mut self, netns: BorrowedFd<'_>, port: &Port) -> Result<(), crate::Error> {
        self.fake.plug(netns, port)
    }

    async fn changed(&mut self) {
        self.fake.changed().await;
    }
}

/// Many peers on a kernel that is compared as a whole once a day.
async fn many(count: u8) -> (Counting, Leases, Handle) {
    let (fake, leases) = (underlay(), Leases::new());
    (10..10 + count).try_for_each(|third| leases.put(peer(third)).map(drop)).unwrap();
    let registry = Moody { leases: leases.clone(), ..Moody::default() };
    let overlay = overlay(&registry).reconcile_every(Duration::from_secs(86_400)).build().unwrap();
    let counting = Counting { fake, lists: Arc::default() };
    let (handle, run) = overlay.drive_on(counting.clone());
    tokio::spawn(run);
    // The own lease comes back as a change too.
    let own = |status: &Status| status.lease().is_some() && status.peers() == usize::from(count);
    handle.until(own).await.unwrap();
    handle.programmed(leases.snapshot().revision()).await.unwrap();
    (counting, leases, handle)
}

#[tokio::test(start_paused = true)]
async fn joins_changes_and_leaves_are_made_without_listing_the_kernel() {
    let (counting, leases, handle) = many(100).await;
    let (lists, _before) = (counting.lists.load(Ordering::SeqCst), counting.fake.take_log());
    handle.programmed(leases.put(peer(200)).unwrap()).await.unwrap();
    let moved = Lease::vxlan("n50", peer(50).subnet(), [172, 20, 10, 50], 1, Mac::derived(&["other"]));
    handle.programmed(leases.put(moved).unwrap()).await.unwrap();
    let status = handle.programmed(leases.remove("n20")).await.unwrap();
    let log: Vec<_> = counting.fake.take_log().iter().map(ToString::to_string).collect();
    let verbs: Vec<_> =
        log.iter().map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        verbs,
        [
            ["bridge fdb replace", "ip neigh replace", "ip route add"],
            ["bridge fdb replace", "ip neigh replace", "bridge fdb delete"],
            ["ip route delete", "ip neigh delete", "bridge fdb delete"],
        ]
        .concat()
    );
    assert_eq!((status.peers(), status.problems()), (100, &[][..]));
    assert_eq!(counting.lists.load(Ordering::SeqCst), lists);
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_the_way_of_a_join_is_found_and_named() {
    let (counting, leases, handle) = many(3).await;
    let subnet = peer(200).subnet();
    let foreign = Route { protocol: 4, ..Route::direct(subnet, "172.20.10.1".parse().unwrap(), "eth0") };
    counting.fake.add_route(foreign);
    let status = handle.programmed(leases.put(peer(200)).unwrap()).await.unwrap();
    let texts: Vec<_> = status.problems().iter().map(ToString::to_string).collect();
    assert!(
        matches!(&texts[..], [text] if text.contains("10.244.200.0/24") && text.contains("not ours")),
        "{texts:?}"
    );
    // Whose MAC address is another's is refused, as if all leases were new.
    let twin = Lease::vxlan("twin", peer(201).subnet(), [172, 20, 10, 201], 1, Mac::derived(&["n10"]));
    let status = handle.programmed(leases.put(twin).unwrap()).await.unwrap();
    assert!(status.problems().iter().any(|problem| problem.to_string().contains("is also that of n10")));
    let status = handle.programmed(leases.remove("n10")).await.unwrap();
    assert_eq!(status.problems().len(), 1, "the twin's is the only one now: {:?}", status.problems());
}

#[tokio::test(start_paused = true)]
async fn a_kernel_that_others_changed_is_compared_before_anything_is_made() {
    let (counting, leases, handle) = many(3).await;
    let lists = counting.lists.load(Ordering::SeqCst);
    counting.fake.delete_route(peer(10).subnet());
    handle.programmed(leases.put(peer(200)).unwrap()).await.unwrap();
    handle.until(|status| status.operations() > 0).await.unwrap();
    while counting.lists.load(Ordering::SeqCst) < lists + 2 {
        tokio::task::yield_now().await;
    }
    let log: Vec<_> = counting.fake.take_log().iter().map(ToString::to_string).collect();
    assert_eq!(
        log.iter().filter(|line| line.starts_with("ip route add 10.244.10.0/24")).count(),
        2,
        "{log:?}"
    );
}
