//! What a change costs: until it is answered, and whoever asks meanwhile.

use std::{
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use svc_dns::{Server, Zone};
use svc_model::{Object, store::Store, yaml};

use super::Failure;

/// How often a change is measured.
const CHANGES: usize = 1000;

/// A Service with another address each time.
fn changed(number: usize) -> Vec<Object> {
    let (high, low) = (number / 250 % 250, number % 250 + 1);
    let text = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: changing, namespace: ns-0}}, \
         spec: {{clusterIP: 10.97.{high}.{low}, clusterIPs: [10.97.{high}.{low}], ports: [{{port: 80}}]}}}}"
    );
    yaml::read(&text).stored().0
}

/// Changes a store so often until the process ends.
pub(super) fn make(store: &Store, per_second: u32) {
    let every = Duration::from_secs(1) / per_second;
    let changes: Vec<Vec<Object>> = (0..CHANGES).map(changed).collect();
    let mut due = Instant::now();
    for change in changes.iter().cycle() {
        store.apply(change.clone());
        due += every;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Prints how long it takes from a change of the store to the first answer that shows it, and from a store with everything to the
/// first right answer.
pub(super) fn latency(objects: Vec<Object>) -> Result<(), Failure> {
    let store = Store::new();
    store.apply(objects);
    let start = Instant::now();
    let server = Server::builder(Zone::builder("cluster.local").ttl(Duration::from_secs(30)).build()?);
    let (handle, run) = server.threads(1).listen("127.0.0.1:0").build()?.drive(store.watch());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::spawn(move || runtime.block_on(run).map_err(|error| error.to_string()));
    let waiting = tokio::runtime::Builder::new_current_thread().build()?;
    let address = waiting.block_on(handle.ready())?.udp[0];
    let client = Client::new(address)?;
    client.ask_until(&benches::dns::Kind::A.query(1, 100), |reply| reply[7] > 0)?;
    println!("start to first right answer, all in the store: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let query = changing();
    let mut times = Vec::with_capacity(CHANGES);
    for number in 0..CHANGES {
        let change = changed(number);
        let address = [10, 97, u8::try_from(number / 250 % 250)?, u8::try_from(number % 250 + 1)?];
        let since = Instant::now();
        store.apply(change);
        client.ask_until(&query, |reply| reply.ends_with(&address))?;
        times.push(since.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "change to answer, {CHANGES} changes, a query and its answer included: median {:.0} us, p99 {:.0} us",
        times[CHANGES / 2],
        times[CHANGES * 99 / 100]
    );
    drop(handle);
    thread.join().map_err(|_| "the server panicked")??;
    Ok(())
}

/// A query for the Service that changes.
fn changing() -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["changing", "ns-0", "svc", "cluster", "local"] {
        query.extend(u8::try_from(label.len()));
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

struct Client(UdpSocket);

impl Client {
    fn new(server: SocketAddr) -> Result<Self, Failure> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Self(socket))
    }

    fn ask_until(&self, query: &[u8], right: impl Fn(&[u8]) -> bool) -> Result<(), Failure> {
        let mut reply = [0; 512];
        loop {
            self.0.send(query)?;
            let length = self.0.recv(&mut reply)?;
            if right(&reply[..length]) {
                return Ok(());
            }
        }
    }
}
