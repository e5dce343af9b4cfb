//! Connections through the kernel: to the last of many Services, and to an endpoint directly.

use std::io::Read as _;
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use svc_lab::{Host, Lab, Result};
use svc_nft::{Batch, Dataplane as _, Socket};
use svc_proxy::nftables::Backend;
use svc_proxy::{Compiler as _, Plan};

use crate::{cluster, summary};

pub(crate) const COMMAND: &str = "connect-through";
const CONNECTIONS: usize = 3_000;
const ROUNDS: usize = 5;

/// Client, node and server, in a row; every endpoint's address is the server's.
struct Row {
    client: Host,
    node: Host,
    _server: Host,
}

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
        row.node.run(move || async move { ours(services) }).await?;
        print("direct, our rules", row.connect(endpoint).await, direct);
        print("our rules, first Service", row.connect(at(0)).await, direct);
        print("our rules, last Service", row.connect(at(services - 1)).await, direct);
        row.node.run(|| async { clear() }).await?;
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

fn clear() -> Result {
    let mut kernel = Socket::open()?;
    let mut batch = Batch::new();
    kernel.list_tables()?.iter().for_each(|table| _ = batch.delete_table(table));
    Ok(kernel.apply(&batch)?)
}

impl Row {
    async fn new(lab: &Lab) -> Result<Self> {
        let node = lab.host("node1").address("172.20.10.2/24").create().await?;
        // A pod by its address: nothing is masqueraded. Answers come back by the node.
        node.add_address("eth0", "10.128.0.1/16").await?;
        let client = lab.host("client").address("10.128.0.2/16").default_route("10.128.0.1").create().await?;
        let server = lab.host("server").address("172.20.10.3/24").create().await?;
        server.add_route("10.128.0.0/16", "172.20.10.2").await?;
        node.add_route("10.129.0.0/16", "172.20.10.3").await?;
        node.add_route("10.130.0.0/16", "172.20.10.3").await?;
        // On loopback all of a range is local.
        for range in ["10.129.0.1/16", "10.130.0.1/16"] {
            server.add_address("lo", range).await?;
        }
        node.set_sysctl("net/ipv4/ip_forward", 1).await?;
        for name in ["net/ipv4/conf/all/send_redirects", "net/ipv4/conf/eth0/send_redirects"] {
            node.set_sysctl(name, 0).await?;
        }
        let listener = server.run(|| async { std::net::TcpListener::bind("0.0.0.0:8080") }).await?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = std::io::Write::write_all(&mut &stream, b"here");
            }
        });
        Ok(Self { client, node, _server: server })
    }

    /// The middle time of a connect, and connections a second, at the best of several rounds.
    async fn connect(&self, to: SocketAddr) -> (Duration, f64) {
        self.client
            .run(move || async move {
                let rounds = (0..ROUNDS).map(|_| round(to));
                rounds.min_by_key(|(p50, _)| *p50).expect("a round")
            })
            .await
    }
}

fn round(to: SocketAddr) -> (Duration, f64) {
    let begun = Instant::now();
    let times = (0..CONNECTIONS).map(|_| {
        let started = Instant::now();
        let mut stream = TcpStream::connect(to).expect("a connection");
        let took = started.elapsed();
        // No port is kept in TIME_WAIT.
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&stream, sockopt::Linger, &linger).expect("a reset at the end");
        stream.read_exact(&mut [0; 4]).expect("four bytes");
        took
    });
    let p50 = summary(times.collect()).0;
    (p50, CONNECTIONS as f64 / begun.elapsed().as_secs_f64())
}
