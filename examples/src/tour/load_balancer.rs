//! Step 4: a cloud's load balancer, in both kinds that clouds have.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, ensure};
use svc_model::{IpMode, Service};

use super::Tour;
use crate::client::http::Get;

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    tour.log.did("apply two Services of type LoadBalancer; the cloud's provider gives each an address");
    tour.cluster.apply(include_str!("../../manifests/balanced.yaml")).await?;
    let proxied = tour.cluster.service("default/proxied")?;
    let routed = tour.cluster.service("default/routed")?;
    let (proxied_ip, routed_ip) = (assigned(&proxied, IpMode::Proxy)?, assigned(&routed, IpMode::Vip)?);
    tour.log.saw(format_args!(
        "proxied: {proxied_ip} (ipMode Proxy)\nrouted: {routed_ip} (ipMode VIP, externalTrafficPolicy Local)"
    ));
    let node_port = proxied.ports()[0].node_port().context("proxied has no nodePort")?;
    let server2 = tour.cluster.host("server2")?.address();
    tour.cluster.cloud().proxy(proxied_ip, 80, SocketAddr::new(server2, node_port)).await?;
    let server3 = tour.cluster.host("server3")?.address();
    tour.cluster.cloud().route(routed_ip, server3).await?;
    tour.cluster.route("client", &proxied_ip.to_string(), "172.20.10.60").await?;
    tour.cluster.route("client", &routed_ip.to_string(), "172.20.10.60").await?;
    tour.moment_of_proof().await?;
    through_a_proxy(tour, proxied_ip).await?;
    passed_through(tour, routed_ip).await
}

/// client -> balancer -> node:nodePort -> pod, both addresses rewritten on the balancer.
async fn through_a_proxy(tour: &mut Tour, address: IpAddr) -> anyhow::Result<()> {
    let client = tour.cluster.host("client")?;
    tour.log.did(format_args!("proxying: client -> {address} on the balancer -> server2's nodePort -> pod"));
    let reply = Get::new(SocketAddr::new(address, 80)).send_from(&client).await?;
    tour.log.saw(reply.body());
    ensure!(reply.server()? == "balanced-1", "answered by {}", reply.server()?);
    ensure!(reply.source()? != client.address(), "the client's address cannot survive a proxying balancer");
    Ok(())
}

/// The balancer forwards the packets as they are; the node answers for the address, and directly.
async fn passed_through(tour: &mut Tour, address: IpAddr) -> anyhow::Result<()> {
    let client = tour.cluster.host("client")?;
    let node = tour.cluster.host("server3")?;
    let mut capture = node.capture("eth0").await?;
    tour.log.did(format_args!(
        "passthrough: client -> {address}, routed unchanged to server3, which has the endpoint"
    ));
    let reply = Get::new(SocketAddr::new(address, 80)).send_from(&client).await?;
    tour.log.saw(reply.body());
    ensure!(reply.server()? == "balanced-1", "answered by {}", reply.server()?);
    ensure!(reply.source()? == client.address(), "the pod saw {} instead of the client", reply.source()?);
    let answer = crate::cluster::captured(&mut capture, |packet| {
        packet.ip().is_some_and(|ip| ip.src == address && ip.dst == client.address())
    })
    .await
    .context("server3 did not answer the client directly")?;
    tour.log.saw(format_args!("on server3's eth0: {answer}"));
    Ok(())
}

fn assigned(service: &Service, mode: IpMode) -> anyhow::Result<IpAddr> {
    let ingress = service.load_balancer_ingress().first();
    let ingress = ingress.with_context(|| format!("{} was given no address", service.name()))?;
    ensure!(ingress.ip_mode() == mode, "{} has ipMode {:?}", service.name(), ingress.ip_mode());
    ingress.ip().with_context(|| format!("{} was given a name, not an address", service.name()))
}
