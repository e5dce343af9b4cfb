//! The mode ipvs.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use svc_ipvs::{Activity, Addresses as _, Command, Dataplane as _, Found, Scheduler, ServiceId};

use super::*;
use crate::sysctl::Sysctls;

mod ownership;
mod refused;
mod settings;

const ENDPOINTS: &str = "---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web-1}},
 ports: [{port: 8080}], endpoints: [ENDPOINTS]}";

fn start_ipvs(kernel: &fake::Kernel, store: &Store) -> Handle {
    let proxy = Proxy::builder(node()).dataplane(kernel.clone()).backend(Backend::Ipvs);
    let (handle, run) = proxy.build().drive(store.watch());
    tokio::spawn(run);
    handle
}

fn with_endpoints(store: &Store, addresses: &[&str]) -> svc_model::Revision {
    add_service(store, 1);
    let all: Vec<_> = addresses.iter().map(|address| format!("{{addresses: [{address}]}}")).collect();
    store.apply(yaml::read(&ENDPOINTS.replace("ENDPOINTS", &all.join(", "))).stored().0)
}

fn server() -> ServiceId {
    ServiceId::tcp("10.96.0.1:80".parse().unwrap())
}

/// The weights of the real servers of the one virtual server.
fn weights(kernel: &fake::Kernel) -> Vec<u32> {
    let real = kernel.virtual_servers().destinations(server()).unwrap();
    real.iter().map(|listed| listed.destination.weight()).collect()
}

fn device() -> svc_ipvs::AddressDevice {
    svc_ipvs::AddressDevice::new("kube-ipvs0", "managed by svc-proxy")
}

#[tokio::test(start_paused = true)]
async fn a_real_server_with_connections_stays_until_they_end_and_comes_back_with_them() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start_ipvs(&kernel, &store);
    handle.programmed(with_endpoints(&store, &["10.244.0.5", "10.244.0.6"])).await.unwrap();
    assert_eq!(weights(&kernel), [1, 1]);
    let first = "10.244.0.5:8080".parse().unwrap();
    kernel.with_virtual_servers(|ipvs| ipvs.connect(server(), first, Activity::new(1, 0, 0)));
    handle.programmed(with_endpoints(&store, &["10.244.0.6"])).await.unwrap();
    assert_eq!(weights(&kernel), [0, 1]);
    handle.programmed(with_endpoints(&store, &["10.244.0.5", "10.244.0.6"])).await.unwrap();
    assert_eq!(weights(&kernel), [1, 1]);
    handle.programmed(with_endpoints(&store, &["10.244.0.6"])).await.unwrap();
    kernel.with_virtual_servers(|ipvs| ipvs.connect(server(), first, Activity::new(0, 0, 0)));
    tokio::time::sleep(RECHECK * 2).await;
    assert_eq!(weights(&kernel), [1]);
    assert!(handle.status().is_fine());
}

#[tokio::test(start_paused = true)]
async fn clean_up_leaves_nothing_and_a_successor_finds_everything_right() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let handle = start_ipvs(&kernel, &store);
    let revision = with_endpoints(&store, &["10.244.0.5"]);
    handle.programmed(revision).await.unwrap();
    assert_eq!(kernel.find(&device()).unwrap(), Found::Ours(vec!["10.96.0.1".parse().unwrap()]));
    drop(handle);
    let commands = kernel.virtual_servers().commands().len();
    let successor = start_ipvs(&kernel, &store);
    successor.programmed(revision).await.unwrap();
    // The scheduler is tried, and that is all.
    assert_eq!(kernel.virtual_servers().commands().len(), commands + 2);
    successor.clean_up().await.unwrap();
    assert!(kernel.services().unwrap().is_empty());
    assert_eq!(kernel.find(&device()).unwrap(), Found::Nothing);
    assert_eq!(svc_nft::Dataplane::list_tables(&mut kernel).unwrap(), []);
}

/// [`Compat::delete_foreign`](crate::Compat::delete_foreign)
#[tokio::test(start_paused = true)]
async fn virtual_servers_of_others_go_only_where_kube_proxys_side_is_taken() {
    let theirs = ServiceId::tcp("192.0.2.9:80".parse().unwrap());
    for deletes in [false, true] {
        let (mut kernel, store) = (fake::Kernel::new(), Store::new());
        let service = svc_ipvs::Service::new(theirs, Scheduler::RR);
        kernel.with_virtual_servers(|ipvs| ipvs.apply(&[Command::AddService(service)]).unwrap());
        let compat = crate::Compat { delete_foreign: deletes, ..Default::default() };
        let node = Node::builder("a").address("10.0.0.1").compat(compat).build().unwrap();
        let proxy = Proxy::builder(node).dataplane(kernel.clone()).backend(Backend::Ipvs).build();
        let (handle, run) = proxy.drive(store.watch());
        tokio::spawn(run);
        handle.programmed(with_endpoints(&store, &["10.244.0.5"])).await.unwrap();
        let left: Vec<_> = kernel.services().unwrap().into_iter().map(|(service, _)| service.id()).collect();
        assert_eq!(left.contains(&theirs), !deletes, "{left:?}");
        assert!(left.contains(&server()));
    }
}

#[tokio::test(start_paused = true)]
async fn another_proxys_device_is_refused_before_anything_is_changed() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    kernel.create(&svc_ipvs::AddressDevice::new("kube-ipvs0", "kube-proxy")).unwrap();
    let handle = start_ipvs(&kernel, &store);
    with_endpoints(&store, &["10.244.0.5"]);
    let mut statuses = handle.statuses();
    let status = statuses.wait_for(|status| status.error().is_some()).await.unwrap().clone();
    assert!(status.error().is_some_and(Error::is_foreign), "{status:?}");
    assert!(kernel.services().unwrap().is_empty());
    assert_eq!(svc_nft::Dataplane::list_tables(&mut kernel).unwrap(), []);
}

const CONNTRACK: &str = "net/ipv4/vs/conntrack";

/// A kernel that remembers how many virtual servers there were when its settings were changed.
#[derive(Clone, Debug)]
struct Watched {
    kernel: fake::Kernel,
    servers_when_set: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Sysctls for Watched {
    fn sysctl(&mut self, name: &str) -> io::Result<Option<String>> {
        self.kernel.sysctl(name)
    }

    fn set_sysctl(&mut self, name: &str, value: &str) -> io::Result<()> {
        let servers = self.kernel.services().unwrap().len();
        self.servers_when_set.lock().unwrap().insert(name.to_owned(), servers);
        self.kernel.set_sysctl(name, value)
    }
}

impl Dataplane for Watched {
    fn nftables(&mut self) -> &mut dyn svc_nft::Dataplane {
        &mut self.kernel
    }

    fn iptables(&mut self) -> &mut dyn crate::iptables::Dataplane {
        &mut self.kernel
    }

    fn ipvs(&mut self) -> &mut dyn crate::ipvs::Dataplane {
        &mut self.kernel
    }

    fn conntrack(&mut self) -> &mut dyn svc_nft::conntrack::Conntrack {
        &mut self.kernel
    }

    fn local_addresses(&mut self) -> io::Result<Vec<IpAddr>> {
        self.kernel.local_addresses()
    }

    fn sysctls(&mut self) -> &mut dyn Sysctls {
        self
    }
}

#[tokio::test(start_paused = true)]
async fn what_virtual_servers_need_is_set_before_they_are_there() {
    for first in [Backend::Ipvs, Backend::Nftables] {
        let kernel = fake::Kernel::new().with_sysctl(CONNTRACK, "0");
        let watched = Watched { kernel: kernel.clone(), servers_when_set: Arc::default() };
        let store = Store::new();
        let revision = with_endpoints(&store, &["10.244.0.5"]);
        let proxy = Proxy::builder(node()).dataplane(watched.clone()).sysctls(SysctlPolicy::Set);
        let (handle, run) = proxy.backend(first).build().drive(store.watch());
        tokio::spawn(run);
        handle.programmed(revision).await.unwrap();
        handle.switch(Backend::Ipvs).await.unwrap();
        assert_eq!(weights(&kernel), [1]);
        assert_eq!(watched.servers_when_set.lock().unwrap().get(CONNTRACK), Some(&0), "from {first}");
        handle.clean_up().await.unwrap();
        assert_eq!(kernel.clone().sysctl(CONNTRACK).unwrap().as_deref(), Some("0"));
    }
}
