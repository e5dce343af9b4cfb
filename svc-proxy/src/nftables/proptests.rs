use proptest::prelude::*;
use svc_model::{Snapshot, testing};
use svc_nft::{Batch, Dataplane as _, Table, fake};

use super::*;
use crate::{Compat, Detector, Node, NodePortAddresses, ProxyMode};

/// Every setting that changes what Services compile to.
fn node() -> impl Strategy<Value = Node> {
    let plain = || Node::builder("server2").address("172.20.10.2").address("fd00::2");
    let detecting = || plain().cluster_cidr("10.244.0.0/16").service_cidr("10.96.0.0/12");
    let upstream = |mode| detecting().compat(Compat::upstream(mode)).localhost_node_ports(true);
    let builders = vec![
        detecting(),
        plain().masquerade_all(true).localhost_node_ports(true),
        plain()
            .detector(Detector::InterfacePrefix("veth".into()))
            .node_port_addresses(NodePortAddresses::All),
        upstream(ProxyMode::Iptables),
        upstream(ProxyMode::Ipvs),
        upstream(ProxyMode::Nftables),
    ];
    let nodes = builders.into_iter().map(|builder| builder.build().unwrap());
    prop::sample::select(nodes.collect::<Vec<_>>())
}

/// What a table holds, whatever the order in which it came.
fn sorted(table: &Table) -> Table {
    let (mut sets, mut chains) = (table.sets().to_vec(), table.chains().to_vec());
    sets.sort_by(|a, b| a.name().cmp(b.name()));
    chains.sort_by(|a, b| a.name().cmp(b.name()));
    let empty = Table::with_id(table.id().clone()).comment(table.comment_text().unwrap_or_default());
    chains.into_iter().fold(sets.into_iter().fold(empty, Table::set), Table::chain)
}

fn holds(kernel: &mut fake::Kernel, rules: &Rules) -> Result<(), TestCaseError> {
    for table in rules.tables() {
        let listed = kernel.list_table(table.id()).unwrap().unwrap();
        prop_assert_eq!(sorted(&listed).to_string(), sorted(&table).to_string());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn following_deltas_leaves_what_a_fresh_load_leaves(history in testing::history(), node in node()) {
        let mut snapshot = Snapshot::default();
        let mut plan = Plan::new(&snapshot, &node);
        let mut rules = plan.compile(&Backend::default());
        let mut kernel = fake::Kernel::new();
        for table in rules.tables() {
            kernel.apply(Batch::new().load(&table)).unwrap();
        }
        for step in &history {
            let (next, delta) = step.apply(&snapshot);
            let changed = plan.update(&next, &delta);
            let before = rules.clone();
            rules.update(&plan, &changed);
            prop_assert_eq!(&rules, &Plan::new(&next, &node).compile(&Backend::default()));
            let batch = rules.diff_of(&before, &changed);
            prop_assert_eq!(&batch, &rules.diff(&before));
            prop_assert_eq!(batch.is_empty(), rules == before);
            kernel.apply(&batch).map_err(|error| TestCaseError::fail(format!("{error}\n{batch}")))?;
            holds(&mut kernel, &rules)?;
            snapshot = next;
        }
    }

    #[test]
    fn a_fresh_load_is_accepted_and_undone_by_the_opposite_diff(history in testing::history(), node in node()) {
        let empty = Plan::new(&Snapshot::default(), &node).compile(&Backend::default());
        let mut snapshot = Snapshot::default();
        for step in &history {
            snapshot = step.apply(&snapshot).0;
        }
        let full = Plan::new(&snapshot, &node).compile(&Backend::default());
        let mut kernel = fake::Kernel::new();
        for table in full.tables() {
            kernel.apply(Batch::new().load(&table)).unwrap();
        }
        holds(&mut kernel, &full)?;
        kernel.apply(&empty.diff(&full)).unwrap();
        holds(&mut kernel, &empty)?;
        kernel.apply(&full.diff(&empty)).unwrap();
        holds(&mut kernel, &full)?;
    }
}
