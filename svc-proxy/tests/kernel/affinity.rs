//! Session affinity in the mode iptables: clients in sets of ip_set.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use libtest_mimic::Trial;
use svc_lab::{Host, Lab, Result};
use svc_nft::ipset::IpSets as _;
use svc_proxy::iptables::{self, Variant};
use svc_proxy::sys::Kernel;
use svc_proxy::{Backend, ProxyBuilder};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;

use crate::cluster::{Cluster, web};
use crate::iptables::{in_iptables, run};
use crate::traffic::{ask, ask_often};
use crate::trial_of;

const SERVICE: &str = "10.96.0.80:80";
const LOYAL: &str = "type: ClusterIP, sessionAffinity: ClientIP";

pub fn trials() -> Vec<Trial> {
    let of = |variant| {
        [
            trial_of(variant, "remembers_more_clients_than_a_list_of_xt_recent", many),
            trial_of(variant, "remembers_clients_over_a_restart", restarted),
            trial_of(variant, "makes_sets_that_were_destroyed_again", destroyed),
            trial_of(variant, "forgets_clients_with_their_endpoint", gone),
            trial_of(variant, "lets_a_client_give_way_to_another_where_there_is_no_room", full),
        ]
    };
    Variant::ALL.into_iter().flat_map(of).collect()
}

/// The clients of each set of ours.
pub async fn sets(host: &Host) -> Result<BTreeMap<String, BTreeSet<IpAddr>>> {
    let listed = host.run(|| async {
        let mut kernel = Kernel::new();
        let names = kernel.list()?.into_iter().map(|set| set.name().to_owned());
        let ours: Vec<_> = names.filter(|name| name.starts_with("SVC-PROXY-")).collect();
        let mut sets = BTreeMap::new();
        for name in ours {
            let members = kernel.members(&name)?;
            sets.insert(name, members.iter().map(|member| member.address()).collect());
        }
        Ok::<_, svc_nft::Error>(sets)
    });
    Ok(listed.await?)
}

/// Until there are so many sets: rules of nf_tables let go of theirs a moment after they are gone.
pub async fn until_there_are(count: usize, host: &Host) -> Result {
    while sets(host).await?.len() != count {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Connects from an address of a host: who answers.
async fn ask_from(host: &Host, source: IpAddr) -> Result<String> {
    let to: SocketAddr = SERVICE.parse()?;
    let answer = host.run(move || async move {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(source, 0))?;
        let mut stream = socket.connect(to).await?;
        let mut bytes = [0; 64];
        let length = stream.read(&mut bytes).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes[..length]).into_owned())
    });
    Ok(answer.await?.split(' ').next().unwrap_or_default().to_owned())
}

async fn many(lab: Lab, variant: Variant) -> Result {
    let cluster = Cluster::with(&lab, in_iptables(variant)).await?;
    cluster.apply(&web(LOYAL, "", &["a", "remote"])).await?;
    let clients: Vec<IpAddr> = (1..=250).map(|number| Ipv4Addr::new(10, 99, 0, number).into()).collect();
    cluster.node.add_route("10.99.0.0/24", "172.20.10.50").await?;
    for client in &clients {
        cluster.client.add_address("lo", format!("{client}/32")).await?;
    }
    let mut served = BTreeMap::new();
    for client in &clients {
        served.insert(*client, ask_from(&cluster.client, *client).await?);
    }
    assert_eq!(served.values().collect::<BTreeSet<_>>().len(), 2);
    let known = sets(&cluster.node).await?;
    assert!(known.values().any(|clients| clients.len() > 100), "{known:?}");
    assert_eq!(known.values().map(BTreeSet::len).sum::<usize>(), clients.len());
    for (client, server) in served {
        assert_eq!(ask_from(&cluster.client, client).await?, server, "{client}");
    }
    Ok(())
}

/// Clients for which there is room.
const ROOM: usize = 512;

/// Nobody is refused, whoever came before; and who comes is known from then on, but for the few whose place in the set nobody has
/// who could give way.
async fn full(lab: Lab, variant: Variant) -> Result {
    let settings = in_iptables(variant);
    let narrow = move |proxy: ProxyBuilder| {
        settings(proxy).iptables(iptables::Backend::default().affinity_clients(ROOM.try_into().unwrap()))
    };
    let cluster = Cluster::with(&lab, narrow).await?;
    cluster.apply(&web(LOYAL, "", &["a"])).await?;
    cluster.node.add_route("10.99.0.0/16", "172.20.10.50").await?;
    // On loopback all of a range is local.
    cluster.client.add_address("lo", "10.99.0.1/16").await?;
    let client = |number: usize| {
        let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
        IpAddr::from(Ipv4Addr::new(10, 99, high, low))
    };
    for number in 1..3 * ROOM {
        assert_eq!(ask_from(&cluster.client, client(number)).await?, "a", "{number}");
    }
    let mut known = 0;
    for number in 3 * ROOM..3 * ROOM + 100 {
        assert_eq!(ask_from(&cluster.client, client(number)).await?, "a", "{number}");
        let sets = sets(&cluster.node).await?;
        let clients = sets.values().next().unwrap();
        assert!(clients.len() <= ROOM && clients.len() > ROOM / 2, "{} clients", clients.len());
        known += usize::from(clients.contains(&client(number)));
    }
    println!("{known} of 100 clients that came late are remembered");
    assert!(known > 80, "{known}");
    Ok(())
}

async fn restarted(lab: Lab, variant: Variant) -> Result {
    let mut cluster = Cluster::with(&lab, in_iptables(variant)).await?;
    cluster.apply(&web(LOYAL, "", &["a", "b", "remote"])).await?;
    let server = ask(&cluster.pods[2], SERVICE).await?.server;
    let before = sets(&cluster.node).await?;
    assert_eq!(before.len(), 3);
    cluster.restart_with(in_iptables(variant));
    cluster.apply("").await?;
    assert_eq!(sets(&cluster.node).await?, before);
    assert_eq!(cluster.handle.status().repairs(), 0);
    let again = ask_often(&cluster.pods[2], SERVICE, 20).await?;
    assert!(again.into_keys().eq([server.clone()]));
    // Another policy is no other endpoint, and another endpoint none of these.
    cluster.apply(&web(LOYAL, "", &["a", "b"])).await?;
    cluster.apply(&web(LOYAL, "", &["a", "b", "remote"])).await?;
    until_there_are(3, &cluster.node).await?;
    if server != "remote" {
        let again = ask_often(&cluster.pods[2], SERVICE, 20).await?;
        assert_eq!(again.into_keys().collect::<Vec<_>>(), [server]);
    }
    Ok(())
}

async fn destroyed(lab: Lab, variant: Variant) -> Result {
    let cluster = Cluster::with(&lab, in_iptables(variant)).await?;
    cluster.apply(&web(LOYAL, "", &["a", "b", "remote"])).await?;
    let names: Vec<_> = sets(&cluster.node).await?.into_keys().collect();
    // Whoever empties a set makes its clients new ones, no more.
    let flushed = names.clone();
    let flush = move || async move { flushed.iter().try_for_each(|name| Kernel::new().flush(name)) };
    cluster.node.run(flush).await?;
    let server = ask(&cluster.pods[2], SERVICE).await?.server;
    let again = ask_often(&cluster.pods[2], SERVICE, 20).await?;
    assert_eq!(again.into_keys().collect::<Vec<_>>(), [server]);
    // Sets that no rule asks can be destroyed.
    let repairs = cluster.handle.status().repairs();
    run(&cluster.node, &format!("iptables-{variant}"), "-w 5 -t nat -F").await?;
    let destroyed = names.clone();
    let destroy = move || async move { destroyed.iter().for_each(|name| drop(Kernel::new().destroy(name))) };
    cluster.node.run(destroy).await;
    cluster.handle.statuses().wait_for(|status| status.repairs() > repairs).await?;
    until_there_are(3, &cluster.node).await?;
    assert_eq!(sets(&cluster.node).await?.into_keys().collect::<Vec<_>>(), names);
    let server = ask(&cluster.pods[2], SERVICE).await?.server;
    let again = ask_often(&cluster.pods[2], SERVICE, 20).await?;
    assert_eq!(again.into_keys().collect::<Vec<_>>(), [server]);
    Ok(())
}

async fn gone(lab: Lab, variant: Variant) -> Result {
    let cluster = Cluster::with(&lab, in_iptables(variant)).await?;
    cluster.apply(&web(LOYAL, "", &["a", "b"])).await?;
    let server = ask(&cluster.pods[2], SERVICE).await?.server;
    let other = if server == "a" { "b" } else { "a" };
    cluster.apply(&web(LOYAL, "", &[other])).await?;
    until_there_are(1, &cluster.node).await?;
    assert_eq!(ask(&cluster.pods[2], SERVICE).await?.server, other);
    // It comes back as one that nobody knows.
    cluster.apply(&web(LOYAL, "", &["a", "b"])).await?;
    until_there_are(2, &cluster.node).await?;
    let again = ask_often(&cluster.pods[2], SERVICE, 20).await?;
    assert_eq!(again.into_keys().collect::<Vec<_>>(), [other]);
    cluster.apply(&web("type: ClusterIP, sessionAffinity: None", "", &["a", "b"])).await?;
    until_there_are(0, &cluster.node).await?;
    // Other modes leave none, and so does a clean-up.
    cluster.apply(&web(LOYAL, "", &["a", "b"])).await?;
    cluster.handle.switch(Backend::Nftables).await?;
    assert_eq!(sets(&cluster.node).await?, BTreeMap::new());
    cluster.handle.switch(Backend::Iptables).await?;
    assert_eq!(sets(&cluster.node).await?.len(), 2);
    cluster.handle.clean_up().await?;
    assert_eq!(sets(&cluster.node).await?, BTreeMap::new());
    Ok(())
}
