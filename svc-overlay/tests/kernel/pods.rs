//! Pods of one and two nodes talk.

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};
use svc_overlay::Leases;

use super::cluster::{echo, pair, seen_from};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("pods_of_two_nodes_talk_and_keep_their_addresses", pods_of_two_nodes_talk)]
}

async fn pods_of_two_nodes_talk(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (near, b) = server2.pod(&lab, "near", "10.244.2.66").await?;
    let (far, c) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _server = echo(&web, 9376).await?;
    assert_eq!((a.mtu(), a.gateway().to_string().as_str(), a.prefix_len()), (1450, "10.244.2.1", 24));
    assert_eq!(seen_from(&far, (a.address(), 9376)).await?, c.address());
    assert_eq!(seen_from(&near, (a.address(), 9376)).await?, b.address());
    assert_eq!(seen_from(&server3.host, (a.address(), 9376)).await?.to_string(), "10.244.5.0");
    Ok(())
}
