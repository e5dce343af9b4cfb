//! Nodes of ours and nodes of flannel's in one network. Flannel's are programmed with `ip` and `bridge`, message for message as
//! its VXLAN backend does.

use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use ipnet::IpNet;
use libtest_mimic::Trial;
use svc_lab::{Host, Lab, Result};
use svc_overlay::{Family, Lease, Leases};

use super::cluster::{Node, builder, drive, echo, host, seen_from, tool};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let there = |program: &str| std::process::Command::new(program).arg("-V").output().is_ok();
    let missing = !(there("ip") && there("bridge"));
    if missing {
        eprintln!("SKIP flannel::*: no ip and bridge programs here (Debian's package `iproute2` has them)");
    }
    // Where everything has to be there, what is not fails.
    let missing = missing && std::env::var_os("CI").is_none();
    let trials = [
        trial("flannel::pods_of_ours_and_of_flannels_talk_in_both_directions", talk),
        trial("flannel::a_node_of_flannels_joins_and_leaves_and_one_of_ours_does", join_and_leave),
        trial("flannel::both_speak_ipv6_too", ipv6),
    ];
    trials.into_iter().map(|trial| trial.with_ignored_flag(missing)).collect()
}

/// A node as flanneld and its CNI plugins leave it.
struct Flannel {
    host: Host,
    lease: Lease,
    family: Family,
}

impl Flannel {
    /// The device: everything at creation, learning off, then its address as a host's.
    async fn start(host: Host, key: &str, value: &str) -> Result<Self> {
        let lease = Lease::parse(key, value)?;
        let half = lease.halves()[0];
        let (family, mac) = (half.family(), half.vxlan.ok_or("no VTEP")?.vtep_mac);
        let flannel = Flannel { host, lease, family };
        let (dev, overhead) = (flannel.device(), if family == Family::V4 { 50 } else { 70 });
        let (local, mtu) = (half.public_ip, 1500 - overhead);
        for line in [
            format!(
                "ip link add {dev} address {mac} mtu {mtu} type vxlan id 1 dev eth0 local {local} dstport 8472 nolearning"
            ),
            format!("ip address add {}/{} dev {dev}", half.subnet.network(), half.subnet.max_prefix_len()),
            format!("ip link set {dev} up"),
        ] {
            tool(&flannel.host, &line).await?;
        }
        for key in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
            flannel.host.set_sysctl(key, 1).await?;
        }
        Ok(flannel)
    }

    fn device(&self) -> &'static str {
        if self.family == Family::V4 { "flannel.1" } else { "flannel-v6.1" }
    }

    /// Neighbour, FDB entry, route: flannel's order.
    async fn add(&self, peer: &Lease) -> Result {
        let half = peer.half(self.family).ok_or("no lease of the family")?;
        let (base, mac) = (half.subnet.network(), half.vxlan.ok_or("no VTEP")?.vtep_mac);
        let dev = self.device();
        let ip = if self.family == Family::V4 { "ip" } else { "ip -6" };
        for line in [
            format!("ip neigh replace {base} lladdr {mac} dev {dev} nud permanent"),
            format!("bridge fdb replace {mac} dev {dev} dst {} self permanent", half.public_ip),
            format!("{ip} route replace {} via {base} dev {dev} onlink", half.subnet),
        ] {
            tool(&self.host, &line).await?;
        }
        Ok(())
    }

    async fn remove(&self, peer: &Lease) -> Result {
        let half = peer.half(self.family).ok_or("no lease of the family")?;
        let (base, mac) = (half.subnet.network(), half.vxlan.ok_or("no VTEP")?.vtep_mac);
        let dev = self.device();
        for line in [
            format!("ip neigh del {base} dev {dev}"),
            format!("bridge fdb del {mac} dev {dev} dst {} self", half.public_ip),
            format!("ip route del {}", half.subnet),
        ] {
            tool(&self.host, &line).await?;
        }
        Ok(())
    }

    /// What the CNI plugins `flannel` and `bridge` do.
    async fn pod(&self, lab: &Lab, name: &str, last: u8) -> Result<(Host, IpAddr)> {
        let subnet = self.lease.subnet();
        let at = |last: u8| nth(subnet, last);
        let (len, mtu) = (subnet.prefix_len(), if self.family == Family::V4 { 1450 } else { 1430 });
        let pod = lab.pod(name).await?;
        let netns = format!("/proc/{}/fd/{}", std::process::id(), pod.netns().as_raw_fd());
        for line in [
            format!("ip link add cni0 mtu {mtu} type bridge"),
            format!("ip address add {}/{len} dev cni0{}", at(1), self.nodad()),
            "ip link set cni0 up".to_owned(),
            format!("ip link add veth0 mtu {mtu} type veth peer name eth0 mtu {mtu} netns {netns}"),
            "ip link set veth0 master cni0 up".to_owned(),
            "bridge link set dev veth0 hairpin on".to_owned(),
        ] {
            tool(&self.host, &line).await?;
        }
        for line in [
            "ip link set lo up".to_owned(),
            format!("ip address add {}/{len} dev eth0{}", at(last), self.nodad()),
            "ip link set eth0 up".to_owned(),
            format!("ip route add default via {}", at(1)),
        ] {
            tool(&pod, &line).await?;
        }
        Ok((pod, at(last)))
    }

    fn nodad(&self) -> &'static str {
        if self.family == Family::V4 { "" } else { " nodad" }
    }
}

fn nth(subnet: IpNet, last: u8) -> IpAddr {
    match subnet.network() {
        IpAddr::V4(base) => IpAddr::V4((u32::from(base) + u32::from(last)).into()),
        IpAddr::V6(base) => IpAddr::V6((u128::from(base) + u128::from(last)).into()),
    }
}

const KEY: &str = "10.244.5.0-24";
const VALUE: &str = r#"{"PublicIP":"172.20.10.3","PublicIPv6":null,"BackendType":"vxlan",
    "BackendData":{"VNI":1,"VtepMAC":"e6:33:f0:0a:6b:52"}}"#;

/// server2 is ours, server3 flannel's; each has the other.
async fn mixed(lab: &Lab, leases: &Leases) -> Result<(Node, Flannel)> {
    let second = host(lab, "server2", 2).await?;
    let server2 = drive(&second, builder("server2", 2, 2, leases))?;
    server2.handle.until(|status| status.lease().is_some()).await?;
    let flannel = Flannel::start(host(lab, "server3", 3).await?, KEY, VALUE).await?;
    flannel.add(&own(&server2)?).await?;
    leases.put(flannel.lease.clone())?;
    server2.handle.until(|status| status.peers() == 1).await?;
    Ok((server2, flannel))
}

/// Our lease, as flannel reads it from the store.
fn own(node: &Node) -> Result<Lease> {
    let status = node.handle.status();
    let lease = status.lease().ok_or("no lease")?;
    Ok(Lease::parse(&lease.key(), &lease.value())?)
}

async fn talk(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, flannel) = mixed(&lab, &leases).await?;
    let (ours, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (theirs, b) = flannel.pod(&lab, "far", 104).await?;
    let _servers = [echo(&ours, 9376).await?, echo(&theirs, 9376).await?];
    let mut wire = flannel.host.capture("eth0").await?;
    assert_eq!(seen_from(&theirs, (a.address(), 9376)).await?, b);
    assert_eq!(seen_from(&ours, (b, 9376)).await?, a.address());
    for outgoing in [true, false] {
        let packet = wire
            .find(Duration::from_secs(5), move |p| p.vxlan().is_some() && p.is_outgoing() == outgoing)
            .await?;
        assert_eq!(packet.vxlan().map(|vxlan| vxlan.vni), Some(1), "{packet}");
    }
    Ok(())
}

async fn join_and_leave(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, flannel) = mixed(&lab, &leases).await?;
    let (ours, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let _server = echo(&ours, 9376).await?;
    // A second node of ours, unknown to flannel until it reads the store.
    let fourth = host(&lab, "server4", 4).await?;
    let server4 = drive(&fourth, builder("server4", 4, 7, &leases))?;
    server4.handle.until(|status| status.peers() == 2).await?;
    let lease = own(&server4)?;
    flannel.add(&lease).await?;
    let (theirs, b) = flannel.pod(&lab, "far", 104).await?;
    let _far = echo(&theirs, 9376).await?;
    let (near, c) = server4.pod(&lab, "near", "10.244.7.9").await?;
    assert_eq!(seen_from(&near, (b, 9376)).await?, c.address());
    // It leaves.
    flannel.remove(&lease).await?;
    server4.handle.clean_up().await?;
    assert_eq!(seen_from(&theirs, (a.address(), 9376)).await?, b, "the others go on");
    // Flannel's node is gone: its entries go, and nothing else.
    let revision = leases.remove(flannel.lease.node());
    server2.handle.programmed(revision).await?;
    let kernel = server2.kernel().await?;
    assert!(kernel.fdb.is_empty() && kernel.neighbours.is_empty());
    assert!(!kernel.routes.iter().any(svc_overlay::Route::is_ours));
    Ok(())
}

async fn ipv6(lab: Lab) -> Result {
    let leases = Leases::new();
    let second = host(&lab, "server2", 2).await?;
    second.add_address("eth0", "fd00:172:20:10::2/64").await?;
    let builder = svc_overlay::Overlay::builder("fd00:10:244::/48").node("server2").registry(leases.clone());
    let server2 = drive(&second, builder.subnet("fd00:10:244:2::/64").public_ip("fd00:172:20:10::2"))?;
    server2.handle.until(|status| status.lease().is_some()).await?;
    let third = host(&lab, "server3", 3).await?;
    third.add_address("eth0", "fd00:172:20:10::3/64").await?;
    let value = r#"{"PublicIP":"0.0.0.0","PublicIPv6":"fd00:172:20:10::3","BackendType":"vxlan",
        "BackendV6Data":{"VNI":1,"VtepMAC":"e6:33:f0:0a:6b:52"}}"#;
    let flannel = Flannel::start(third, "0.0.0.0-0&fd00:10:244:5::-64", value).await?;
    flannel.add(&own(&server2)?).await?;
    leases.put(flannel.lease.clone())?;
    server2.handle.until(|status| status.peers() == 1).await?;
    let (ours, a) = server2.pod(&lab, "web-0", "fd00:10:244:2::65").await?;
    let (theirs, b) = flannel.pod(&lab, "far", 104).await?;
    let _servers = [echo(&ours, 9376).await?, echo(&theirs, 9376).await?];
    assert_eq!(seen_from(&theirs, (a.address(), 9376)).await?, b);
    assert_eq!(seen_from(&ours, (b, 9376)).await?, a.address());
    Ok(())
}
