//! Step 9: from one mode of the proxies to the others and back, under traffic.

use anyhow::{Context as _, bail, ensure};
use svc_lab::Host;
use svc_proxy::Backend;

use super::{Lacking, Tour};
use crate::client::http::{Connection, Get};
use crate::client::load::Load;

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    tour.cluster.apply(include_str!("../../manifests/web.yaml")).await?;
    tour.cluster.apply(include_str!("../../manifests/web-nodeport.yaml")).await?;
    let service = tour.cluster.service("default/web")?;
    let node_port = service.ports()[0].node_port().context("no nodePort was allocated")?;
    let inside = (tour.cluster.pod_host("default/shell-3")?, tour.cluster.cluster_ip("default/web", 80)?);
    let server2 = tour.cluster.host("server2")?.address();
    let outside = (tour.cluster.host("client")?, (server2, node_port).into());
    let clients = [inside, outside].map(|(host, to)| (host, Get::new(to)));
    tour.log.did("clients in pod shell-3 and outside keep calling web, a new connection each time");
    let mut loads = clients.clone().map(|(host, get)| Load::start(&host, get));
    let shown = through_the_modes(tour, &mut loads, &clients).await;
    let mut counts = Vec::new();
    for ((host, _), load) in clients.iter().zip(loads) {
        counts.push((host.name().to_owned(), load.stop().await));
    }
    let lacking = shown?;
    for (place, count) in counts {
        let (succeeded, failed) = (count.succeeded, count.failed);
        tour.log.saw(format_args!("the client at {place}: {succeeded} requests succeeded, {failed} failed"));
        let first = count.first_failure.as_deref().unwrap_or_default();
        ensure!(failed == 0, "{failed} requests from {place} failed, the first: {first}");
    }
    match lacking {
        Some(error) => bail!(Lacking(format!("mode ipvs, the others were shown: {error}"))),
        None => Ok(()),
    }
}

/// Tells why there is no mode ipvs, if there is none.
async fn through_the_modes(
    tour: &mut Tour,
    loads: &mut [Load],
    clients: &[(Host, Get)],
) -> anyhow::Result<Option<svc_proxy::Error>> {
    let first = tour.cluster.backend();
    let lacking = tour.cluster.lacks("server2", Backend::Ipvs).await?;
    let mut modes = vec![Backend::Nftables, Backend::Iptables, Backend::Ipvs];
    modes.retain(|mode| *mode != Backend::Ipvs || lacking.is_none());
    let start = modes.iter().position(|mode| *mode == first).context("its own mode is not there")?;
    modes.rotate_left(start);
    let second = modes[1];
    modes.push(first);
    let mut lasting = Vec::new();
    for (former, next) in modes.iter().copied().zip(modes.iter().copied().skip(1)) {
        for (host, get) in clients {
            lasting.push(Lasting::open(host, get).await?);
        }
        tour.log.did(format_args!("switch both nodes from {former} to {next}"));
        for node in ["server2", "server3"] {
            match tour.cluster.switch(node, next).await {
                Err(svc_proxy::Error::Iptables(error)) if error.is_missing() => {
                    bail!(Lacking(format!("{} (package iptables) to go with it", error.program())));
                }
                switched => switched?,
            }
            lasting = exchanged(lasting).await?;
        }
        if next == second {
            tour.moment_of_proof().await?;
        }
        for load in &mut *loads {
            load.progress(50).await?;
        }
        lasting = exchanged(lasting).await?;
        for node in ["server2", "server3"] {
            let (now, left) =
                (tour.cluster.rules(node, next).await?, tour.cluster.rules(node, former).await?);
            tour.log.saw(format_args!("{node}: {now} chains of {next}, {left} of {former}"));
            ensure!(now > 0, "{node} has no rules of {next}");
            ensure!(left == 0, "{node} has {left} chains of {former} still");
        }
    }
    let answers: usize = lasting.iter().map(|lasting| lasting.answers).sum();
    tour.log.saw(format_args!(
        "{} connections lasted through the switches: {answers} requests on them, each answered",
        lasting.len()
    ));
    Ok(lacking)
}

/// A connection that is used again and again.
struct Lasting {
    host: Host,
    get: Get,
    connection: Connection,
    server: String,
    answers: usize,
}

impl Lasting {
    async fn open(host: &Host, get: &Get) -> anyhow::Result<Self> {
        let request = get.clone();
        let (connection, server) = host
            .run(move || async move {
                let mut connection = request.connect().await?;
                let server = connection.get(&request).await?.server()?.to_owned();
                anyhow::Ok((connection, server))
            })
            .await?;
        Ok(Self { host: host.clone(), get: get.clone(), connection, server, answers: 1 })
    }

    /// Ten requests more, answered by the same server.
    async fn exchange(self) -> anyhow::Result<Self> {
        let Self { host, get, mut connection, server, answers } = self;
        let (place, request) = (host.name().to_owned(), get.clone());
        let answered = host.run(move || async move {
            for _ in 0..10 {
                let reply = connection.get(&request).await?;
                ensure!(reply.server()? == server, "{} answers for {server}", reply.server()?);
            }
            Ok((connection, server))
        });
        let (connection, server) =
            answered.await.with_context(|| format!("a connection from {place} did not last"))?;
        Ok(Self { host, get, connection, server, answers: answers + 10 })
    }
}

async fn exchanged(all: Vec<Lasting>) -> anyhow::Result<Vec<Lasting>> {
    let mut after = Vec::new();
    for lasting in all {
        after.push(lasting.exchange().await?);
    }
    Ok(after)
}
