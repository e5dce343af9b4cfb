//! Step 6: no virtual address, but a name for every pod.

use std::net::IpAddr;

use anyhow::{Context as _, ensure};
use hickory_proto::rr::RecordType;

use super::Tour;
use crate::client::{dns, resolver};
use crate::cluster::DNS_ADDRESS;

const ZONE: &str = "peers.default.svc.cluster.local.";

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    tour.log.did("apply headless Service peers with pods peers-0 and peers-1");
    tour.cluster.apply(include_str!("../../manifests/headless.yaml")).await?;
    ensure!(
        tour.cluster.service("default/peers")?.cluster_ips().is_empty(),
        "a headless Service got an address"
    );
    tour.moment_of_proof().await?;
    let first = names_follow(tour).await?;

    tour.log.did("replace peers-1 by a pod with another address");
    tour.cluster.delete_pod("default/peers-1").await?;
    tour.cluster.apply(include_str!("../../manifests/headless-replacement.yaml")).await?;
    let second = names_follow(tour).await?;
    ensure!(first != second, "peers-1 still has the address {first}");
    Ok(())
}

/// Address, per-pod names and SRV agree with where the pods are. Returns the address of peers-1.
async fn names_follow(tour: &Tour) -> anyhow::Result<IpAddr> {
    let pod = tour.cluster.pod_host("default/shell-2")?;
    let mut expected = vec![tour.cluster.pod_ip("default/peers-0")?, tour.cluster.pod_ip("default/peers-1")?];
    expected.sort();
    let resolv_conf = tour.cluster.resolv_conf("default");
    let all = resolver::getaddrinfo(&pod, &resolv_conf, "peers").await?;
    tour.log.saw(format_args!("getaddrinfo(\"peers\") in shell-2: {:?}", all.addresses));
    ensure!(all.addresses == expected, "the pods are at {expected:?}");
    let replaced = tour.cluster.pod_ip("default/peers-1")?;
    let one = resolver::getaddrinfo(&pod, &resolv_conf, "peers-1.peers").await?;
    tour.log.saw(format_args!("getaddrinfo(\"peers-1.peers\"): {:?}", one.addresses));
    ensure!(one.addresses == [replaced], "peers-1 is at {replaced}");
    let services = dns::query(&pod, DNS_ADDRESS, &format!("_gossip._tcp.{ZONE}"), RecordType::SRV).await?;
    tour.log.saw(services.records.join("\n"));
    for name in ["peers-0", "peers-1"] {
        let target = format!(" 7000 {name}.{ZONE}");
        services
            .records
            .iter()
            .find(|record| record.ends_with(&target))
            .with_context(|| format!("no SRV{target}"))?;
    }
    ensure!(services.records.len() == 2, "{} SRV records", services.records.len());
    Ok(replaced)
}
