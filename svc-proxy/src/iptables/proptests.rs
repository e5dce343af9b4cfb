use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use svc_model::{Snapshot, testing};

use super::*;
use crate::{Node, Plan};

fn node() -> Node {
    let node = Node::builder("server2").address("172.20.10.2").address("2001:db8:20::2");
    node.cluster_cidr("10.244.0.0/16").service_cidr("10.96.0.0/16").build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn changes_lead_to_what_a_start_from_nothing_gives(history in testing::history(), flat in any::<bool>()) {
        let backend = Backend::default().flat(flat);
        let mut snapshot = Snapshot::default();
        let mut plan = Plan::new(&snapshot, &node());
        let mut rules = backend.compile(&plan);
        let mut held = rules.tables();
        let mut counts: Vec<BTreeMap<TableName, i64>> = held.iter().map(counted).collect();
        let mut listed = held.clone();
        for (number, step) in history.iter().enumerate() {
            let (next, delta) = step.apply(&snapshot);
            let changed = plan.update(&next, &delta);
            let before = rules.clone();
            rules.update(&plan, &changed);
            let changes = rules.diff_of(&before, &changed);
            for ((tables, counts), change) in held.iter_mut().zip(&mut counts).zip(changes) {
                tables.restore(&change.to_string()).unwrap();
                for (table, size) in change.sizes() {
                    *counts.entry(*table).or_default() += size.growth;
                }
            }
            // Who looks only now and then.
            for tables in listed.iter_mut().filter(|_| number % 3 == 0) {
                tables.restore(rules.diff_listed(&tables.owned()).text()).unwrap();
                prop_assert!(rules.diff_listed(&tables.owned()).is_empty());
            }
            snapshot = next;
        }
        for tables in &mut listed {
            tables.restore(rules.diff_listed(&tables.owned()).text()).unwrap();
        }
        prop_assert_eq!(&listed, &held);
        for (counts, held) in counts.iter().zip(&held) {
            prop_assert_eq!(counts, &counted(held));
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
        let wide = |numbers: &BTreeSet<u8>| numbers.iter().map(|number| u16::from(*number)).collect();
        follows(&wide(&before), &wide(&after))?;
    }

    #[test]
    fn the_tree_follows_a_single_address(
        numbers in prop::collection::btree_set(0_u16.., 1..80), one in any::<prop::sample::Index>()
    ) {
        let mut fewer = numbers.clone();
        fewer.remove(one.get(&numbers.iter().copied().collect::<Vec<_>>()));
        follows(&fewer, &numbers)?;
        follows(&numbers, &fewer)?;
    }
}

/// How many rules there are of each table.
fn counted(tables: &Tables) -> BTreeMap<TableName, i64> {
    let mut counts: BTreeMap<_, _> = TableName::ALL.into_iter().map(|table| (table, 0)).collect();
    for ((table, _), chain) in tables.chains() {
        *counts.entry(table).or_default() += i64::try_from(chain.rules().len()).unwrap();
    }
    counts
}

/// Services with these numbers in their addresses, of both families.
fn follows(before: &BTreeSet<u16>, after: &BTreeSet<u16>) -> Result<(), TestCaseError> {
    let snapshot = |numbers: &BTreeSet<u16>| -> Snapshot {
        let text = |number: &u16| {
            let [high, low] = number.to_be_bytes();
            format!(
                "{{apiVersion: v1, kind: Service, metadata: {{name: s{number}}}, \
                 spec: {{clusterIPs: [10.96.{high}.{low}, 'fd00:10:96::{number:x}'], \
                 externalIPs: [198.51.100.{low}, 'fd00:198::{number:x}', 'fd00:203:{high:x}::{low:x}'], ports: [{{port: 80}}]}}}}\n---\n"
            )
        };
        let manifests = svc_model::yaml::read(&numbers.iter().map(text).collect::<String>());
        manifests.stored().0.into_iter().collect()
    };
    let compile = |numbers| Backend::default().compile(&Plan::new(&snapshot(numbers), &node()));
    let (old, new) = (compile(before), compile(after));
    for ((mut held, change), wanted) in old.tables().into_iter().zip(new.diff(&old)).zip(new.tables()) {
        held.restore(&change.to_string()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(held.to_string(), wanted.to_string());
    }
    Ok(())
}
