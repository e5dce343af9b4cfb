//! Addresses of networks that clients are better off with come first.

use std::{collections::BTreeMap, net::IpAddr, ops::Range, sync::Arc};

use ipnet::IpNet;

use crate::message::{RecordType, Reply, Section, all_records, records};

/// Networks, the best one first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preferred(Arc<[IpNet]>);

impl Preferred {
    pub(super) fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Moves addresses in the answer and additional sections, each with its time to live. Those of one rank stay as they are among
    /// themselves, and so do owners: names elsewhere in the message may point at them.
    pub(crate) fn apply(&self, message: &mut [u8]) {
        if self.is_empty() {
            return;
        }
        let Ok(end) = Reply::parse(message).map(|reply| reply.question().end()) else { return };
        for places in sets(message, end) {
            let mut sorted: Vec<Vec<u8>> = places.iter().map(|at| message[at.clone()].to_vec()).collect();
            sorted.sort_by_key(|record| self.rank(record));
            for (at, record) in places.into_iter().zip(sorted) {
                message[at].copy_from_slice(&record);
            }
        }
    }

    /// The place of the first network that holds the address which ends this record.
    fn rank(&self, record: &[u8]) -> usize {
        let address = match record {
            // Behind a time to live and a length.
            [_, _, _, _, _, _, a, b, c, d] => Some(IpAddr::from([*a, *b, *c, *d])),
            _ => record.last_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        };
        let holds = |network: &IpNet| address.is_some_and(|address| network.contains(&address));
        self.0.iter().position(holds).unwrap_or(self.0.len())
    }
}

/// Where the addresses of each name are, one family at a time: from the time to live on.
fn sets(message: &[u8], end: usize) -> Vec<Vec<Range<usize>>> {
    let mut sets: BTreeMap<_, Vec<Range<usize>>> = BTreeMap::new();
    let all = all_records(message, end).unwrap_or_default();
    for ((section, record), at) in all.into_iter().zip(records(message, end).map_while(Result::ok)) {
        let address = matches!(record.kind, RecordType::A | RecordType::AAAA) && record.address().is_some();
        if address && section != Section::Authority {
            let set = (section as usize, record.kind.number(), record.name.to_lowercase().wire().to_vec());
            sets.entry(set).or_default().push(at.ttl_at..at.whole.end);
        }
    }
    sets.into_values().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Client, Responder, Zone, message::Query};

    const CLUSTER: &str = include_str!("../responder/cluster.yaml");

    fn answer(name: &str, kind: RecordType) -> Vec<u8> {
        let snapshot: svc_model::Snapshot = svc_model::yaml::read(CLUSTER).stored().0.into_iter().collect();
        let zone = Zone::builder("cluster.local").rotate(false).build().unwrap();
        let query = Query::emit(7, &name.parse().unwrap(), kind);
        let mut out = Vec::new();
        let client = Client::tcp("10.0.0.1:53".parse().unwrap());
        Responder::new(zone, &snapshot).respond(&query, client, &mut out);
        out
    }

    fn preferred(networks: &[&str]) -> Preferred {
        Preferred::new(networks.iter().map(|network| network.parse().unwrap()))
    }

    /// The addresses of the answer, in order.
    fn addresses(message: &[u8]) -> Vec<String> {
        let records = Reply::parse(message).unwrap().answer_records().unwrap();
        records.iter().filter_map(|record| record.address()).map(|address| address.to_string()).collect()
    }

    #[test]
    fn the_first_network_comes_first_then_the_next_then_the_others() {
        let name = "hdls1.testns.svc.cluster.local";
        for (networks, expected) in [
            (&[][..], ["172.0.0.2", "172.0.0.3", "172.0.0.4", "172.0.0.5"]),
            (&["172.0.0.5/32"], ["172.0.0.5", "172.0.0.2", "172.0.0.3", "172.0.0.4"]),
            (&["172.0.0.4/31", "172.0.0.3/32"], ["172.0.0.4", "172.0.0.5", "172.0.0.3", "172.0.0.2"]),
            (&["10.0.0.0/8"], ["172.0.0.2", "172.0.0.3", "172.0.0.4", "172.0.0.5"]),
        ] {
            let mut message = answer(name, RecordType::A);
            preferred(networks).apply(&mut message);
            assert_eq!(addresses(&message), expected, "{networks:?}");
        }
        let mut message = answer(name, RecordType::AAAA);
        preferred(&["5678:abcd::2/128"]).apply(&mut message);
        assert_eq!(addresses(&message), ["5678:abcd::2", "5678:abcd::1"]);
    }

    #[test]
    fn an_alias_stays_in_front_of_its_target() {
        let mut message = answer("inside.testns.svc.cluster.local", RecordType::A);
        let before = message.clone();
        preferred(&["10.0.0.0/8"]).apply(&mut message);
        assert_eq!(message, before);
    }

    proptest! {
        #[test]
        fn a_message_keeps_its_records(name in prop::sample::select(vec!["hdls1", "large", "_http._tcp.hdls1", "dual", "chain", "nothing"]),
            kind in prop::sample::select(vec![RecordType::A, RecordType::AAAA, RecordType::SRV]),
            bits in 0_u8..=32, front in any::<[u8; 4]>()) {
            let before = answer(&format!("{name}.testns.svc.cluster.local"), kind);
            let mut after = before.clone();
            Preferred::new([IpNet::new(front.into(), bits).unwrap()]).apply(&mut after);
            let sorted = |message: &[u8]| {
                let mut records: Vec<String> = crate::message::all_records(message, Reply::parse(message).unwrap().question().end())
                    .unwrap().iter().map(|(section, record)| format!("{section:?} {record}")).collect();
                records.sort();
                records
            };
            prop_assert_eq!(sorted(&before), sorted(&after));
        }

        #[test]
        fn any_bytes_are_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            preferred(&["0.0.0.0/1"]).apply(&mut bytes);
        }
    }
}
