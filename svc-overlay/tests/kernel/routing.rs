//! Ways without a tunnel, and the settings of the tunnel.

use std::time::Duration;

use libtest_mimic::Trial;
use svc_lab::{Capture, Lab, Result};
use svc_overlay::{Leases, Mode, Operation, OverlayBuilder, Problem, RefusalReason};

use super::cluster::{Node, builder, drive, echo, host, seen_from};
use super::traffic::Traffic;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("with_direct_routing_neighbours_need_no_tunnel", direct_routing),
        trial("with_direct_routing_a_peer_behind_a_router_has_its_tunnel", behind_a_router),
        trial("host_gw_has_no_device_and_pods_the_whole_mtu", host_gw),
        trial("switching_direct_routing_on_and_off_loses_not_one_packet", switch_under_traffic),
        trial("a_change_of_mode_leaves_nothing_of_the_former_one", change_of_mode),
        trial("settings_of_the_device_are_changed_live_or_by_a_new_one_with_all_peers", settings),
        trial("packets_have_the_vni_and_the_port_of_their_overlay", other_tunnel),
        trial("checksum_offload_is_switched_off_and_again_after_the_device_was_lost", checksums),
    ]
}

/// server2 and server3, each with the other programmed.
async fn pair(
    lab: &Lab,
    leases: &Leases,
    change: impl Fn(OverlayBuilder) -> OverlayBuilder,
) -> Result<[Node; 2]> {
    let second = host(lab, "server2", 2).await?;
    let third = host(lab, "server3", 3).await?;
    let server2 = drive(&second, change(builder("server2", 2, 2, leases)))?;
    let server3 = drive(&third, change(builder("server3", 3, 5, leases)))?;
    for node in [&server2, &server3] {
        node.handle.until(|status| status.peers() == 1).await?;
    }
    Ok([server2, server3])
}

async fn our_routes(node: &Node) -> Result<Vec<String>> {
    let kernel = node.kernel().await?;
    Ok(kernel.routes.iter().filter(|route| route.is_ours()).map(ToString::to_string).collect())
}

async fn sees_plain_packets(wire: &mut Capture) -> Result {
    let plain = |packet: &svc_lab::Packet| packet.tcp().is_some_and(|tcp| tcp.dst_port == 9376);
    let packet = wire.find(Duration::from_secs(5), plain).await?;
    assert!(packet.ip().is_some_and(|ip| ip.src.to_string().starts_with("10.244.5.")), "{packet}");
    assert!(!wire.so_far().iter().any(|packet| packet.vxlan().is_some()));
    Ok(())
}

async fn direct_routing(lab: Lab) -> Result {
    let leases = Leases::new();
    let [server2, server3] = pair(&lab, &leases, |builder| builder.direct_routing(true)).await?;
    assert_eq!(our_routes(&server3).await?, ["10.244.2.0/24 via 172.20.10.2 dev eth0 proto 120"]);
    let kernel = server3.kernel().await?;
    assert_eq!((kernel.devices.len(), kernel.neighbours.len(), kernel.fdb.len()), (1, 0, 0));
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, b) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&web, 9376).await?;
    let mut wire = server2.host.capture("eth0").await?;
    assert_eq!(seen_from(&far, (a.address(), 9376)).await?, b.address());
    sees_plain_packets(&mut wire).await?;
    // The way is looked for again when the underlay changes: a narrower network has no neighbours.
    server3.host.add_address("eth0", "172.20.10.3/32").await?;
    server3.host.del_address("eth0", "172.20.10.3/24").await?;
    server3.host.add_route("172.20.10.0/24", "0.0.0.0").await.unwrap_or(());
    wait_for_route(&server3, "10.244.2.0/24 via 10.244.2.0 dev flannel.1 proto 120 onlink").await
}

async fn wait_for_route(node: &Node, route: &str) -> Result {
    loop {
        if our_routes(node).await?.iter().any(|found| found == route) {
            return Ok(());
        }
        node.handle.until(|_| true).await?;
        tokio::task::yield_now().await;
    }
}

async fn behind_a_router(lab: Lab) -> Result {
    let leases = Leases::new();
    let second = lab.host("server2").address("172.20.10.2/25").create().await?;
    let server2 = drive(&second, builder("server2", 2, 2, &leases).direct_routing(true))?;
    let third = lab.host("server3").address("172.20.10.3/25").create().await?;
    let _server3 = drive(&third, builder("server3", 3, 5, &leases))?;
    let far = lab.host("server200").address("172.20.10.200/25").create().await?;
    let _far = drive(&far, builder("server200", 200, 7, &leases))?;
    server2.handle.until(|status| status.peers() == 2).await?;
    let expected = [
        "10.244.5.0/24 via 172.20.10.3 dev eth0 proto 120",
        "10.244.7.0/24 via 10.244.7.0 dev flannel.1 proto 120 onlink",
    ];
    assert_eq!(our_routes(&server2).await?, expected);
    Ok(())
}

async fn host_gw(lab: Lab) -> Result {
    let leases = Leases::new();
    let [server2, server3] = pair(&lab, &leases, |builder| builder.mode(Mode::HostGw)).await?;
    let kernel = server3.kernel().await?;
    assert!(kernel.devices.is_empty());
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, b) = server3.pod(&lab, "far", "10.244.5.104").await?;
    assert_eq!(a.mtu(), 1500);
    let _server = echo(&web, 9376).await?;
    let mut wire = server2.host.capture("eth0").await?;
    assert_eq!(seen_from(&far, (a.address(), 9376)).await?, b.address());
    sees_plain_packets(&mut wire).await?;
    let elsewhere = lab.host("server9").address("192.0.2.9/24").create().await?;
    let builder = super::cluster::builder("server9", 9, 9, &leases).mode(Mode::HostGw).public_ip("192.0.2.9");
    let _elsewhere = drive(&elsewhere, builder)?;
    let status = server2.handle.until(|status| !status.problems().is_empty()).await?;
    let [Problem::Refused(refusal)] = status.problems() else { panic!("{:?}", status.problems()) };
    assert!(matches!(refusal.reason(), RefusalReason::NoNeighbour(..)), "{refusal}");
    Ok(())
}

async fn switch_under_traffic(lab: Lab) -> Result {
    let leases = Leases::new();
    let [mut server2, mut server3] = pair(&lab, &leases, |builder| builder).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, _) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let mut traffic = Traffic::start(&web, &far, a.address()).await?;
    for direct in [true, false, true] {
        traffic.flows().await?;
        let host = server2.stop().await;
        server2 = drive(&host, builder("server2", 2, 2, &leases).direct_routing(direct))?;
        server2.handle.until(|status| status.peers() == 1).await?;
        traffic.flows().await?;
        let host = server3.stop().await;
        server3 = drive(&host, builder("server3", 3, 5, &leases).direct_routing(direct))?;
        server3.handle.until(|status| status.peers() == 1).await?;
        traffic.flows().await?;
        assert_eq!(our_routes(&server3).await?[0].contains("flannel.1"), !direct);
    }
    assert_eq!(traffic.lost().await?, 0);
    assert!(traffic.end().await? > 9);
    Ok(())
}

async fn change_of_mode(lab: Lab) -> Result {
    let leases = Leases::new();
    let [server2, server3] = pair(&lab, &leases, |builder| builder).await?;
    let (second, third) = (server2.stop().await, server3.stop().await);
    let server2 = drive(&second, builder("server2", 2, 2, &leases).mode(Mode::HostGw))?;
    let server3 = drive(&third, builder("server3", 3, 5, &leases).mode(Mode::HostGw))?;
    for node in [&server2, &server3] {
        node.handle.until(|status| status.peers() == 1 && status.problems().is_empty()).await?;
        let kernel = node.kernel().await?;
        assert!(kernel.devices.is_empty() && kernel.fdb.is_empty() && kernel.neighbours.is_empty());
    }
    assert_eq!(our_routes(&server2).await?, ["10.244.5.0/24 via 172.20.10.3 dev eth0 proto 120"]);
    server2.handle.clean_up().await?;
    Ok(())
}

async fn settings(lab: Lab) -> Result {
    let leases = Leases::new();
    let [server2, _server3] = pair(&lab, &leases, |builder| builder).await?;
    let index = |kernel: &svc_overlay::Kernel| kernel.devices["flannel.1"].index;
    let first = index(&server2.kernel().await?);
    let host = server2.stop().await;
    let server2 = drive(&host, builder("server2", 2, 2, &leases).learning(true).mtu(1400))?;
    server2.handle.until(|status| status.peers() == 1).await?;
    let kernel = server2.kernel().await?;
    let device = kernel.devices["flannel.1"].link.clone().ok_or("no device")?;
    assert_eq!((device.learning, device.mtu, index(&kernel)), (true, 1350, first), "changed live");
    let host = server2.stop().await;
    let server2 = drive(&host, builder("server2", 2, 2, &leases).gbp(true))?;
    server2.handle.until(|status| status.peers() == 1).await?;
    let kernel = server2.kernel().await?;
    let device = kernel.devices["flannel.1"].link.clone().ok_or("no device")?;
    assert_eq!((device.learning, device.gbp, device.mtu), (false, true, 1450));
    assert_ne!(index(&kernel), first, "made anew");
    assert_eq!((kernel.fdb.len(), our_routes(&server2).await?.len()), (1, 1));
    Ok(())
}

async fn other_tunnel(lab: Lab) -> Result {
    let leases = Leases::new();
    let tunnel = |builder: OverlayBuilder| builder.vni(7).port(4789).gbp(true).learning(true);
    let [server2, server3] = pair(&lab, &leases, tunnel).await?;
    let kernel = server3.kernel().await?;
    assert_eq!(kernel.devices.keys().collect::<Vec<_>>(), ["flannel.7"]);
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, b) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&web, 9376).await?;
    let mut wire = server2.host.capture("eth0").await?;
    assert_eq!(seen_from(&far, (a.address(), 9376)).await?, b.address());
    let packet = wire.find(Duration::from_secs(5), |packet| packet.vxlan().is_some()).await?;
    let numbers = (packet.udp().map(|udp| udp.dst_port), packet.vxlan().map(|vxlan| vxlan.vni));
    assert_eq!(numbers, (Some(4789), Some(7)), "{packet}");
    Ok(())
}

async fn checksums(lab: Lab) -> Result {
    let leases = Leases::new();
    let [server2, _server3] = pair(&lab, &leases, |builder| builder.checksum_offload(false)).await?;
    let off = |kernel: &svc_overlay::Kernel| kernel.checksum_offload.get("flannel.1") == Some(&false);
    assert!(off(&server2.kernel().await?));
    let before = server2.handle.status().operations();
    server2.meddle(vec![Operation::DeleteLink("flannel.1".into())]).await?;
    server2.handle.until(|status| status.operations() > before && status.peers() == 1).await?;
    loop {
        if off(&server2.kernel().await?) {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}
