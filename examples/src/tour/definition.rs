//! Step 1: a Service gets an address; its endpoints follow the pods.

use anyhow::ensure;

use super::Tour;
use crate::client::http::Get;

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    tour.log
        .did("apply Services my-service (80 -> 9376) and my-service-9376 (no targetPort), and pod myapp-1");
    tour.cluster.apply(include_str!("../../manifests/definition.yaml")).await?;
    let service = tour.cluster.service("default/my-service")?;
    let address = service.cluster_ips()[0];
    tour.log.saw(format_args!("my-service has the virtual address {address}"));
    ensure!(tour.cluster.service_cidr().contains(&address), "{address} is outside the Service range");
    tour.moment_of_proof().await?;

    let shell = tour.cluster.pod_host("default/shell-3")?;
    for (name, port) in [("default/my-service", 80), ("default/my-service-9376", 9376)] {
        let to = tour.cluster.cluster_ip(name, port)?;
        let reply = Get::new(to).send_from(&shell).await?;
        tour.log.saw(format_args!("{to} from shell-3: {}", reply.body().trim()));
        ensure!(reply.server()? == "myapp-1", "{to} was answered by {}", reply.server()?);
    }

    tour.log.did("add pod myapp-2 on the other node");
    tour.cluster.apply(include_str!("../../manifests/definition-more.yaml")).await?;
    let to = tour.cluster.cluster_ip("default/my-service", 80)?;
    let spread = tour.cluster.spread(&shell, &Get::new(to), 60).await?;
    tour.log.saw(&spread);
    ensure!(spread.servers() == ["myapp-1", "myapp-2"], "the endpoints did not follow: {spread}");

    tour.log.did("delete pod myapp-1");
    tour.cluster.delete_pod("default/myapp-1").await?;
    let spread = tour.cluster.spread(&shell, &Get::new(to), 20).await?;
    tour.log.saw(&spread);
    ensure!(spread.servers() == ["myapp-2"], "the endpoints did not follow: {spread}");
    Ok(())
}
