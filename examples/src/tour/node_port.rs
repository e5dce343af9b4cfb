//! Step 3: ClusterIP -> NodePort -> ClusterIP under traffic.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};

use super::Tour;
use crate::client::http::Get;
use crate::client::load::{Count, Load};

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    tour.cluster.apply(include_str!("../../manifests/web.yaml")).await?;
    let before = tour.cluster.cluster_ip("default/web", 80)?;
    tour.log.did("a client in pod shell-3 keeps calling web, a new connection each time");
    let mut load = Load::start(&tour.cluster.pod_host("default/shell-3")?, Get::new(before));
    load.progress(50).await?;
    let shown = while_the_client_talks(tour, &mut load, before).await;
    let count = load.stop().await;
    shown?;
    no_request_failed(tour, &count)
}

fn no_request_failed(tour: &Tour, count: &Count) -> anyhow::Result<()> {
    tour.log.saw(format_args!(
        "the client in shell-3: {} requests succeeded, {} failed",
        count.succeeded, count.failed
    ));
    let first = count.first_failure.as_deref().unwrap_or_default();
    ensure!(count.failed == 0, "{} requests failed, the first: {first}", count.failed);
    Ok(())
}

async fn while_the_client_talks(tour: &mut Tour, load: &mut Load, before: SocketAddr) -> anyhow::Result<()> {
    tour.log.did("edit it to type NodePort");
    tour.cluster.apply(include_str!("../../manifests/web-nodeport.yaml")).await?;
    let service = tour.cluster.service("default/web")?;
    let node_port = service.ports()[0].node_port().context("no nodePort was allocated")?;
    tour.log.saw(format_args!("nodePort {node_port}"));
    load.progress(50).await?;
    tour.moment_of_proof().await?;
    for node in ["server2", "server3"] {
        reached_on(tour, node, node_port).await?;
    }
    tour.log.did("edit it back to ClusterIP");
    tour.cluster.apply(include_str!("../../manifests/web-clusterip.yaml")).await?;
    load.progress(50).await?;
    ensure!(tour.cluster.cluster_ip("default/web", 80)? == before, "the virtual address changed");
    let client = tour.cluster.host("client")?;
    let to = SocketAddr::new(tour.cluster.host("server2")?.address(), node_port);
    match Get::new(to).send_from(&client).await {
        Ok(_) => bail!("{to} still answers"),
        Err(error) => tour.log.saw(format_args!("{error:#}")),
    }
    Ok(())
}

async fn reached_on(tour: &Tour, node: &str, node_port: u16) -> anyhow::Result<()> {
    let client = tour.cluster.host("client")?;
    let to = SocketAddr::new(tour.cluster.host(node)?.address(), node_port);
    let reply = Get::new(to).send_from(&client).await?;
    let source = reply.source()?;
    tour.log.saw(format_args!("{to} from outside: {}", reply.body().trim()));
    let own = tour.cluster.node_addresses(node).await?;
    ensure!(own.contains(&source), "{source} is none of {node}'s addresses {own:?}: not masqueraded");
    Ok(())
}
