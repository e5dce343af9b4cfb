//! Step 12: TLS from Secrets.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use tokio::sync::oneshot;

use super::Tour;
use crate::certificates::{Authority, TlsSecret};
use crate::client::http::{Get, Reply};

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    let (http, https) = super::ingress::controller(tour).await?;
    let authority = Authority::new()?;
    let (secure, other) =
        (authority.secret("secure-tls", "secure.example")?, authority.secret("other-tls", "other.example")?);
    tour.log.did("apply Secrets secure-tls and other-tls and Ingresses for secure.example and other.example");
    for manifest in [&secure.manifest, &other.manifest, include_str!("../../manifests/ingress-tls.yaml")] {
        tour.cluster.apply(manifest).await?;
    }
    tour.moment_of_proof().await?;
    let secure_get = Get::new(https).host("secure.example").tls(authority.client()?);
    let other_get = Get::new(https).host("other.example").tls(authority.client()?);
    chosen_by_name(tour, [(&secure_get, &secure, "shop-1"), (&other_get, &other, "blog-1")]).await?;
    redirected(tour, http).await?;
    replaced(tour, &authority, &secure_get, &secure).await
}

async fn chosen_by_name(tour: &Tour, table: [(&Get, &TlsSecret, &str); 2]) -> anyhow::Result<()> {
    let client = tour.cluster.host("client")?;
    for (get, secret, server) in table {
        let reply = get.send_from(&client).await?;
        tour.log.saw(reply.body());
        ensure!(reply.server()? == server, "answered by {}", reply.server()?);
        ensure!(reply.certificate() == Some(&secret.certificate), "another Secret's certificate was shown");
    }
    tour.log.saw("each by the certificate of its own Secret");
    Ok(())
}

async fn redirected(tour: &Tour, http: SocketAddr) -> anyhow::Result<()> {
    let client = tour.cluster.host("client")?;
    let reply = Get::new(http).host("secure.example").target("/cart?x=1").send_from(&client).await?;
    let location = reply.header("location");
    tour.log.saw(format_args!("http://secure.example/cart?x=1: {} {location}", reply.status()));
    ensure!(reply.status() == 308, "plain HTTP got {}", reply.status());
    ensure!(location == "https://secure.example/cart?x=1", "redirected to {location}");
    Ok(())
}

/// A connection opened before goes on; one opened after sees the new certificate.
async fn replaced(tour: &mut Tour, authority: &Authority, get: &Get, old: &TlsSecret) -> anyhow::Result<()> {
    let client = tour.cluster.host("client")?;
    let (opened, is_open) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let request = get.clone();
    let long_lived = client.spawn(move || async move {
        let mut connection = request.connect().await?;
        let first = connection.get(&request).await?;
        if opened.send(first).is_err() || may_go_on.await.is_err() {
            bail!("the step ended before the connection was used again");
        }
        connection.get(&request).await
    });
    let first = is_open.await.context("the long-lived connection could not be opened")?;
    tour.log.did("replace Secret secure-tls while a connection is open");
    let new = authority.secret("secure-tls", "secure.example")?;
    tour.cluster.apply(&new.manifest).await?;
    let fresh = get.send_from(&client).await?;
    let _ = go_on.send(());
    let second = long_lived.await.context("the old connection did not go on")?;
    shows(&fresh, &new, "a new connection")?;
    shows(&first, old, "the old connection at first")?;
    shows(&second, old, "the old connection")?;
    tour.log.saw("a new connection sees the new certificate, the old connection goes on with the old one");
    Ok(())
}

fn shows(reply: &Reply, secret: &TlsSecret, what: &str) -> anyhow::Result<()> {
    ensure!(reply.status() == 200, "{what} got {}", reply.status());
    ensure!(reply.certificate() == Some(&secret.certificate), "{what} saw the wrong certificate");
    Ok(())
}
