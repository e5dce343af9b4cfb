//! Step 2: a ClusterIP from every place.

use anyhow::{bail, ensure};

use super::{Lacking, Tour};
use crate::client::http::Get;
use crate::cluster::BRIDGE_SYSCTL;

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    tour.log.did("apply Service web with web-1 and web-2 on server2 and web-3 on server3");
    tour.cluster.apply(include_str!("../../manifests/web.yaml")).await?;
    let get = Get::new(tour.cluster.cluster_ip("default/web", 80)?);
    tour.moment_of_proof().await?;
    bridged_traffic_is_filtered(tour).await?;
    for (pod, node) in [("shell-2", "server2"), ("shell-3", "server3")] {
        tour.log.did(format_args!("60 connections from {pod} on {node}"));
        let shell = tour.cluster.pod_host(&format!("default/{pod}"))?;
        let spread = tour.cluster.spread(&shell, &get, 60).await?;
        tour.log.saw(&spread);
        ensure!(spread.servers() == ["web-1", "web-2", "web-3"], "not every endpoint was used: {spread}");
    }
    from_outside(tour, &get).await
}

/// The lab had switched it off; without it, web-1 could not answer its neighbour shell-2 under the virtual address.
async fn bridged_traffic_is_filtered(tour: &Tour) -> anyhow::Result<()> {
    for node in ["server2", "server3"] {
        let value = match tour.cluster.host(node)?.sysctl(BRIDGE_SYSCTL).await {
            Err(error) if error.is_not_found() => bail!(Lacking("br_netfilter".to_owned())),
            value => value?,
        };
        tour.log.saw(format_args!("{node}: {BRIDGE_SYSCTL} = {value} (the lab had set 0)"));
        ensure!(value == "1", "{node} did not switch {BRIDGE_SYSCTL} on");
    }
    Ok(())
}

async fn from_outside(tour: &mut Tour, get: &Get) -> anyhow::Result<()> {
    let client = tour.cluster.host("client")?;
    tour.log.did("from outside, without a route");
    match get.send_from(&client).await {
        Ok(reply) => bail!("a client outside reached the virtual address: {}", reply.body()),
        Err(error) => tour.log.saw(format_args!("{error:#}")),
    }
    tour.log.did("from outside, with a route to the virtual addresses by way of server2");
    tour.cluster.route("client", "10.96.0.0/12", "172.20.10.2").await?;
    let reply = get.send_from(&client).await?;
    tour.log.saw(reply.body());
    let source = reply.source()?;
    ensure!(source != client.address(), "the client's address was not masqueraded");
    let own = tour.cluster.node_addresses("server2").await?;
    ensure!(own.contains(&source), "masqueraded as {source}, which is none of server2's addresses {own:?}");
    tour.log.saw(format_args!("the pod saw {source}, an address of server2: masqueraded"));
    Ok(())
}
