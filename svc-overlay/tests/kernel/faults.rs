//! What goes wrong around an overlay: names and numbers that are taken, a subnet that is another node's.

use libtest_mimic::Trial;
use svc_lab::{Lab, Result};
use svc_overlay::{
    AttachOptions, Config, Dataplane, LeaseSet, Leases, Operation, Plan, PodId, Problem, System,
};

use super::cluster::{builder, drive, host, pair, tool};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_vni_that_is_in_use_is_named_and_waited_for", vni_in_use),
        trial("a_port_that_a_process_has_is_named_with_it_and_waited_for", port_of_a_process),
        trial("a_port_that_a_device_has_with_other_settings_is_named_with_it", port_of_a_device),
        trial("a_moved_subnet_is_taken_off_the_bridge_and_the_device", moved_subnet),
        trial("all_addresses_taken_is_an_error_and_the_next_pod_gets_the_first_that_is_free", exhausted),
    ]
}

fn config(leases: &Leases) -> Result<Config> {
    Ok(builder("server2", 2, 2, leases).config()?)
}

async fn vni_in_use(lab: Lab) -> Result {
    let leases = Leases::new();
    let host = host(&lab, "server2", 2).await?;
    let config = config(&leases)?;
    // The same VNI and port under another name.
    let taken = host
        .run(move || async move {
            let mut system = System::new();
            let kernel = system.list(&config.scope())?;
            let underlay = kernel.underlay.clone().ok_or("no underlay")?;
            let plan = Plan::new(&config, &underlay, &LeaseSet::default());
            let mut device = plan.tunnels()[0].device.clone();
            device.name = "vxlan9".into();
            let mark = svc_overlay::Mark::parse("svc-overlay").ok_or("no mark")?;
            system.apply(&[Operation::AddDevice(device, mark)]).remove(0)?;
            svc_lab::Result::Ok(())
        })
        .await;
    taken?;
    let node = drive(&host, builder("server2", 2, 2, &leases))?;
    let status = node.handle.until(|status| !status.problems().is_empty()).await?;
    let text = status.problems()[0].to_string();
    assert!(matches!(&status.problems()[0], Problem::Kernel(_)), "{text}");
    assert!(text.contains("flannel.1") && text.contains("id 1"), "{text}");
    node.meddle(vec![Operation::DeleteLink("vxlan9".into())]).await?;
    node.handle.until(|status| status.programmed().is_some() && status.problems().is_empty()).await?;
    Ok(())
}

async fn port_of_a_process(lab: Lab) -> Result {
    let host = host(&lab, "server2", 2).await?;
    let socket = host.run(|| tokio::net::UdpSocket::bind("0.0.0.0:8472")).await?;
    let node = drive(&host, builder("server2", 2, 2, &Leases::new()))?;
    let status = node.handle.until(|status| !status.problems().is_empty()).await?;
    let text = status.problems()[0].to_string();
    let owner = format!("UDP port 8472 is held by process {}", std::process::id());
    assert!(text.contains("flannel.1") && text.contains(&owner), "{text}");
    drop(socket);
    let status = node.handle.until(|status| status.programmed().is_some()).await?;
    assert_eq!(status.problems(), []);
    Ok(())
}

async fn port_of_a_device(lab: Lab) -> Result {
    let host = host(&lab, "server2", 2).await?;
    // One socket cannot serve devices with group policies and without.
    let line = "ip link add vxlan9 up type vxlan id 9 dev eth0 local 172.20.10.2 dstport 8472 gbp";
    tool(&host, line).await?;
    let node = drive(&host, builder("server2", 2, 2, &Leases::new()))?;
    let status = node.handle.until(|status| !status.problems().is_empty()).await?;
    let text = status.problems()[0].to_string();
    assert!(text.contains("UDP port 8472 is held by VXLAN device vxlan9"), "{text}");
    node.meddle(vec![Operation::DeleteLink("vxlan9".into())]).await?;
    node.handle.until(|status| status.programmed().is_some() && status.problems().is_empty()).await?;
    Ok(())
}

async fn moved_subnet(lab: Lab) -> Result {
    let leases = Leases::new();
    let (server2, server3) = pair(&lab, &leases).await?;
    let _pod = server2.pod(&lab, "web-0", "10.244.2.65").await?;
    let host = server2.stop().await;
    leases.remove("server2");
    let server2 = drive(&host, builder("server2", 2, 9, &leases))?;
    server2
        .handle
        .until(|status| status.lease().is_some_and(|lease| lease.subnet().to_string() == "10.244.9.0/24"))
        .await?;
    server2.handle.until(|status| status.peers() == 1 && status.problems().is_empty()).await?;
    let kernel = server2.kernel().await?;
    let addresses: Vec<_> = kernel.devices["flannel.1"].addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.244.9.0/32"]);
    let bridge = kernel.bridge.ok_or("no bridge")?;
    assert_eq!(bridge.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.244.9.1/24"]);
    let revision = leases.snapshot().revision();
    server3.handle.programmed(revision).await?;
    let routes = server3.kernel().await?.routes;
    let ours: Vec<_> =
        routes.iter().filter(|route| route.is_ours()).map(|route| route.destination.to_string()).collect();
    assert_eq!(ours, ["10.244.9.0/24"]);
    Ok(())
}

async fn exhausted(lab: Lab) -> Result {
    let leases = Leases::new();
    let host = host(&lab, "server2", 2).await?;
    let builder = svc_overlay::Overlay::builder("10.244.0.0/16").node("server2").public_ip("172.20.10.2");
    let node = drive(&host, builder.subnet("10.244.2.0/29").registry(leases))?;
    node.handle.synced().await?;
    let attach = async |name: String| {
        let pod = lab.pod(&name).await?;
        let attached =
            node.pods.attach(PodId::new("default", &name), pod.netns(), AttachOptions::new()).await?;
        svc_lab::Result::Ok((pod, attached.address().to_string()))
    };
    let mut pods = Vec::new();
    for number in 0..5 {
        pods.push(attach(format!("p{number}")).await?);
    }
    let error = attach("late".into()).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("default/late") && error.contains("all 5 addresses of 10.244.2.0/29"), "{error}");
    node.pods.detach(&PodId::new("default", "p3")).await?;
    assert_eq!(attach("later".into()).await?.1, pods[3].1);
    Ok(())
}
