//! After clean-up the host is as before.

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};
use svc_overlay::{Leases, Operation};

use super::cluster::{builder, drive, host, node};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("clean_up_leaves_the_host_as_it_was", clean_up),
        trial("clean_up_after_a_restart_and_a_lost_device_restores_the_sysctls", restarted),
    ]
}

async fn clean_up(lab: Lab) -> Result {
    let leases = Leases::new();
    let peer = node(&lab, "server3", 3, 5, &leases).await?;
    let second = host(&lab, "server2", 2).await?;
    // Somebody else's route and address.
    second.add_address("lo", "192.0.2.1/32").await?;
    second.add_route("198.51.100.0/24", "172.20.10.50").await?;
    let before = second.dump().await?;
    let server2 = drive(&second, builder("server2", 2, 2, &leases))?;
    for node in [&server2, &peer] {
        node.handle.until(|status| status.peers() == 1).await?;
    }
    let _pod = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    assert_ne!(second.dump().await?, before);
    assert_eq!(second.sysctl("net/ipv4/ip_forward").await?, "1");
    server2.handle.clean_up().await?;
    assert_eq!(second.dump().await?, before);
    assert_eq!(leases.snapshot().len(), 1);
    Ok(())
}

async fn restarted(lab: Lab) -> Result {
    let leases = Leases::new();
    let second = host(&lab, "server2", 2).await?;
    let before = second.dump().await?;
    let server2 = drive(&second, builder("server2", 2, 2, &leases))?;
    server2.handle.synced().await?;
    let operations = server2.handle.status().operations();
    server2.meddle(vec![Operation::DeleteLink("flannel.1".into())]).await?;
    server2.handle.until(|status| status.operations() > operations).await?;
    let second = server2.stop().await;
    let server2 = drive(&second, builder("server2", 2, 2, &leases))?;
    server2.handle.synced().await?;
    server2.handle.clean_up().await?;
    assert_eq!(second.dump().await?, before);
    Ok(())
}
