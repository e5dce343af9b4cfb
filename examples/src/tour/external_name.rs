//! Step 5: a Service that is a DNS alias of something outside.

use std::net::SocketAddr;

use anyhow::ensure;
use hickory_proto::rr::RecordType;

use super::Tour;
use crate::client::http::Get;
use crate::client::{dns, resolver};
use crate::cluster::{DNS_ADDRESS, OUTSIDE_PORT};

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    tour.log.did("apply Service database: ExternalName db-1.example.test");
    tour.cluster.apply(include_str!("../../manifests/external-name.yaml")).await?;
    tour.moment_of_proof().await?;
    points_to(tour, "db-1.example.test", "outside-1").await?;
    tour.log.did("edit it to db-2.example.test");
    tour.cluster.apply(include_str!("../../manifests/external-name-moved.yaml")).await?;
    points_to(tour, "db-2.example.test", "outside-2").await
}

/// The pod uses the name `database` and nothing else.
async fn points_to(tour: &Tour, outside: &str, server: &str) -> anyhow::Result<()> {
    let pod = tour.cluster.pod_host("default/shell-3")?;
    let name = "database.default.svc.cluster.local.";
    let answer = dns::query(&pod, DNS_ADDRESS, name, RecordType::A).await?;
    tour.log.saw(answer.records.join("\n"));
    let alias = format!("{name} CNAME {outside}.");
    ensure!(answer.records.contains(&alias), "no `{alias}` in {answer:?}");
    let resolved = resolver::getaddrinfo(&pod, &tour.cluster.resolv_conf("default"), "database").await?;
    tour.log.saw(format_args!(
        "getaddrinfo(\"database\") in shell-3: {} {:?}",
        resolved.canonical, resolved.addresses
    ));
    ensure!(resolved.canonical == outside, "the canonical name is {}", resolved.canonical);
    ensure!(!resolved.addresses.is_empty(), "{outside} has no address");
    let reply = Get::new(SocketAddr::new(resolved.addresses[0], OUTSIDE_PORT)).send_from(&pod).await?;
    tour.log.saw(reply.body());
    ensure!(reply.server()? == server, "reached {} instead of {server}", reply.server()?);
    Ok(())
}
