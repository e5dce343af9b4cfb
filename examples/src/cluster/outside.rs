//! What is not in the cluster: a client, the public name server, a cloud's balancer.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};

use svc_lab::{Host, Lab, Task};

use super::OUTSIDE_PORT;
use crate::apps::balancer::Cloud;
use crate::apps::{echo, public_dns};

#[derive(Debug)]
pub(super) struct Outside {
    client: Host,
    dns: Host,
    pub(super) cloud: Cloud,
    pub(super) asked: public_dns::Asked,
    _serving: Vec<Task<()>>,
}

impl Outside {
    pub(super) async fn start(lab: &Lab) -> anyhow::Result<Self> {
        let client = lab.host("client").address("172.20.10.50/24").create().await?;
        let dns = lab.host("dns").address("172.20.10.53/24").create().await?;
        let balancer = lab.host("balancer").address("172.20.10.60/24").create().await?;
        let (asked, names) = name_server(&dns).await?;
        let serving =
            vec![names, echo_server(&client, "outside-1").await?, echo_server(&dns, "outside-2").await?];
        Ok(Self { client, dns, cloud: Cloud::new(balancer).await?, asked, _serving: serving })
    }

    pub(super) fn host(&self, name: &str) -> Option<Host> {
        self.hosts().into_iter().find(|host| host.name() == name).cloned()
    }

    pub(super) fn hosts(&self) -> [&Host; 3] {
        [&self.client, &self.dns, self.cloud.host()]
    }
}

async fn name_server(host: &Host) -> anyhow::Result<(public_dns::Asked, Task<()>)> {
    let address = SocketAddr::new(host.address(), 53);
    let (client, dns) = (Ipv4Addr::new(172, 20, 10, 50), Ipv4Addr::new(172, 20, 10, 53));
    let names = BTreeMap::from([
        ("db-1.example.test.", client),
        ("db-2.example.test.", dns),
        ("www.example.test.", client),
    ]);
    start(host, move || public_dns::serve(address, names)).await
}

async fn echo_server(host: &Host, name: &'static str) -> anyhow::Result<Task<()>> {
    let started = start(host, move || async move { Ok(((), echo::http(name, OUTSIDE_PORT).await?)) });
    Ok(started.await?.1)
}

/// Starts a server on a host: `make` binds it, what it returns runs on.
pub(super) async fn start<T, F, Made, Serving>(host: &Host, make: F) -> anyhow::Result<(T, Task<()>)>
where
    T: Send + 'static,
    F: FnOnce() -> Made + Send + 'static,
    Made: Future<Output = anyhow::Result<(T, Serving)>> + 'static,
    Serving: Future<Output = ()> + 'static,
{
    let (bound, is_bound) = tokio::sync::oneshot::channel();
    let task = host.spawn(move || async move {
        match make().await {
            Ok((value, serving)) => {
                let _ = bound.send(Ok(value));
                serving.await;
            }
            Err(error) => drop(bound.send(Err(error))),
        }
    });
    Ok((is_bound.await??, task))
}
