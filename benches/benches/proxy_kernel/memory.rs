//! The most memory that a whole proxy takes: snapshot, plan, rules, and the batch that loads them; then a dozen changes.
//! A process of its own for each size, for `VmHWM` never falls.

use svc_model::store::Store;
use svc_proxy::Proxy;

use crate::cluster;

pub(crate) const COMMAND: &str = "memory-of";

/// Serves so many Services, and prints the peak.
pub(crate) fn measure(services: usize) {
    svc_lab::enter();
    svc_lab::run(move |lab| async move {
        let host = lab.pod("node1").await?;
        let store = Store::new();
        store.apply((0..services).flat_map(cluster::objects));
        let (handle, run) = Proxy::builder(cluster::node()).build().drive(store.watch());
        let driver = host.spawn(move || run);
        handle.programmed(store.snapshot().revision()).await?;
        for round in 0..12 {
            let revision = store.apply([cluster::slice(services / 2, round % 2 == 0)]);
            handle.programmed(revision).await?;
        }
        let status = std::fs::read_to_string("/proc/self/status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        println!("{}", peak.unwrap_or_default().trim().trim_end_matches(" kB"));
        drop(driver);
        Ok(())
    });
}
