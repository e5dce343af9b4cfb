//! Step 13: basic authentication from an htpasswd Secret.

use anyhow::ensure;

use super::Tour;
use crate::apps::echo;
use crate::client::http::Get;

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    let (http, _) = super::ingress::controller(tour).await?;
    tour.log.did("apply Secret members (htpasswd: ada) and an Ingress with auth-type basic");
    tour.cluster.apply(&htpasswd("ada", "lovelace")?).await?;
    tour.cluster.apply(include_str!("../../manifests/ingress-auth.yaml")).await?;
    tour.moment_of_proof().await?;
    let get = Get::new(http).host("members.example");
    let ada = get.clone().basic_auth("ada", "lovelace");
    let reply = expect(tour, "without credentials", &get, 401).await?;
    ensure!(
        reply.header("www-authenticate") == "Basic realm=\"Members only\"",
        "{}",
        reply.header("www-authenticate")
    );
    let reply = expect(tour, "ada with her password", &ada, 200).await?;
    ensure!(reply.server()? == "shop-1", "answered by {}", reply.server()?);
    ensure!(reply.header(echo::AUTHORIZATION) == "none", "the password was passed on to the backend");
    expect(tour, "ada with another password", &get.clone().basic_auth("ada", "byron"), 401).await?;
    expect(tour, "somebody else", &get.clone().basic_auth("eve", "lovelace"), 401).await?;

    tour.log.did("edit the Secret: grace instead of ada");
    tour.cluster.apply(&htpasswd("grace", "hopper")?).await?;
    expect(tour, "ada with her password", &ada, 401).await?;
    expect(tour, "grace with hers", &get.basic_auth("grace", "hopper"), 200).await?;
    Ok(())
}

async fn expect(
    tour: &Tour,
    who: &str,
    get: &Get,
    status: u16,
) -> anyhow::Result<crate::client::http::Reply> {
    let reply = get.send_from(&tour.cluster.host("client")?).await?;
    tour.log.saw(format_args!("{who}: {}", reply.status()));
    ensure!(
        reply.status() == status,
        "{who} got {} instead of {status}: {}",
        reply.status(),
        reply.body().trim()
    );
    Ok(reply)
}

/// As `htpasswd -B` writes it; a low cost, since the password is no secret here.
fn htpasswd(user: &str, password: &str) -> anyhow::Result<String> {
    let hash = bcrypt::hash(password, 5)?;
    Ok(format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: members}}\nstringData:\n  auth: '{user}:{hash}'\n"
    ))
}
