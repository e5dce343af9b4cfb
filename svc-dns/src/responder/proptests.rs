use std::{collections::BTreeSet, net::SocketAddr};

use hickory_proto::op::Message;
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{
    PodRecords,
    message::{Record, Reply},
};

fn responder(forwarding: bool) -> Responder {
    let snapshot: Snapshot = super::tests::objects(include_str!("cluster.yaml")).into_iter().collect();
    let zone = Zone::builder("cluster.local").reverse("10.96.0.0/16").pods(PodRecords::Insecure);
    let zone =
        zone.transfer_to("192.0.2.0/24").zonal(true).also("other.example").multicluster("clusterset.local");
    Responder::new(zone.build().unwrap(), &snapshot).forwarding(forwarding)
}

/// Labels that mean something, in whatever order.
fn likely_labels() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let known = select(vec![
        "svc1",
        "imported",
        "alpha",
        "web",
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
        vec!["clusterset", "local"],
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

/// What a Service's name gives, read off the objects.
fn addresses_of(snapshot: &Snapshot, service: &svc_model::Service) -> BTreeSet<IpAddr> {
    let ready =
        snapshot.slices_of(service.name()).flat_map(|slice| slice.endpoints()).filter(|each| each.ready());
    let endpoints = ready.flat_map(|endpoint| endpoint.addresses().iter().copied());
    let own = service.cluster_ips().iter().copied();
    if service.is_headless() { endpoints.collect() } else { own.collect() }
}

fn ask(responder: &Responder, name: &str, kind: RecordType) -> (Rcode, Vec<Record>) {
    let mut out = Vec::new();
    let query = Query::emit(1, &name.parse().unwrap(), kind);
    responder.respond(&query, Client::tcp("192.0.2.1:53".parse().unwrap()), &mut out);
    let reply = Reply::parse(&out).unwrap();
    (reply.rcode(), reply.answer_records().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn answers_are_what_a_direct_reading_of_the_objects_gives(objects in svc_model::testing::cluster()) {
        let snapshot: Snapshot = objects.into_iter().collect();
        let zone = Zone::builder("cluster.local").reverse("0.0.0.0/0").reverse("::/0").build().unwrap();
        let responder = Responder::new(zone, &snapshot);
        for service in snapshot.services().filter(|service| service.external_name().is_none()) {
            let expected = addresses_of(&snapshot, service);
            let name = format!("{}.{}.svc.cluster.local", service.name().name(), service.name().namespace());
            let mut told = BTreeSet::new();
            for kind in [RecordType::A, RecordType::AAAA] {
                let (rcode, records) = ask(&responder, &name, kind);
                prop_assert_eq!(rcode, if expected.is_empty() { Rcode::NXDOMAIN } else { Rcode::NOERROR });
                told.extend(records.iter().filter_map(Record::address));
            }
            prop_assert_eq!(&told, &expected);
            // Each location's target has an address; each address has a name, and the name that address.
            for location in ask(&responder, &name, RecordType::SRV).1 {
                let target = location.target().unwrap().to_string();
                let both = [RecordType::A, RecordType::AAAA].map(|kind| ask(&responder, &target, kind).1.len());
                prop_assert!(both[0] + both[1] > 0, "{target}");
            }
            for address in told {
                let pointers = ask(&responder, &reverse_name(address).to_string(), RecordType::PTR).1;
                let kind = if address.is_ipv4() { RecordType::A } else { RecordType::AAAA };
                let back = |pointer: &Record| {
                    let records = ask(&responder, &pointer.target().unwrap().to_string(), kind).1;
                    records.iter().any(|record| record.address() == Some(address))
                };
                prop_assert!(!pointers.is_empty() && pointers.iter().all(back), "{address}");
            }
        }
    }
}
