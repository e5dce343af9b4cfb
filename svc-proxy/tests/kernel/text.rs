//! What we print is what the nft program prints of what we sent, and what we list is what we sent: for a cluster written
//! by hand, and for clusters that nobody thought of.

use std::io::Write as _;
use std::process::Stdio;

use libtest_mimic::Trial;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use svc_ipvs::Dataplane as _;
use svc_lab::{Host, Lab, Result};
use svc_model::{Snapshot, testing, yaml};
use svc_nft::{Batch, Dataplane as _, Socket};
use svc_proxy::{
    Compat, Compiler as _, Detector, Node, NodePortAddresses, Plan, ProxyMode, ipvs, nftables::Backend,
    nftables::Rules,
};

use crate::{On, trial};

const CLUSTERS: usize = 60;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("text_is_that_of_the_nft_program", by_hand),
        trial("text_and_listing_of_generated_clusters", generated),
        On::Ipvs.trial("text_is_restored_by_ipvsadm", restored),
    ]
}

/// Of nftables alone, and those around IPVS.
fn rules(snapshot: &Snapshot, node: &Node) -> [Rules; 2] {
    let plan = Plan::new(snapshot, node);
    let around = ipvs::Backend::new(node.addresses().iter().copied()).compile(&plan);
    [Backend::default().compile(&plan), around.glue().clone()]
}

/// A node for every setting that changes what is compiled.
fn nodes() -> Vec<Node> {
    let plain = || Node::builder("server2").address("172.20.10.2").address("fd00:20::2");
    let detecting = || {
        let node = plain().cluster_cidr("10.244.0.0/16").cluster_cidr("fd00:10:244::/48");
        node.service_cidr("10.96.0.0/12").service_cidr("fd00:10:96::/112")
    };
    let upstream = |mode| detecting().compat(Compat::upstream(mode)).localhost_node_ports(true);
    let cidrs =
        NodePortAddresses::Cidrs(vec!["172.20.0.0/16".parse().unwrap(), "fd00:20::/64".parse().unwrap()]);
    let builders = [
        detecting(),
        detecting().localhost_node_ports(true).node_port_addresses(cidrs),
        plain().masquerade_all(true).detector(Detector::Interface("cni0".into())),
        plain()
            .detector(Detector::InterfacePrefix("veth".into()))
            .node_port_addresses(NodePortAddresses::All),
        upstream(ProxyMode::Iptables),
        upstream(ProxyMode::Ipvs),
        upstream(ProxyMode::Nftables),
    ];
    builders.into_iter().map(|builder| builder.build().unwrap()).collect()
}

async fn by_hand(lab: Lab) -> Result {
    let (objects, problems) = yaml::read(include_str!("../golden/compile/cluster.yaml")).stored();
    assert!(problems.is_empty(), "{problems:?}");
    let snapshot: Snapshot = objects.into_iter().collect();
    let host = lab.host("server2").address("172.20.10.2/24").create().await?;
    for node in nodes() {
        let [alone, around_ipvs] = rules(&snapshot, &node);
        agrees(&host, &alone).await?;
        agrees(&host, &around_ipvs).await?;
        is_read(&host, &alone).await?;
    }
    Ok(())
}

fn ipvs_rules(node: &Node) -> ipvs::Rules {
    let (objects, problems) = yaml::read(include_str!("../golden/compile/cluster.yaml")).stored();
    assert!(problems.is_empty(), "{problems:?}");
    let snapshot: Snapshot = objects.into_iter().collect();
    ipvs::Backend::new(node.addresses().iter().copied()).compile(&Plan::new(&snapshot, node))
}

/// It reads the lines that are for it, and the kernel then has what was meant.
async fn restored(lab: Lab) -> Result {
    let host = lab.host("server2").address("172.20.10.2/24").create().await?;
    for node in nodes() {
        let rules = ipvs_rules(&node);
        let text = rules.to_string();
        let lines: String =
            text.lines().filter(|line| line.starts_with('-')).map(|line| format!("{line}\n")).collect();
        let mut command = std::process::Command::new("ipvsadm");
        command.arg("--restore").stdin(Stdio::piped()).stderr(Stdio::piped());
        let said = host.run(move || async move {
            let mut child = command.spawn()?;
            child.stdin.take().ok_or(std::io::ErrorKind::BrokenPipe)?.write_all(lines.as_bytes())?;
            let output = child.wait_with_output()?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&output.stderr).into_owned())
        });
        assert_eq!(said.await?, "");
        let listed = host.run(|| async {
            let mut socket = svc_ipvs::Socket::open()?;
            let listed = socket.list()?;
            socket.apply(&svc_ipvs::diff(&listed, &[]))?;
            Ok::<_, svc_ipvs::Error>(listed)
        });
        assert_eq!(listed.await?, rules.servers());
    }
    Ok(())
}

async fn generated(lab: Lab) -> Result {
    let host = lab.host("server2").address("172.20.10.2/24").create().await?;
    let mut runner = TestRunner::deterministic();
    for (_, node) in (0..CLUSTERS).zip(nodes().iter().cycle()) {
        let objects = testing::cluster().new_tree(&mut runner).expect("a cluster").current();
        let snapshot: Snapshot = objects.into_iter().collect();
        let [alone, around_ipvs] = rules(&snapshot, node);
        agrees(&host, &alone).await?;
        agrees(&host, &around_ipvs).await?;
        is_read(&host, &alone).await?;
    }
    Ok(())
}

/// Sends the rules, lists them ourselves and by the program, and takes them away.
async fn agrees(host: &Host, rules: &Rules) -> Result {
    let tables = rules.tables();
    host.run(move || async move {
        let mut kernel = Socket::open()?;
        let mut batch = Batch::new();
        tables.iter().for_each(|table| _ = batch.load(table));
        kernel.apply(&batch)?;
        for table in &tables {
            assert_eq!(kernel.list_table(table.id())?.as_ref(), Some(table));
        }
        Ok::<_, svc_nft::Error>(())
    })
    .await?;
    let Some(listing) = programs_listing(host).await? else {
        println!("SKIP text: no nft program here");
        return gone(host, rules).await;
    };
    assert_eq!(listing, rules.to_string());
    gone(host, rules).await
}

/// The program takes what we print, too; but around IPVS for a rule that asks for the original port, which 1.0.6 prints and
/// does not read.
async fn is_read(host: &Host, rules: &Rules) -> Result {
    let mut command = tokio::process::Command::new("nft");
    command.arg(rules.to_string());
    let Ok(output) = host.command(command).output().await else { return Ok(()) };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(programs_listing(host).await?, Some(rules.to_string()));
    gone(host, rules).await
}

async fn gone(host: &Host, rules: &Rules) -> Result {
    let mut batch = Batch::new();
    rules.table_ids().iter().for_each(|table| _ = batch.delete_table(table));
    host.run(move || async move { Ok(Socket::open()?.apply(&batch)?) }).await
}

async fn programs_listing(host: &Host) -> Result<Option<String>> {
    let mut command = tokio::process::Command::new("nft");
    command.args(["list", "ruleset"]);
    match host.command(command).output().await {
        Ok(output) => Ok(Some(String::from_utf8(output.stdout)?)),
        Err(_) => Ok(None),
    }
}
