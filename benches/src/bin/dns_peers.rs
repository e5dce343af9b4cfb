//! Our server beside nsd, knot and unbound: the same zone, the same queries, one core each, one after another in every round.
//!
//! `cargo xtask bench dns-peers [ROUNDS]`. Servers run on core 0, the load on core 1; both on loopback. The figure to compare is the
//! processor time of the server's process for a query; queries per second say as much about the load as about the server.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that measures"
)]

#[path = "dns_peers/changes.rs"]
mod changes;
#[path = "dns_peers/load.rs"]
mod load;
#[path = "dns_peers/peers.rs"]
mod peers;

use std::{error::Error, fs, net::SocketAddr, process::Child, time::Duration};

use benches::dns::{Kind, cluster};
use svc_dns::{Server, Zone};
use svc_model::store::Store;

const SERVICES: usize = 10_000;
const QUERIES: usize = 20_000;
const MEASURED: Duration = Duration::from_secs(3);

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("serve") => {
            let changes = args.get(2).map_or(Ok(0), |changes| changes.parse())?;
            serve(args.get(1).ok_or("serve ADDRESS [CHANGES A SECOND]")?, changes)
        }
        Some("changes") => changes::latency(cluster(SERVICES).objects()),
        rounds => {
            compare(rounds.map_or(Ok(3), str::parse)?)?;
            changes::latency(cluster(SERVICES).objects())
        }
    }
}

/// Our own server, with one thread, while so many changes a second are made.
fn serve(address: &str, changes: u32) -> Result<(), Failure> {
    let store = Store::new();
    store.apply(cluster(SERVICES).objects());
    if changes > 0 {
        let store = store.clone();
        std::thread::spawn(move || changes::make(&store, changes));
    }
    let server = Server::builder(Zone::builder("cluster.local").ttl(Duration::from_secs(30)).build()?);
    let (_handle, run) = server.threads(1).listen(address).build()?.drive(store.watch());
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run)?;
    Ok(())
}

fn compare(rounds: usize) -> Result<(), Failure> {
    let queries: Vec<Vec<u8>> = (0..QUERIES).map(|number| Kind::Mix.query(number, SERVICES)).collect();
    let directory = std::env::temp_dir().join(format!("dns-peers-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let servers = peers::start(&directory, SERVICES)?;
    let mut results: Vec<Vec<load::Figures>> = vec![Vec::new(); servers.len()];
    for _ in 0..rounds {
        for (server, results) in servers.iter().zip(&mut results) {
            results.push(load::measure(server.address, &server.processes(), &queries, MEASURED)?);
        }
    }
    println!(
        "| server | CPU us/query | queries/s | latency avg us | p99 us | answers | RssAnon MB |\n|---|---|---|---|---|---|---|"
    );
    for (server, results) in servers.iter().zip(&mut results) {
        results.sort_by(|one, other| one.cpu.total_cmp(&other.cpu));
        println!(
            "| {} | {} | {:.1} |",
            server.name,
            results[results.len() / 2],
            peers::resident(&server.processes())
        );
    }
    drop(servers);
    fs::remove_dir_all(&directory)?;
    Ok(())
}

/// A server that is killed with this value.
struct Running {
    name: &'static str,
    address: SocketAddr,
    child: Child,
}

impl Running {
    /// It and its children.
    fn processes(&self) -> Vec<u32> {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let mut all = vec![own];
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            let below =
                fs::read_to_string(format!("/proc/{child}/task/{child}/children")).unwrap_or_default();
            all.push(child);
            all.extend(below.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        all
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for process in self.processes().iter().rev() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(*process).unwrap_or(i32::MAX));
            let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        let _status = self.child.wait();
    }
}
