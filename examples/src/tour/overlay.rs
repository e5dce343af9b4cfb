//! Step 10: two pods on two nodes, and what carries their packets.

use anyhow::{Context as _, ensure};
use svc_lab::Packet;

use super::{Tour, path_mtu};
use crate::client::http::Get;
use crate::cluster::{SERVER2_VTEP, SERVER3_MAC, SERVER3_VTEP, captured};

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    tour.moment_of_proof().await?;
    entries_on_server3(tour).await?;
    packets_on_the_wire(tour).await?;
    path_mtu::walk(tour).await?;
    third_node(tour).await
}

async fn entries_on_server3(tour: &Tour) -> anyhow::Result<()> {
    tour.log.did("server3's kernel, towards server2:");
    let dump = tour.cluster.host("server3")?.dump().await?;
    for entry in entries("10.244.2.0", SERVER2_VTEP, "172.20.10.2") {
        tour.log.saw(found(&dump, &entry)?);
    }
    Ok(())
}

/// What a node must hold for a peer: what it is called, and the words of its line in the dump.
type Entry = (&'static str, Vec<String>);

fn entries(subnet: &str, vtep: &str, node: &str) -> [Entry; 3] {
    let words = |text: String| text.split(' ').map(str::to_owned).collect();
    [
        ("route", words(format!("{subnet}/24 via {subnet} dev flannel.1 onlink"))),
        ("neighbour", words(format!("flannel.1 dst {subnet} lladdr {vtep}"))),
        ("fdb", words(format!("flannel.1 dst {node} lladdr {vtep} self"))),
    ]
}

fn found(dump: &str, (kind, entry): &Entry) -> anyhow::Result<String> {
    let holds = |line: &&str| {
        let words: Vec<_> = line.split_whitespace().map(str::to_lowercase).collect();
        entry.iter().all(|word| words.contains(word))
    };
    let line = dump.lines().find(holds);
    let line = line.with_context(|| format!("no {kind} entry `{}` in the kernel", entry.join(" ")))?;
    Ok(format!("{kind}: {}", line.trim()))
}

async fn packets_on_the_wire(tour: &Tour) -> anyhow::Result<()> {
    let from = tour.cluster.pod_host("default/shell-3")?;
    let (source, target) = (tour.cluster.pod_ip("default/shell-3")?, tour.cluster.pod_ip("default/shell-2")?);
    let mut capture = tour.cluster.host("server3")?.capture("eth0").await?;
    tour.log.did(format_args!("pod {source} on server3 calls pod {target} on server2; on server3's eth0:"));
    let reply = Get::new((target, 8080).into()).send_from(&from).await?;
    ensure!(reply.source()? == source, "the address of the calling pod was not kept: {}", reply.source()?);
    let inner_between = |from, to| {
        move |packet: &Packet| {
            let inner = packet.vxlan().map(|vxlan| &vxlan.inner);
            inner.and_then(Packet::ip).is_some_and(|ip| ip.src == from && ip.dst == to)
        }
    };
    let there = captured(&mut capture, inner_between(source, target)).await?;
    tour.log.saw(&there);
    check(&there, SERVER3_VTEP, SERVER2_VTEP)?;
    let outer = there.ethernet().src.to_string();
    ensure!(outer == SERVER3_MAC, "the outer source is {outer}, not server3's eth0 {SERVER3_MAC}");
    let back = captured(&mut capture, inner_between(target, source)).await?;
    tour.log.saw(&back);
    check(&back, SERVER2_VTEP, SERVER3_VTEP)?;
    let outer = back.ethernet().dst.to_string();
    ensure!(outer == SERVER3_MAC, "the outer destination is {outer}, not server3's eth0 {SERVER3_MAC}");
    tour.log.saw(reply.body());
    Ok(())
}

fn check(packet: &Packet, from: &str, to: &str) -> anyhow::Result<()> {
    let udp = packet.udp().context("not UDP")?;
    ensure!(udp.dst_port == 8472, "UDP port {}", udp.dst_port);
    let vxlan = packet.vxlan().context("not VXLAN")?;
    ensure!(vxlan.vni == 1, "VNI {}", vxlan.vni);
    let inner = vxlan.inner.ethernet();
    let macs = (inner.src.to_string(), inner.dst.to_string());
    ensure!(macs == (from.to_owned(), to.to_owned()), "inner MACs {} > {}", macs.0, macs.1);
    Ok(())
}

async fn third_node(tour: &mut Tour) -> anyhow::Result<()> {
    tour.log.did("server4 joins with 10.244.7.0/24");
    tour.cluster
        .join("server4", "172.20.10.4", "10.244.7.0/24", include_str!("../../manifests/server4.yaml"))
        .await?;
    let vtep = tour.cluster.vtep_mac("server4")?;
    for node in ["server2", "server3"] {
        let dump = tour.cluster.host(node)?.dump().await?;
        for entry in entries("10.244.7.0", &vtep, "172.20.10.4") {
            tour.log.saw(format_args!("{node}: {}", found(&dump, &entry)?));
        }
    }
    tour.log.did("server4 leaves");
    tour.cluster.leave("server4").await?;
    for node in ["server2", "server3"] {
        let dump = tour.cluster.host(node)?.dump().await?.to_lowercase();
        let left = dump.lines().find(|line| {
            line.contains("10.244.7.0") || line.contains(&vtep) || line.contains("172.20.10.4 ")
        });
        ensure!(left.is_none(), "{node} still has {}", left.unwrap_or_default());
        tour.log.saw(format_args!("{node}: no route, neighbour or FDB entry of server4"));
    }
    Ok(())
}
