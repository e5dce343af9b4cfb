//! From one table to the next by the difference alone, on the fake and on the kernel.

use libtest_mimic::Trial;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use svc_nft::{Batch, Dataplane, Socket, Table, fake};

use crate::strategies;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("fake::walks_by_differences", || {
            walk(&mut fake::Kernel::new(), 500);
            Ok(())
        }),
        Trial::test("kernel::walks_by_differences", || {
            crate::in_lab(|| walk(&mut Socket::open().expect("a netlink socket"), 300));
            Ok(())
        }),
    ]
}

fn walk(kernel: &mut dyn Dataplane, steps: usize) {
    let mut runner = TestRunner::deterministic();
    let mut listed: Option<Table> = None;
    for step in 0..steps {
        let wanted = strategies::small_table().new_tree(&mut runner).expect("a table").current();
        let batch = wanted.diff(listed.as_ref());
        if let Err(error) = kernel.apply(&batch) {
            panic!("step {step}: {error}\nfrom:\n{listed:?}\nto:\n{wanted}\nby:\n{batch}");
        }
        let now = kernel.list_table(wanted.id()).expect("a listing").expect("the table");
        assert_eq!(sorted(&now), sorted(&wanted), "step {step} by:\n{batch}");
        assert_eq!(wanted.diff(&now), Batch::new(), "nothing is left to do after step {step}");
        listed = Some(now);
    }
}

/// What came when does not count.
fn sorted(table: &Table) -> Table {
    let (mut sets, mut chains) = (table.sets().to_vec(), table.chains().to_vec());
    sets.sort_by(|a, b| a.name().cmp(b.name()));
    chains.sort_by(|a, b| a.name().cmp(b.name()));
    let mut sorted = Table::with_id(table.id().clone());
    sets.into_iter().for_each(|set| sorted.insert_set(set));
    chains.into_iter().for_each(|chain| sorted.insert_chain(chain));
    sorted
}
