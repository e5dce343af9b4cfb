//! Client, node and server, in a row; every endpoint's address is the server's. The client has one core, the server another, as
//! where the peers were measured: a scheduler that puts both on one core makes connections without rules cheaper than any.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;
use svc_lab::{Host, Lab, Result};

use crate::summary;

const CONNECTIONS: usize = 3_000;
const ROUNDS: usize = 5;

pub(crate) struct Row {
    pub(crate) client: Host,
    pub(crate) node: Host,
    _server: Host,
}

impl Row {
    pub(crate) async fn new(lab: &Lab) -> Result<Self> {
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
            stay_on_core(1);
            for stream in listener.incoming().flatten() {
                let _ = std::io::Write::write_all(&mut &stream, b"here");
            }
        });
        Ok(Self { client, node, _server: server })
    }

    /// The middle time of a connect, and connections a second, at the best of several rounds.
    pub(crate) async fn connect(&self, to: SocketAddr) -> (Duration, f64) {
        self.client
            .run(move || async move {
                stay_on_core(0);
                let rounds = (0..ROUNDS).map(|_| round(to));
                rounds.min_by_key(|(p50, _)| *p50).expect("a round")
            })
            .await
    }
}

/// Where a machine has a single core, all share it.
fn stay_on_core(core: usize) {
    let mut cores = CpuSet::new();
    if cores.set(core).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &cores);
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
