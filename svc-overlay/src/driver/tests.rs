use std::fs::File;

use super::*;
use crate::fake::Fake;
use crate::lease::Lease;
use crate::mac::Mac;
use crate::operation::Operation;
use crate::pod::{AttachOptions, PodId};
use crate::registry::Leases;
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
