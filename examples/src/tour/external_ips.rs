//! Step 7: an outside address that someone routes to the nodes.

use anyhow::ensure;
use svc_model::yaml;

use super::Tour;
use crate::client::http::Get;

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    tour.log.did("apply Service edge with externalIPs 172.20.10.80, routed by the network to server2");
    tour.cluster.apply(include_str!("../../manifests/external-ips.yaml")).await?;
    tour.cluster.route("client", "172.20.10.80", "172.20.10.2").await?;
    tour.moment_of_proof().await?;
    let client = tour.cluster.host("client")?;
    let reply = Get::new("172.20.10.80:80".parse()?).send_from(&client).await?;
    tour.log.saw(reply.body());
    ensure!(reply.server()? == "edge-1", "answered by {}", reply.server()?);

    tour.log.did("apply one with externalIPs 127.0.0.1 and 0.0.0.0");
    let invalid = yaml::read(include_str!("../../manifests/external-ips-invalid.yaml"));
    let problems = tour.cluster.apply_manifests(&invalid).await?;
    for (problem, address) in problems.iter().zip(["127.0.0.1", "0.0.0.0"]) {
        tour.log.saw(problem);
        let text = problem.to_string();
        let named = ["edge-of-nowhere", "spec.externalIPs", address].iter().all(|part| text.contains(part));
        ensure!(named, "the error does not name the object, the field and {address}: {text}");
    }
    ensure!(problems.len() == 2, "{} problems were reported, not 2", problems.len());
    ensure!(tour.cluster.service("default/edge-of-nowhere").is_err(), "it was accepted all the same");
    let reply = Get::new("172.20.10.80:80".parse()?).send_from(&client).await?;
    ensure!(reply.server()? == "edge-1", "the valid Service stopped working");
    Ok(())
}
