//! Within step 10: how large packets between pods may be, and what becomes of larger ones.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use svc_lab::{Host, Packet};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::Tour;
use crate::cluster::captured;

/// What the underlay's 1500 bytes leave: less 14 for the inner Ethernet header, 8 VXLAN, 8 UDP and 20 IP.
const MTU: usize = 1450;
/// The most that a datagram of that size carries: less 20 for IP and 8 for UDP.
const PAYLOAD: usize = MTU - 28;
const BULK: usize = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// A pod, or a host outside.
#[derive(Clone)]
struct End {
    host: Host,
    address: IpAddr,
}

pub(super) async fn walk(tour: &mut Tour) -> anyhow::Result<()> {
    let pod = |name: &str| {
        anyhow::Ok(End { host: tour.cluster.pod_host(name)?, address: tour.cluster.pod_ip(name)? })
    };
    let (near, far) = (pod("default/shell-3")?, pod("default/shell-2")?);
    for (from, to) in [(&near, &far), (&far, &near)] {
        full_sized(tour, from, to).await?;
        bulk(tour, from, to).await?;
    }
    larger_than_the_link(tour, &near, &far).await?;
    larger_than_the_path(tour, &far).await
}

/// One datagram of the whole MTU that nobody may fragment, in one packet on the wire.
async fn full_sized(tour: &Tour, from: &End, to: &End) -> anyhow::Result<()> {
    tour.log.did(format_args!(
        "pod {} sends pod {} {PAYLOAD} bytes by UDP, not to be fragmented; on server3's eth0:",
        from.address, to.address
    ));
    let mut wire = tour.cluster.host("server3")?.capture("eth0").await?;
    let arrived = deliver(from, to, PAYLOAD).await?;
    ensure!(arrived == Some(PAYLOAD), "a full-sized packet did not arrive whole: {arrived:?}");
    let target = to.address;
    let inner_to = move |packet: &Packet| {
        let inner = packet.vxlan().map(|vxlan| &vxlan.inner);
        inner.is_some_and(|inner| inner.udp().is_some() && inner.ip().is_some_and(|ip| ip.dst == target))
    };
    let packet = captured(&mut wire, inner_to).await?;
    let inner = &packet.vxlan().context("not VXLAN")?.inner;
    let fragile = inner.ip().is_some_and(|ip| ip.dont_fragment);
    ensure!(fragile && inner.payload().len() == PAYLOAD, "the packet on the wire is another: {packet}");
    tour.log.saw(&packet);
    Ok(())
}

/// How many bytes of a datagram of so many arrived; nothing if it was lost.
async fn deliver(from: &End, to: &End, bytes: usize) -> anyhow::Result<Option<usize>> {
    let address = to.address;
    let receiver = to.host.run(move || UdpSocket::bind((address, 0))).await?;
    let target = receiver.local_addr()?;
    send(from, target, bytes).await?;
    let arrived = to.host.run(move || async move {
        let mut buffer = vec![0; 2 * MTU];
        timeout(Duration::from_secs(2), receiver.recv_from(&mut buffer)).await
    });
    Ok(arrived.await.ok().transpose()?.map(|(count, _)| count))
}

async fn send(from: &End, target: SocketAddr, bytes: usize) -> io::Result<usize> {
    from.host
        .run(move || async move {
            let socket = UdpSocket::bind("0.0.0.0:0").await?;
            set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DO)?;
            socket.send_to(&vec![0; bytes], target).await
        })
        .await
}

async fn bulk(tour: &Tour, from: &End, to: &End) -> anyhow::Result<()> {
    let address = to.address;
    let listener = to.host.run(move || TcpListener::bind((address, 0))).await?;
    let target = listener.local_addr()?;
    let received = to.host.spawn(move || async move {
        let (mut bytes, mut sum) = (vec![0; 1 << 16], 0);
        let mut stream = listener.accept().await?.0;
        loop {
            match stream.read(&mut bytes).await? {
                0 => return io::Result::Ok(sum),
                count => sum += count,
            }
        }
    });
    let sent = from
        .host
        .run(move || async move { TcpStream::connect(target).await?.write_all(&vec![7; BULK]).await });
    timeout(PATIENCE, sent).await.context("TCP bulk did not get through")??;
    let received = timeout(PATIENCE, received).await.context("TCP bulk did not get through")??;
    ensure!(received == BULK, "{received} of {BULK} bytes arrived by TCP");
    tour.log.saw(format_args!("{BULK} bytes by TCP from {} to {}", from.address, to.address));
    Ok(())
}

async fn larger_than_the_link(tour: &Tour, from: &End, to: &End) -> anyhow::Result<()> {
    tour.log.did("the same with one byte more");
    match send(from, (to.address, 9).into(), PAYLOAD + 1).await {
        Err(error) if is_too_long(&error) => tour.log.saw(format_args!("{}: {error}", from.address)),
        other => bail!("a packet larger than the pod's link was not refused: {other:?}"),
    }
    Ok(())
}

/// Somebody outside has a larger MTU: the node on the way says how much goes through.
async fn larger_than_the_path(tour: &mut Tour, pod: &End) -> anyhow::Result<()> {
    let host = tour.cluster.host("client")?;
    let client = End { host: host.clone(), address: "172.20.10.50".parse()? };
    tour.cluster.route("client", "10.244.2.0/24", "172.20.10.3").await?;
    tour.log
        .did(format_args!("client {} sends pod {} the same by way of server3", client.address, pod.address));
    let mut wire = host.capture("eth0").await?;
    let target = (pod.address, 9).into();
    send(&client, target, PAYLOAD + 1).await.context("the client's own link is large enough")?;
    let too_large =
        captured(&mut wire, |packet| packet.icmp().is_some_and(|icmp| (icmp.kind, icmp.code) == (3, 4)))
            .await;
    tour.log.saw(too_large.context("nobody told the client that its packet is too large")?);
    match send(&client, target, PAYLOAD + 1).await {
        Err(error) if is_too_long(&error) => tour.log.saw(format_args!("from then on: {error}")),
        other => bail!("the client did not learn the MTU of the path: {other:?}"),
    }
    let arrived = deliver(&client, pod, PAYLOAD).await?;
    ensure!(arrived == Some(PAYLOAD), "a packet of the path's MTU did not arrive: {arrived:?}");
    tour.log.saw(format_args!("{PAYLOAD} bytes, a packet of {MTU}, arrive"));
    Ok(())
}

/// EMSGSIZE.
fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}
