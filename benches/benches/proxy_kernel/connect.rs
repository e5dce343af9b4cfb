//! Connections through the kernel: to the last of many Services, and to an endpoint directly.

use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

use svc_lab::Result;
use svc_nft::{
    Batch, Chain, ChainType, CtState, Dataplane as _, Family, Hook, Priority, Socket, Statement, TableId,
};
use svc_proxy::nftables::Backend;
use svc_proxy::{Compiler as _, Plan};

use crate::cluster;
use crate::peer;
use crate::row::Row;

pub(crate) const COMMAND: &str = "connect-through";

pub(crate) fn report(services: usize) {
    svc_lab::enter();
    svc_lab::run(move |lab| async move {
        let row = Row::new(&lab).await?;
        let endpoint = SocketAddrV4::new(cluster::endpoints(services - 1, false)[0], 8080).into();
        let at = |number| SocketAddr::V4(SocketAddrV4::new(cluster::cluster_ip(number), 80));
        println!("| connections, one after the other | p50 | to direct | a second |");
        println!("|--|--:|--:|--:|");
        let direct = row.connect(endpoint).await;
        print("direct, no rules", direct, direct);
        row.node.run(|| async { track() }).await?;
        print("direct, connections tracked", row.connect(endpoint).await, direct);
        row.node.run(clear).await?;
        let loaded = row.node.run(move || async move { peer::nft(&peer::full(services)) }).await;
        if loaded.is_some() {
            print("direct, kube-proxy's shape", row.connect(endpoint).await, direct);
            print("kube-proxy's shape, first Service", row.connect(at(0)).await, direct);
            print("kube-proxy's shape, last Service", row.connect(at(services - 1)).await, direct);
            row.node.run(clear).await?;
        }
        row.node.run(move || async move { ours(services) }).await?;
        print("direct, our rules", row.connect(endpoint).await, direct);
        print("our rules, first Service", row.connect(at(0)).await, direct);
        print("our rules, last Service", row.connect(at(services - 1)).await, direct);
        row.node.run(clear).await?;
        print("direct, no rules, again", row.connect(endpoint).await, direct);
        Ok(())
    });
}

fn print(what: &str, (p50, rate): (Duration, f64), (direct, _): (Duration, f64)) {
    let ratio = p50.as_secs_f64() / direct.as_secs_f64();
    println!("| {what} | {:.1} us | {ratio:.2} x | {rate:.0} |", p50.as_secs_f64() * 1e6);
}

fn ours(services: usize) -> Result {
    let rules = Backend::default().compile(&Plan::new(&cluster::snapshot(services), &cluster::node()));
    Ok(Socket::open()?.apply(&rules.load(None))?)
}

/// What every translation of addresses needs, and nothing more.
fn track() -> Result {
    let mut batch = Batch::new();
    let table = TableId::new(Family::Ip, "tracked");
    batch.add_table(&table);
    let nat = |name, hook, priority| Chain::base(name, ChainType::Nat, hook, priority);
    batch.add_chain(
        &table,
        &nat("prerouting", Hook::Prerouting, Priority::DSTNAT).rule([Statement::ct_state([CtState::New])]),
    );
    batch.add_chain(&table, &nat("postrouting", Hook::Postrouting, Priority::SRCNAT));
    Ok(Socket::open()?.apply(&batch)?)
}

async fn clear() -> Result {
    let mut kernel = Socket::open()?;
    let mut batch = Batch::new();
    kernel.list_tables()?.iter().for_each(|table| _ = batch.delete_table(table));
    Ok(kernel.apply(&batch)?)
}
