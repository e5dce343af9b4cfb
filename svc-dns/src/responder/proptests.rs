use std::net::SocketAddr;

use hickory_proto::op::Message;
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::PodRecords;

fn responder(forwarding: bool) -> Responder {
    let snapshot: Snapshot = super::tests::objects(include_str!("cluster.yaml")).into_iter().collect();
    let zone = Zone::builder("cluster.local").reverse("10.96.0.0/16").pods(PodRecords::Insecure);
    let zone = zone.transfer_to("192.0.2.0/24").zonal(true).also("other.example");
    Responder::new(zone.build().unwrap(), &snapshot).forwarding(forwarding)
}

/// Labels that mean something, in whatever order.
fn likely_labels() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let known = select(vec![
        "svc1",
        "hdls1",
        "large",
        "dual",
        "external",
        "inside",
        "loop1",
        "testns",
        "svc",
        "pod",
        "dns",
        "ns",
        "dns-version",
        "_http",
        "_tcp",
        "dup-name",
        "10-0-0-1",
        "10",
        "96",
        "0",
        "1",
        "*",
    ]);
    let label =
        prop_oneof![4 => known.prop_map(|label| label.as_bytes().to_vec()), 1 => vec(any::<u8>(), 1..64)];
    let zone = select(vec![
        vec!["cluster", "local"],
        vec!["CLUSTER", "Local"],
        vec!["other", "example"],
        vec!["in-addr", "arpa"],
        vec![],
    ]);
    (vec(label, 0..6), zone).prop_map(|(mut labels, zone)| {
        labels.extend(zone.iter().map(|label| label.as_bytes().to_vec()));
        labels
    })
}

prop_compose! {
    fn likely_query()(
        id in any::<u16>(),
        labels in likely_labels(),
        kind in prop_oneof![select(vec![1_u16, 28, 33, 12, 5, 6, 2, 16, 255, 251, 252, 65]), any::<u16>()],
        class in prop_oneof![9 => Just(1_u16), 1 => any::<u16>()],
        edns in proptest::option::of((any::<u16>(), 0_u8..2)),
    ) -> Vec<u8> {
        let mut message = Vec::new();
        Header { id, flags: Header::RD, counts: [1, 0, 0, u16::from(edns.is_some())] }.emit(&mut message);
        for label in labels {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label);
        }
        message.push(0);
        message.extend(kind.to_be_bytes());
        message.extend(class.to_be_bytes());
        if let Some((size, version)) = edns {
            message.extend([0, 0, 41]);
            message.extend(size.to_be_bytes());
            message.extend([0, version, 0, 0, 0, 0]);
        }
        message
    }
}

/// What holds for every answer to whatever message.
fn check(responder: &Responder, query: &[u8], client: Client) -> Result<(), TestCaseError> {
    let mut out = Vec::new();
    match responder.respond(query, client, &mut out) {
        Outcome::Drop => return Ok(()),
        Outcome::Answer => {}
        Outcome::Transfer(mut transfer) => {
            prop_assert_eq!(client.transport, Transport::Tcp);
            while transfer.next_message(&mut out) {
                prop_assert!(Message::from_vec(&out).is_ok(), "{:?}", out);
            }
            return Ok(());
        }
        Outcome::Forward(forward) => {
            prop_assert!(responder.forwarding);
            // Somebody answers nonsense, or what only looks like an answer, or nobody answers.
            let mut reply = forward.query(7);
            for flags in [reply[2], reply[2] | 0x80] {
                reply[2] = flags;
                reply[7] = flags;
                forward.finish(Ok(&reply), &mut out);
                prop_assert_eq!(&out[..2], &query[..2]);
            }
            forward.finish(Err(Rcode::SERVFAIL), &mut out);
        }
    }
    let answer = match Message::from_vec(&out) {
        Ok(answer) => answer,
        Err(error) => return Err(TestCaseError::fail(format!("{error}: {out:?}"))),
    };
    prop_assert_eq!(&out[..2], &query[..2]);
    prop_assert!(out[2] & 0x80 != 0);
    if let Ok(query) = Query::parse(query) {
        prop_assert_eq!(answer.queries.len(), 1);
        prop_assert_eq!(&out[12..query.question().end()], query.question().raw());
        prop_assert_eq!(answer.edns.is_some(), query.edns().is_some());
        prop_assert!(out.len() <= responder.limit(query.edns(), client.transport));
    }
    Ok(())
}

const CLIENTS: [fn(SocketAddr) -> Client; 2] = [Client::udp, Client::tcp];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_get_a_readable_answer_or_silence(queries in vec(vec(any::<u8>(), 0..300), 1..50), client in select(&CLIENTS[..])) {
        let responder = responder(false);
        for query in &queries {
            check(&responder, query, client("192.0.2.1:53".parse().unwrap()))?;
        }
    }

    #[test]
    fn likely_queries_get_a_readable_answer(
        queries in vec((likely_query(), vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)), 1..50),
        forwarding in any::<bool>(),
        client in select(&CLIENTS[..]),
    ) {
        let responder = responder(forwarding);
        for (mut query, noise) in queries {
            check(&responder, &query, client("192.0.2.1:53".parse().unwrap()))?;
            for (at, value) in noise {
                *at.get_mut(&mut query) = value;
            }
            check(&responder, &query, client("192.0.2.1:53".parse().unwrap()))?;
        }
    }
}
