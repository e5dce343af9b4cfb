use proptest::prelude::*;
use svc_model::{Snapshot, testing};

use super::*;
use crate::{Node, Plan};

fn node() -> Node {
    let node = Node::builder("server2").address("172.20.10.2").address("2001:db8:20::2");
    node.cluster_cidr("10.244.0.0/16").service_cidr("10.96.0.0/16").build().unwrap()
}

/// Takes what a change says into tables, as iptables-restore would.
fn apply(tables: &mut Tables, change: &Change) {
    let mut table = TableName::Nat;
    let mut text = String::new();
    let mut gone = std::collections::BTreeSet::new();
    for line in change.lines() {
        let line = line.line();
        if let Some(name) = line.strip_prefix('*') {
            table = TableName::ALL.into_iter().find(|table| table.as_str() == name).unwrap();
        } else if let Some(chain) = line.strip_prefix("-X ") {
            assert!(tables.remove(table, chain).is_some(), "{chain} was not there");
            gone.insert((table, chain.to_owned()));
            continue;
        }
        text += line;
        text += "\n";
    }
    let changed = Tables::parse(tables.family(), &text).unwrap();
    for (table, chains) in changed.tables() {
        for (name, chain) in chains.iter().filter(|(name, _)| !gone.contains(&(*table, (*name).clone()))) {
            tables.insert(*table, name, chain.clone());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn changes_lead_to_what_a_start_from_nothing_gives(history in testing::history(), flat in any::<bool>()) {
        let backend = Backend::default().flat(flat).affinity_lists(2);
        let mut snapshot = Snapshot::default();
        let mut plan = Plan::new(&snapshot, &node());
        let mut rules = backend.compile(&plan);
        let mut held = rules.tables();
        for step in &history {
            let (next, delta) = step.apply(&snapshot);
            let changed = plan.update(&next, &delta);
            let before = rules.clone();
            rules.update(&plan, &changed);
            for (tables, change) in held.iter_mut().zip(rules.diff_of(&before, &changed)) {
                apply(tables, &change);
            }
            snapshot = next;
        }
        let fresh = backend.compile(&Plan::new(&snapshot, &node())).tables();
        for (held, fresh) in held.iter().zip(&fresh) {
            prop_assert_eq!(held.to_string(), fresh.to_string());
            // What is written is read.
            prop_assert_eq!(&Tables::parse(fresh.family(), &fresh.to_string()).unwrap(), fresh);
        }
    }

    #[test]
    fn the_tree_follows_any_addresses(
        before in prop::collection::btree_set(0_u8.., 0..60), after in prop::collection::btree_set(0_u8.., 0..60)
    ) {
        let snapshot = |numbers: &std::collections::BTreeSet<u8>| -> Snapshot {
            let text = |number: &u8| format!(
                "{{apiVersion: v1, kind: Service, metadata: {{name: s{number}}}, \
                 spec: {{clusterIP: 10.96.0.{number}, ports: [{{port: 80}}]}}}}\n---\n"
            );
            let manifests = svc_model::yaml::read(&numbers.iter().map(text).collect::<String>());
            manifests.stored().0.into_iter().collect()
        };
        let compile = |numbers| Backend::default().compile(&Plan::new(&snapshot(numbers), &node()));
        let (old, new) = (compile(&before), compile(&after));
        for ((mut held, change), wanted) in old.tables().into_iter().zip(new.diff(&old)).zip(new.tables()) {
            apply(&mut held, &change);
            prop_assert_eq!(held.to_string(), wanted.to_string());
        }
    }
}
