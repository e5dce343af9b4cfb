//! A batch of queries that will be answered one after the other.

use std::ops::Range;

use super::Responder;
use crate::message::{Header, Name};

/// Queries of a batch.
const BATCH: usize = 32;
/// The labels of a Service and its namespace.
const LONGEST_KEY: usize = 2 * (Name::MAX_LABEL + 1);

impl Responder {
    /// Brings near what the answers to these queries are made of, as far as that can be told at a glance. Nine tenths of the time
    /// that an answer takes are spent waiting for memory: a batch waits once.
    pub(crate) fn approach<'m>(&self, queries: impl Iterator<Item = &'m [u8]>) {
        let mut keys = [([0; LONGEST_KEY], 0); BATCH];
        let mut count = 0;
        for query in queries.take(BATCH) {
            let Some(labels) = service_of(query) else { continue };
            let (key, length) = &mut keys[count];
            *length = labels.len();
            key[..*length].copy_from_slice(&query[labels]);
            key[..*length].make_ascii_lowercase();
            count += 1;
        }
        self.index.approach(keys[..count].iter().map(|(key, length)| &key[..*length]));
    }
}

/// Where the labels of a Service and its namespace are: in front of `svc`.
fn service_of(query: &[u8]) -> Option<Range<usize>> {
    let (mut at, mut before, mut count) = (Header::LEN, [0; 2], 0);
    loop {
        let length = usize::from(
            *query.get(at).filter(|length| (1..=Name::MAX_LABEL).contains(&usize::from(**length)))?,
        );
        let end = at + 1 + length;
        if length == 3 && count >= 2 && query.get(at + 1..end)?.eq_ignore_ascii_case(b"svc") {
            return Some(before[0]..at);
        }
        (before, at, count) = ([before[1], at], end, count + 1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{Query, RecordType};

    #[test]
    fn a_service_is_in_front_of_svc() {
        for (name, expected) in [
            ("Web.shop.SVC.cluster.local", Some("Web.shop")),
            ("_http._tcp.web.shop.svc.cluster.local", Some("web.shop")),
            ("api.example.com.shop.svc.cluster.local", Some("com.shop")),
            ("shop.svc.cluster.local", None),
            ("svc.svc.svc.cluster.local", Some("svc.svc")),
            ("1-2-3-4.shop.pod.cluster.local", None),
            ("www.example.com", None),
            (".", None),
        ] {
            let query = Query::emit(1, &name.parse().unwrap(), RecordType::A);
            let labels = service_of(&query)
                .map(|labels| Name::from_wire(&[&query[labels], b"\0"].concat()).to_string());
            assert_eq!(labels.as_deref().map(|text| text.trim_end_matches('.')), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_may_be_in_a_batch(queries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..40)) {
            let zone = crate::Zone::builder("cluster.local").build().unwrap();
            Responder::new(zone, &svc_model::Snapshot::default()).approach(queries.iter().map(Vec::as_slice));
        }
    }
}
