//! From one mode to another and back, under connections that begin and connections that stay.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Trial;
use svc_lab::{Host, Lab, Result};
use svc_model::{AddressType, store::Store, yaml};
use svc_nft::ipset::{IpSet, IpSets, Member};
use svc_nft::{Batch, Dataplane as _, Socket, Table, TableId};
use svc_proxy::iptables::{self, Change, Stamp, TableName, Tables, Variant};
use svc_proxy::sys::Kernel;
use svc_proxy::{Backend, Proxy, SysctlPolicy};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::cluster::{Cluster, node_config, web};
use crate::iptables::assert_nothing_left;
use crate::killed::lost;
use crate::traffic::{Held, Load, ask, hold};
use crate::trial_of;

/// Where a process finds its objects that is to go from mode to mode until it is killed.
pub const MANIFESTS: &str = "SVC_PROXY_KERNEL_TEST_SWITCHING";
const VARIANT: &str = "SVC_PROXY_KERNEL_TEST_VARIANT";
const TO: &str = "SVC_PROXY_KERNEL_TEST_SWITCHING_TO";
const POINT: &str = "SVC_PROXY_KERNEL_TEST_KILLED_AT";
const SIGKILL: i32 = 9;

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for variant in Variant::ALL {
        trials.extend([
            trial_of(variant, "no_connection_fails_in_a_switch", live),
            trial_of(variant, "killed_in_a_switch_ends_in_one_mode", killed),
        ]);
    }
    trials
}

fn manifests() -> String {
    let more = (0..40_u8).map(|number| {
        let manifests = web("type: ClusterIP", "", &["a", "b"])
            .replace("web", &format!("more-{number}"))
            .replace("10.96.0.80", &format!("10.97.0.{number}"));
        manifests.replace(", nodePort: 30080", "")
    });
    let sticky = web("sessionAffinity: ClientIP", "", &["a", "remote"])
        .replace("web", "sticky")
        .replace("10.96.0.80", "10.96.0.81")
        .replace(", nodePort: 30080", "");
    let web = web("type: NodePort", "", &["a", "b", "remote"]);
    [web, sticky].into_iter().chain(more).collect::<Vec<_>>().join("\n---\n")
}

/// Nothing of a mode is in a host's kernel.
async fn assert_gone(host: &Host, backend: Backend, variant: Variant) -> Result {
    match backend {
        Backend::Nftables => {
            let tables = host.run(|| async { Socket::open()?.list_tables() }).await?;
            assert!(!tables.iter().any(|table| table.name() == "svc-proxy"), "{tables:?}");
            Ok(())
        }
        _ => assert_nothing_left(host, variant).await,
    }
}

async fn live(lab: Lab, variant: Variant) -> Result {
    let cluster = Cluster::with(&lab, |proxy| proxy.variant(variant)).await?;
    cluster.apply(&manifests()).await?;
    let [pod, own, client] = [&cluster.pods[2], &cluster.pods[0], &cluster.client];
    let load = Load::start(&[
        (pod, "10.96.0.80:80"),
        (own, "10.96.0.80:80"),
        (pod, "10.96.0.81:80"),
        (client, "10.96.0.80:80"),
        (client, "172.20.10.2:30080"),
        (&cluster.node, "10.96.0.80:80"),
    ]);
    let mut held: Vec<(&Host, Held)> = Vec::new();
    for (host, to) in
        [(pod, "10.96.0.80:80"), (client, "172.20.10.2:30080"), (&cluster.node, "10.96.0.80:80")]
    {
        held.push((host, hold(host, to).await?));
    }
    let mut backend = Backend::Nftables;
    for round in 0..6 {
        let former = backend;
        backend = if former == Backend::Nftables { Backend::Iptables } else { Backend::Nftables };
        // One of them begins in each mode, and lives through all that follow.
        held.push((client, hold(client, "10.96.0.80:80").await?));
        let switch = cluster.handle.switch(backend);
        let exchange = exchange(std::mem::take(&mut held));
        let (switched, exchanged) = tokio::join!(switch, exchange);
        switched?;
        held = exchange_once(exchanged?).await?;
        assert_gone(&cluster.node, former, variant).await?;
        // It goes on following the store.
        let more = web("type: ClusterIP", "", &["b"]).replace("web", &format!("round-{round}"));
        let address = format!("10.98.0.{round}");
        cluster.apply(&more.replace("10.96.0.80", &address).replace(", nodePort: 30080", "")).await?;
        assert_eq!(ask(pod, &format!("{address}:80")).await?.server, "b");
        assert!(cluster.handle.status().is_fine(), "{:?}", cluster.handle.status());
    }
    exchange_once(held).await?;
    let counts = load.finish().await?;
    assert!(counts.iter().all(|&count| count > 10), "{counts:?}");
    for host in [client, pod, own, &cluster.node] {
        assert_eq!(lost(host).await?, 0, "a first packet was sent again: it was lost");
    }
    Ok(())
}

/// Many times on each connection.
async fn exchange(mut held: Vec<(&Host, Held)>) -> Result<Vec<(&Host, Held)>> {
    for _ in 0..50 {
        held = exchange_once(held).await?;
    }
    Ok(held)
}

async fn exchange_once(held: Vec<(&Host, Held)>) -> Result<Vec<(&Host, Held)>> {
    let mut after = Vec::new();
    for (host, connection) in held {
        after.push((host, connection.exchange(host).await?));
    }
    Ok(after)
}

/// The running kernel, until a number of requests that change something: then the process is killed, before the request or
/// behind it.
#[derive(Debug)]
struct Deadly {
    kernel: Kernel,
    left: Arc<AtomicUsize>,
}

impl Deadly {
    fn point(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).unwrap();
        }
    }

    fn around<T>(&mut self, change: impl FnOnce(&mut Kernel) -> T) -> T {
        self.point();
        let result = change(&mut self.kernel);
        self.point();
        result
    }
}

impl svc_proxy::Dataplane for Deadly {
    fn nftables(&mut self) -> &mut dyn svc_nft::Dataplane {
        self
    }

    fn iptables(&mut self) -> &mut dyn iptables::Dataplane {
        self
    }

    fn ipvs(&mut self) -> &mut dyn svc_proxy::ipvs::Dataplane {
        self.kernel.ipvs()
    }

    fn conntrack(&mut self) -> &mut dyn svc_nft::conntrack::Conntrack {
        self.kernel.conntrack()
    }

    fn local_addresses(&mut self) -> std::io::Result<Vec<std::net::IpAddr>> {
        self.kernel.local_addresses()
    }

    fn sysctls(&mut self) -> &mut dyn svc_proxy::sysctl::Sysctls {
        self.kernel.sysctls()
    }
}

type NftResult<T> = std::result::Result<T, svc_nft::Error>;

impl svc_nft::Dataplane for Deadly {
    fn apply(&mut self, batch: &Batch) -> NftResult<()> {
        self.around(|kernel| kernel.apply(batch))
    }

    fn generation(&mut self) -> NftResult<u32> {
        self.kernel.generation()
    }

    fn apply_at(&mut self, generation: u32, batch: &Batch) -> NftResult<()> {
        self.around(|kernel| kernel.apply_at(generation, batch))
    }

    fn list_table(&mut self, table: &TableId) -> NftResult<Option<Table>> {
        self.kernel.list_table(table)
    }

    fn list_tables(&mut self) -> NftResult<Vec<TableId>> {
        self.kernel.list_tables()
    }
}

type ToolResult<T> = std::result::Result<T, iptables::Error>;

impl iptables::Dataplane for Deadly {
    fn default_variant(&mut self) -> ToolResult<Variant> {
        self.kernel.default_variant()
    }

    fn present(&mut self, variant: Variant, family: AddressType) -> ToolResult<Vec<TableName>> {
        self.kernel.present(variant, family)
    }

    fn list(&mut self, variant: Variant, family: AddressType, tables: &[TableName]) -> ToolResult<Tables> {
        iptables::Dataplane::list(&mut self.kernel, variant, family, tables)
    }

    fn restore(&mut self, variant: Variant, change: &Change) -> ToolResult<()> {
        self.around(|kernel| kernel.restore(variant, change))
    }

    fn remove_empty(&mut self, variant: Variant, family: AddressType) -> ToolResult<()> {
        self.around(|kernel| kernel.remove_empty(variant, family))
    }

    fn sets(&mut self) -> &mut dyn IpSets {
        self
    }

    fn stamp(&mut self, variant: Variant, family: AddressType) -> ToolResult<Stamp> {
        self.kernel.stamp(variant, family)
    }
}

impl IpSets for Deadly {
    fn create(&mut self, set: &IpSet) -> NftResult<()> {
        self.around(|kernel| kernel.create(set))
    }

    fn destroy(&mut self, name: &str) -> NftResult<bool> {
        self.around(|kernel| kernel.destroy(name))
    }

    fn flush(&mut self, name: &str) -> NftResult<()> {
        self.around(|kernel| kernel.flush(name))
    }

    fn list(&mut self) -> NftResult<Vec<IpSet>> {
        IpSets::list(&mut self.kernel)
    }

    fn members(&mut self, name: &str) -> NftResult<Vec<Member>> {
        self.kernel.members(name)
    }
}

/// The process: programs its objects, says so, and goes to the other mode, where it is killed at a point on its way, or says
/// that there is no such point.
pub fn drive(manifests: &str) -> ExitCode {
    let setting = |name: &str| std::env::var(name).unwrap();
    let variant = Variant::ALL.into_iter().find(|it| it.name() == setting(VARIANT)).unwrap();
    let backends = [Backend::Nftables, Backend::Iptables];
    let [to, from] = if setting(TO) == "nftables" { backends } else { [backends[1], backends[0]] };
    let left = Arc::new(AtomicUsize::new(0));
    let kernel = Deadly { kernel: Kernel::new(), left: Arc::clone(&left) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::new();
        let proxy = Proxy::builder(node_config()).sysctls(SysctlPolicy::Set).variant(variant).backend(from);
        let revision = store.apply(yaml::read(manifests).stored().0);
        let (handle, run) = proxy.dataplane(kernel).build().drive(store.watch());
        tokio::spawn(run);
        handle.programmed(revision).await.unwrap();
        left.store(setting(POINT).parse().unwrap(), Ordering::Relaxed);
        handle.switch(to).await.unwrap();
        println!("switched");
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}

/// Runs the process until it is killed, or has switched.
async fn run_until(host: &Host, variant: Variant, to: Backend, point: usize) -> Result<bool> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.env(MANIFESTS, manifests()).env(VARIANT, variant.name()).stdout(Stdio::piped());
    command.env(TO, to.name()).env(POINT, point.to_string());
    let mut process = host.command(command).spawn().await?;
    let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
    let switched = lines.next_line().await?.is_some();
    if switched {
        process.kill().await?;
    } else {
        assert_eq!(process.wait().await?.signal(), Some(SIGKILL));
    }
    Ok(switched)
}

async fn killed(lab: Lab, variant: Variant) -> Result {
    let mut cluster = Cluster::with(&lab, |proxy| proxy.variant(variant)).await?;
    cluster.apply(&manifests()).await?;
    cluster.stop();
    let load = Load::start(&[(&cluster.pods[2], "10.96.0.80:80"), (&cluster.client, "172.20.10.2:30080")]);
    for to in [Backend::Iptables, Backend::Nftables] {
        let mut points = 0;
        while !run_until(&cluster.node, variant, to, points + 1).await? {
            points += 1;
            ask(&cluster.pods[2], "10.96.0.80:80").await?;
            // Its successor is of the one mode or of the other.
            let (backend, other) = match points % 2 {
                0 => (Backend::Nftables, Backend::Iptables),
                _ => (Backend::Iptables, Backend::Nftables),
            };
            cluster.restart_with(|proxy| proxy.variant(variant).backend(backend));
            cluster.apply("").await?;
            let in_one = |status: &svc_proxy::Status| status.is_fine() && status.backend() == backend;
            cluster.handle.statuses().wait_for(in_one).await?;
            assert_gone(&cluster.node, other, variant).await?;
            ask(&cluster.client, "172.20.10.2:30080").await?;
            cluster.stop();
        }
        println!("to {to}: killed at {points} points");
        assert!(points >= 4, "{points}");
    }
    load.finish().await?;
    for host in [&cluster.client, &cluster.pods[2]] {
        assert_eq!(lost(host).await?, 0, "a first packet was sent again: it was lost");
    }
    Ok(())
}
