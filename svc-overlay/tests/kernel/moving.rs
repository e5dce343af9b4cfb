//! A node whose device on the underlay gets another address.

use std::net::IpAddr;
use std::time::Duration;

use libtest_mimic::Trial;
use svc_lab::{Host, Lab, Result};
use svc_overlay::{Family, InterfaceQuery, Interfaces, Leases, Mode, OverlayBuilder, Problem, Status};

use super::cluster::{Node, builder, drive, echo, host, seen_from, tool};
use super::traffic::Traffic;
use crate::trial;

const DAY: Duration = Duration::from_secs(86_400);
const OLD: &str = "172.20.10.2";
const NEW: &str = "172.20.10.12";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_node_that_gets_another_address_goes_on_and_its_peers_follow", |lab| moves(lab, Way::Tunnel)),
        trial("a_node_with_direct_routes_that_gets_another_address_goes_on", |lab| moves(lab, Way::Direct)),
        trial("a_node_of_host_gw_that_gets_another_address_goes_on", |lab| moves(lab, Way::HostGw)),
        trial("a_node_of_both_families_that_gets_other_addresses_goes_on_in_both", both_families),
        trial("of_two_addresses_one_goes_and_the_node_is_at_the_other", second_address),
        trial("an_address_that_comes_back_was_not_lost_and_one_that_was_given_is_not_left", stays),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Tunnel,
    Direct,
    HostGw,
}

impl Way {
    fn of(self, builder: OverlayBuilder) -> OverlayBuilder {
        match self {
            Way::Tunnel => builder,
            Way::Direct => builder.direct_routing(true),
            Way::HostGw => builder.mode(Mode::HostGw),
        }
        .reconcile_every(DAY)
    }

    /// What server3 holds for server2 at an address.
    fn entries(self, address: &str) -> (Vec<String>, Vec<String>) {
        match self {
            Way::Tunnel => (
                vec!["10.244.2.0/24 via 10.244.2.0 dev flannel.1 proto 120 onlink".to_owned()],
                vec![address.to_owned()],
            ),
            _ => (vec![format!("10.244.2.0/24 via {address} dev eth0 proto 120")], vec![]),
        }
    }
}

/// Routes of ours, and where FDB entries lead, in order.
async fn entries(node: &Node) -> Result<(Vec<String>, Vec<String>)> {
    let kernel = node.kernel().await?;
    let routes = kernel.routes.iter().filter(|route| route.is_ours()).map(ToString::to_string);
    let mut destinations: Vec<_> = kernel.fdb.iter().map(|entry| entry.destination).collect();
    destinations.sort_unstable();
    Ok((routes.collect(), destinations.iter().map(ToString::to_string).collect()))
}

async fn pair(
    lab: &Lab,
    leases: &Leases,
    change: impl Fn(OverlayBuilder) -> OverlayBuilder,
) -> Result<[Node; 2]> {
    let (second, third) = (host(lab, "server2", 2).await?, host(lab, "server3", 3).await?);
    let server2 = drive(&second, change(builder("server2", 2, 2, leases)))?;
    let server3 = drive(&third, change(builder("server3", 3, 5, leases)))?;
    for node in [&server2, &server3] {
        node.handle.until(|status| status.is_ready() && status.peers() == 1).await?;
    }
    Ok([server2, server3])
}

/// Waits until the node is ready at an address and its peer has followed, by the registry's word and the kernel's.
async fn is_at(address: &str, node: &Node, peer: &Node, leases: &Leases) -> Result {
    let address: IpAddr = address.parse()?;
    let there = |status: &Status| {
        let published = status.lease().and_then(|lease| lease.half(Family::of(address)));
        status.is_ready() && published.is_some_and(|half| half.public_ip == address)
    };
    let status = node.handle.until(there).await?;
    assert_eq!((status.peers(), status.problems()), (1, &[][..]));
    peer.handle.programmed(leases.snapshot().revision()).await?;
    Ok(())
}

async fn moves(lab: Lab, way: Way) -> Result {
    let leases = Leases::new();
    let [server2, server3] = pair(&lab, &leases, |builder| way.of(builder)).await?;
    let before = server2.handle.status().lease().cloned().ok_or("no lease")?;
    assert_eq!(entries(&server3).await?, way.entries(OLD));
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, b) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _servers = [echo(&web, 9376).await?, echo(&far, 9376).await?];
    let mut traffic = Traffic::start(&web, &far, a.address()).await?;
    // As a DHCP client does it when it is given another one.
    tool(&server2.host, &format!("ip address del {OLD}/24 dev eth0")).await?;
    let status = server2.handle.until(|status| !status.is_ready()).await?;
    assert!(matches!(status.problems(), [Problem::NoUnderlay(_)]), "{:?}", status.problems());
    tool(&server2.host, &format!("ip address add {NEW}/24 dev eth0")).await?;
    is_at(NEW, &server2, &server3, &leases).await?;
    assert_eq!(entries(&server3).await?, way.entries(NEW), "and nothing of the former address");
    let after = server2.handle.status().lease().cloned().ok_or("no lease")?;
    assert_eq!((after.subnet(), after.vxlan_data()), (before.subnet(), before.vxlan_data()));
    let mut wire = server3.host.capture("eth0").await?;
    traffic.flows().await?;
    assert_eq!(seen_from(&far, (a.address(), 9376)).await?, b.address());
    assert_eq!(seen_from(&web, (b.address(), 9376)).await?, a.address());
    if way == Way::Tunnel {
        let theirs = |packet: &svc_lab::Packet| packet.vxlan().is_some() && !packet.is_outgoing();
        let packet = wire.find(Duration::from_secs(5), theirs).await?;
        assert_eq!(packet.ip().map(|outer| outer.src.to_string()).as_deref(), Some(NEW), "{packet}");
    }
    traffic.end().await?;
    Ok(())
}

async fn dual(lab: &Lab, name: &str, number: u8, subnet: u8, leases: &Leases) -> Result<Node> {
    let host = host(lab, name, number).await?;
    host.add_address("eth0", format!("fd00:172:20:10::{number}/64")).await?;
    let builder = builder(name, number, subnet, leases).network("fd00:10:244::/48").reconcile_every(DAY);
    let builder = builder.subnet(format!("fd00:10:244:{subnet}::/64").as_str());
    drive(&host, builder.public_ip(format!("fd00:172:20:10::{number}").as_str()))
}

async fn both_families(lab: Lab) -> Result {
    let leases = Leases::new();
    let server2 = dual(&lab, "server2", 2, 2, &leases).await?;
    let server3 = dual(&lab, "server3", 3, 5, &leases).await?;
    for node in [&server2, &server3] {
        node.handle.until(|status| status.is_ready() && status.peers() == 1).await?;
    }
    let (web, far) = (pod(&lab, &server2, "web").await?, pod(&lab, &server3, "far").await?);
    let _servers = [echo(&web.0, 9376).await?, echo(&far.0, 9376).await?];
    let both_ways = async || {
        for (a, b) in web.1.iter().zip(&far.1) {
            assert_eq!(seen_from(&far.0, (*a, 9376)).await?, *b);
            assert_eq!(seen_from(&web.0, (*b, 9376)).await?, *a);
        }
        Result::Ok(())
    };
    both_ways().await?;
    // One family after the other; the new one is there before the old one goes.
    tool(&server2.host, "ip address add fd00:172:20:10::12/64 dev eth0 nodad").await?;
    tool(&server2.host, "ip address del fd00:172:20:10::2/64 dev eth0").await?;
    is_at("fd00:172:20:10::12", &server2, &server3, &leases).await?;
    assert_eq!(entries(&server3).await?.1, [OLD, "fd00:172:20:10::12"]);
    both_ways().await?;
    server2.host.set_sysctl("net.ipv4.conf.eth0.promote_secondaries", 1).await?;
    tool(&server2.host, &format!("ip address add {NEW}/24 dev eth0")).await?;
    tool(&server2.host, &format!("ip address del {OLD}/24 dev eth0")).await?;
    is_at(NEW, &server2, &server3, &leases).await?;
    assert_eq!(entries(&server3).await?.1, [NEW, "fd00:172:20:10::12"]);
    both_ways().await
}

/// A pod and its addresses, IPv4 first.
async fn pod(lab: &Lab, node: &Node, name: &str) -> Result<(Host, Vec<IpAddr>)> {
    let pod = lab.pod(name).await?;
    let id = svc_overlay::PodId::new("default", name);
    let attached = node.pods.attach(id, pod.netns(), svc_overlay::AttachOptions::new()).await?;
    Ok((pod, attached.addresses().iter().map(ipnet::IpNet::addr).collect()))
}

/// The device was chosen by a pattern of addresses: there the node stays.
async fn second_address(lab: Lab) -> Result {
    let leases = Leases::new();
    let second = host(&lab, "server2", 2).await?;
    for net in ["192.0.2.2/24", "172.20.11.2/24"] {
        second.add_address("eth0", net).await?;
    }
    let pattern = || InterfaceQuery::new().matching("^172", |text| text.starts_with("172."));
    let found = second.run(move || async move {
        let found = Interfaces::list(&pattern())?;
        Result::Ok(pattern().choose(&found, &[Family::V4])?)
    });
    let found = found.await?;
    assert_eq!(found.to_string(), "eth0 (172.20.10.2)");
    let builder = builder("server2", 2, 2, &leases).interface(&found, pattern()).reconcile_every(DAY);
    let server2 = drive(&second, builder)?;
    let server3 = super::cluster::node(&lab, "server3", 3, 5, &leases).await?;
    server3.host.add_address("eth0", "172.20.11.3/24").await?;
    for node in [&server2, &server3] {
        node.handle.until(|status| status.is_ready() && status.peers() == 1).await?;
    }
    tool(&second, &format!("ip address del {OLD}/24 dev eth0")).await?;
    is_at("172.20.11.2", &server2, &server3, &leases).await?;
    assert_eq!(entries(&server3).await?.1, ["172.20.11.2"]);
    Ok(())
}

async fn stays(lab: Lab) -> Result {
    let leases = Leases::new();
    let [server2, server3] = pair(&lab, &leases, |builder| builder.reconcile_every(DAY)).await?;
    let (revision, operations) = (leases.snapshot().revision(), server2.handle.status().operations());
    tool(&server2.host, &format!("ip address del {OLD}/24 dev eth0")).await?;
    server2.handle.until(|status| !status.is_ready()).await?;
    tool(&server2.host, &format!("ip address add {OLD}/24 dev eth0")).await?;
    let status = server2.handle.until(Status::is_ready).await?;
    assert_eq!((status.operations(), leases.snapshot().revision()), (operations, revision));
    // Given by the embedder, it is not left for another.
    let host = server2.stop().await;
    let server2 = drive(&host, builder("server2", 2, 2, &leases).local(OLD).reconcile_every(DAY))?;
    server2.handle.until(Status::is_ready).await?;
    host.set_sysctl("net.ipv4.conf.eth0.promote_secondaries", 1).await?;
    tool(&host, &format!("ip address add {NEW}/24 dev eth0")).await?;
    tool(&host, &format!("ip address del {OLD}/24 dev eth0")).await?;
    let status = server2.handle.until(|status| !status.is_ready()).await?;
    assert!(
        status.problems()[0].to_string().contains(&format!("the address {OLD}")),
        "{:?}",
        status.problems()
    );
    assert_eq!(entries(&server3).await?.1, [OLD]);
    tool(&host, &format!("ip address add {OLD}/24 dev eth0")).await?;
    server2.handle.until(Status::is_ready).await?;
    Ok(())
}
