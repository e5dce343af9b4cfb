//! A driver that is a process of its own, and is killed: what it left stays in force, and its successor takes it over as it
//! is, all under traffic.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, Stdio};

use libtest_mimic::Trial;
use svc_lab::{Host, Lab, Process, Result};
use svc_model::{store::Store, yaml};
use svc_proxy::{Proxy, SysctlPolicy};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::cluster::{Cluster, node_config, web};
use crate::life::generation;
use crate::traffic::{Load, ask};
use crate::trial;

/// Where a process finds its objects that is to be a driver rather than a test.
pub const MANIFESTS: &str = "SVC_PROXY_KERNEL_TEST_MANIFESTS";
const SIGKILL: i32 = 9;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_killed_process_is_succeeded_under_traffic", idle),
        trial("a_process_killed_at_any_moment_leaves_rules_that_serve", busy),
    ]
}

/// The process: drives the kernel of its network namespace to these objects, says so, and goes on until it is killed.
/// With several documents separated by `===` it goes from one to the next, round and round, saying so each time.
pub fn drive(manifests: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::new();
        let proxy = Proxy::builder(node_config()).sysctls(SysctlPolicy::Set).build();
        let states: Vec<_> = manifests.split("===").map(|text| yaml::read(text).stored().0).collect();
        let mut revision = store.apply(states[0].clone());
        let (handle, run) = proxy.drive(store.watch());
        tokio::spawn(run);
        for state in states.iter().cycle().skip(1) {
            handle.programmed(revision).await.unwrap();
            println!("programmed");
            if states.len() == 1 {
                std::future::pending::<()>().await;
            }
            revision = store.apply(state.clone());
        }
    });
    ExitCode::SUCCESS
}

struct Driver {
    process: Process,
}

impl Driver {
    /// Runs when this returns, and has programmed its objects so many times.
    async fn start(host: &Host, manifests: &str, rounds: usize) -> Result<Self> {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.env(MANIFESTS, manifests).stdout(Stdio::piped());
        let mut process = host.command(command).spawn().await?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        for _ in 0..rounds {
            assert_eq!(lines.next_line().await?.as_deref(), Some("programmed"));
        }
        Ok(Self { process })
    }

    async fn kill(mut self) -> Result {
        assert_eq!(self.process.kill().await?.signal(), Some(SIGKILL));
        Ok(())
    }
}

async fn idle(lab: Lab) -> Result {
    let Cluster { client, node, pods, driver, remote: _remote, .. } = Cluster::new(&lab).await?;
    drop(driver);
    let sticky = web("type: NodePort, sessionAffinity: ClientIP", "", &["a", "b", "remote"]);
    let mut running = Driver::start(&node, &sticky, 1).await?;
    let first = ask(&pods[2], "10.96.0.80:80").await?.server;
    let before = generation(&node).await?;
    let load = Load::start(&[
        (&pods[2], "10.96.0.80:80"),
        (&client, "10.96.0.80:80"),
        (&client, "172.20.10.2:30080"),
    ]);
    for _ in 0..3 {
        running.kill().await?;
        assert_eq!(ask(&pods[2], "10.96.0.80:80").await?.server, first, "with nobody there");
        running = Driver::start(&node, &sticky, 1).await?;
    }
    assert_eq!(generation(&node).await?, before, "a successor rewrote what was right");
    load.finish().await?;
    assert_eq!(ask(&pods[2], "10.96.0.80:80").await?.server, first);
    for host in [&client, &pods[2]] {
        assert_eq!(lost(host).await?, 0, "a first packet was sent again: it was lost");
    }
    running.kill().await
}

async fn busy(lab: Lab) -> Result {
    let Cluster { client, node, pods, driver, remote: _remote, .. } = Cluster::new(&lab).await?;
    drop(driver);
    let states = [&["a", "b"][..], &["b", "remote"], &["remote", "a"], &["a", "b", "remote"]];
    let manifests = states.map(|endpoints| web("type: NodePort", "", endpoints)).join("===");
    let mut running = Driver::start(&node, &manifests, 1).await?;
    let load = Load::start(&[(&pods[2], "10.96.0.80:80"), (&client, "172.20.10.2:30080")]);
    for round in 1..6 {
        running.kill().await?;
        running = Driver::start(&node, &manifests, round).await?;
    }
    running.kill().await?;
    load.finish().await?;
    for host in [&client, &pods[2]] {
        assert_eq!(lost(host).await?, 0, "a first packet was sent again: it was lost");
    }
    // In the end what a quiet successor wants is there.
    let last = Driver::start(&node, &web("type: NodePort", "", &["b"]), 1).await?;
    for _ in 0..5 {
        assert_eq!(ask(&pods[2], "10.96.0.80:80").await?.server, "b");
    }
    last.kill().await
}

/// How many first packets of connections a host had to send again (`TCPSynRetrans` of its network namespace).
pub async fn lost(host: &Host) -> Result<u64> {
    let text = host.run(|| async { std::fs::read_to_string("/proc/thread-self/net/netstat") }).await?;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let [names, values, ..] = &rows[..] else { return Err("no statistics".into()) };
    let at = names.iter().position(|name| *name == "TCPSynRetrans").ok_or("no such statistic")?;
    Ok(values[at].parse()?)
}
