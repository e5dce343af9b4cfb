//! Which link is the underlay: the kernel's answers.

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};
use svc_overlay::{Family, InterfaceQuery, Interfaces, Leases};

use super::cluster::{builder, drive, echo, host, node, seen_from, tool};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let missing = std::process::Command::new("nft").arg("-v").output().is_err();
    if missing {
        eprintln!("SKIP a_node_behind_a_router: no nft program here (Debian's package `nftables` has it)");
    }
    // Where everything has to be there, what is not fails.
    let missing = missing && std::env::var_os("CI").is_none();
    let translated =
        trial("a_node_behind_a_router_that_translates_is_reached_by_its_public_address", translated);
    vec![
        trial("the_underlay_is_found_by_default_route_name_address_and_whom_it_reaches", found),
        translated.with_ignored_flag(missing),
    ]
}

async fn found(lab: Lab) -> Result {
    let host = host(&lab, "server2", 2).await?;
    for line in [
        "ip address add 172.20.10.222/24 dev eth0",
        "ip address add fd00:172:20:10::2/64 dev eth0 nodad",
        "ip address add fd00:172:20:10::dead/64 dev eth0 nodad preferred_lft 0",
        "ip link add up0 type veth peer name down0",
        "ip link set up0 up",
        "ip address add 192.0.2.2/24 dev up0",
        "ip address add 198.51.100.2/24 dev down0",
        "ip link set down0 up",
        "ip route add default via 192.0.2.1",
        "ip route add default via 172.20.10.50 metric 100",
    ] {
        tool(&host, line).await?;
    }
    let choose = async |query: InterfaceQuery, families: &'static [Family]| {
        let found = host.run(move || async move {
            let interfaces = Interfaces::list(&query)?;
            svc_lab::Result::Ok(query.choose(&interfaces, families)?.to_string())
        });
        found.await
    };
    let four = &[Family::V4];
    assert_eq!(choose(InterfaceQuery::new(), four).await?, "up0 (192.0.2.2)", "of the smallest metric");
    let reaching = InterfaceQuery::new().can_reach([172, 20, 10, 77].into());
    assert_eq!(choose(reaching, four).await?, "eth0 (172.20.10.2)");
    let second = InterfaceQuery::new().iface("172.20.10.222");
    assert_eq!(choose(second, four).await?, "eth0 (172.20.10.222)");
    let both = InterfaceQuery::new().iface("eth9").iface("eth0");
    let both = choose(both, &[Family::V4, Family::V6]).await?;
    assert_eq!(both, "eth0 (172.20.10.2, fd00:172:20:10::2)", "not a deprecated one, nor the link's own");
    let error = choose(InterfaceQuery::new(), &[Family::V4, Family::V6]).await.unwrap_err().to_string();
    assert!(error.contains("up0 (192.0.2.2"), "{error}");
    Ok(())
}

/// Peers know server2 by an address that it does not have: a router in front of it translates.
async fn translated(lab: Lab) -> Result {
    let leases = Leases::new();
    let router = host(&lab, "router", 99).await?;
    for line in [
        "ip address add 172.20.10.102/24 dev eth0",
        "nft add table ip t",
        "nft add chain ip t pre { type nat hook prerouting priority -100 ; }",
        "nft add chain ip t post { type nat hook postrouting priority 100 ; }",
        "nft add rule ip t pre ip daddr 172.20.10.102 dnat to 192.168.7.2",
        "nft add rule ip t post ip saddr 192.168.7.2 snat to 172.20.10.102",
    ] {
        tool(&router, line).await?;
    }
    router.add_address("eth0", "192.168.7.1/24").await?;
    router.set_sysctl("net.ipv4.ip_forward", 1).await?;
    let second = lab.host("server2").address("192.168.7.2/24").default_route("192.168.7.1").create().await?;
    let builder = builder("server2", 2, 2, &leases).public_ip("172.20.10.102").local("192.168.7.2");
    let server2 = drive(&second, builder)?;
    let server3 = node(&lab, "server3", 3, 5, &leases).await?;
    for node in [&server2, &server3] {
        let status = node.handle.until(|status| status.peers() == 1).await?;
        assert_eq!(status.problems(), []);
    }
    let device = server2.kernel().await?.devices["flannel.1"].link.clone().ok_or("no device")?;
    assert_eq!(device.local.to_string(), "192.168.7.2");
    let (web, a) = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let (far, b) = server3.pod(&lab, "far", "10.244.5.104").await?;
    let _servers = [echo(&web, 9376).await?, echo(&far, 9376).await?];
    assert_eq!(seen_from(&far, (a.address(), 9376)).await?, b.address());
    assert_eq!(seen_from(&web, (b.address(), 9376)).await?, a.address());
    Ok(())
}
