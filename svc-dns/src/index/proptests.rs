//! The law: an index that followed the changes is the index of the last snapshot.

use std::fmt::Write;

use proptest::{collection::vec, option, prelude::*, sample::select};
use svc_model::{Kind, ObjectRef, store::Store, yaml};

use super::*;
use crate::PodRecords;

#[derive(Clone, Debug)]
enum Change {
    Cluster { name: ObjectName, ip: u8, ports: Vec<u16> },
    Headless { name: ObjectName },
    External { name: ObjectName, target: &'static str },
    Slice { service: ObjectName, part: u8, endpoints: Vec<(u8, bool, Option<&'static str>)> },
    Pod { name: ObjectName, ip: u8, phase: &'static str },
    Delete { kind: Kind, name: ObjectName, part: u8 },
}

/// Few names, so that they meet again.
fn name() -> impl Strategy<Value = ObjectName> {
    (select(vec!["a", "b"]), select(vec!["web", "db", "x"]))
        .prop_map(|(namespace, name)| ObjectName::new(namespace, name))
}

fn change() -> impl Strategy<Value = Change> {
    let target = select(vec!["www.example.com", "web.a.svc.cluster.local", "192.0.2.1"]);
    let endpoint = (0_u8..6, any::<bool>(), option::of(select(vec!["one", "two"])));
    let kind = select(vec![Kind::Service, Kind::EndpointSlice, Kind::Pod]);
    prop_oneof![
        (name(), 0_u8..6, vec(80_u16..83, 0..3)).prop_map(|(name, ip, ports)| Change::Cluster {
            name,
            ip,
            ports
        }),
        name().prop_map(|name| Change::Headless { name }),
        (name(), target).prop_map(|(name, target)| Change::External { name, target }),
        (name(), 0_u8..2, vec(endpoint, 0..4)).prop_map(|(service, part, endpoints)| Change::Slice {
            service,
            part,
            endpoints
        }),
        (name(), 0_u8..6, select(vec!["Running", "Succeeded"])).prop_map(|(name, ip, phase)| Change::Pod {
            name,
            ip,
            phase
        }),
        (kind, name(), 0_u8..2).prop_map(|(kind, name, part)| Change::Delete { kind, name, part }),
    ]
}

impl Change {
    fn apply(&self, store: &Store) {
        if let Change::Delete { kind, name, part } = self {
            let name = match kind {
                Kind::EndpointSlice => slice_name(name, *part),
                _ => name.clone(),
            };
            store.delete(&ObjectRef::new(*kind, name));
            return;
        }
        let (objects, problems) = yaml::read(&self.manifest()).stored();
        assert!(problems.is_empty(), "{problems:?}");
        store.apply(objects);
    }

    fn manifest(&self) -> String {
        match self {
            Change::Cluster { name, ip, ports } => {
                let mut list = String::new();
                for (number, port) in ports.iter().enumerate() {
                    write!(list, "{{name: p{number}, port: {port}}}, ").unwrap();
                }
                object(
                    "v1, kind: Service",
                    name,
                    "",
                    &format!("spec: {{clusterIP: 10.0.0.{ip}, clusterIPs: [10.0.0.{ip}], ports: [{list}]}}"),
                )
            }
            Change::Headless { name } => {
                object("v1, kind: Service", name, "", "spec: {clusterIP: None, clusterIPs: [None]}")
            }
            Change::External { name, target } => object(
                "v1, kind: Service",
                name,
                "",
                &format!("spec: {{type: ExternalName, externalName: {target}}}"),
            ),
            Change::Slice { service, part, endpoints } => {
                let mut list = String::new();
                for (ip, ready, hostname) in endpoints {
                    let hostname = hostname.map(|name| format!("hostname: {name}, ")).unwrap_or_default();
                    write!(list, "{{{hostname}addresses: [10.0.1.{ip}], conditions: {{ready: {ready}}}}}, ")
                        .unwrap();
                }
                let labels = format!(", labels: {{kubernetes.io/service-name: {}}}", service.name());
                let rest = format!("addressType: IPv4, ports: [{{name: p0, port: 80}}], endpoints: [{list}]");
                object(
                    "discovery.k8s.io/v1, kind: EndpointSlice",
                    &slice_name(service, *part),
                    &labels,
                    &rest,
                )
            }
            Change::Pod { name, ip, phase } => object(
                "v1, kind: Pod",
                name,
                "",
                &format!("status: {{phase: {phase}, podIP: 10.0.1.{ip}, podIPs: [{{ip: 10.0.1.{ip}}}]}}"),
            ),
            Change::Delete { .. } => String::new(),
        }
    }
}

fn slice_name(service: &ObjectName, part: u8) -> ObjectName {
    ObjectName::new(service.namespace(), format!("{}-{part}", service.name()))
}

fn object(head: &str, name: &ObjectName, labels: &str, rest: &str) -> String {
    let (namespace, name) = (name.namespace(), name.name());
    format!("{{apiVersion: {head}, metadata: {{namespace: {namespace}, name: {name}{labels}}}, {rest}}}\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn following_changes_is_building_from_the_last_snapshot(
        batches in vec(vec(change(), 1..4), 1..12),
        pods in select(vec![PodRecords::Disabled, PodRecords::Verified]),
    ) {
        let zone = Zone::builder("cluster.local").reverse("10.0.0.0/23").pods(pods).build().unwrap();
        let store = Store::new();
        let mut watch = store.watch();
        let mut index = Index::new(&zone, &watch.snapshot());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for batch in batches {
            let before = watch.snapshot().revision();
            batch.iter().for_each(|change| change.apply(&store));
            if store.snapshot().revision() == before {
                continue;
            }
            let (snapshot, delta) = runtime.block_on(watch.changed()).unwrap();
            let old = index.clone();
            let visible = index.update(&zone, &snapshot, &delta);
            let fresh = Index::new(&zone, &snapshot);
            prop_assert!(index == fresh, "{index:#?}\nis not\n{fresh:#?}");
            prop_assert_eq!(visible, old.services != index.services || old.pods != index.pods);
        }
    }

    #[test]
    fn a_lost_delta_does_no_harm(changes in vec(change(), 2..8)) {
        let zone = Zone::builder("cluster.local").reverse("10.0.0.0/23").build().unwrap();
        let store = Store::new();
        let mut index = Index::new(&zone, &store.snapshot());
        let (front, back) = changes.split_at(changes.len() / 2);
        front.iter().for_each(|change| change.apply(&store));
        // Follows the second half only.
        let mut watch = store.watch();
        let before = watch.snapshot().revision();
        back.iter().for_each(|change| change.apply(&store));
        if store.snapshot().revision() != before {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (snapshot, delta) = runtime.block_on(watch.changed()).unwrap();
            index.update(&zone, &snapshot, &delta);
            prop_assert!(index == Index::new(&zone, &snapshot));
        }
    }
}
