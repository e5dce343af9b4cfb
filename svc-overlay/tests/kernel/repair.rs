//! What others break is repaired; what a former process made is adopted.

use libtest_mimic::Trial;
use std::time::Duration;
use svc_lab::{Host, Lab, Result};

use svc_overlay::{Leases, Operation, PodError, Route};

use super::cluster::{Node, builder, drive, echo, host, pair, seen_from, tool};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_deleted_device_comes_back_with_all_peers", deleted_device),
        trial("deleted_routes_neighbours_and_fdb_entries_come_back", deleted_entries),
        trial("an_fdb_entry_that_others_put_on_our_device_goes", foreign_entry),
        trial("a_device_that_others_set_down_or_changed_is_put_right_with_its_peers", changed_device),
        trial("the_device_follows_the_underlays_mtu_and_address", changed_underlay),
        trial("notifications_that_were_lost_are_made_good_by_a_whole_comparison", lost_notifications),
        trial("a_restart_adopts_everything_and_writes_nothing", restart),
    ]
}

/// Waits until the kernel holds one route, neighbour and FDB entry again, woken by the driver's own reports.
async fn repaired(node: &Node, operations: u64) -> Result {
    let status = node.handle.until(|status| status.operations() > operations && status.peers() == 1).await?;
    assert_eq!(status.problems(), []);
    let kernel = node.kernel().await?;
    let ours = kernel.routes.iter().filter(|route| route.is_ours()).count();
    assert_eq!((ours, kernel.neighbours.len(), kernel.fdb.len()), (1, 1, 1));
    Ok(())
}

async fn deleted_device(lab: Lab) -> Result {
    let (server2, server3) = pair(&lab, &Leases::new()).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, _) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&web, 9376).await?;
    let operations = server2.handle.status().operations();
    server2.meddle(vec![Operation::DeleteLink("flannel.1".into())]).await?;
    repaired(&server2, operations).await?;
    seen_from(&far, (a.address(), 9376)).await?;
    Ok(())
}

async fn deleted_entries(lab: Lab) -> Result {
    let (server2, _server3) = pair(&lab, &Leases::new()).await?;
    let kernel = server2.kernel().await?;
    let route = kernel.routes.iter().find(|route| route.is_ours()).cloned().ok_or("no route")?;
    let neighbour = kernel.neighbours.first().cloned().ok_or("no neighbour")?;
    let entry = kernel.fdb.first().cloned().ok_or("no FDB entry")?;
    let deletions =
        [Operation::DeleteRoute(route), Operation::DeleteNeighbour(neighbour), Operation::DeleteFdb(entry)];
    for deletion in deletions {
        let operations = server2.handle.status().operations();
        server2.meddle(vec![deletion]).await?;
        repaired(&server2, operations).await?;
    }
    Ok(())
}

async fn foreign_entry(lab: Lab) -> Result {
    let leases = Leases::new();
    let host = host(&lab, "server2", 2).await?;
    let builder = builder("server2", 2, 2, &leases).reconcile_every(Duration::from_millis(100));
    let server2 = drive(&host, builder)?;
    let status = server2.handle.until(|status| status.lease().is_some()).await?;
    // The program's entries have another state than flanneld's and ours.
    tool(&host, "bridge fdb add 02:00:00:00:00:77 dev flannel.1 dst 172.20.10.77 self permanent").await?;
    server2.handle.until(|now| now.operations() > status.operations()).await?;
    assert!(!tool(&host, "bridge fdb show dev flannel.1").await?.contains("02:00:00:00:00:77"));
    Ok(())
}

async fn changed_device(lab: Lab) -> Result {
    let (server2, server3) = pair(&lab, &Leases::new()).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, _) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&web, 9376).await?;
    let device = |kernel: svc_overlay::Kernel| kernel.devices["flannel.1"].link.clone().ok_or("no device");
    let before = device(server2.kernel().await?)?;
    for change in ["down", "mtu 1300", "address 02:00:00:00:00:01"] {
        let operations = server2.handle.status().operations();
        tool(&server2.host, &format!("ip link set flannel.1 {change}")).await?;
        repaired(&server2, operations).await?;
        assert_eq!(device(server2.kernel().await?)?, before, "after {change}");
        seen_from(&far, (a.address(), 9376)).await?;
    }
    Ok(())
}

async fn changed_underlay(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let device = |kernel: &svc_overlay::Kernel| kernel.devices["flannel.1"].link.clone().ok_or("no device");
    let operations = server2.handle.status().operations();
    tool(&server2.host, "ip link set eth0 mtu 1400").await?;
    repaired(&server2, operations).await?;
    assert_eq!(device(&server2.kernel().await?)?.mtu, 1350);
    // The node's address goes and comes back.
    tool(&server2.host, "ip address del 172.20.10.2/24 dev eth0").await?;
    let status = server2.handle.until(|status| !status.problems().is_empty()).await?;
    assert!(status.problems()[0].to_string().contains("172.20.10.2"), "{:?}", status.problems());
    tool(&server2.host, "ip address add 172.20.10.2/24 dev eth0").await?;
    server2.handle.until(|status| status.problems().is_empty() && status.peers() == 1).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, _) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&web, 9376).await?;
    seen_from(&far, (a.address(), 9376)).await?;
    Ok(())
}

/// The driver cannot read while its thread meddles, so its socket overflows before our route goes.
async fn lost_notifications(lab: Lab) -> Result {
    const FLOOD: u16 = 4000;
    let leases = Leases::new();
    let server3 = host(&lab, "server3", 3).await?;
    let _server3 = drive(&server3, builder("server3", 3, 5, &leases))?;
    let server2 = host(&lab, "server2", 2).await?;
    let builder = builder("server2", 2, 2, &leases).reconcile_every(Duration::from_secs(86_400));
    let server2 = drive(&server2, builder)?;
    server2.handle.until(|status| status.peers() == 1 && status.lease().is_some()).await?;
    let operations = server2.handle.status().operations();
    let kernel = server2.kernel().await?;
    let ours = kernel.routes.iter().find(|route| route.is_ours()).cloned().ok_or("no route")?;
    let foreign = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let to = ipnet::Ipv4Net::new_assert([198, 18 + high / 128, high % 128 * 2, low].into(), 32);
        let mut route = Route::direct(to, [172, 20, 10, 50].into(), "eth0");
        route.protocol = 4;
        route
    };
    let mut meddling: Vec<_> = (0..FLOOD).map(|number| Operation::AddRoute(foreign(number))).collect();
    meddling.push(Operation::DeleteRoute(ours));
    server2.meddle(meddling).await?;
    repaired(&server2, operations).await
}

/// What is there once the kernel has given all devices their link-local addresses: `cni0`, `eth0`, `flannel.1` and the pod's.
async fn quiet(host: &Host) -> Result<String> {
    loop {
        let dump = host.dump().await?;
        if dump.matches(" inet fe80:").count() == 4 {
            return Ok(dump);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn restart(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, _) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&web, 9376).await?;
    let before = quiet(&server2.host).await?;
    let host = server2.stop().await;
    seen_from(&far, (a.address(), 9376)).await?;
    let server2 = drive(&host, builder("server2", 2, 2, &leases))?;
    let status = server2.handle.synced().await?;
    assert_eq!((status.operations(), status.problems().len()), (0, 0));
    assert_eq!(host.dump().await?, before);
    let error = server2.pod(&lab, "web-1", "10.244.2.65").await.err().ok_or("the address was given twice")?;
    assert!(matches!(error.downcast_ref(), Some(PodError::Address(_))), "{error}");
    server2.pods.detach(&"default/web-0".parse()?).await?;
    Ok(())
}
