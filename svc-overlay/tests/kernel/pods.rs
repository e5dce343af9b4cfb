//! Pods of one and two nodes talk, and are attached or not at all.

use std::time::Duration;

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};
use svc_overlay::{AttachOptions, Leases, PodError, PodId};
use tokio::net::UdpSocket;

use super::cluster::{Node, builder, drive, echo, host, node, pair, seen_from, tool};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("pods_of_two_nodes_talk_and_keep_their_addresses", pods_of_two_nodes_talk),
        trial("packets_between_nodes_are_flannels_on_the_wire", packets_on_the_wire),
        trial("a_full_sized_datagram_passes_in_one_packet", full_sized),
        trial("pods_that_leave_the_overlay_have_the_nodes_address", masquerade),
        trial("who_comes_by_way_of_one_node_for_a_pod_of_another_is_answered_that_way", by_another_node),
        trial("a_pods_port_may_answer_itself_and_everything_on_the_way_has_the_overlays_mtu", port),
        trial("a_taken_address_is_refused_and_names_both_pods", conflict),
        trial("a_failed_attach_leaves_nothing", failed_attach),
        trial("a_detached_pod_leaves_nothing_and_its_address_is_free", detach),
    ]
}

async fn pods_of_two_nodes_talk(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (near, b) = server2.pod(&lab, "near", "10.244.2.66").await?;
    let (far, c) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&web, 9376).await?;
    assert_eq!((a.mtu(), a.gateway().to_string().as_str(), a.prefix_len()), (1450, "10.244.2.1", 24));
    assert_eq!(seen_from(&far, (a.address(), 9376)).await?, c.address());
    assert_eq!(seen_from(&near, (a.address(), 9376)).await?, b.address());
    assert_eq!(seen_from(&server3.host, (a.address(), 9376)).await?.to_string(), "10.244.5.0");
    Ok(())
}

async fn packets_on_the_wire(lab: Lab) -> Result {
    let leases = Leases::new();
    let nic = |last: &str| format!("00:0c:29:9f:4f:{last}");
    let second = lab.host("server2").address("172.20.10.2/24").mac(nic("02").as_str()).create().await?;
    let third = lab.host("server3").address("172.20.10.3/24").mac(nic("5a").as_str()).create().await?;
    let vteps = ["2e:57:5f:4d:3f:d4", "e6:33:f0:0a:6b:52"];
    let server2 = drive(&second, builder("server2", 2, 2, &leases).mac(vteps[0]))?;
    let server3 = drive(&third, builder("server3", 3, 5, &leases).mac(vteps[1]))?;
    for node in [&server2, &server3] {
        node.handle.until(|status| status.peers() == 1).await?;
    }
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, _) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&web, 9376).await?;
    let mut wire = third.capture("eth0").await?;
    seen_from(&far, (a.address(), 9376)).await?;
    for (outer, inner, out) in
        [([nic("5a"), nic("02")], [vteps[1], vteps[0]], true), ([nic("02"), nic("5a")], vteps, false)]
    {
        let packet =
            wire.find(Duration::from_secs(5), move |p| p.vxlan().is_some() && p.is_outgoing() == out).await?;
        let (ethernet, vxlan) = (packet.ethernet(), packet.vxlan().ok_or("no VXLAN")?);
        assert_eq!([ethernet.src.to_string(), ethernet.dst.to_string()], outer, "{packet}");
        assert_eq!((packet.udp().map(|udp| udp.dst_port), vxlan.vni), (Some(8472), 1), "{packet}");
        let ethernet = vxlan.inner.ethernet();
        assert_eq!([ethernet.src.to_string(), ethernet.dst.to_string()], inner, "{packet}");
    }
    Ok(())
}

async fn full_sized(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, _) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let socket = web.run(|| UdpSocket::bind("0.0.0.0:9000")).await?;
    let mut wire = server2.host.capture("eth0").await?;
    let receiver =
        web.spawn(move || async move { socket.recv_from(&mut [0; 2000]).await.map(|(count, _)| count) });
    // 1450 less IPv4's 20 and UDP's 8 bytes.
    let to = (a.address(), 9000);
    let sent = far
        .run(move || async move { UdpSocket::bind("0.0.0.0:0").await?.send_to(&[0; 1422], to).await })
        .await?;
    assert_eq!((sent, receiver.await?), (1422, 1422));
    let full =
        wire.find(Duration::from_secs(5), |packet| packet.vxlan().is_some() && !packet.is_outgoing()).await?;
    let inner = &full.vxlan().ok_or("no VXLAN")?.inner;
    assert_eq!((inner.udp().map(|udp| udp.dst_port), inner.payload().len()), (Some(9000), 1422), "{full}");
    Ok(())
}

async fn masquerade(lab: Lab) -> Result {
    let leases = Leases::new();
    let server2 = node(&lab, "server2", 2, 2, &leases).await?;
    server2.handle.synced().await?;
    let outside = host(&lab, "client", 50).await?;
    let (pod, _) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let _server = echo(&outside, 80).await?;
    server2.host.add_route("default", "172.20.10.50").await?;
    assert_eq!(seen_from(&pod, ("172.20.10.50".parse()?, 80)).await?.to_string(), "172.20.10.2");
    // Who comes in for a pod keeps its address.
    let _server = echo(&pod, 9376).await?;
    outside.add_route("10.244.2.0/24", "172.20.10.2").await?;
    assert_eq!(seen_from(&outside, ("10.244.2.65".parse()?, 9376)).await?.to_string(), "172.20.10.50");
    Ok(())
}

/// flannel's rules of nftables hide the last one, without which the answer would go another way, past whoever translates.
async fn by_another_node(lab: Lab) -> Result {
    let (server2, server3) = pair(&lab, &Leases::new()).await?;
    let outside = host(&lab, "client", 50).await?;
    let (far, b) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&far, 9376).await?;
    outside.add_route("10.244.5.0/24", "172.20.10.2").await?;
    let mut wire = server2.host.capture("eth0").await?;
    assert_eq!(seen_from(&outside, (b.address(), 9376)).await?.to_string(), "10.244.2.0");
    let answer = |packet: &svc_lab::Packet| {
        let inner = packet.vxlan().and_then(|vxlan| vxlan.inner.ip());
        !packet.is_outgoing() && inner.is_some_and(|ip| ip.dst.to_string() == "10.244.2.0")
    };
    wire.find(Duration::from_secs(5), answer).await?;
    Ok(())
}

async fn port(lab: Lab) -> Result {
    let server2 = node(&lab, "server2", 2, 2, &Leases::new()).await?;
    server2.handle.synced().await?;
    let (pod, _) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    // The host's own device is one end of such a pair too.
    let veths = veths(&server2).await?;
    let veth = veths.iter().find(|name| name.starts_with("veth")).ok_or("no port")?;
    let shown = tool(&server2.host, &format!("bridge -d link show dev {veth}")).await?;
    assert!(shown.contains("hairpin on") && shown.contains("master cni0"), "{shown}");
    let links = [(&server2.host, veth.as_str()), (&server2.host, "cni0"), (&server2.host, "flannel.1")];
    for (host, link) in links.into_iter().chain([(&pod, "eth0")]) {
        let shown = tool(host, &format!("ip link show dev {link}")).await?;
        assert!(shown.contains("mtu 1450") && shown.contains("UP"), "{shown}");
    }
    let routes = tool(&pod, "ip route").await?;
    assert!(routes.contains("default via 10.244.2.1 dev eth0"), "{routes}");
    Ok(())
}

async fn conflict(lab: Lab) -> Result {
    let server2 = node(&lab, "server2", 2, 2, &Leases::new()).await?;
    let _first = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let pod = lab.pod("web-1").await?;
    let options = AttachOptions::new().address([10, 244, 2, 65]);
    let error = server2.pods.attach(PodId::new("default", "web-1"), pod.netns(), options).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("default/web-1") && text.contains("default/web-0"), "{text}");
    let attached =
        server2.pods.attach(PodId::new("default", "web-1"), pod.netns(), AttachOptions::new()).await?;
    assert_eq!(attached.address().to_string(), "10.244.2.2");
    Ok(())
}

async fn failed_attach(lab: Lab) -> Result {
    let server2 = node(&lab, "server2", 2, 2, &Leases::new()).await?;
    let _first = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    // A pod with a default route already: the last of the steps fails.
    let pod = lab.pod("stubborn").await?;
    pod.add_address("lo", "192.0.2.1/24").await?;
    pod.add_route("default", "192.0.2.2").await?;
    let (before, pod_before) = (veths(&server2).await?, pod.dump().await?);
    let id = PodId::new("default", "stubborn");
    let error = server2.pods.attach(id.clone(), pod.netns(), AttachOptions::new()).await.unwrap_err();
    assert!(matches!(error, PodError::Kernel { .. }), "{error}");
    assert_eq!(veths(&server2).await?, before);
    assert_eq!(pod.dump().await?, pod_before);
    assert_eq!(server2.pods.list().await?.len(), 1);
    pod.del_route("default", "192.0.2.2").await?;
    server2.pods.attach(id, pod.netns(), AttachOptions::new()).await?;
    Ok(())
}

async fn detach(lab: Lab) -> Result {
    let server2 = node(&lab, "server2", 2, 2, &Leases::new()).await?;
    let _first = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let before = veths(&server2).await?;
    let id = PodId::new("default", "web-1");
    let _second = server2.pod(&lab, "web-1", "10.244.2.66").await?;
    assert_eq!(veths(&server2).await?.len(), before.len() + 1);
    server2.pods.detach(&id).await?;
    assert_eq!(veths(&server2).await?, before);
    assert!(matches!(server2.pods.detach(&id).await, Err(PodError::NotAttached { .. })));
    let _third = server2.pod(&lab, "web-2", "10.244.2.66").await?;
    Ok(())
}

/// The host's veth links; of their lines the names, for flags and IPv6 addresses come a moment later.
async fn veths(node: &Node) -> Result<Vec<String>> {
    let dump = node.host.dump().await?;
    let links =
        dump.lines().take_while(|line| *line != "addresses").filter(|line| line.contains("type veth"));
    Ok(links.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}
