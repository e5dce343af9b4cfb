//! Updates under traffic, restart, clean-up.

use libtest_mimic::Trial;
use svc_lab::{Host, Lab, Result};
use svc_model::{Kind, ObjectName, ObjectRef};
use svc_nft::{
    Batch, Chain, ChainType, Dataplane as _, Family, Hook, Priority, Socket, Statement, Table, TableId,
};
use svc_proxy::{Proxy, sysctl::Finding};

use crate::cluster::{Cluster, node_config, web};
use crate::traffic::{Load, ask, hold};
use crate::trial;

const SYSCTLS: [&str; 2] = ["net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"];

pub fn trials() -> Vec<Trial> {
    vec![
        trial("updates_fail_no_connection", updates),
        trial("connections_outlive_their_service", established),
        trial("a_successor_takes_over_under_traffic", restart),
        trial("clean_up_leaves_the_host_as_it_was", clean_up),
        trial("a_successor_restores_what_a_killed_driver_set", clean_up_after_kill),
        trial("settings_that_somebody_undoes_are_set_again", settings_undone),
        trial("a_table_of_somebody_else_is_left_alone", foreign_table),
    ]
}

async fn updates(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: ClusterIP", "", &["a", "remote"])).await?;
    let clients = [&cluster.pods[2], &cluster.client, &cluster.node].map(|host| (host, "10.96.0.80:80"));
    let load = Load::start(&clients);
    let specs = [
        "type: NodePort",
        "type: NodePort, externalIPs: [192.0.2.10]",
        "type: NodePort, sessionAffinity: ClientIP",
        "type: LoadBalancer, externalTrafficPolicy: Local, sessionAffinity: ClientIP",
        "type: ClusterIP, sessionAffinity: ClientIP",
        "type: ClusterIP",
    ];
    let sets: [&[&str]; 4] = [&["a", "remote"], &["a", "b", "remote"], &["b"], &["b", "remote"]];
    for spec in specs.iter().cycle().take(18) {
        for endpoints in sets {
            cluster.apply(&web(spec, "", endpoints)).await?;
        }
    }
    let counts = load.finish().await?;
    assert!(counts.iter().all(|&count| count > 10), "{counts:?}");
    Ok(())
}

async fn established(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: NodePort", "", &["a", "remote"])).await?;
    let mut inside = hold(&cluster.pods[2], "10.96.0.80:80").await?;
    let mut outside = hold(&cluster.client, "172.20.10.2:30080").await?;
    let other = if inside.server == "a" { "remote" } else { "a" };
    cluster.apply(&web("type: NodePort", "", &[other])).await?;
    inside = inside.exchange(&cluster.pods[2]).await?;
    outside = outside.exchange(&cluster.client).await?;
    cluster.apply(&web("type: NodePort", "", &[])).await?;
    inside = inside.exchange(&cluster.pods[2]).await?;
    outside = outside.exchange(&cluster.client).await?;
    cluster.delete([ObjectRef::new(Kind::Service, ObjectName::new("default", "web"))]).await?;
    inside.exchange(&cluster.pods[2]).await?;
    outside.exchange(&cluster.client).await?;
    Ok(())
}

async fn restart(lab: Lab) -> Result {
    let mut cluster = Cluster::new(&lab).await?;
    let sticky = "type: ClusterIP, sessionAffinity: ClientIP";
    cluster.apply(&web(sticky, "", &["a", "b", "remote"])).await?;
    let first = ask(&cluster.pods[2], "10.96.0.80:80").await?.server;
    let before = generation(&cluster.node).await?;
    let load = Load::start(&[(&cluster.pods[2], "10.96.0.80:80"), (&cluster.client, "10.96.0.80:80")]);
    for _ in 0..5 {
        // As if killed: the future is gone from one moment to the next.
        cluster.restart();
        cluster.handle.programmed(cluster.store.snapshot().revision()).await?;
    }
    assert_eq!(generation(&cluster.node).await?, before, "a successor rewrote what was right");
    cluster.apply(&web(sticky, "", &["remote", "b", "a"])).await?;
    load.finish().await?;
    assert_eq!(ask(&cluster.pods[2], "10.96.0.80:80").await?.server, first);
    Ok(())
}

async fn clean_up(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.node.run(|| async { add_foreign("somebody-else") }).await?;
    let foreign = [TableId::new(Family::Ip, "somebody-else")];
    cluster.apply(&web("type: NodePort, sessionAffinity: ClientIP", "", &["a", "remote"])).await?;
    for name in SYSCTLS {
        assert_eq!(cluster.node.sysctl(name).await?.trim(), "1", "{name}");
    }
    assert_eq!(tables(&cluster.node).await?.len(), foreign.len() + 1);
    cluster.handle.clean_up().await?;
    assert_eq!(tables(&cluster.node).await?, foreign);
    for name in SYSCTLS {
        assert_eq!(cluster.node.sysctl(name).await?.trim(), "0", "{name}");
    }
    Ok(())
}

async fn clean_up_after_kill(lab: Lab) -> Result {
    let mut cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: NodePort", "", &["a", "remote"])).await?;
    cluster.restart();
    cluster.handle.programmed(cluster.store.snapshot().revision()).await?;
    drop(cluster.driver);
    let cleaned = cluster.node.run(|| async { Proxy::builder(node_config()).build().clean_up() });
    cleaned.await?;
    assert!(tables(&cluster.node).await?.is_empty());
    for name in SYSCTLS {
        assert_eq!(cluster.node.sysctl(name).await?.trim(), "0", "{name}");
    }
    Ok(())
}

async fn settings_undone(lab: Lab) -> Result {
    let cluster = Cluster::new(&lab).await?;
    cluster.apply(&web("type: ClusterIP", "", &["a"])).await?;
    cluster.node.set_sysctl("net/bridge/bridge-nf-call-iptables", 0).await?;
    cluster.apply(&web("type: ClusterIP", "", &["b"])).await?;
    let status = cluster.handle.status();
    let bridge = status.sysctls().entries().iter().find(|entry| entry.name().contains("bridge")).unwrap();
    assert_eq!(*bridge.finding(), Finding::Set, "{bridge}");
    assert_eq!(ask(&cluster.pods[0], "10.96.0.80:80").await?.server, "b");
    Ok(())
}

async fn foreign_table(lab: Lab) -> Result {
    let host = lab.host("server2").address("172.20.10.2/24").create().await?;
    host.run(|| async { add_foreign("svc-proxy") }).await?;
    let before =
        host.run(|| async { Socket::open()?.list_table(&TableId::new(Family::Ip, "svc-proxy")) }).await?;
    let store = svc_model::store::Store::new();
    let (handle, run) = Proxy::builder(node_config()).build().drive(store.watch());
    let driver = host.spawn(move || run);
    let mut statuses = handle.statuses();
    let status = statuses.wait_for(|status| status.error().is_some()).await?.clone();
    assert!(status.error().unwrap().to_string().contains("is not ours"), "{status:?}");
    drop(driver);
    let after =
        host.run(|| async { Socket::open()?.list_table(&TableId::new(Family::Ip, "svc-proxy")) }).await?;
    assert_eq!(before, after);
    Ok(())
}

pub fn add_foreign(name: &str) -> Result {
    let chain = Chain::base("watch", ChainType::Filter, Hook::Prerouting, Priority::FILTER);
    let table = Table::new(Family::Ip, name).chain(chain.rule([Statement::counter()]));
    Ok(Socket::open()?.apply(Batch::new().load(&table))?)
}

async fn tables(host: &Host) -> Result<Vec<TableId>> {
    Ok(host.run(|| async { Socket::open()?.list_tables() }).await?)
}

pub async fn generation(host: &Host) -> Result<u32> {
    Ok(host.run(|| async { Socket::open()?.generation() }).await?)
}
