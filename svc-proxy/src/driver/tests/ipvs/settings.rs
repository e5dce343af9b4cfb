//! What is set beside virtual servers.

use svc_ipvs::Timeouts;

use super::*;
use crate::{Compat, ipvs};

fn with_settings(all: &[&str]) -> fake::Kernel {
    all.iter().fold(fake::Kernel::new(), |kernel, name| kernel.with_sysctl(name, "0"))
}

fn values(kernel: &fake::Kernel, all: &[&str]) -> Vec<String> {
    let mut kernel = kernel.clone();
    all.iter().map(|name| kernel.sysctl(name).unwrap().unwrap()).collect()
}

const ARP: [&str; 2] = ["net/ipv4/conf/all/arp_ignore", "net/ipv4/conf/all/arp_announce"];
const VS: [&str; 3] =
    ["net/ipv4/vs/conntrack", "net/ipv4/vs/expire_nodest_conn", "net/ipv4/vs/expire_quiescent_template"];

async fn driven(kernel: &fake::Kernel, store: &Store, compat: Compat, backend: ipvs::Backend) -> Handle {
    let node = Node::builder("a").address("10.0.0.1").compat(compat).build().unwrap();
    let proxy = Proxy::builder(node).dataplane(kernel.clone()).backend(Backend::Ipvs).ipvs(backend);
    let (handle, run) = proxy.sysctls(SysctlPolicy::Set).build().drive(store.watch());
    tokio::spawn(run);
    served(&handle, with_endpoints(store, &["10.244.0.5"])).await;
    handle
}

#[tokio::test(start_paused = true)]
async fn arp_is_answered_strictly_where_that_is_asked_for() {
    for (strict, expected) in [(true, ["1", "2"]), (false, ["0", "0"])] {
        let kernel = with_settings(&ARP);
        let store = Store::new();
        let backend = ipvs::Backend::default().strict_arp(strict);
        let handle = driven(&kernel, &store, Compat::default(), backend).await;
        assert_eq!(values(&kernel, &ARP), expected);
        handle.clean_up().await.unwrap();
        assert_eq!(values(&kernel, &ARP), ["0", "0"]);
    }
}

#[tokio::test(start_paused = true)]
async fn ipvs_forgets_endpoints_that_are_gone_unless_kube_proxys_side_is_taken() {
    let keeps = Compat { affinity_outlives_endpoints: true, ..Compat::default() };
    for (compat, expected) in [(Compat::default(), ["1", "1", "1"]), (keeps, ["1", "1", "0"])] {
        let (kernel, store) = (with_settings(&VS), Store::new());
        let handle = driven(&kernel, &store, compat, ipvs::Backend::default()).await;
        assert_eq!(values(&kernel, &VS), expected);
        handle.clean_up().await.unwrap();
        assert_eq!(values(&kernel, &VS), ["0", "0", "0"]);
    }
}

#[tokio::test(start_paused = true)]
async fn timeouts_are_as_they_are_asked_for_and_afterwards_as_they_were() {
    let (mut kernel, store) = (fake::Kernel::new(), Store::new());
    let usual = kernel.timeouts().unwrap();
    let backend = ipvs::Backend::default().timeouts(Timeouts::new(1200, 0, 30));
    let handle = driven(&kernel, &store, Compat::default(), backend.clone()).await;
    let asked = Timeouts::new(1200, usual.tcp_fin, 30);
    assert_eq!(kernel.timeouts().unwrap(), asked);
    // A successor knows what they were.
    drop(handle);
    let handle = driven(&kernel, &store, Compat::default(), backend).await;
    assert_eq!(kernel.timeouts().unwrap(), asked);
    handle.switch(Backend::Nftables).await.unwrap();
    assert_eq!(kernel.timeouts().unwrap(), usual);
    handle.switch(Backend::Ipvs).await.unwrap();
    assert_eq!(kernel.timeouts().unwrap(), asked);
    handle.clean_up().await.unwrap();
    assert_eq!(kernel.timeouts().unwrap(), usual);
}

#[tokio::test(start_paused = true)]
async fn changes_are_collected_while_rules_rest() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    let proxy = Proxy::builder(node()).dataplane(kernel.clone()).min_sync_period(RECHECK * 20);
    let (handle, run) = proxy.build().drive(store.watch());
    tokio::spawn(run);
    served(&handle, add_service(&store, 1)).await;
    let batches = kernel.batches().len();
    let start = tokio::time::Instant::now();
    let last = (2..30).map(|number| add_service(&store, number)).next_back().unwrap();
    tokio::time::sleep(RECHECK * 5).await;
    assert_eq!(kernel.batches().len(), batches);
    served(&handle, last).await;
    assert!(start.elapsed() >= RECHECK * 19, "{:?}", start.elapsed());
    assert_eq!(kernel.batches().len(), batches + 1);
}
