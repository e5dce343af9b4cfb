//! Nodes join, leave and change.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use libtest_mimic::Trial;
use svc_lab::{Lab, Result};
use svc_overlay::{Dataplane, Error, Kernel, Lease, Leases, Mac, Operation, Port, Problem, Scope, System};

use super::cluster::{builder, drive, echo, host, node, pair, seen_from};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_third_node_joins_and_leaves", join_and_leave),
        trial("a_peer_with_another_mac_is_reachable_and_leaves_no_stale_fdb_entry", another_mac),
        trial("a_peer_with_our_subnet_is_refused_and_the_others_work", refused),
        trial("a_thousand_peers", thousand),
        trial("joins_and_leaves_among_many_need_no_listing_of_the_kernel", without_listing),
    ]
}

async fn join_and_leave(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let before = server2.host.dump().await?;
    let server4 = node(&lab, "server4", 4, 7, &leases).await?;
    for node in [&server2, &server3, &server4] {
        node.handle.until(|status| status.peers() == 2).await?;
    }
    let kernel = server2.kernel().await?;
    let text: Vec<_> = kernel.routes.iter().map(ToString::to_string).collect();
    assert!(text.contains(&"10.244.7.0/24 via 10.244.7.0 dev flannel.1 proto 120 onlink".into()), "{text:?}");
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, b) = server4.pod(&lab, "far", "10.244.7.9").await?;
    let _server = echo(&web, 9376).await?;
    assert_eq!(seen_from(&far, (a.address(), 9376)).await?, b.address());
    server2.pods.detach(&"default/web-0".parse()?).await?;
    server4.handle.clean_up().await?;
    for node in [&server2, &server3] {
        node.handle.until(|status| status.peers() == 1).await?;
    }
    let kernel = server2.kernel().await?;
    assert_eq!((kernel.neighbours.len(), kernel.fdb.len()), (1, 1));
    let gone = |dump: &str| !dump.contains("10.244.7.0");
    assert!(gone(&before) && gone(&server2.host.dump().await?));
    Ok(())
}

async fn another_mac(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, _) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&web, 9376).await?;
    let mac: Mac = "02:00:00:00:00:99".parse()?;
    let host = server2.stop().await;
    let server2 = drive(&host, builder("server2", 2, 2, &leases).mac(mac))?;
    server2.handle.until(|status| status.mac() == Some(mac)).await?;
    let revision = leases.snapshot().revision();
    server3.handle.programmed(revision).await?;
    let kernel = server3.kernel().await?;
    assert_eq!(kernel.fdb.iter().map(|entry| entry.mac).collect::<Vec<_>>(), [mac]);
    assert_eq!(kernel.neighbours.iter().map(|neighbour| neighbour.mac).collect::<Vec<_>>(), [mac]);
    seen_from(&far, (a.address(), 9376)).await?;
    Ok(())
}

async fn refused(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, _) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&web, 9376).await?;
    let half: Ipv4Net = "10.244.2.64/26".parse()?;
    let revision = leases.put(Lease::vxlan("thief", half, [172, 20, 10, 9], 1, Mac::derived(&["thief"])))?;
    let status = server2.handle.programmed(revision).await?;
    assert!(matches!(status.problems(), [Problem::Refused(refusal)] if refusal.lease().node() == "thief"));
    let kernel = server2.kernel().await?;
    assert!(!kernel.routes.iter().any(|route| route.destination.addr() == IpAddr::V4(half.addr())));
    assert_eq!(status.peers(), 1);
    seen_from(&far, (a.address(), 9376)).await?;
    Ok(())
}

async fn thousand(lab: Lab) -> Result {
    let leases = Leases::new();
    let server2 = node(&lab, "server2", 2, 2, &leases).await?;
    server2.handle.until(|status| status.mac().is_some()).await?;
    let peers = Leases::new();
    for number in 0..1000u16 {
        let [high, low] = (number + 1024).to_be_bytes();
        let subnet = Ipv4Net::new([10, 244, high * 16 + low / 16, low % 16 * 16].into(), 28)?;
        let mac = Mac::derived(&[&number.to_string()]);
        peers.put(Lease::vxlan(format!("n{number}"), subnet, [172, 21, high, low], 1, mac))?;
    }
    drop(server2.stop().await);
    let second = host(&lab, "server5", 5).await?;
    let begin = Instant::now();
    let node = drive(&second, builder("server5", 5, 2, &peers))?;
    let status = node.handle.until(|status| status.peers() > 900).await?;
    let first = begin.elapsed();
    let begin = Instant::now();
    let revision = peers.remove("n500");
    node.handle.programmed(revision).await?;
    println!("{} peers in {first:?}, one of them left in {:?}", status.peers(), begin.elapsed());
    println!("refused: {}", status.problems().len());
    Ok(())
}

/// A kernel of which it is counted how often it is listed.
#[derive(Debug)]
struct Counting {
    system: System,
    lists: Arc<AtomicUsize>,
}

impl Dataplane for Counting {
    fn list(&mut self, scope: &Scope) -> std::result::Result<Kernel, Error> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        self.system.list(scope)
    }

    fn interfaces(
        &mut self,
        targets: &[std::net::IpAddr],
    ) -> std::result::Result<svc_overlay::Interfaces, Error> {
        self.system.interfaces(targets)
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<std::result::Result<(), Error>> {
        self.system.apply(operations)
    }

    fn plug(&mut self, netns: BorrowedFd<'_>, port: &Port) -> std::result::Result<(), Error> {
        self.system.plug(netns, port)
    }

    async fn changed(&mut self) {
        self.system.changed().await;
    }
}

fn lease(third: u8) -> Lease {
    let node = format!("n{third}");
    let subnet = Ipv4Net::new_assert([10, 244, third, 0].into(), 24);
    Lease::vxlan(&node, subnet, [172, 21, 0, third], 1, Mac::derived(&[&node]))
}

/// The own deletions that the kernel reports are no news either.
async fn without_listing(lab: Lab) -> Result {
    let leases = Leases::new();
    (10..110).for_each(|third| drop(leases.put(lease(third))));
    let host = host(&lab, "server2", 2).await?;
    let lists = Arc::new(AtomicUsize::new(0));
    let system = Counting { system: System::new(), lists: Arc::clone(&lists) };
    let overlay = builder("server2", 2, 2, &leases).reconcile_every(Duration::from_secs(86_400)).build()?;
    let scope = overlay.config().scope();
    let (handle, run) = overlay.drive_on(system);
    let _driver = host.spawn(move || run);
    handle.until(|status| status.lease().is_some() && status.peers() == 100).await?;
    // What the kernel still has to say about the new device, and about IPv6 on it, comes in between at first.
    for _ in 0..100 {
        let before = lists.load(Ordering::SeqCst);
        for third in 200..210 {
            handle.programmed(leases.put(lease(third))?).await?;
        }
        let wanted = host.run({
            let scope = scope.clone();
            move || async move { System::new().list(&scope) }
        });
        assert_eq!(wanted.await?.fdb.len(), 110);
        for third in 200..210 {
            handle.programmed(leases.remove(&format!("n{third}"))).await?;
        }
        if lists.load(Ordering::SeqCst) == before {
            return Ok(());
        }
    }
    Err("each time the kernel was listed".into())
}
