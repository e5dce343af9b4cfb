//! An etcd that cannot be reached for longer than leases last, while packets pass between pods.

use std::time::Duration;

use libtest_mimic::Trial;
use svc_lab::{Host, Lab, Result, Task};
use svc_overlay::{Etcd, Lease, Problem, Status};
use tokio::sync::{mpsc, oneshot};

use super::cluster::{Node, builder, drive, host, tool};
use super::traffic::Traffic;
use crate::server::Server;
use crate::trial;

const ENDPOINT: &str = "172.20.10.9:2379";
/// Longer than a node waits at most before it asks a store that is back: else leases would expire after the outage.
const LEASE: Duration = Duration::from_secs(15);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("an_etcd_that_is_down_for_longer_than_the_lease_costs_no_packet", down),
        trial(
            "cut_off_from_etcd_until_all_leases_are_gone_pods_go_on_and_the_subnets_are_had_again",
            cut_off,
        ),
    ]
}

/// What a store can be asked to do, on a host of its own.
enum Order {
    Stop,
    Resume,
    Keys,
}

struct Store {
    host: Host,
    orders: mpsc::Sender<(Order, oneshot::Sender<String>)>,
    _server: Task<()>,
}

impl Store {
    /// Nothing where there is no etcd.
    async fn start(lab: &Lab, test: &'static str) -> Result<Option<Self>> {
        let host = host(lab, "store", 9).await?;
        let (orders, mut received) = mpsc::channel::<(Order, oneshot::Sender<String>)>(1);
        let (began, begun) = oneshot::channel();
        let _server = host.spawn(move || async move {
            let server = Server::start_at(test, ENDPOINT);
            let _listens = began.send(server.is_some());
            let Some(mut server) = server else { return };
            while let Some((order, answer)) = received.recv().await {
                let said = match order {
                    Order::Stop => {
                        server.stop();
                        String::new()
                    }
                    Order::Resume => {
                        server.resume();
                        String::new()
                    }
                    Order::Keys => {
                        server.ctl(&["get", "--prefix", "--keys-only", "/coreos.com/network/subnets/"])
                    }
                };
                let _listens = answer.send(said);
            }
        });
        let serves = begun.await?;
        Ok(serves.then_some(Store { host, orders, _server }))
    }

    async fn asked(&self, order: Order) -> Result<String> {
        let (answer, answered) = oneshot::channel();
        self.orders.send((order, answer)).await.map_err(|_| "the store ended")?;
        Ok(answered.await?)
    }
}

async fn node(lab: &Lab, name: &str, number: u8, subnet: u8) -> Result<Node> {
    let host = host(lab, name, number).await?;
    let etcd = Etcd::builder([format!("http://{ENDPOINT}")]).lease_time(LEASE, LEASE / 2).build()?;
    drive(&host, builder(name, number, subnet, &svc_overlay::Leases::new()).registry(etcd))
}

async fn pair(lab: &Lab) -> Result<[Node; 2]> {
    let nodes = [node(lab, "server2", 2, 2).await?, node(lab, "server3", 3, 5).await?];
    for node in &nodes {
        node.handle.until(is_well).await?;
    }
    Ok(nodes)
}

fn is_well(status: &Status) -> bool {
    status.peers() == 1 && status.lease().is_some() && status.problems().is_empty()
}

fn misses_the_store(status: &Status) -> bool {
    status.problems().iter().any(|problem| matches!(problem, Problem::Registry(_)))
}

async fn down(lab: Lab) -> Result {
    let Some(store) = Store::start(&lab, "down").await? else { return Ok(()) };
    let [server2, server3] = pair(&lab).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, _) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let mut traffic = Traffic::start(&web, &far, a.address()).await?;
    traffic.flows().await?;
    store.asked(Order::Stop).await?;
    for node in [&server2, &server3] {
        node.handle.until(misses_the_store).await?;
    }
    let long = tokio::time::Instant::now() + LEASE + Duration::from_secs(1);
    while tokio::time::Instant::now() < long {
        traffic.flows().await?;
    }
    // Others may meddle meanwhile: the nodes mend it without the store.
    let operations = server3.handle.status().operations();
    tool(&server3.host, "bridge fdb add 02:00:00:00:00:77 dev flannel.1 dst 172.20.10.77 self permanent")
        .await?;
    server3.handle.until(|status| status.operations() > operations).await?;
    store.asked(Order::Resume).await?;
    for node in [&server2, &server3] {
        node.handle.until(is_well).await?;
    }
    traffic.flows().await?;
    assert_eq!(traffic.lost().await?, 0);
    traffic.end().await?;
    Ok(())
}

async fn cut_off(lab: Lab) -> Result {
    let Some(store) = Store::start(&lab, "cut_off").await? else { return Ok(()) };
    let [server2, server3] = pair(&lab).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, _) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let mut traffic = Traffic::start(&web, &far, a.address()).await?;
    tool(&store.host, "ip link set eth0 down").await?;
    for node in [&server2, &server3] {
        node.handle.until(misses_the_store).await?;
    }
    while !store.asked(Order::Keys).await?.trim().is_empty() {
        traffic.flows().await?;
    }
    tool(&store.host, "ip link set eth0 up").await?;
    while store.asked(Order::Keys).await?.split_whitespace().count() < 2 {
        traffic.flows().await?;
    }
    for node in [&server2, &server3] {
        node.handle.until(|status| is_well(status) && status.lingering() == 0).await?;
    }
    // Each has the other again, under the subnet that it had, and never was without.
    traffic.flows().await?;
    assert_eq!(traffic.lost().await?, 0);
    traffic.end().await?;
    let subnets = [&server2, &server3].map(|node| node.handle.status().lease().map(Lease::subnet));
    let expected: [ipnet::IpNet; 2] = ["10.244.2.0/24".parse()?, "10.244.5.0/24".parse()?];
    assert_eq!(subnets, expected.map(Some));
    Ok(())
}
