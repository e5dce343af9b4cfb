//! Connections through the kernel: to the first, middle and last of many Services, and to an endpoint directly, with each
//! layout of rules.

use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

use svc_lab::Result;
use svc_model::store::Store;
use svc_proxy::iptables::{Backend as Compiler, Variant};
use svc_proxy::{Backend, Proxy, ProxyBuilder};

use crate::cluster;
use crate::row::Row;

pub(crate) const COMMAND: &str = "iptables-through";

pub(crate) fn report(services: usize) {
    svc_lab::enter();
    svc_lab::run(move |lab| async move {
        let row = Row::new(&lab).await?;
        let endpoint = SocketAddrV4::new(cluster::endpoints(services - 1, false)[0], 8080).into();
        let at = |number| SocketAddr::V4(SocketAddrV4::new(cluster::cluster_ip(number), 80));
        println!("| connect, one after the other | to no Service | first Service | middle | last |");
        println!("|--|--:|--:|--:|--:|");
        let direct = row.connect(endpoint).await.0;
        println!("| no rules | {:.1} us | | | |", direct.as_secs_f64() * 1e6);
        let iptables = |flat| {
            move |proxy: ProxyBuilder| {
                let proxy = proxy.backend(Backend::Iptables).variant(Variant::Legacy);
                proxy.iptables(Compiler::default().flat(flat))
            }
        };
        through(&row, "iptables, tree", services, iptables(false), direct, endpoint, at).await?;
        through(&row, "iptables, flat", services, iptables(true), direct, endpoint, at).await?;
        through(&row, "nftables", services, |proxy| proxy, direct, endpoint, at).await?;
        Ok(())
    });
}

async fn through(
    row: &Row,
    what: &str,
    services: usize,
    settings: impl Fn(ProxyBuilder) -> ProxyBuilder + Clone + Send + 'static,
    direct: Duration,
    endpoint: SocketAddr,
    at: impl Fn(usize) -> SocketAddr,
) -> Result {
    let store = Store::new();
    let revision = store.apply((0..services).flat_map(cluster::objects));
    let watch = store.watch();
    let (handle, run) = settings(Proxy::builder(cluster::node())).build().drive(watch);
    let driver = row.node.spawn(move || run);
    handle.programmed(revision).await?;
    let mut cells = Vec::new();
    for to in [endpoint, at(0), at(services / 2), at(services - 1)] {
        let took = row.connect(to).await.0;
        let ratio = took.as_secs_f64() / direct.as_secs_f64();
        cells.push(format!("{:.1} us, {ratio:.2} x", took.as_secs_f64() * 1e6));
    }
    println!("| {what} | {} |", cells.join(" | "));
    handle.clean_up().await?;
    driver.await;
    Ok(())
}
