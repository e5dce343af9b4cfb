use std::fs::File;
use std::sync::Mutex;

use super::*;
use crate::claim::Claim;
use crate::fake::Fake;
use crate::lease::Lease;
use crate::mac::Mac;
use crate::operation::Operation;
use crate::pod::{AttachOptions, PodId};
use crate::registry::{BoxFuture, LeaseSet, Leases, Published, RegistryError, Watch};
use crate::state::Problem;

const EPERM: i32 = 1;
const ENOBUFS: i32 = 105;

pub(super) fn peer(third: u8) -> Lease {
    let subnet = ipnet::Ipv4Net::new_assert([10, 244, third, 0].into(), 24);
    let node = format!("n{third}");
    Lease::vxlan(&node, subnet, [172, 20, 10, third], 1, Mac::derived(&[&node]))
}

pub(super) fn underlay() -> Fake {
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

pub(super) async fn attach(handle: &Handle, name: &str) -> Result<String, crate::PodError> {
    let netns = File::open("/dev/null").unwrap();
    let attached = handle.pods().attach(PodId::new("default", name), &netns, AttachOptions::new()).await?;
    Ok(attached.address().to_string())
}

/// After how long a lease has to be renewed, or why it was not published.
pub(super) type Answer = Result<Option<Duration>, RegistryError>;

/// Leases in memory behind answers that were prepared.
#[derive(Clone, Debug, Default)]
pub(super) struct Moody {
    pub(super) leases: Leases,
    /// The last one first.
    pub(super) answers: Arc<Mutex<Vec<Answer>>>,
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

pub(super) fn overlay(registry: &Moody) -> crate::OverlayBuilder {
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
