//! Overlays of IPv6, and of both families.

use std::net::IpAddr;
use std::time::Duration;

use libtest_mimic::Trial;
use svc_lab::{Host, Lab, Result};
use svc_overlay::{
    AttachOptions, Attachment, Leases, Overlay, OverlayBuilder, PodId, Problem, RefusalReason, Route,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::cluster::{Node, builder, drive, echo, host, seen_from};
use crate::trial;

const NETWORK: &str = "fd00:10:244::/48";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("dual_stack_pods_talk_in_both_families_each_over_its_own_tunnel", both_families),
        trial("full_sized_packets_pass_over_an_ipv6_underlay_and_bulk_tcp_too", full_sized),
        trial("an_overlay_of_ipv6_alone_has_no_ipv4_at_all", ipv6_alone),
        trial("a_dual_stack_node_that_leaves_takes_both_halves_along", leaves),
        trial("what_is_wrong_in_one_family_does_not_touch_the_other", one_family_refused),
        trial("dual_stack_is_adopted_after_a_restart_and_cleaned_up_to_the_last_entry", restart),
    ]
}

fn dual(name: &str, number: u8, subnet: u8, leases: &Leases) -> OverlayBuilder {
    with_ipv6(builder(name, number, subnet, leases), number, subnet)
}

fn with_ipv6(builder: OverlayBuilder, number: u8, subnet: u8) -> OverlayBuilder {
    builder
        .network(NETWORK)
        .subnet(format!("fd00:10:244:{subnet}::/64").as_str())
        .public_ip(format!("fd00:172:20:10::{number}").as_str())
}

async fn dual_host(lab: &Lab, name: &str, number: u8) -> Result<Host> {
    let host = host(lab, name, number).await?;
    host.add_address("eth0", format!("fd00:172:20:10::{number}/64")).await?;
    Ok(host)
}

async fn pair(lab: &Lab, leases: &Leases) -> Result<(Node, Node)> {
    let second = dual_host(lab, "server2", 2).await?;
    let third = dual_host(lab, "server3", 3).await?;
    let server2 = drive(&second, dual("server2", 2, 2, leases))?;
    let server3 = drive(&third, dual("server3", 3, 5, leases))?;
    for node in [&server2, &server3] {
        let status = node.handle.until(|status| status.peers() == 1).await?;
        assert_eq!(status.problems(), []);
    }
    Ok((server2, server3))
}

/// A pod with the next free address of each family.
async fn pod(lab: &Lab, node: &Node, name: &str) -> Result<(Host, Attachment)> {
    let pod = lab.pod(name).await?;
    let attachment = node.pods.attach(PodId::new("default", name), pod.netns(), AttachOptions::new()).await?;
    Ok((pod, attachment))
}

fn addresses(attachment: &Attachment) -> [IpAddr; 2] {
    let [v4, v6] = attachment.addresses() else { panic!("not two addresses: {attachment:?}") };
    [v4.addr(), v6.addr()]
}

async fn both_families(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let (web, a) = pod(&lab, &server2, "web-0").await?;
    let (far, b) = pod(&lab, &server3, "far").await?;
    assert_eq!(a.mtu(), 1430, "IPv6 adds 70 bytes, and pods have one MTU");
    let _server = echo(&web, 9376).await?;
    let mut wire = server3.host.capture("eth0").await?;
    for (to, from) in addresses(&a).into_iter().zip(addresses(&b)) {
        assert_eq!(seen_from(&far, (to, 9376)).await?, from);
        for outgoing in [true, false] {
            let packet = wire
                .find(Duration::from_secs(5), move |packet| {
                    let inner = packet.vxlan().and_then(|vxlan| vxlan.inner.ip());
                    let between = |a, b| inner.is_some_and(|ip| ip.src == a && ip.dst == b);
                    packet.is_outgoing() == outgoing
                        && if outgoing { between(from, to) } else { between(to, from) }
                })
                .await?;
            assert_eq!(packet.ip().map(|outer| outer.src.is_ipv4()), Some(to.is_ipv4()), "{packet}");
            assert_eq!(packet.udp().map(|udp| udp.dst_port), Some(8472), "{packet}");
        }
    }
    // From a host to a remote pod: the VXLAN device's own address.
    assert_eq!(seen_from(&server3.host, (addresses(&a)[1], 9376)).await?.to_string(), "fd00:10:244:5::");
    Ok(())
}

async fn full_sized(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let (web, a) = pod(&lab, &server2, "web-0").await?;
    let (far, _) = pod(&lab, &server3, "far").await?;
    for (to, header) in addresses(&a).into_iter().zip([28, 48]) {
        let payload = 1430 - header;
        let mut wire = server2.host.capture("eth0").await?;
        let socket = web.run(move || UdpSocket::bind((to, 9000))).await?;
        let receiver =
            web.spawn(move || async move { socket.recv_from(&mut [0; 2000]).await.map(|(count, _)| count) });
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let sent = far.run(move || async move {
            UdpSocket::bind(any).await?.send_to(&vec![0; payload], (to, 9000)).await
        });
        assert_eq!((sent.await?, receiver.await?), (payload, payload));
        let full =
            wire.find(Duration::from_secs(5), |packet| packet.vxlan().is_some() && !packet.is_outgoing());
        let full = full.await?;
        let inner = &full.vxlan().ok_or("no VXLAN")?.inner;
        assert_eq!(
            (inner.udp().map(|udp| udp.dst_port), inner.payload().len()),
            (Some(9000), payload),
            "{full}"
        );
        bulk(&web, &far, to).await?;
    }
    Ok(())
}

/// Eight megabytes, all of them there at the end.
async fn bulk(server: &Host, client: &Host, to: IpAddr) -> Result {
    const SIZE: usize = 8 << 20;
    let listener = server.run(move || TcpListener::bind((to, 9001))).await?;
    let received = server.spawn(move || async move {
        let mut bytes = Vec::new();
        listener.accept().await?.0.read_to_end(&mut bytes).await
    });
    client
        .run(move || async move { TcpStream::connect((to, 9001)).await?.write_all(&vec![7; SIZE]).await })
        .await?;
    assert_eq!(received.await?, SIZE);
    Ok(())
}

async fn ipv6_alone(lab: Lab) -> Result {
    let leases = Leases::new();
    let mut nodes = Vec::new();
    for (name, number, subnet) in [("server2", 2, 2), ("server3", 3, 5)] {
        let host = dual_host(&lab, name, number).await?;
        let builder = Overlay::builder(NETWORK).node(name).registry(leases.clone());
        let builder = builder.subnet(format!("fd00:10:244:{subnet}::/64").as_str());
        nodes.push(drive(&host, builder.public_ip(format!("fd00:172:20:10::{number}").as_str()))?);
    }
    for node in &nodes {
        node.handle.until(|status| status.peers() == 1).await?;
    }
    let (web, a) = pod(&lab, &nodes[0], "web-0").await?;
    let (far, b) = pod(&lab, &nodes[1], "far").await?;
    assert_eq!(a.addresses().len(), 1);
    let _server = echo(&web, 9376).await?;
    assert_eq!(seen_from(&far, (a.address(), 9376)).await?, b.address());
    let kernel = nodes[0].kernel().await?;
    assert_eq!(kernel.devices.keys().collect::<Vec<_>>(), ["flannel-v6.1"]);
    assert!(
        kernel.routes.iter().filter(|route| route.is_ours()).all(|route| route.destination.addr().is_ipv6())
    );
    assert_eq!(kernel.rules.len(), 1);
    Ok(())
}

async fn leaves(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let kernel = server2.kernel().await?;
    assert_eq!((kernel.neighbours.len(), kernel.fdb.len()), (2, 2));
    server3.handle.clean_up().await?;
    server2.handle.until(|status| status.peers() == 0).await?;
    let kernel = server2.kernel().await?;
    assert_eq!((kernel.neighbours.len(), kernel.fdb.len(), kernel.devices.len()), (0, 0, 2));
    assert!(!kernel.routes.iter().any(Route::is_ours));
    Ok(())
}

async fn one_family_refused(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, _server3) = pair(&lab, &leases).await?;
    let fourth = dual_host(&lab, "server4", 4).await?;
    // Its IPv6 subnet is server3's, its IPv4 subnet its own.
    let server4 = drive(
        &fourth,
        builder("server4", 4, 7, &leases)
            .network(NETWORK)
            .subnet("fd00:10:244:5::/64")
            .public_ip("fd00:172:20:10::4"),
    )?;
    let status = server2.handle.until(|status| status.peers() == 2 && !status.problems().is_empty()).await?;
    let [Problem::Refused(refusal)] = status.problems() else { panic!("{:?}", status.problems()) };
    assert!(matches!(refusal.reason(), RefusalReason::OverlapsPeer(..)), "{refusal}");
    assert_eq!(
        (refusal.lease().node(), refusal.subnet().to_string().as_str()),
        ("server4", "fd00:10:244:5::/64")
    );
    server4.handle.until(|status| status.peers() == 2).await?;
    let (far, b) = pod(&lab, &server4, "far").await?;
    let (web, a) = pod(&lab, &server2, "web-0").await?;
    let _server = echo(&web, 9376).await?;
    assert_eq!(seen_from(&far, (a.address(), 9376)).await?, b.address());
    Ok(())
}

async fn restart(lab: Lab) -> Result {
    let leases = Leases::new();
    let second = dual_host(&lab, "server2", 2).await?;
    let before = second.dump().await?;
    let third = dual_host(&lab, "server3", 3).await?;
    let _server3 = drive(&third, dual("server3", 3, 5, &leases))?;
    let server2 = drive(&second, dual("server2", 2, 2, &leases))?;
    server2.handle.until(|status| status.peers() == 1).await?;
    let (_web, attachment) = pod(&lab, &server2, "web-0").await?;
    let second = server2.stop().await;
    let server2 = drive(&second, dual("server2", 2, 2, &leases))?;
    let status = server2.handle.until(|status| status.peers() == 1).await?;
    assert_eq!(status.operations(), 0, "all was right");
    let pods = server2.pods.list().await?;
    assert_eq!(pods, [(PodId::new("default", "web-0"), addresses(&attachment).to_vec())].into());
    server2.handle.clean_up().await?;
    assert_eq!(second.dump().await?, before);
    Ok(())
}
