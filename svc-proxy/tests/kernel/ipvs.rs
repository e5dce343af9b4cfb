//! What is IPVS' own: virtual servers of others, connections that outlive their endpoint, modes that follow one another.

use std::net::SocketAddr;
use std::time::Duration;

use libtest_mimic::Trial;
use svc_ipvs::{Command, Dataplane as _, Listed, Scheduler, Service, ServiceId};
use svc_lab::{Host, Lab, Result};
use svc_model::{Kind, ObjectName, ObjectRef};
use svc_nft::Dataplane as _;
use svc_proxy::{Backend, ProxyBuilder, ipvs};

use crate::On;
use crate::cluster::{Cluster, web};
use crate::traffic::{Held, Load, ask, hold};

const ALL: [&str; 3] = ["a", "b", "remote"];
/// How long the kernel may take to see that a connection has ended.
const SOON: Duration = Duration::from_secs(60);

pub fn trials() -> Vec<Trial> {
    let on = On::Ipvs;
    vec![
        on.trial("the_tool_shows_what_we_mean", shown),
        on.trial("other_programs_virtual_servers_are_left_alone", foreign),
        on.trial("a_connection_outlives_its_endpoint_and_a_returned_endpoint_keeps_it", graceful),
        on.trial("a_successor_finds_everything_right", successor),
        on.trial("an_unknown_scheduler_changes_nothing", scheduler),
        on.trial("no_connection_fails_from_mode_to_mode", switching),
        on.trial("nothing_is_left_of_the_mode_when_its_connections_have_drained", drained),
    ]
}

async fn servers(host: &Host) -> Result<Vec<Listed>> {
    Ok(host.run(|| async { svc_ipvs::Socket::open()?.list() }).await?)
}

async fn send(host: &Host, commands: Vec<Command>) -> Result {
    let refused = host.run(|| async move { svc_ipvs::Socket::open()?.apply(&commands) }).await?;
    assert!(refused.is_empty(), "{refused:?}");
    Ok(())
}

fn id(address: &str) -> ServiceId {
    ServiceId::tcp(address.parse().unwrap())
}

/// The destinations of a virtual server, with their weights.
async fn real(host: &Host, address: &str) -> Result<Vec<(SocketAddr, u32)>> {
    let all = servers(host).await?;
    let listed = all.iter().find(|listed| listed.service().id() == id(address));
    let destinations = listed.map(Listed::destinations).unwrap_or_default().iter();
    Ok(destinations.map(|one| (one.destination.address(), one.destination.weight())).collect())
}

async fn until<F: AsyncFn() -> Result<bool>>(what: &str, holds: F) -> Result {
    let deadline = tokio::time::Instant::now() + SOON;
    while !holds().await? {
        if tokio::time::Instant::now() > deadline {
            return Err(format!("not within {SOON:?}: {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn shown(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: NodePort", "", &["a", "remote"])).await?;
    let mut command = tokio::process::Command::new("ipvsadm");
    command.args(["-S", "-n"]);
    let output = String::from_utf8(cluster.node.command(command).output().await?.stdout)?;
    let mut lines: Vec<_> = output.lines().map(str::trim_end).collect();
    lines.sort_unstable();
    let expected = [
        "-A -t 10.96.0.80:80 -s rr",
        "-A -t 172.20.10.2:30080 -s rr",
        "-a -t 10.96.0.80:80 -r 10.244.2.65:9376 -m -w 1",
        "-a -t 10.96.0.80:80 -r 10.244.5.104:9376 -m -w 1",
        "-a -t 172.20.10.2:30080 -r 10.244.2.65:9376 -m -w 1",
        "-a -t 172.20.10.2:30080 -r 10.244.5.104:9376 -m -w 1",
    ];
    assert_eq!(lines, expected);
    Ok(())
}

async fn foreign(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    let theirs = Service::new(id("172.20.10.2:7777"), Scheduler::LC);
    let rival = Service::new(id("172.20.10.2:30080"), Scheduler::LC);
    send(&cluster.node, vec![Command::AddService(theirs), Command::AddService(rival)]).await?;
    let other =
        web("type: ClusterIP", "", &["b"]).replace("web", "other").replace("10.96.0.80", "10.96.0.81");
    let other = other.replace(", nodePort: 30080", "");
    cluster.apply(&format!("{}\n---\n{other}", web("type: NodePort", "", &["a"]))).await?;
    // Whoever would have to change what is another program's is set aside, the others are served.
    assert_eq!(ask(&cluster.pods[2], "10.96.0.81:80").await?.server, "b");
    let status = cluster.handle.status();
    let aside: Vec<_> = status.rejections().iter().map(|rejection| rejection.service().name()).collect();
    assert_eq!(aside, ["web"], "{status:?}");
    cluster.handle.clean_up().await?;
    let left: Vec<_> = servers(&cluster.node).await?.iter().map(|one| one.service().to_string()).collect();
    assert_eq!(left, ["-t 172.20.10.2:7777 -s lc", "-t 172.20.10.2:30080 -s lc"]);
    Ok(())
}

async fn graceful(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: ClusterIP", "", &["a"])).await?;
    let mut held = hold(&cluster.client, "10.96.0.80:80").await?;
    let a: SocketAddr = "10.244.2.65:9376".parse()?;
    let b: SocketAddr = "10.244.2.66:9376".parse()?;
    cluster.apply(&web("type: ClusterIP", "", &["b"])).await?;
    held = held.exchange(&cluster.client).await?;
    assert_eq!(real(&cluster.node, "10.96.0.80:80").await?, [(a, 0), (b, 1)]);
    let mut others = Vec::new();
    for _ in 0..5 {
        let other = hold(&cluster.pods[2], "10.96.0.80:80").await?;
        assert_eq!(other.server, "b");
        others.push(other);
    }
    // It comes back, with the connection that it has.
    cluster.apply(&web("type: ClusterIP", "", &["a", "b"])).await?;
    assert_eq!(real(&cluster.node, "10.96.0.80:80").await?, [(a, 1), (b, 1)]);
    held = held.exchange(&cluster.client).await?;
    // The Service itself goes: the connection stays, and after its end nothing is left.
    cluster.delete([ObjectRef::new(Kind::Service, ObjectName::new("default", "web"))]).await?;
    held = held.exchange(&cluster.client).await?;
    for other in others {
        other.reset(&cluster.pods[2]).await?;
    }
    held.reset(&cluster.client).await?;
    until("the virtual server goes with its last connection", async || {
        Ok(servers(&cluster.node).await?.is_empty())
    })
    .await
}

async fn successor(lab: Lab) -> Result {
    let mut cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: NodePort", "", &ALL)).await?;
    let before = servers(&cluster.node).await?;
    let mut held = hold(&cluster.client, "172.20.10.2:30080").await?;
    cluster.stop();
    let load = Load::start(&[(&cluster.pods[2], "10.96.0.80:80"), (&cluster.client, "172.20.10.2:30080")]);
    cluster.restart();
    cluster.apply("").await?;
    held = held.exchange(&cluster.client).await?;
    drop(held);
    load.finish().await?;
    assert_eq!(servers(&cluster.node).await?, before);
    Ok(())
}

async fn scheduler(lab: Lab) -> Result {
    let mut cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: NodePort", "", &ALL)).await?;
    let before = servers(&cluster.node).await?;
    cluster.stop();
    let unknown = ipvs::Backend::default().scheduler("nosuch".parse()?);
    cluster.restart_with(|proxy| proxy.ipvs(unknown.clone()));
    let error = cluster.apply("").await.unwrap_err().to_string();
    assert!(
        error.contains("no scheduler nosuch in this kernel: load it with `modprobe ip_vs_nosuch`"),
        "{error}"
    );
    assert_eq!(servers(&cluster.node).await?, before);
    ask(&cluster.client, "172.20.10.2:30080").await?;
    Ok(())
}

/// Nothing of IPVS is in a host's kernel.
async fn is_gone(host: &Host) -> Result<bool> {
    let tables = host.run(|| async { svc_nft::Socket::open()?.list_tables() }).await?;
    let device = host.run(|| async {
        Ok::<_, std::io::Error>(std::path::Path::new("/sys/class/net/kube-ipvs0").exists())
    });
    let glue = tables.iter().any(|table| table.name().starts_with("svc-proxy-ipvs"));
    Ok(servers(host).await?.is_empty() && !glue && !device.await?)
}

async fn drained(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: NodePort", "", &ALL)).await?;
    let mut held: Vec<(&Host, Held)> = Vec::new();
    for (host, to) in [(&cluster.pods[2], "10.96.0.80:80"), (&cluster.client, "172.20.10.2:30080")] {
        held.push((host, hold(host, to).await?));
    }
    cluster.handle.switch(Backend::Nftables).await?;
    ask(&cluster.client, "172.20.10.2:30080").await?;
    assert_eq!(servers(&cluster.node).await?.len(), 2, "they have connections still");
    for (host, connection) in held {
        connection.exchange(host).await?.reset(host).await?;
    }
    until("nothing of the former mode is left", async || is_gone(&cluster.node).await).await?;
    ask(&cluster.client, "172.20.10.2:30080").await?;
    Ok(())
}

async fn switching(lab: Lab) -> Result {
    let begins = |proxy: ProxyBuilder| proxy.backend(Backend::Nftables);
    let mut cluster = Cluster::with(&lab, begins).await?;
    cluster.stop();
    cluster.restart_aside(begins);
    let sticky = web("sessionAffinity: ClientIP", "", &["a", "remote"])
        .replace("web", "sticky")
        .replace("10.96.0.80", "10.96.0.81")
        .replace(", nodePort: 30080", "");
    cluster.apply(&format!("{}\n---\n{sticky}", web("type: NodePort", "", &ALL))).await?;
    let [pod, client] = [&cluster.pods[2], &cluster.client];
    let mut load = Load::start(&[
        (pod, "10.96.0.80:80"),
        (&cluster.pods[0], "10.96.0.80:80"),
        (pod, "10.96.0.81:80"),
        (client, "10.96.0.80:80"),
        (client, "172.20.10.2:30080"),
        (&cluster.node, "10.96.0.80:80"),
    ]);
    let mut held: Vec<(&Host, Held)> = Vec::new();
    for backend in [Backend::Iptables, Backend::Ipvs, Backend::Nftables, Backend::Ipvs, Backend::Nftables] {
        for (host, to) in
            [(pod, "10.96.0.80:80"), (client, "172.20.10.2:30080"), (&cluster.node, "10.96.0.80:80")]
        {
            held.push((host, hold(host, to).await?));
        }
        cluster.handle.switch(backend).await?;
        let mut after = Vec::new();
        for (host, connection) in held {
            after.push((host, connection.exchange(host).await?));
        }
        held = after;
        assert_eq!(cluster.handle.status().backend(), backend);
        // Whoever connected in the switch has to be through it, and others after it.
        load.progress(3).await?;
    }
    load.finish().await?;
    assert_eq!(cluster.handle.status().error(), None);
    Ok(())
}
