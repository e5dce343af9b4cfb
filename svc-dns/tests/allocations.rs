//! What answers cost in memory: nothing, once the buffer is there.

#[path = "allocations/queries.rs"]
mod queries;

use std::net::SocketAddr;

use allocation_counter::measure;
use svc_dns::{Client, Outcome, Responder};
use svc_model::Snapshot;

#[test]
fn an_answer_allocates_nothing() {
    let snapshot: Snapshot = queries::objects().into_iter().collect();
    let responder = Responder::new(queries::zone(), &snapshot);
    let address: SocketAddr = "10.244.1.7:40000".parse().unwrap();
    let mut out = Vec::with_capacity(4096);
    let mut answers = 0;
    for query in queries::queries() {
        for client in [Client::udp(address), Client::tcp(address)] {
            let mut outcome = None;
            let cost = measure(|| outcome = Some(responder.respond(&query, client, &mut out)));
            assert!(matches!(outcome, Some(Outcome::Answer)), "{}", query.escape_ascii());
            assert_eq!(cost.count_total, 0, "{} allocations for {}", cost.count_total, query.escape_ascii());
            answers += 1;
        }
    }
    assert_eq!(answers, 26 * 9 * 8 * 2);
}

#[test]
fn allocations_are_counted() {
    assert_eq!(measure(|| drop(Vec::<u8>::with_capacity(100))).count_total, 1);
}
