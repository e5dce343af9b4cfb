//! What cannot be is told with its cure before anything is changed, and the mode in force stays.

use svc_ipvs::Scheduler;

use super::*;
use crate::ipvs;

/// Ways in which the mode cannot be, and what is said then.
fn impossible() -> Vec<(fake::Kernel, &'static str)> {
    let unknown = fake::Kernel::new();
    let few = svc_ipvs::fake::Kernel::new().with_schedulers(&[Scheduler::RR]);
    unknown.with_virtual_servers(|ipvs| *ipvs = few);
    let denied = fake::Kernel::new();
    denied.with_virtual_servers(svc_ipvs::fake::Kernel::deny);
    vec![
        (
            fake::Kernel::new().without_ipvs(),
            "this kernel has none: load it with `modprobe ip_vs`, or choose another mode",
        ),
        (unknown, "no scheduler wlc in this kernel: load it with `modprobe ip_vs_wlc`, or name another"),
        (denied, "run as root or with CAP_NET_ADMIN in the first user namespace"),
    ]
}

fn proxy(kernel: &fake::Kernel, backend: Backend) -> Proxy {
    let proxy = Proxy::builder(node()).dataplane(kernel.clone()).backend(backend).sysctls(SysctlPolicy::Set);
    proxy.ipvs(ipvs::Backend::default().scheduler(Scheduler::WLC)).build()
}

#[tokio::test(start_paused = true)]
async fn a_start_changes_nothing() {
    for (mut kernel, cure) in impossible() {
        let store = Store::new();
        let (handle, run) = proxy(&kernel, Backend::Ipvs).drive(store.watch());
        tokio::spawn(run);
        with_endpoints(&store, &["10.244.0.5"]);
        let mut statuses = handle.statuses();
        let status = statuses.wait_for(|status| status.failures() > 2).await.unwrap().clone();
        let error = status.error().unwrap().to_string();
        assert!(error.contains(cure), "{error}");
        assert_eq!(kernel.find(&device()).unwrap(), Found::Nothing);
        assert_eq!(svc_nft::Dataplane::list_tables(&mut kernel).unwrap(), []);
        assert_eq!(kernel.virtual_servers().commands(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn the_mode_in_force_stays_where_another_cannot_be() {
    for (mut kernel, cure) in impossible() {
        let store = Store::new();
        let (handle, run) = proxy(&kernel, Backend::Nftables).drive(store.watch());
        tokio::spawn(run);
        served(&handle, with_endpoints(&store, &["10.244.0.5"])).await;
        let before = listed(&mut kernel);
        let batches = kernel.batches().len();
        let error = handle.switch(Backend::Ipvs).await.unwrap_err().to_string();
        assert!(error.contains(cure), "{error}");
        assert_eq!((handle.status().backend(), handle.status().is_fine()), (Backend::Nftables, true));
        assert_eq!((listed(&mut kernel), kernel.batches().len()), (before, batches));
        assert_eq!(kernel.find(&device()).unwrap(), Found::Nothing);
        // And goes on.
        served(&handle, add_service(&store, 2)).await;
        assert!(listed(&mut kernel).contains("10.96.0.2"));
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_cannot_be_leave_those_in_force() {
    let (kernel, store) = (fake::Kernel::new(), Store::new());
    kernel.with_virtual_servers(|ipvs| {
        *ipvs = svc_ipvs::fake::Kernel::new().with_schedulers(&[Scheduler::RR, Scheduler::WLC]);
    });
    let (handle, run) = proxy(&kernel, Backend::Ipvs).drive(store.watch());
    tokio::spawn(run);
    let revision = with_endpoints(&store, &["10.244.0.5"]);
    served(&handle, revision).await;
    let scheduler = |kernel: &fake::Kernel| kernel.clone().services().unwrap()[0].0.scheduler().unwrap();
    let error = handle.reconfigure_ipvs(ipvs::Backend::default().scheduler(Scheduler::MH)).await.unwrap_err();
    assert!(error.to_string().contains("no scheduler mh in this kernel"), "{error}");
    assert_eq!(scheduler(&kernel), Scheduler::WLC);
    assert!(served(&handle, with_endpoints(&store, &["10.244.0.6"])).await.is_fine());
    handle.reconfigure_ipvs(ipvs::Backend::default()).await.unwrap();
    assert_eq!(scheduler(&kernel), Scheduler::RR);
    assert_eq!(weights(&kernel), [1]);
}
