//! What a running server takes from the heap for answers to datagrams: nothing, in any of its threads.
//!
//! Without the harness of tests: every allocation of this process is counted, whichever thread makes it.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a client's sockets and threads")]

#[path = "allocations/queries.rs"]
mod queries;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use dhat::HeapStats;
use svc_dns::Server;
use svc_model::store::Store;

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// Queries that are under way together; the server receives 32 at most in one system call.
const BURST: usize = 48;
/// The kernel gives each client one of the server's threads.
const CLIENTS: usize = 8;

/// Sends all queries in bursts, and gives how many answers came.
fn exchange(client: &UdpSocket, queries: &[Vec<u8>]) -> usize {
    let (mut answers, mut reply) = (0, [0; 4096]);
    for burst in queries.chunks(BURST) {
        for query in burst {
            client.send(query).expect("a query is sent");
        }
        for _ in burst {
            let length = client.recv(&mut reply).expect("an answer");
            assert!(length > 12 && reply[2] & 0x80 != 0, "no answer: {:?}", &reply[..length]);
            answers += 1;
        }
    }
    answers
}

fn client_of(server: SocketAddr) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
    client.connect(("127.0.0.1", server.port())).expect("an address");
    client.set_read_timeout(Some(Duration::from_secs(60))).expect("a patience");
    client
}

fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let store = Store::new();
    store.apply(queries::objects());
    // Of the second, each answer says which address it comes from.
    let server = Server::builder(queries::zone()).threads(2).listen("127.0.0.1:0").listen("0.0.0.0:0");
    let (handle, run) = server.build().expect("a server").drive(store.watch());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let serving = std::thread::spawn(move || runtime().block_on(run));
    let addresses = runtime().block_on(handle.ready()).expect("it listens").udp;
    assert_eq!(addresses.len(), 2);
    let queries = queries::queries();
    let clients: Vec<_> =
        (0..CLIENTS).flat_map(|_| addresses.iter().map(|address| client_of(*address))).collect();
    let everybody = || clients.iter().map(|client| exchange(client, &queries)).sum::<usize>();

    // What each thread makes once, it has after this.
    let expected = clients.len() * queries.len();
    assert_eq!(everybody(), expected);
    let before = HeapStats::get().total_blocks;
    let answers = everybody();
    let allocations = HeapStats::get().total_blocks - before;
    assert_eq!((answers, allocations), (expected, 0), "answers, and allocations of all threads for them");

    drop(std::hint::black_box(Box::new(7)));
    assert_eq!(HeapStats::get().total_blocks - before, 1, "allocations are counted");
    drop(handle);
    serving.join().expect("no panic").expect("it ends well");
}
