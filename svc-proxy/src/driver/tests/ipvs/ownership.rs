//! Whose virtual servers are, and when they are looked at.

use std::net::IpAddr;

use svc_ipvs::{Command, Scheduler, Service};

use super::*;
use crate::{Compat, ipvs};

const NODE_PORT: &str = "
{apiVersion: v1, kind: Service, metadata: {name: web-1, namespace: default},
 spec: {type: NodePort, clusterIP: 10.96.0.1, externalIPs: [192.0.2.100], ports: [{port: 80, nodePort: 30080}]}}";

fn at(address: &str) -> ServiceId {
    ServiceId::tcp(address.parse().unwrap())
}

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// A kernel with the address of the node.
fn kernel() -> fake::Kernel {
    fake::Kernel::new().with_address(ip("127.0.0.1")).with_address(ip("10.0.0.1"))
}

/// A Service with a node port and an endpoint.
fn node_port(store: &Store) -> svc_model::Revision {
    let endpoints = ENDPOINTS.replace("ENDPOINTS", "{addresses: [10.244.0.5]}");
    store.apply(yaml::read(&format!("{NODE_PORT}\n{endpoints}")).stored().0)
}

fn ids(kernel: &fake::Kernel) -> Vec<String> {
    let all = kernel.virtual_servers().services().unwrap();
    all.iter().map(|(service, _)| service.id().to_string()).collect()
}

fn add(kernel: &fake::Kernel, address: &str, scheduler: Scheduler) {
    let theirs = Command::AddService(Service::new(at(address), scheduler));
    let refused = kernel.with_virtual_servers(|ipvs| ipvs.apply(&[theirs])).unwrap();
    assert_eq!(refused, []);
}

fn start_with(
    kernel: &fake::Kernel,
    store: &Store,
    settings: impl Fn(ProxyBuilder) -> ProxyBuilder,
) -> Handle {
    let proxy = Proxy::builder(node()).dataplane(kernel.clone()).backend(Backend::Ipvs);
    let (handle, run) = settings(proxy).build().drive(store.watch());
    tokio::spawn(run);
    handle
}

/// Removes all rules of nftables, as `nft flush ruleset` does.
fn flush(kernel: &mut fake::Kernel) {
    for id in svc_nft::Dataplane::list_tables(kernel).unwrap() {
        svc_nft::Dataplane::apply(kernel, Batch::new().delete_table(&id)).unwrap();
    }
}

const ALL: [&str; 3] = ["-t 10.0.0.1:30080", "-t 10.96.0.1:80", "-t 192.0.2.100:80"];

#[tokio::test(start_paused = true)]
async fn an_address_that_comes_later_has_the_node_ports_and_one_that_goes_has_none() {
    let (kernel, store) = (kernel(), Store::new());
    let handle = start_with(&kernel, &store, |proxy| proxy);
    let all = Node::builder("a").address("10.0.0.1").node_port_addresses(crate::NodePortAddresses::All);
    handle.reconfigure(all.build().unwrap());
    served(&handle, node_port(&store)).await;
    assert_eq!(ids(&kernel), ALL);
    kernel.set_addresses(["127.0.0.1", "10.0.0.1", "10.0.0.9"].map(ip));
    tokio::time::sleep(RECHECK * 2).await;
    assert_eq!(
        ids(&kernel),
        ["-t 10.0.0.1:30080", "-t 10.0.0.9:30080", "-t 10.96.0.1:80", "-t 192.0.2.100:80"]
    );
    kernel.set_addresses(["127.0.0.1", "10.0.0.9"].map(ip));
    tokio::time::sleep(RECHECK * 2).await;
    assert_eq!(ids(&kernel), ["-t 10.0.0.9:30080", "-t 10.96.0.1:80", "-t 192.0.2.100:80"]);
    // What went is nobody's: whoever makes it now may have it.
    add(&kernel, "10.0.0.1:30080", Scheduler::LC);
    handle.clean_up().await.unwrap();
    assert_eq!(ids(&kernel), ["-t 10.0.0.1:30080"]);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_becomes_the_nodes_own_keeps_its_virtual_server() {
    let (kernel, store) = (kernel(), Store::new());
    let handle = start_with(&kernel, &store, |proxy| proxy);
    served(&handle, node_port(&store)).await;
    kernel.set_addresses(["10.0.0.1", "192.0.2.100"].map(ip));
    tokio::time::sleep(RECHECK * 2).await;
    assert_eq!(kernel.clone().find(&device()).unwrap(), Found::Ours(vec![ip("10.96.0.1")]));
    assert_eq!(ids(&kernel), ALL);
    assert!(handle.status().is_fine(), "{:?}", handle.status());
    // A successor knows that it is ours.
    drop(handle);
    let successor = start_with(&kernel, &store, |proxy| proxy);
    assert!(served(&successor, store.snapshot().revision()).await.is_fine());
    successor.clean_up().await.unwrap();
    assert_eq!(ids(&kernel), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn whoever_flushes_all_rules_does_not_make_our_virtual_servers_others() {
    let (mut kernel, store) = (kernel(), Store::new());
    let handle = start_with(&kernel, &store, |proxy| proxy);
    served(&handle, node_port(&store)).await;
    flush(&mut kernel);
    let mut statuses = handle.statuses();
    let status = statuses.wait_for(|status| status.repairs() == 1).await.unwrap().clone();
    assert!(status.is_fine(), "{status:?}");
    // That holds after a restart, too.
    drop(handle);
    let successor = start_with(&kernel, &store, |proxy| proxy);
    assert!(served(&successor, store.snapshot().revision()).await.is_fine());
    assert_eq!(ids(&kernel), ALL);
}

#[tokio::test(start_paused = true)]
async fn without_a_record_what_is_at_the_nodes_addresses_is_others() {
    let (mut kernel, store) = (kernel(), Store::new());
    let handle = start_with(&kernel, &store, |proxy| proxy);
    served(&handle, node_port(&store)).await;
    drop(handle);
    tokio::task::yield_now().await;
    let own = TableId::new(Family::Ip, "svc-proxy-ipvs-own");
    svc_nft::Dataplane::apply(&mut kernel, Batch::new().delete_table(&own)).unwrap();
    let successor = start_with(&kernel, &store, |proxy| proxy);
    let mut statuses = successor.statuses();
    let status = statuses.wait_for(|status| !status.rejections().is_empty()).await.unwrap().clone();
    assert_eq!(status.rejections()[0].cause(), &Error::ForeignServer { server: at("10.0.0.1:30080") });
}

#[tokio::test(start_paused = true)]
async fn others_virtual_servers_stay_at_excluded_addresses_even_beside_ours() {
    let (kernel, store) = (kernel(), Store::new());
    add(&kernel, "192.0.2.100:443", Scheduler::LC);
    let exclude =
        |proxy: ProxyBuilder| proxy.ipvs(ipvs::Backend::default().exclude(["192.0.2.0/24".parse().unwrap()]));
    let handle = start_with(&kernel, &store, exclude);
    assert!(served(&handle, node_port(&store)).await.is_fine());
    let both = ["-t 10.0.0.1:30080", "-t 10.96.0.1:80", "-t 192.0.2.100:80", "-t 192.0.2.100:443"];
    assert_eq!(ids(&kernel), both);
    drop(handle);
    let successor = start_with(&kernel, &store, exclude);
    assert!(served(&successor, store.snapshot().revision()).await.is_fine());
    assert_eq!(ids(&kernel), both);
    successor.clean_up().await.unwrap();
    assert_eq!(ids(&kernel), ["-t 192.0.2.100:443"]);
}

#[tokio::test(start_paused = true)]
async fn others_virtual_servers_stay_unless_kube_proxys_side_is_taken() {
    let upstream = Compat { delete_foreign: true, ..Compat::default() };
    for (compat, left) in [(Compat::default(), 3), (upstream, 2)] {
        let (kernel, store) = (kernel(), Store::new());
        add(&kernel, "10.0.0.1:7777", Scheduler::LC);
        add(&kernel, "10.9.0.1:7777", Scheduler::LC);
        let node = Node::builder("a").address("10.0.0.1").compat(compat).build().unwrap();
        let backend = ipvs::Backend::default().exclude(["10.9.0.0/16".parse().unwrap()]);
        let proxy = Proxy::builder(node).dataplane(kernel.clone()).backend(Backend::Ipvs).ipvs(backend);
        let (handle, run) = proxy.build().drive(store.watch());
        tokio::spawn(run);
        assert!(served(&handle, with_endpoints(&store, &["10.244.0.5"])).await.is_fine());
        assert_eq!(ids(&kernel).len(), left, "{:?}", ids(&kernel));
        assert!(ids(&kernel).contains(&"-t 10.9.0.1:7777".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_proxy_left_is_taken_over_where_that_is_allowed() {
    let (mut kernel, store) = (kernel(), Store::new());
    kernel.create(&svc_ipvs::AddressDevice::new("kube-ipvs0", "")).unwrap();
    add(&kernel, "10.96.0.1:80", Scheduler::LC);
    add(&kernel, "10.0.0.1:30080", Scheduler::LC);
    add(&kernel, "10.0.0.1:7777", Scheduler::LC);
    let handle = start_with(&kernel, &store, |proxy| proxy.adopt(true));
    assert!(served(&handle, node_port(&store)).await.is_fine());
    let all = kernel.services().unwrap();
    let changed: Vec<_> =
        all.iter().filter(|(service, _)| service.scheduler() == Some(Scheduler::RR)).collect();
    assert_eq!((changed.len(), all.len()), (3, 4), "{all:?}");
    handle.clean_up().await.unwrap();
    assert_eq!(ids(&kernel), ["-t 10.0.0.1:7777"]);
}

#[tokio::test(start_paused = true)]
async fn virtual_servers_are_listed_at_the_start_and_after_failures_only() {
    let (mut kernel, store) = (kernel(), Store::new());
    let handle = start_with(&kernel, &store, |proxy| proxy);
    served(&handle, node_port(&store)).await;
    // One list, and one question for each of what it names: there was nothing yet.
    assert_eq!(kernel.virtual_servers().listings(), 1);
    for round in 2..12_u8 {
        served(&handle, add_service(&store, round)).await;
        let name = format!("theirs-{round}");
        let theirs = TableId::new(Family::Ip, name);
        svc_nft::Dataplane::apply(&mut kernel, Batch::new().add_table(&theirs)).unwrap();
        tokio::time::sleep(RECHECK * 2).await;
    }
    assert_eq!(kernel.virtual_servers().listings(), 1);
    kernel.with_virtual_servers(|ipvs| ipvs.fail_next(12));
    served(&handle, with_endpoints(&store, &["10.244.0.5", "10.244.0.6"])).await;
    assert!(kernel.virtual_servers().listings() > 1);
}

#[tokio::test(start_paused = true)]
async fn what_leaves_is_asked_about_once_a_second_while_it_is_there() {
    let (kernel, store) = (kernel(), Store::new());
    let handle = start_with(&kernel, &store, |proxy| proxy);
    served(&handle, with_endpoints(&store, &["10.244.0.5", "10.244.0.6"])).await;
    let first = "10.244.0.5:8080".parse().unwrap();
    kernel.with_virtual_servers(|ipvs| ipvs.connect(server(), first, Activity::new(1, 0, 0)));
    served(&handle, with_endpoints(&store, &["10.244.0.6"])).await;
    tokio::time::sleep(RECHECK).await;
    let before = kernel.virtual_servers().listings();
    for round in 2..22_u8 {
        served(&handle, add_service(&store, round)).await;
    }
    assert!(kernel.virtual_servers().listings() <= before + 1);
    kernel.with_virtual_servers(|ipvs| ipvs.connect(server(), first, Activity::new(0, 0, 0)));
    tokio::time::sleep(RECHECK * 3).await;
    assert_eq!(weights(&kernel), [1]);
    let settled = kernel.virtual_servers().listings();
    tokio::time::sleep(RECHECK * 10).await;
    assert_eq!(kernel.virtual_servers().listings(), settled);
}

#[tokio::test(start_paused = true)]
async fn real_servers_of_udp_go_at_once_and_closed_ones_that_are_wanted_open() {
    let (kernel, store) = (kernel(), Store::new());
    let handle = start_with(&kernel, &store, |proxy| proxy);
    let udp = |endpoints: &str| {
        let service = NODE_PORT.replace("ports: [{", "ports: [{protocol: UDP, ");
        let slice =
            ENDPOINTS.replace("ports: [{", "ports: [{protocol: UDP, ").replace("ENDPOINTS", endpoints);
        store.apply(yaml::read(&format!("{service}\n{slice}")).stored().0)
    };
    served(&handle, udp("{addresses: [10.244.0.5]}, {addresses: [10.244.0.6]}")).await;
    let server = ServiceId::udp("10.96.0.1:80".parse().unwrap());
    let first = "10.244.0.5:8080".parse().unwrap();
    kernel.with_virtual_servers(|ipvs| ipvs.connect(server, first, Activity::new(0, 7, 0)));
    served(&handle, udp("{addresses: [10.244.0.6]}")).await;
    let real = kernel.virtual_servers().destinations(server).unwrap();
    assert_eq!(real.len(), 1);
    drop(handle);
    let closed = Command::SetDestination(server, real[0].destination.clone().with_weight(0));
    assert_eq!(kernel.with_virtual_servers(|ipvs| ipvs.apply(&[closed])).unwrap(), []);
    let successor = start_with(&kernel, &store, |proxy| proxy);
    served(&successor, store.snapshot().revision()).await;
    assert_eq!(kernel.virtual_servers().destinations(server).unwrap()[0].destination.weight(), 1);
}
