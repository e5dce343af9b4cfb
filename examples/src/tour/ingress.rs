//! Step 11: HTTP by host name and path.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};

use super::Tour;
use crate::apps::echo;
use crate::client::http::Get;

/// Starts the controller and the Services behind it. Returns where the nodes serve its HTTP and HTTPS ports.
pub(super) async fn controller(tour: &mut Tour) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    tour.log.did("start the Ingress controller as a pod on server3, exposed as a NodePort Service");
    tour.cluster.apply(include_str!("../../manifests/ingress-controller.yaml")).await?;
    tour.cluster.apply(include_str!("../../manifests/ingress-backends.yaml")).await?;
    let service = tour.cluster.service("ingress-nginx/ingress-nginx-controller")?;
    let node = tour.cluster.host("server2")?.address();
    let at = |name: &str| {
        let port = service.ports().iter().find(|port| port.name() == name).and_then(|port| port.node_port());
        anyhow::Ok(SocketAddr::new(node, port.with_context(|| format!("port {name} has no nodePort"))?))
    };
    let (http, https) = (at("http")?, at("https")?);
    tour.log.saw(format_args!("http on {http}, https on {https}"));
    Ok((http, https))
}

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    let (http, _) = controller(tour).await?;
    tour.log.did("apply Ingresses for shop.example (/, /cart, Exact /cart/blog), blog.example (rewritten), and a default");
    tour.cluster.apply(include_str!("../../manifests/ingress.yaml")).await?;
    tour.moment_of_proof().await?;
    let client = tour.cluster.host("client")?;
    let table = [
        ("shop.example", "/", "shop-1", "/"),
        ("shop.example", "/shelf?page=2", "shop-1", "/shelf?page=2"),
        ("shop.example", "/cart", "cart-1", "/cart"),
        ("shop.example", "/cart/42", "cart-1", "/cart/42"),
        ("shop.example", "/cartoon", "shop-1", "/cartoon"),
        ("shop.example", "/cart/blog", "blog-1", "/cart/blog"),
        ("blog.example", "/blog/2026/11?draft=1", "blog-1", "/posts/2026/11?draft=1"),
        ("blog.example", "/blog", "blog-1", "/posts/"),
        ("unknown.example", "/", "fallback-1", "/"),
    ];
    for (host, target, server, seen) in table {
        let reply = Get::new(http).host(host).target(target).send_from(&client).await?;
        tour.log.saw(format_args!("{host}{target}: {}", reply.body().trim()));
        ensure!(
            reply.server()? == server,
            "{host}{target} was answered by {} instead of {server}",
            reply.server()?
        );
        let target_seen = reply.header(echo::TARGET);
        ensure!(target_seen == seen, "{host}{target} reached {server} as {target_seen} instead of {seen}");
    }
    let reply = Get::new(http).host("blog.example").target("/elsewhere").send_from(&client).await?;
    tour.log.saw(format_args!("blog.example/elsewhere: {}", reply.status()));
    ensure!(reply.status() == 404, "a path without a rule got {}", reply.status());
    endpoints_are_followed(tour, http).await
}

async fn endpoints_are_followed(tour: &mut Tour, http: SocketAddr) -> anyhow::Result<()> {
    tour.log.did("pod shop-1 is replaced by shop-2");
    let shop_2 = "
apiVersion: v1
kind: Pod
metadata: {name: shop-2, labels: {app: shop}}
spec: {nodeName: server3, containers: [{ports: [{containerPort: 8080}]}]}
";
    tour.cluster.apply(shop_2).await?;
    tour.cluster.delete_pod("default/shop-1").await?;
    let client = tour.cluster.host("client")?;
    let reply = Get::new(http).host("shop.example").send_from(&client).await?;
    tour.log.saw(format_args!("shop.example/: {}", reply.body().trim()));
    ensure!(reply.server()? == "shop-2", "answered by {}", reply.server()?);
    Ok(())
}
