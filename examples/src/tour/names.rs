//! Step 8: cluster DNS as a pod's C library sees it.

use anyhow::{bail, ensure};

use super::Tour;
use crate::client::resolver::{getaddrinfo, getnameinfo};

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    tour.log.did("apply Service names in the namespaces default and shop");
    tour.cluster.apply(include_str!("../../manifests/names.yaml")).await?;
    let pod = tour.cluster.pod_host("default/shell-3")?;
    let resolv_conf = tour.cluster.resolv_conf("default");
    tour.log.did("in a process inside pod shell-3, with its own resolv.conf:");
    tour.log.saw(&resolv_conf);
    let here = tour.cluster.cluster_ip("default/names", 80)?.ip();
    let there = tour.cluster.cluster_ip("shop/names", 80)?.ip();
    tour.moment_of_proof().await?;
    let table = [("names", here), ("names.shop", there), ("names.default.svc.cluster.local", here)];
    for (name, address) in table {
        let found = getaddrinfo(&pod, &resolv_conf, name).await?.addresses;
        tour.log.saw(format_args!("getaddrinfo(\"{name}\") = {found:?}"));
        ensure!(found == [address], "{name} is {address}");
    }
    let name = getnameinfo(&pod, &resolv_conf, here).await?;
    tour.log.saw(format_args!("getnameinfo({here}) = {name}"));
    ensure!(name == "names.default.svc.cluster.local", "{here} is names.default");
    outside(tour, &resolv_conf).await?;
    moved(tour, &resolv_conf).await
}

async fn outside(tour: &Tour, resolv_conf: &str) -> anyhow::Result<()> {
    let pod = tour.cluster.pod_host("default/shell-3")?;
    let found = getaddrinfo(&pod, resolv_conf, "www.example.test").await?.addresses;
    tour.log.saw(format_args!("getaddrinfo(\"www.example.test\") = {found:?}, from the public name server"));
    ensure!(found == [tour.cluster.host("client")?.address()], "the public name server says otherwise");
    let asked = tour.cluster.asked_outside();
    ensure!(
        asked.iter().any(|name| name == "www.example.test."),
        "the public name server was not asked: {asked:?}"
    );
    if let Some(leak) = asked.iter().find(|name| name.ends_with("cluster.local.")) {
        bail!("a cluster name leaked to the public name server: {leak}");
    }
    Ok(())
}

/// A ClusterIP cannot be edited; a Service made anew gets another and the name follows.
async fn moved(tour: &mut Tour, resolv_conf: &str) -> anyhow::Result<()> {
    let pod = tour.cluster.pod_host("default/shell-3")?;
    tour.log.did("delete Service names and make it anew with clusterIP 10.96.0.77");
    tour.cluster.delete_service("default/names").await?;
    match getaddrinfo(&pod, resolv_conf, "names").await {
        Ok(found) => bail!("the deleted Service still has the addresses {:?}", found.addresses),
        Err(error) => tour.log.saw(format_args!("{error:#}")),
    }
    tour.cluster.apply(include_str!("../../manifests/names-moved.yaml")).await?;
    let found = getaddrinfo(&pod, resolv_conf, "names").await?.addresses;
    tour.log.saw(format_args!("getaddrinfo(\"names\") = {found:?}"));
    ensure!(found == ["10.96.0.77".parse::<std::net::IpAddr>()?], "the name did not follow");
    Ok(())
}
