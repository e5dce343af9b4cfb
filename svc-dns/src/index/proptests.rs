//! The law: an index that followed the changes is the index of the last snapshot.

use proptest::{collection::vec, prelude::*, sample::select};
use svc_model::{ObjectName, testing};

use super::*;
use crate::{PodRecords, ZoneBuilder};

/// Zones that make different things of the same objects.
fn zones() -> Vec<Zone> {
    let plain = || Zone::builder("cluster.local").reverse("10.0.0.0/8").reverse("fd00::/16");
    let server = ["10.244.0.65".parse().unwrap(), "fd00:10:244:1::66".parse().unwrap()];
    let all: [ZoneBuilder; 5] = [
        plain(),
        plain().pods(PodRecords::Verified).addresses(server).zonal(true),
        plain().multicluster("clusterset.local").endpoint_pod_names(true),
        plain().namespaces(["shop"]).labels("tier=front").ignore_empty_service(true),
        plain().namespace_labels("app,tier!=back").pod_names(true),
    ];
    all.map(|zone| zone.build().unwrap()).into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn following_changes_is_building_from_the_last_snapshot(history in testing::history(), zone in select(zones())) {
        let mut snapshot = Snapshot::default();
        let mut index = Index::new(&zone, &snapshot);
        for step in history {
            let (next, delta) = step.apply(&snapshot);
            let old = index.clone();
            let visible = index.update(&zone, &next, &delta);
            let fresh = Index::new(&zone, &next);
            prop_assert!(index == fresh, "{index:#?}\nis not\n{fresh:#?}");
            let differs = old.services != index.services || old.imports != index.imports || old.pods != index.pods;
            prop_assert_eq!(visible, differs);
            snapshot = next;
        }
    }

    #[test]
    fn a_lost_delta_does_no_harm(history in testing::history(), lost in vec(any::<bool>(), 13), zone in select(zones())) {
        let mut snapshot = Snapshot::default();
        let mut index = Index::new(&zone, &snapshot);
        for (step, lost) in history.iter().zip(lost) {
            let (next, delta) = step.apply(&snapshot);
            if !lost {
                index.update(&zone, &next, &delta);
                prop_assert!(index == Index::new(&zone, &next));
            }
            snapshot = next;
        }
    }

    #[test]
    fn a_table_holds_what_was_put_in_last(changes in vec((0_u16..400, any::<Option<u8>>()), 0..800)) {
        let mut table = Table::new();
        let mut model = std::collections::BTreeMap::new();
        for (key, value) in changes {
            let key = format!("key {key}").into_bytes();
            match value {
                Some(value) => {
                    table.insert(Pair(key.clone(), value));
                    model.insert(key, value);
                }
                None => {
                    table.remove(&key);
                    model.remove(&key);
                }
            }
        }
        prop_assert_eq!(table.iter().count(), model.len());
        for (key, value) in &model {
            prop_assert_eq!(table.get(key).map(|pair| pair.1), Some(*value));
        }
        let mut fresh = Table::new();
        model.into_iter().for_each(|(key, value)| fresh.insert(Pair(key, value)));
        prop_assert!(table == fresh);
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Pair(Vec<u8>, u8);

impl Keyed for Pair {
    fn key(&self) -> &[u8] {
        &self.0
    }
}

#[test]
fn a_full_leaf_is_searched() {
    let mut table = Table::new();
    let count = 100_000_u32;
    (0..count).for_each(|key| table.insert(Pair(key.to_le_bytes().into(), 1)));
    assert!((0..count).all(|key| table.get(&key.to_le_bytes()).is_some()));
    assert!((count..2 * count).all(|key| table.get(&key.to_le_bytes()).is_none()));
}

#[test]
fn a_change_elsewhere_keeps_what_is_there() {
    let service = |number: usize, ip: usize| {
        let text = format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: s{number}, namespace: a}}, spec: {{clusterIP: 10.0.0.{ip}, \
             clusterIPs: [10.0.0.{ip}]}}}}"
        );
        svc_model::yaml::read(&text).stored().0
    };
    let zone = Zone::builder("cluster.local").build().unwrap();
    let before: Snapshot = (0..10).flat_map(|number| service(number, number)).collect();
    let mut index = Index::new(&zone, &before);
    let kept = index.service(b"\x02s3\x01a", false).cloned();
    let (after, delta) = before.with(service(4, 99), []);
    assert!(index.update(&zone, &after, &delta));
    assert_eq!(index.service(b"\x02s3\x01a", false), kept.as_ref());
    let changed = index.service(b"\x02s4\x01a", false).unwrap();
    assert_eq!(changed.own().addresses().collect::<Vec<_>>(), ["10.0.0.99".parse::<IpAddr>().unwrap()]);
    let gone = ObjectName::new("a", "s4");
    let (last, delta) = after.with([], [svc_model::ObjectRef::new(svc_model::Kind::Service, gone)]);
    assert!(index.update(&zone, &last, &delta));
    assert!(index.service(b"\x02s4\x01a", false).is_none());
}
