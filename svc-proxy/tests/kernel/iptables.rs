//! The mode iptables on the kernel, by the programs of both variants.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use libtest_mimic::Trial;
use nix::fcntl::{Flock, FlockArg};
use svc_lab::{Host, Lab, Result};
use svc_model::{Kind, ObjectName, ObjectRef, yaml};
use svc_proxy::iptables::Variant;
use svc_proxy::sys::{Kernel, Programs};
use svc_proxy::{Backend, Error, Proxy, ProxyBuilder, Status};

use crate::affinity::sets;
use crate::cluster::{Cluster, node_config, web};
use crate::traffic::{Load, ask, ask_often, assert_refused, hold};
use crate::{trial, trial_of};

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial_of(Variant::Legacy, "names_a_lock_that_is_held_and_its_holder", locked),
        trial("a_program_that_is_missing_or_old_is_an_error_with_a_cure", missing),
    ];
    for variant in Variant::ALL {
        trials.extend([
            trial_of(variant, "serves_as_nftables_does", served),
            trial_of(variant, "updates_fail_no_connection", updates),
            trial_of(variant, "rules_that_are_flushed_come_back", flushed),
            trial_of(variant, "clean_up_leaves_the_host_as_it_was", clean_up),
            trial_of(variant, "chains_of_another_proxy_are_refused_or_adopted", foreign),
            trial_of(variant, "a_service_that_is_refused_keeps_no_other_out", refused),
            trial_of(variant, "serves_ipv6", ipv6),
            trial_of(variant, "a_change_starts_one_program", started),
        ]);
    }
    trials
}

pub fn in_iptables(variant: Variant) -> impl Fn(ProxyBuilder) -> ProxyBuilder {
    move |proxy| proxy.backend(Backend::Iptables).variant(variant)
}

/// A program of iptables, run by hand in a host.
pub async fn run(host: &Host, program: &str, arguments: &str) -> Result<String> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments.split_whitespace());
    let output = host.command(command).output().await?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(String::from_utf8_lossy(&output.stderr).into())
}

/// What tables hold, without comments and counters.
pub async fn saved(host: &Host, variant: Variant) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for program in ["iptables", "ip6tables"] {
        let text = run(host, &format!("{program}-{variant}-save"), "").await?;
        let of = text.lines().filter(|line| !line.starts_with('#'));
        lines.extend(of.map(|line| line.split(" [").next().unwrap_or_default().to_owned()));
    }
    Ok(lines)
}

/// Nothing is left of ours, in any table.
pub async fn assert_nothing_left(host: &Host, variant: Variant) -> Result {
    let left = saved(host, variant).await?;
    assert!(!left.iter().any(|line| line.contains("KUBE-") || line.contains("SVC-PROXY")), "{left:#?}");
    assert_eq!(sets(host).await?, BTreeMap::new());
    Ok(())
}

async fn served(lab: Lab, variant: Variant) -> Result {
    let mut cluster = Cluster::with(&lab, in_iptables(variant)).await?;
    cluster.apply(&web("type: NodePort, externalIPs: [192.0.2.10]", "", &["a", "b", "remote"])).await?;
    assert!(cluster.handle.status().is_fine(), "{:?}", cluster.handle.status());
    let [pod, client, node] = [&cluster.pods[2], &cluster.client, &cluster.node];
    assert_eq!(ask_often(pod, "10.96.0.80:80", 60).await?.len(), 3);
    assert_eq!(ask(pod, "10.96.0.80:80").await?.source, "10.244.2.67");
    ask(node, "10.96.0.80:80").await?;
    ask(client, "10.96.0.80:80").await?;
    ask(client, "172.20.10.2:30080").await?;
    ask(client, "192.0.2.10:80").await?;
    // One that is its own endpoint, and neighbours on a bridge.
    cluster.apply(&web("type: ClusterIP", "", &["a"])).await?;
    assert_eq!(ask(&cluster.pods[0], "10.96.0.80:80").await?.server, "a");
    assert_refused(&cluster.pods[2], "10.96.0.80:81").await;
    cluster.apply(&web("type: ClusterIP", "", &[])).await?;
    assert_refused(&cluster.pods[2], "10.96.0.80:80").await;
    assert_refused(&cluster.client, "10.96.0.80:80").await;
    cluster.apply(&web("type: ClusterIP, sessionAffinity: ClientIP", "", &["a", "b", "remote"])).await?;
    let first = ask(&cluster.pods[2], "10.96.0.80:80").await?.server;
    assert_eq!(
        ask_often(&cluster.pods[2], "10.96.0.80:80", 20).await?.into_keys().collect::<Vec<_>>(),
        [first]
    );
    // What a successor lists is what it wants: nothing is written anew.
    let before = saved(&cluster.node, variant).await?;
    let stamp = stamp(&cluster.node, variant).await?;
    cluster.restart_with(in_iptables(variant));
    cluster.apply("").await?;
    assert_eq!(self::stamp(&cluster.node, variant).await?, stamp);
    assert_eq!(saved(&cluster.node, variant).await?, before);
    assert_eq!(cluster.handle.status().repairs(), 0);
    Ok(())
}

async fn stamp(host: &Host, variant: Variant) -> Result<svc_proxy::iptables::Stamp> {
    use svc_proxy::iptables::Dataplane as _;
    Ok(host.run(move || async move { Kernel::new().stamp(variant, svc_model::AddressType::Ipv4) }).await?)
}

async fn updates(lab: Lab, variant: Variant) -> Result {
    let cluster = Cluster::with(&lab, in_iptables(variant)).await?;
    cluster.apply(&web("type: ClusterIP", "", &["a", "remote"])).await?;
    let clients = [&cluster.pods[2], &cluster.client, &cluster.node].map(|host| (host, "10.96.0.80:80"));
    let load = Load::start(&clients);
    let mut held = hold(&cluster.pods[2], "10.96.0.80:80").await?;
    let specs = [
        "type: NodePort",
        "type: NodePort, externalIPs: [192.0.2.10]",
        "type: NodePort, sessionAffinity: ClientIP",
        "type: LoadBalancer, externalTrafficPolicy: Local, sessionAffinity: ClientIP",
        "type: ClusterIP",
    ];
    let sets: [&[&str]; 4] = [&["a", "remote"], &["a", "b", "remote"], &["b"], &["b", "remote"]];
    for spec in specs {
        for endpoints in sets {
            cluster.apply(&web(spec, "", endpoints)).await?;
            held = held.exchange(&cluster.pods[2]).await?;
        }
    }
    let counts = load.finish().await?;
    assert!(counts.iter().all(|&count| count > 10), "{counts:?}");
    assert_eq!(cluster.handle.status().repairs(), 0);
    Ok(())
}

async fn flushed(lab: Lab, variant: Variant) -> Result {
    let cluster = Cluster::with(&lab, in_iptables(variant)).await?;
    cluster.apply(&web("type: NodePort", "", &["a", "remote"])).await?;
    let right: BTreeSet<String> = saved(&cluster.node, variant).await?.into_iter().collect();
    let wrongs = [
        &["-t nat -F"][..],
        &["-t nat -F", "-t nat -X", "-t filter -F", "-t filter -X", "-t mangle -F", "-t mangle -X"],
        &["-t nat -F KUBE-SERVICES"],
        &["-t nat -D PREROUTING 1"],
        &["-t filter -I KUBE-SERVICES -j ACCEPT"],
    ];
    for (done, wrong) in (1..).zip(wrongs) {
        let before = cluster.handle.status().repairs();
        for wrong in wrong {
            run(&cluster.node, &format!("iptables-{variant}"), &format!("-w 5 {wrong}")).await?;
        }
        cluster.handle.statuses().wait_for(|status| status.repairs() > before).await?;
        loop {
            // What several commands did may be put right in several goes.
            let now: BTreeSet<String> = saved(&cluster.node, variant).await?.into_iter().collect();
            if now == right {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(ask_often(&cluster.pods[2], "10.96.0.80:80", 30).await?.len(), 2, "{done}");
        ask(&cluster.client, "172.20.10.2:30080").await?;
    }
    Ok(())
}

async fn clean_up(lab: Lab, variant: Variant) -> Result {
    let cluster = Cluster::with(&lab, in_iptables(variant)).await?;
    cluster.apply("").await?;
    cluster.handle.clean_up().await?;
    // What somebody else has is in the same chains, before and behind ours.
    let program = format!("iptables-{variant}");
    for rule in
        ["-t nat -A PREROUTING -p icmp -j ACCEPT", "-t filter -N MINE", "-t filter -A FORWARD -j MINE"]
    {
        run(&cluster.node, &program, &format!("-w 5 {rule}")).await?;
    }
    let before = saved(&cluster.node, variant).await?;
    let proxy = in_iptables(variant)(Proxy::builder(node_config())).build();
    let (handle, run_driver) = proxy.drive(cluster.store.watch());
    let driver = cluster.node.spawn(move || run_driver);
    let revision = cluster.store.apply(yaml::read(&web("type: NodePort", "", &["a", "remote"])).stored().0);
    handle.programmed(revision).await?;
    run(&cluster.node, &program, "-w 5 -t nat -I PREROUTING -p icmp -j RETURN").await?;
    handle.clean_up().await?;
    driver.await;
    run(&cluster.node, &program, "-w 5 -t nat -D PREROUTING -p icmp -j RETURN").await?;
    assert_eq!(saved(&cluster.node, variant).await?, before);
    // And once more.
    let again = cluster
        .node
        .run(move || async move { in_iptables(variant)(Proxy::builder(node_config())).build().clean_up() });
    again.await?;
    assert_eq!(saved(&cluster.node, variant).await?, before);
    Ok(())
}

async fn foreign(lab: Lab, variant: Variant) -> Result {
    let mut cluster = Cluster::new(&lab).await?;
    cluster.stop();
    for rule in
        ["-N KUBE-SERVICES", "-N KUBE-SVC-AAAAAAAAAAAAAAAA", "-A KUBE-SERVICES -j KUBE-SVC-AAAAAAAAAAAAAAAA"]
    {
        run(&cluster.node, &format!("iptables-{variant}"), &format!("-w 5 -t nat {rule}")).await?;
    }
    let before = saved(&cluster.node, variant).await?;
    cluster.restart_with(in_iptables(variant));
    let status = failed(&cluster.handle).await?;
    assert!(status.error().is_some_and(Error::is_foreign), "{status:?}");
    cluster.stop();
    assert_eq!(saved(&cluster.node, variant).await?, before);
    let adopting = in_iptables(variant);
    cluster.restart_with(move |proxy| adopting(proxy).adopt(true));
    cluster.apply(&web("type: ClusterIP", "", &["a"])).await?;
    assert_eq!(ask(&cluster.pods[2], "10.96.0.80:80").await?.server, "a");
    cluster.handle.clean_up().await?;
    assert_nothing_left(&cluster.node, variant).await
}

async fn failed(handle: &svc_proxy::Handle) -> Result<Status> {
    let mut statuses = handle.statuses();
    Ok(statuses.wait_for(|status| status.error().is_some()).await?.clone())
}

/// A directory in which the programs stand behind scripts. `restore` and `save` are what comes before the programs.
fn behind_scripts(name: &str, variant: Variant, restore: &str, save: &str) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = std::env::temp_dir().join(format!("svc-proxy-{}-{name}-{variant}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    for program in ["iptables", "ip6tables"] {
        for (what, before) in [("save", save), ("restore", restore)] {
            let name = format!("{program}-{variant}-{what}");
            let path = directory.join(&name);
            std::fs::write(&path, format!("#!/bin/sh\n{before} exec /usr/sbin/{name} \"$@\"\n"))?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(directory)
}

/// The programs behind scripts that spoil lines about one Service on their way.
fn spoiling(lab: &str, variant: Variant, script: &str) -> Result<PathBuf> {
    behind_scripts(lab, variant, &format!("sed '{script}' |"), "")
}

async fn started(lab: Lab, variant: Variant) -> Result {
    let log = std::env::temp_dir().join(format!("svc-proxy-{}-started-{variant}", std::process::id()));
    let note = format!("echo \"${{0##*/}} $*\" >> {}\n", log.display());
    let directory = behind_scripts("programs", variant, &note, &note)?;
    let programs = Programs::default().directories([directory.clone()]);
    let settings = in_iptables(variant);
    let noted = move |proxy| settings(proxy).dataplane(Kernel::new().programs(programs.clone()));
    let cluster = Cluster::with(&lab, noted).await?;
    let restore = format!("iptables-{variant}-restore --noflush -w 5");
    // There is nothing to list, and nobody is asked for a version.
    cluster.apply(&web("type: ClusterIP", "", &["a"])).await?;
    let first = std::fs::read_to_string(&log)?;
    assert!(first.lines().all(|line| line == restore) && first.lines().count() <= 2, "{first}");
    for endpoints in [&["b"][..], &["a", "b"], &[], &["a"]] {
        std::fs::write(&log, "")?;
        cluster.apply(&web("type: ClusterIP", "", endpoints)).await?;
        assert_eq!(std::fs::read_to_string(&log)?.trim_end(), restore, "{endpoints:?}");
    }
    assert_eq!(ask(&cluster.pods[2], "10.96.0.80:80").await?.server, "a");
    std::fs::remove_dir_all(directory)?;
    std::fs::remove_file(log)?;
    Ok(())
}

async fn refused(lab: Lab, variant: Variant) -> Result {
    // A line that the program does not understand; then one that it does, and the kernel does not take.
    let nonsense = "s#10.96.0.81/32#10.96.0.81/33#";
    let impossible = "/default.bad:http.*DNAT/s#-j DNAT.*#-j REJECT#";
    for (kind, script) in [("nonsense", nonsense), ("impossible", impossible)] {
        let directory = spoiling(kind, variant, script)?;
        let programs = Programs::default().directories([directory.clone()]);
        let settings = in_iptables(variant);
        let spoilt = move |proxy| settings(proxy).dataplane(Kernel::new().programs(programs.clone()));
        let cluster = Cluster::with(&lab, spoilt).await?;
        cluster.apply(&web("type: ClusterIP", "", &["a"])).await?;
        let bad =
            web("type: ClusterIP", "", &["a"]).replace("10.96.0.80", "10.96.0.81").replace("web", "bad");
        let next =
            web("type: ClusterIP", "", &["b"]).replace("10.96.0.80", "10.96.0.82").replace("web", "next");
        cluster.apply(&format!("{bad}\n---\n{next}")).await?;
        let status = cluster.handle.status();
        let [rejection] = status.rejections() else { panic!("{status:?}") };
        assert_eq!(rejection.service().name(), "bad", "{rejection}");
        println!("{rejection}");
        assert_eq!(ask(&cluster.pods[2], "10.96.0.80:80").await?.server, "a");
        assert_eq!(ask(&cluster.pods[2], "10.96.0.82:80").await?.server, "b");
        cluster.delete([ObjectRef::new(Kind::Service, ObjectName::new("default", "bad"))]).await?;
        assert!(cluster.handle.status().rejections().is_empty());
        std::fs::remove_dir_all(directory)?;
        cluster.node.remove().await?;
    }
    Ok(())
}

async fn ipv6(lab: Lab, variant: Variant) -> Result {
    let host = |name, address| {
        let host = lab.host(name).address(format!("2001:db8:20::{address}/64"));
        host.default_route("2001:db8:20::1").create()
    };
    let (client, node, server) =
        (host("client", 50).await?, host("server2", 2).await?, host("server3", 3).await?);
    client.add_route("fd00:10:96::/112", "2001:db8:20::2").await?;
    crate::traffic::serve(&server, "remote", 9376).await?;
    let proxy = Proxy::builder(
        svc_proxy::Node::builder("server2")
            .address("2001:db8:20::2")
            .cluster_cidr("fd00:10:244::/48")
            .build()?,
    );
    let store = svc_model::store::Store::new();
    let proxy = in_iptables(variant)(proxy.sysctls(svc_proxy::SysctlPolicy::Set)).build();
    let (handle, run_driver) = proxy.drive(store.watch());
    let driver = node.spawn(move || run_driver);
    let manifests = "
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default},
 spec: {clusterIP: 'fd00:10:96::80', type: NodePort, ports: [{name: http, port: 80, targetPort: 9376, nodePort: 30080}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv6,
 metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}},
 ports: [{name: http, port: 9376, protocol: TCP}],
 endpoints: [{addresses: ['2001:db8:20::3'], nodeName: server3, conditions: {ready: true}}]}";
    let revision = store.apply(yaml::read(manifests).stored().0);
    handle.programmed(revision).await?;
    for to in ["[fd00:10:96::80]:80", "[2001:db8:20::2]:30080"] {
        let answer = ask(&client, to).await?;
        assert_eq!((answer.server.as_str(), answer.source.as_str()), ("remote", "2001:db8:20::2"), "{to}");
    }
    assert_refused(&client, "[fd00:10:96::80]:81").await;
    handle.clean_up().await?;
    driver.await;
    assert_nothing_left(&node, variant).await
}

async fn locked(lab: Lab, _: Variant) -> Result {
    let path = std::env::temp_dir().join(format!("svc-proxy-{}.lock", std::process::id()));
    let programs = Programs::default().lock_file(&path).wait(Duration::from_secs(1));
    let cluster = Cluster::with(&lab, move |proxy| {
        in_iptables(Variant::Legacy)(proxy).dataplane(Kernel::new().programs(programs.clone()))
    })
    .await?;
    cluster.apply(&web("type: ClusterIP", "", &["a"])).await?;
    let lock =
        Flock::lock(std::fs::File::open(&path)?, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    let revision = cluster.store.apply(yaml::read(&web("type: ClusterIP", "", &["b"])).stored().0);
    let status = failed(&cluster.handle).await?;
    let error = status.error().unwrap().to_string();
    println!("{error}");
    assert!(error.contains(&format!("the lock {} is held by process", path.display())), "{error}");
    assert!(error.contains(&format!("{} (", std::process::id())), "{error}");
    assert_eq!(ask(&cluster.pods[2], "10.96.0.80:80").await?.server, "a");
    drop(lock);
    cluster.handle.programmed(revision).await?;
    assert_eq!(ask(&cluster.pods[2], "10.96.0.80:80").await?.server, "b");
    std::fs::remove_file(path)?;
    Ok(())
}

async fn missing(lab: Lab) -> Result {
    use std::os::unix::fs::PermissionsExt as _;
    let host = lab.host("server2").address("172.20.10.2/24").create().await?;
    let directory = std::env::temp_dir().join(format!("svc-proxy-{}-old", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let mut errors = Vec::new();
    for old in [false, true] {
        if old {
            let path = directory.join("iptables-restore");
            std::fs::write(&path, "#!/bin/sh\necho iptables-restore v1.4.21\n")?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
        }
        let kernel = Kernel::new().programs(Programs::default().directories([directory.clone()]));
        let proxy = Proxy::builder(node_config()).backend(Backend::Iptables).dataplane(kernel).build();
        let (handle, run_driver) = proxy.drive(svc_model::store::Store::new().watch());
        let driver = host.spawn(move || run_driver);
        errors.push(failed(&handle).await?.error().unwrap().to_string());
        drop((handle, driver));
    }
    std::fs::remove_dir_all(directory)?;
    assert!(
        errors[0].contains("iptables-restore is not installed: install the package iptables"),
        "{errors:?}"
    );
    assert!(errors[1].contains("version 1.4.21") && errors[1].contains("1.6.2 or newer"), "{errors:?}");
    Ok(())
}
