//! What a full load and a change cost at 10 000 Services with two endpoints each; printed, not judged.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use libtest_mimic::Trial;
use svc_lab::{Host, Lab, Result};
use svc_model::{
    AddressType, Endpoint, EndpointPort, EndpointSlice, Object, ObjectName, Protocol, Snapshot, yaml,
};
use svc_nft::{Batch, Dataplane as _, Socket};
use svc_proxy::{Compiler as _, Plan, nftables};

use crate::cluster::node_config;
use crate::trial;

const SERVICES: u16 = 10_000;
const CHANGES: usize = 50;

pub fn trials() -> Vec<Trial> {
    vec![trial("ten_thousand_services_load", load)]
}

fn service(number: u16) -> Object {
    let [high, low] = number.to_be_bytes();
    let manifest = format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {{\"name\": \"s{number}\", \"namespace\": \
         \"default\"}}, \"spec\": {{\"clusterIP\": \"10.97.{high}.{low}\", \"ports\": [{{\"port\": 80}}]}}}}"
    );
    yaml::read(&manifest).stored().0.remove(0)
}

fn slice(number: u16, hosts: [u8; 2]) -> Object {
    let [high, low] = number.to_be_bytes();
    let endpoint = |host| {
        let address = IpAddr::V4(Ipv4Addr::new(10, 128 + host, high, low));
        Endpoint::ready_at(address).on_node(if host == 1 { "server2" } else { "server3" })
    };
    let name = ObjectName::new("default", format!("s{number}"));
    let port = EndpointPort::new("", Protocol::Tcp, 8080);
    let endpoints = hosts.map(endpoint).to_vec();
    EndpointSlice::of_service(&name, format!("s{number}-1"), AddressType::Ipv4, vec![port], endpoints).into()
}

async fn load(lab: Lab) -> Result {
    let [host] = lab.hosts(["server2"]).await?;
    host.run(|| async { measure() }).await?;
    compare_with_nft(&host).await
}

/// The same rules by the nft program, where it is installed.
async fn compare_with_nft(host: &Host) -> Result {
    let script = std::env::temp_dir().join(format!("svc-proxy-{}.nft", std::process::id()));
    std::fs::write(&script, full_script())?;
    let mut command = tokio::process::Command::new("nft");
    command.arg("-f").arg(&script);
    let started = Instant::now();
    match host.command(command).output().await {
        Ok(output) if output.status.success() => println!("nft -f of the same: {:?}", started.elapsed()),
        Ok(output) => println!("nft -f of the same: {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => println!("SKIP nft -f of the same: {error}"),
    }
    Ok(std::fs::remove_file(&script)?)
}

fn cluster() -> Snapshot {
    (0..SERVICES).flat_map(|number| [service(number), slice(number, [1, 2])]).collect()
}

fn full_script() -> String {
    let rules = nftables::Backend::default().compile(&Plan::new(&cluster(), &node_config()));
    let mut batch = Batch::new();
    for table in rules.tables() {
        batch.delete_table(table.id()).load(&table);
    }
    batch.to_string()
}

fn measure() -> Result {
    let mut snapshot = cluster();
    let started = Instant::now();
    let mut plan = Plan::new(&snapshot, &node_config());
    println!("plan of {SERVICES} Services: {:?}", started.elapsed());
    let started = Instant::now();
    let mut rules = nftables::Backend::default().compile(&plan);
    println!("compile: {:?}", started.elapsed());
    let mut kernel = Socket::open()?;
    let started = Instant::now();
    let mut batch = Batch::new();
    for table in rules.tables() {
        batch.load(&table);
    }
    kernel.apply(&batch)?;
    println!("full load into the kernel: {:?}", started.elapsed());
    let mut times = Vec::new();
    for round in 0..CHANGES {
        let hosts = if round % 2 == 0 { [1, 3] } else { [1, 2] };
        let (next, delta) = snapshot.with([slice(SERVICES / 2, hosts)], []);
        let started = Instant::now();
        let changed = plan.update(&next, &delta);
        let before = rules.clone();
        rules.update(&plan, &changed);
        kernel.apply(&rules.diff_of(&before, &changed))?;
        times.push(started.elapsed());
        snapshot = next;
    }
    times.sort();
    println!("one endpoint changed: median {:?}, worst {:?}", times[CHANGES / 2], times[CHANGES - 1]);
    let started = Instant::now();
    for table in rules.tables() {
        let listed = kernel.list_table(table.id())?;
        assert!(table.diff(listed.as_ref()).is_empty(), "the kernel lists something else than was sent");
    }
    println!("list and compare: {:?}", started.elapsed());
    Ok(())
}
