//! What we print is what the nft program prints of what we sent.

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};
use svc_model::{Snapshot, yaml};
use svc_nft::{Batch, Dataplane as _, Socket};
use svc_proxy::{Compiler as _, Node, Plan, nftables};

use crate::trial;

pub fn trials() -> Vec<Trial> {
    vec![trial("text_is_that_of_the_nft_program", text), trial("what_is_listed_is_what_was_sent", listing)]
}

fn rules() -> nftables::Rules {
    let (objects, problems) = yaml::read(include_str!("../golden/compile/cluster.yaml")).stored();
    assert!(problems.is_empty(), "{problems:?}");
    let node = Node::builder("server2").address("172.20.10.2").address("fd00:20::2");
    let node = node.cluster_cidr("10.244.0.0/16").cluster_cidr("fd00:244::/48").service_cidr("10.96.0.0/12");
    let snapshot: Snapshot = objects.into_iter().collect();
    nftables::Backend::default().compile(&Plan::new(&snapshot, &node.build().unwrap()))
}

fn load() -> Result {
    let mut batch = Batch::new();
    for table in rules().tables() {
        batch.load(&table);
    }
    Ok(Socket::open()?.apply(&batch)?)
}

async fn text(lab: Lab) -> Result {
    let host = lab.host("server2").address("172.20.10.2/24").create().await?;
    host.run(|| async { load() }).await?;
    let mut command = tokio::process::Command::new("nft");
    command.args(["list", "ruleset"]);
    match host.command(command).output().await {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), rules().to_string()),
        Err(error) => println!("SKIP text: no nft program here: {error}"),
    }
    Ok(())
}

async fn listing(lab: Lab) -> Result {
    let host = lab.host("server2").address("172.20.10.2/24").create().await?;
    host.run(|| async {
        load()?;
        for table in rules().tables() {
            let listed = Socket::open()?.list_table(table.id())?;
            assert_eq!(listed.as_ref(), Some(&table));
        }
        Ok(())
    })
    .await
}
