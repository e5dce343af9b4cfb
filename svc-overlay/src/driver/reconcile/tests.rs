use std::collections::BTreeSet;

use crate::dataplane::Dataplane as _;
use crate::driver::tests::{peer, underlay};
use crate::registry::Leases;
use crate::{Overlay, OverlayBuilder, Status};

const EPERM: i32 = 1;
const ENODEV: i32 = 19;
const ENOBUFS: i32 = 105;

fn builder(leases: &Leases) -> OverlayBuilder {
    let builder = Overlay::builder("10.244.0.0/16").node("server2").subnet("10.244.2.0/24");
    builder.public_ip("172.20.10.2").checksum_offload(false).registry(leases.clone())
}

fn is_well(status: &Status) -> bool {
    status.peers() == 2 && status.lease().is_some() && status.problems().is_empty()
}

/// What it takes to set everything up, by the words that each operation begins with.
async fn operations() -> BTreeSet<String> {
    let (fake, leases) = (underlay(), Leases::new());
    [5, 7].into_iter().for_each(|third| assert!(leases.put(peer(third)).is_ok()));
    let (handle, run) = builder(&leases).build().unwrap().drive_on(fake.clone());
    tokio::spawn(run);
    handle.until(is_well).await.unwrap();
    let three = |text: String| text.split(' ').take(3).collect::<Vec<_>>().join(" ");
    fake.take_log().iter().map(|operation| three(operation.to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn whatever_the_kernel_refuses_is_told_and_made_once_it_lets_us() {
    let operations = operations().await;
    assert!(operations.len() > 7, "{operations:?}");
    for (operation, errno) in
        operations.iter().flat_map(|it| [EPERM, ENODEV, ENOBUFS].map(|errno| (it, errno)))
    {
        let (fake, leases) = (underlay(), Leases::new());
        [5, 7].into_iter().for_each(|third| assert!(leases.put(peer(third)).is_ok()));
        fake.fail(operation, errno);
        let overlay = builder(&leases).build().unwrap();
        let scope = overlay.config().scope();
        let (handle, run) = overlay.drive_on(fake.clone());
        tokio::spawn(run);
        let told =
            |status: &Status| status.problems().iter().any(|it| it.to_string().contains(operation.as_str()));
        handle.until(told).await.unwrap();
        fake.heal();
        handle.until(is_well).await.unwrap();
        let kernel = fake.clone().list(&scope).unwrap();
        assert_eq!((kernel.fdb.len(), kernel.neighbours.len()), (2, 2), "{operation}");
    }
}
