//! Faults that flannel is known for, each with its cure: those that no other test here shows. The table stands in
//! `docs/known-faults.md`.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};
use svc_overlay::{
    Dataplane, Error, Half, Kernel, Lease, Leases, Mac, Operation, Port, Registry, Scope, System,
};

use super::cluster::{builder, drive, host, pair, tool};
use crate::trial;

const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_mac_that_udev_rewrites_is_put_right_before_anybody_learns_of_it", udev),
        trial("peers_that_left_while_nobody_ran_are_gone_after_the_start", left_meanwhile),
        trial("a_peer_with_another_address_leaves_nothing_of_the_old_one", another_address),
        trial("direct_routes_are_back_at_once_after_a_flap_of_the_underlay", flap),
        trial("a_change_of_ipv6_data_alone_is_made", ipv6_data_alone),
        trial("rules_that_others_deleted_come_back_in_one_piece", rules),
    ]
}

/// As systemd-udevd with `MACAddressPolicy=persistent`: it sees a new device, and gives it another address.
#[derive(Debug)]
struct Udev {
    system: System,
    done: Arc<AtomicBool>,
}

impl Dataplane for Udev {
    fn list(&mut self, scope: &Scope) -> std::result::Result<Kernel, Error> {
        self.system.list(scope)
    }

    fn interfaces(
        &mut self,
        targets: &[std::net::IpAddr],
    ) -> std::result::Result<svc_overlay::Interfaces, Error> {
        self.system.interfaces(targets)
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<std::result::Result<(), Error>> {
        let results = self.system.apply(operations);
        for operation in operations {
            if let Operation::AddDevice(device, _) = operation {
                let mut other = device.clone();
                other.mac = Mac::derived(&["udev"]);
                let changed = System::new().apply(&[Operation::SetDevice(other)]);
                self.done.store(changed.into_iter().all(|result| result.is_ok()), Ordering::SeqCst);
            }
        }
        results
    }

    fn plug(&mut self, netns: BorrowedFd<'_>, port: &Port) -> std::result::Result<(), Error> {
        self.system.plug(netns, port)
    }

    async fn changed(&mut self) {
        self.system.changed().await;
    }
}

async fn udev(lab: Lab) -> Result {
    let leases = Leases::new();
    let host = host(&lab, "server2", 2).await?;
    let overlay = builder("server2", 2, 2, &leases).build()?;
    let (own, scope) = (overlay.config().lease(), overlay.config().scope());
    let done = Arc::new(AtomicBool::new(false));
    let mut watch = leases.watch();
    let (handle, run) = overlay.drive_on(Udev { system: System::new(), done: Arc::clone(&done) });
    let _driver = host.spawn(move || run);
    let mut first = watch.changed().await?;
    while first.is_empty() {
        first = watch.changed().await?;
    }
    assert!(done.load(Ordering::SeqCst), "nobody rewrote the address");
    // What the peers were told first is already what the kernel has.
    assert_eq!(first.iter().collect::<Vec<_>>(), [&own]);
    let kernel = host.run(move || async move { System::new().list(&scope) }).await?;
    let link = kernel.devices["flannel.1"].link.clone().ok_or("no device")?;
    assert_eq!(Some(link.mac), own.vxlan_data().map(|data| data.vtep_mac));
    assert_eq!(handle.synced().await?.problems(), []);
    Ok(())
}

fn peer(third: u8, address: u8) -> Lease {
    let node = format!("n{third}");
    let subnet = ipnet::Ipv4Net::new_assert([10, 244, third, 0].into(), 24);
    Lease::vxlan(&node, subnet, [172, 20, 10, address], 1, Mac::derived(&[&node]))
}

async fn left_meanwhile(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, _server3) = pair(&lab, &leases).await?;
    (20..24).try_for_each(|third| leases.put(peer(third, third)).map(drop))?;
    server2.handle.until(|status| status.peers() == 5).await?;
    let host = server2.stop().await;
    leases.remove("n20");
    leases.remove("n21");
    let server2 = drive(&host, builder("server2", 2, 2, &leases).reconcile_every(DAY))?;
    server2.handle.until(|status| status.peers() == 3).await?;
    let kernel = server2.kernel().await?;
    let ours = kernel.routes.iter().filter(|route| route.is_ours()).count();
    assert_eq!((ours, kernel.neighbours.len(), kernel.fdb.len()), (3, 3, 3));
    Ok(())
}

async fn another_address(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, _server3) = pair(&lab, &leases).await?;
    server2.handle.programmed(leases.put(peer(20, 20))?).await?;
    server2.handle.programmed(leases.put(peer(20, 120))?).await?;
    let kernel = server2.kernel().await?;
    let to: Vec<_> = kernel.fdb.iter().map(|entry| entry.destination.to_string()).collect();
    assert!(to.contains(&"172.20.10.120".to_owned()) && !to.contains(&"172.20.10.20".to_owned()), "{to:?}");
    assert_eq!((kernel.neighbours.len(), kernel.fdb.len()), (2, 2));
    Ok(())
}

async fn flap(lab: Lab) -> Result {
    let leases = Leases::new();
    let host = host(&lab, "server2", 2).await?;
    let builder = builder("server2", 2, 2, &leases).direct_routing(true).reconcile_every(DAY);
    let server2 = drive(&host, builder)?;
    (20..24).try_for_each(|third| leases.put(peer(third, third)).map(drop))?;
    server2.handle.until(|status| status.peers() == 4 && status.lease().is_some()).await?;
    let direct = |kernel: &Kernel| {
        let ours = kernel.routes.iter().filter(|route| route.is_ours());
        ours.filter(|route| route.device == "eth0").count()
    };
    assert_eq!(direct(&server2.kernel().await?), 4);
    let operations = server2.handle.status().operations();
    // The kernel drops all routes of a link that goes down.
    tool(&host, "ip link set eth0 down").await?;
    tool(&host, "ip link set eth0 up").await?;
    server2
        .handle
        .until(|status| status.operations() >= operations + 4 && status.problems().is_empty())
        .await?;
    assert_eq!(direct(&server2.kernel().await?), 4);
    Ok(())
}

async fn ipv6_data_alone(lab: Lab) -> Result {
    let leases = Leases::new();
    let host = host(&lab, "server2", 2).await?;
    tool(&host, "ip address add fd00:172:20:10::2/64 dev eth0 nodad").await?;
    let builder = builder("server2", 2, 2, &leases).network("fd00:10:244::/48").reconcile_every(DAY);
    let builder = builder.subnet("fd00:10:244:2::/64").public_ip("fd00:172:20:10::2");
    let server2 = drive(&host, builder)?;
    let dual = |mac: &str| {
        let net: ipnet::IpNet = "fd00:10:244:14::/64".parse()?;
        let outer: std::net::IpAddr = "fd00:172:20:10::14".parse()?;
        Result::Ok(peer(20, 20).and(Half::vxlan(net, outer, 1, Mac::derived(&[mac]))))
    };
    server2.handle.programmed(leases.put(dual("one")?)?).await?;
    server2.handle.programmed(leases.put(dual("two")?)?).await?;
    let kernel = server2.kernel().await?;
    let macs: Vec<_> =
        kernel.fdb.iter().filter(|entry| entry.device == "flannel-v6.1").map(|entry| entry.mac).collect();
    assert_eq!(macs, [Mac::derived(&["two"])]);
    let macs: Vec<_> =
        kernel.neighbours.iter().filter(|entry| entry.address.is_ipv6()).map(|entry| entry.mac).collect();
    assert_eq!(macs, [Mac::derived(&["two"])]);
    Ok(())
}

async fn rules(lab: Lab) -> Result {
    let leases = Leases::new();
    let host = host(&lab, "server2", 2).await?;
    let builder = builder("server2", 2, 2, &leases).reconcile_every(Duration::from_millis(100));
    let server2 = drive(&host, builder)?;
    let status =
        server2.handle.until(|status| status.lease().is_some() && status.programmed().is_some()).await?;
    let before = server2.kernel().await?.rules;
    let table = before.values().next().ok_or("no rules")?.table().clone();
    server2.meddle(vec![Operation::DeleteRules(table)]).await?;
    let operations = status.operations();
    server2.handle.until(|status| status.operations() > operations).await?;
    assert_eq!(server2.kernel().await?.rules, before);
    Ok(())
}
