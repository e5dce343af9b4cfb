use std::fs::File;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::*;
use crate::claim::Claim;
use crate::fake::Fake;
use crate::kernel::{Kernel, Route, Scope};
use crate::lease::Lease;
use crate::mac::Mac;
use crate::operation::Operation;
use crate::pod::{AttachOptions, PodId, Port};
use crate::registry::{BoxFuture, LeaseSet, Leases, Published, RegistryError, Watch};
use crate::state::Problem;

const EPERM: i32 = 1;
const ENOBUFS: i32 = 105;

fn peer(third: u8) -> Lease {
    let subnet = ipnet::Ipv4Net::new_assert([10, 244, third, 0].into(), 24);
    let node = format!("n{third}");
    Lease::vxlan(&node, subnet, [172, 20, 10, third], 1, Mac::derived(&[&node]))
}

fn underlay() -> Fake {
    let fake = Fake::new();
    fake.add_link("eth0", "172.20.10.2/24".parse().unwrap(), 1500);
    fake
}

/// Drives server2 on a kernel in memory.
fn drive(fake: &Fake, leases: &Leases) -> (Handle, Pods) {
    let builder = Overlay::builder("10.244.0.0/16").node("server2").subnet("10.244.2.0/24");
    let overlay = builder.public_ip("172.20.10.2").registry(leases.clone()).build().unwrap();
    let pods = overlay.pods();
    let (handle, run) = overlay.drive_on(fake.clone());
    tokio::spawn(run);
    (handle, pods)
}

fn routes(fake: &Fake) -> Vec<String> {
    let added = |operation: &Operation| matches!(operation, Operation::AddRoute(_));
    fake.take_log().iter().filter(|operation| added(operation)).map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn one_failed_entry_stops_its_route_only_and_is_tried_again() {
    let (fake, leases) = (underlay(), Leases::new());
    leases.put(peer(5)).unwrap();
    leases.put(peer(7)).unwrap();
    let broken = Mac::derived(&["n5"]);
    fake.fail(&format!("bridge fdb replace {broken}"), ENOBUFS);
    let (handle, _pods) = drive(&fake, &leases);
    let failed =
        |status: &Status| status.problems().iter().any(|problem| matches!(problem, Problem::Kernel(_)));
    let status = handle.until(failed).await.unwrap();
    assert_eq!(status.programmed(), None);
    let made = routes(&fake);
    assert!(matches!(&made[..], [route] if route.contains("10.244.7.0/24")), "{made:?}");
    fake.heal();
    handle.until(|status| status.peers() == 2 && status.problems().is_empty()).await.unwrap();
    assert_eq!(routes(&fake).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sysctl_that_may_not_be_written_is_reported_and_stops_nothing() {
    let (fake, leases) = (underlay(), Leases::new());
    fake.fail("sysctl -w net.ipv4.ip_forward", EPERM);
    leases.put(peer(5)).unwrap();
    let (handle, _pods) = drive(&fake, &leases);
    let status = handle.until(|status| status.peers() == 1).await.unwrap();
    let problems = status.problems();
    assert!(
        problems.iter().any(|problem| problem.to_string().contains("net.ipv4.ip_forward")),
        "{problems:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_underlay_is_named_and_waited_for() {
    let (fake, leases) = (Fake::new(), Leases::new());
    let (handle, _pods) = drive(&fake, &leases);
    let status = handle.until(|status| !status.problems().is_empty()).await.unwrap();
    assert!(status.problems()[0].to_string().contains("172.20.10.2"));
    assert!(leases.snapshot().is_empty(), "the lease was published before the device was there");
    fake.add_link("eth0", "172.20.10.2/24".parse().unwrap(), 1500);
    let status = handle.until(|status| status.problems().is_empty() && status.mac().is_some()).await.unwrap();
    assert_eq!(
        leases.snapshot().iter().next().unwrap().vxlan_data().unwrap().vtep_mac,
        status.mac().unwrap()
    );
}

#[tokio::test(start_paused = true)]
async fn a_subnet_that_another_node_holds_is_reported_and_the_peers_are_programmed() {
    let (fake, leases) = (underlay(), Leases::new());
    leases.put(peer(5)).unwrap();
    leases.put(peer(2)).unwrap();
    let (handle, _pods) = drive(&fake, &leases);
    let status = handle.until(|status| status.peers() == 1).await.unwrap();
    let texts: Vec<_> = status.problems().iter().map(ToString::to_string).collect();
    assert!(texts.iter().any(|text| text.contains("leased by n2, server2 cannot have it")), "{texts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_attach_frees_the_address() {
    let (fake, netns) = (underlay(), File::open("/dev/null").unwrap());
    let (handle, pods) = drive(&fake, &Leases::new());
    handle.synced().await.unwrap();
    fake.fail("plug", ENOBUFS);
    let attach = |name: &str| pods.attach(PodId::new("default", name), &netns, AttachOptions::new());
    assert!(attach("a").await.unwrap_err().to_string().contains("pod default/a"));
    assert!(pods.list().await.unwrap().is_empty());
    fake.heal();
    assert!(attach("a").await.is_ok() && attach("b").await.is_ok());
    assert!(attach("a").await.unwrap_err().to_string().contains("attached already"));
    pods.detach(&PodId::new("default", "a")).await.unwrap();
    handle.clean_up().await.unwrap();
    assert!(attach("c").await.unwrap_err().to_string().contains("driver has ended"));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_ends_the_driver_and_leaves_the_kernel() {
    let (fake, leases) = (underlay(), Leases::new());
    leases.put(peer(5)).unwrap();
    let builder = Overlay::builder("10.244.0.0/16").node("server2").subnet("10.244.2.0/24");
    let overlay = builder.public_ip("172.20.10.2").registry(leases.clone()).build().unwrap();
    let scope = overlay.config().scope();
    let (handle, run) = overlay.drive_on(fake.clone());
    let driver = tokio::spawn(run);
    handle.until(|status| status.peers() == 1).await.unwrap();
    drop(handle);
    driver.await.unwrap();
    let kernel = fake.clone().list(&scope).unwrap();
    assert!(!kernel.devices.is_empty() && kernel.fdb.len() == 1);
}

/// After how long a lease has to be renewed, or why it was not published.
type Answer = Result<Option<Duration>, RegistryError>;

/// Leases in memory behind answers that were prepared.
#[derive(Clone, Debug, Default)]
struct Moody {
    leases: Leases,
    /// The last one first.
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Registry for Moody {
    fn acquire<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Lease, RegistryError>> {
        self.leases.acquire(claim)
    }

    fn publish(&self, lease: Lease) -> BoxFuture<'_, Result<Published, RegistryError>> {
        let answer = self.answers.lock().unwrap().pop().unwrap_or(Ok(None));
        let published = answer.and_then(|renew_in| {
            let published = Published::new(self.leases.put(lease)?);
            Ok(renew_in.map_or(published, |time| published.renew_in(time)))
        });
        Box::pin(async move { published })
    }

    fn withdraw<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Revision, RegistryError>> {
        self.leases.withdraw(lease)
    }

    fn watch(&self) -> Box<dyn Watch> {
        self.leases.watch()
    }
}

fn overlay(registry: &Moody) -> crate::OverlayBuilder {
    let builder = Overlay::builder("10.244.0.0/16").node("server2").subnet("10.244.2.0/24");
    builder.public_ip("172.20.10.2").registry(registry.clone())
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_asked_again_while_the_peers_are_programmed() {
    let (fake, registry) = (underlay(), Moody::default());
    registry.leases.put(peer(5)).unwrap();
    let down = || Err(RegistryError::Unavailable("no endpoint answers".into()));
    registry.answers.lock().unwrap().extend([Ok(None), down(), down(), down()]);
    let (handle, run) = overlay(&registry).build().unwrap().drive_on(fake.clone());
    tokio::spawn(run);
    let status = handle.until(|status| status.peers() == 1).await.unwrap();
    assert!(status.problems().iter().any(|problem| problem.to_string().contains("no endpoint answers")));
    assert_eq!(status.lease(), None);
    let status = handle.until(|status| status.lease().is_some()).await.unwrap();
    assert_eq!(status.problems(), []);
    assert_eq!(registry.leases.snapshot().len(), 2);
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

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_read_is_reported_and_the_others_are_programmed() {
    #[derive(Clone, Debug)]
    struct Fixed(LeaseSet);
    impl Watch for Fixed {
        fn changed(&mut self) -> BoxFuture<'_, Result<LeaseSet, RegistryError>> {
            let set = std::mem::take(&mut self.0);
            Box::pin(async move { if set.is_empty() { std::future::pending().await } else { Ok(set) } })
        }
    }
    #[derive(Clone, Debug)]
    struct Store(LeaseSet);
    impl Registry for Store {
        fn acquire<'a>(&'a self, _claim: &'a Claim) -> BoxFuture<'a, Result<Lease, RegistryError>> {
            Box::pin(async { Err(RegistryError::Unavailable("read only".into())) })
        }
        fn publish(&self, _lease: Lease) -> BoxFuture<'_, Result<Published, RegistryError>> {
            Box::pin(async { Ok(Published::new(Revision::new(9))) })
        }
        fn withdraw<'a>(&'a self, _lease: &'a Lease) -> BoxFuture<'a, Result<Revision, RegistryError>> {
            Box::pin(async { Ok(Revision::new(9)) })
        }
        fn watch(&self) -> Box<dyn Watch> {
            Box::new(Fixed(self.0.clone()))
        }
    }
    let broken = Lease::parse("10.244.7.0-24", "{}").unwrap_err();
    let store = Store(LeaseSet::new(Revision::new(1), [peer(5)]).with_unreadable([broken]));
    let overlay = overlay(&Moody::default()).registry(store).build().unwrap();
    let (handle, run) = overlay.drive_on(underlay());
    tokio::spawn(run);
    let status = handle.until(|status| status.peers() == 1).await.unwrap();
    let problem =
        status.problems().iter().map(ToString::to_string).find(|text| text.contains("10.244.7.0-24"));
    assert!(problem.is_some_and(|text| text.contains("PublicIP")), "{:?}", status.problems());
}

#[tokio::test(start_paused = true)]
async fn subnet_env_is_there_once_the_kernel_is_in_step_and_gone_after_clean_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flannel/subnet.env");
    let overlay = overlay(&Moody::default()).subnet_env(&path).build().unwrap();
    let (handle, run) = overlay.drive_on(underlay());
    tokio::spawn(run);
    handle.synced().await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.2.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
    );
    handle.clean_up().await.unwrap();
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0, "no temporary file either");
}

/// Drives server2 with its pods' addresses in files, until the kernel is in step.
async fn with_files(fake: &Fake, directory: &std::path::Path) -> (Handle, tokio::task::JoinHandle<()>) {
    let overlay = overlay(&Moody::default()).ipam_directory(directory).build().unwrap();
    let (handle, run) = overlay.drive_on(fake.clone());
    let run = tokio::spawn(run);
    handle.synced().await.unwrap();
    (handle, run)
}

async fn attach(handle: &Handle, name: &str) -> Result<String, crate::PodError> {
    let netns = File::open("/dev/null").unwrap();
    let attached = handle.pods().attach(PodId::new("default", name), &netns, AttachOptions::new()).await?;
    Ok(attached.address().to_string())
}

fn files(directory: &std::path::Path) -> Vec<String> {
    let names =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("10.")).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn addresses_in_files_outlive_the_process_and_those_of_dead_pods_do_not() {
    let (fake, directory) = (underlay(), tempfile::tempdir().unwrap());
    let directory = directory.path();
    // A container of the CNI plugin host-local, and a pod of ours from before the machine was switched off.
    std::fs::write(directory.join("10.244.2.2"), "0123abc\r\neth0").unwrap();
    std::fs::write(directory.join("10.244.2.3"), "default/long-gone\r\neth0").unwrap();
    let (handle, run) = with_files(&fake, directory).await;
    assert_eq!(attach(&handle, "a").await.unwrap(), "10.244.2.3", "the other's address is his");
    assert_eq!(attach(&handle, "b").await.unwrap(), "10.244.2.4");
    assert_eq!(files(directory), ["10.244.2.2", "10.244.2.3", "10.244.2.4"]);
    // host-local gives one out meanwhile.
    std::fs::write(directory.join("10.244.2.5"), "4567def\r\neth0").unwrap();
    assert_eq!(attach(&handle, "c").await.unwrap(), "10.244.2.6");
    handle.pods().detach(&PodId::new("default", "c")).await.unwrap();
    drop(handle);
    run.await.unwrap();
    // One pod dies while nobody looks.
    let host_end = fake.links().into_iter().find(|link| link.starts_with("veth")).unwrap();
    fake.delete_link(&host_end);
    let (handle, _run) = with_files(&fake, directory).await;
    assert_eq!(handle.pods().list().await.unwrap().len(), 1);
    assert_eq!(files(directory).len(), 3, "{:?}", files(directory));
    assert_eq!(
        attach(&handle, "d").await.unwrap(),
        "10.244.2.7",
        "addresses rest before they are used again"
    );
    let netns = File::open("/dev/null").unwrap();
    let options = AttachOptions::new().address([10, 244, 2, 2]);
    let error =
        handle.pods().attach(PodId::new("default", "e"), &netns, options).await.unwrap_err().to_string();
    assert!(error.contains("default/e") && error.contains("somebody else (10.244.2.2)"), "{error}");
}

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

/// A registry that never answers when something is published.
#[derive(Clone, Debug, Default)]
struct Silent(Leases);

impl Registry for Silent {
    fn acquire<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Lease, RegistryError>> {
        self.0.acquire(claim)
    }

    fn publish(&self, _lease: Lease) -> BoxFuture<'_, Result<Published, RegistryError>> {
        Box::pin(std::future::pending())
    }

    fn withdraw<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Revision, RegistryError>> {
        self.0.withdraw(lease)
    }

    fn watch(&self) -> Box<dyn Watch> {
        self.0.watch()
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_holds_nothing_up() {
    let (fake, leases) = (underlay(), Leases::new());
    leases.put(peer(5)).unwrap();
    let overlay = overlay(&Moody::default()).registry(Silent(leases.clone())).build().unwrap();
    let (handle, run) = overlay.drive_on(fake.clone());
    tokio::spawn(run);
    let status = handle.until(|status| status.peers() == 1).await.unwrap();
    assert_eq!((status.lease(), status.problems()), (None, &[][..]));
    fake.delete_link("flannel.1");
    let operations = status.operations();
    handle.until(|status| status.operations() > operations && status.peers() == 1).await.unwrap();
    assert_eq!(attach(&handle, "a").await.unwrap(), "10.244.2.2");
    handle.programmed(leases.put(peer(7)).unwrap()).await.unwrap();
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
