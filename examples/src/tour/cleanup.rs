//! Step 15: the node stack takes away all it brought, and nothing else.

use anyhow::ensure;

use super::Tour;

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    tour.log.did("before the stacks were started each node was dumped, with a foreign nft table, route and link in place");
    tour.log.did("stop the node stacks and let them clean up; their hosts live on");
    for node in ["server2", "server3"] {
        let during = tour.cluster.state(node).await?;
        let before = tour.cluster.state_before(node)?;
        ensure!(during != before, "{node} is as it was before: the stack did nothing");
        tour.cluster.clean_up(node).await?;
    }
    tour.moment_of_proof().await?;
    for node in ["server2", "server3"] {
        let before = tour.cluster.state_before(node)?;
        let after = tour.cluster.state(node).await?;
        let difference = difference(&before, &after);
        ensure!(difference.is_empty(), "{node} differs from what it was before:\n{difference}");
        for foreign in ["table ip foreign", "foreign0", "198.51.100.0/24"] {
            ensure!(after.contains(foreign), "{node} lost the foreign {foreign}");
        }
        let lines = before.lines().count();
        tour.log.saw(format_args!("{node}: links, addresses, routes, neighbours, FDB, sysctls and rules as before ({lines} lines); table foreign, route 198.51.100.0/24 and link foreign0 survived"));
    }
    Ok(())
}

fn difference(before: &str, after: &str) -> String {
    let missing = before
        .lines()
        .filter(|line| !after.lines().any(|other| other == *line))
        .map(|line| format!("- {line}\n"));
    let extra = after
        .lines()
        .filter(|line| !before.lines().any(|other| other == *line))
        .map(|line| format!("+ {line}\n"));
    missing.chain(extra).collect()
}
