//! A test program with its own main: all trials in one set of namespaces, each with a lab of its own.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests of sockets, processes and files"
)]

use std::cell::RefCell;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use svc_lab::{Host, Lab, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// A bound for what must come; nothing is measured by it.
const SOON: Duration = Duration::from_secs(20);

fn main() {
    svc_lab::enter();
    assert!(svc_lab::is_inside());
    let trials = vec![
        trial("capture_shows_packets_decoded", capture_shows_packets_decoded),
        trial("capture_tells_what_came_instead", capture_tells_what_came_instead),
        trial("capture_on_loopback_shows_each_packet_once", capture_on_loopback_shows_each_packet_once),
        trial("capture_sees_inside_vxlan", capture_sees_inside_vxlan),
        trial("dump_is_the_same_until_something_changes", dump_is_the_same_until_something_changes),
        trial("the_closure_has_a_loopback", the_closure_has_a_loopback),
        trial("hosts_are_as_asked_for", hosts_are_as_asked_for),
        trial("hosts_route_through_a_router", hosts_route_through_a_router),
        trial("ipv6_addresses_are_usable_at_once", ipv6_addresses_are_usable_at_once),
        trial("files_are_placed_behind_dangling_links", files_are_placed_behind_dangling_links),
        trial("links_move_into_a_pod", links_move_into_a_pod),
        trial("wrong_input_is_refused_by_name", wrong_input_is_refused_by_name),
        trial("futures_in_a_host_need_not_be_send", futures_in_a_host_need_not_be_send),
        trial("a_panic_in_a_host_is_the_callers", a_panic_in_a_host_is_the_callers),
        trial("a_dropped_task_is_aborted", a_dropped_task_is_aborted),
        trial("a_dropped_process_is_killed", a_dropped_process_is_killed),
        trial("a_dropped_host_takes_its_processes_along", a_dropped_host_takes_its_processes_along),
        trial("a_removed_host_is_gone", a_removed_host_is_gone),
        trial("orphans_are_reaped", orphans_are_reaped),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn trial<Fut>(name: &str, test: fn(Lab) -> Fut) -> Trial
where
    Fut: Future<Output = Result> + 'static,
{
    Trial::test(name, move || {
        svc_lab::run(test);
        std::result::Result::<(), Failed>::Ok(())
    })
}

fn sh(script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-ec", script]);
    shell
}

async fn send(from: &Host, to: std::net::SocketAddr, text: &'static str) -> Result {
    from.run(move || async move {
        let socket = UdpSocket::bind("0.0.0.0:0").await?;
        socket.send_to(text.as_bytes(), to).await
    })
    .await?;
    Ok(())
}

async fn capture_shows_packets_decoded(lab: Lab) -> Result {
    let [a, b] = lab.hosts(["a", "b"]).await?;
    let mut capture = b.capture("eth0").await?;
    send(&a, (b.address(), 5000).into(), "hello").await?;
    let packet = capture.find(SOON, |packet| packet.payload() == b"hello").await?;
    assert_eq!(packet.ethernet().src.to_string(), "02:00:00:00:00:01");
    assert_eq!(packet.ethernet().dst.to_string(), "02:00:00:00:00:02");
    let ip = packet.ip().expect("ip");
    assert_eq!((ip.src, ip.dst, ip.ttl), (a.address(), b.address(), 64));
    assert_eq!(packet.udp().expect("udp").dst_port, 5000);
    assert!(!packet.is_outgoing());
    // Nobody listens: an ICMP error goes back, and address resolution went before.
    capture.find(SOON, |packet| packet.is_outgoing() && packet.icmp().is_some_and(|it| it.kind == 3)).await?;
    let others = capture.so_far();
    assert!(others.iter().any(|it| it.arp().is_some()), "{others:?}");
    Ok(())
}

async fn capture_tells_what_came_instead(lab: Lab) -> Result {
    let [a, b] = lab.hosts(["a", "b"]).await?;
    let mut capture = b.capture("any").await?;
    send(&a, (b.address(), 5000).into(), "hello").await?;
    capture.find(SOON, |packet| packet.is_outgoing() && packet.icmp().is_some()).await?;
    let error = capture.find(Duration::ZERO, |packet| packet.tcp().is_some()).await.expect_err("no TCP");
    let text = error.to_string();
    assert!(
        text.starts_with("cannot capture the wanted packet on any of host \"b\": none within 0ns"),
        "{text}"
    );
    assert!(text.contains("198.18.0.2.5000: UDP, length 5"), "{text}");
    let missing = b.capture("eth7").await.expect_err("no eth7");
    assert!(missing.is_not_found(), "{missing}");
    Ok(())
}

async fn capture_on_loopback_shows_each_packet_once(lab: Lab) -> Result {
    let pod = lab.pod("pod").await?;
    let mut capture = pod.capture("lo").await?;
    send(&pod, ([127, 0, 0, 1], 5000).into(), "hello").await?;
    let sent: Vec<_> = capture.so_far().into_iter().filter(|it| it.udp().is_some()).collect();
    assert_eq!(sent.len(), 1, "{sent:?}");
    Ok(())
}

async fn capture_sees_inside_vxlan(lab: Lab) -> Result {
    let [a, b] = lab.hosts(["a", "b"]).await?;
    let mut capture = b.capture("eth0").await?;
    // What a VXLAN device would send: header, then a frame.
    let frame = [&[8, 0, 0, 0, 0, 0, 1, 0][..], &[2; 6], &[4; 6], &[0x88, 0xb5], b"inside"].concat();
    a.run(
        move || async move { UdpSocket::bind("0.0.0.0:0").await?.send_to(&frame, "198.18.0.2:8472").await },
    )
    .await?;
    let packet = capture.find(SOON, |packet| packet.vxlan().is_some()).await?;
    let vxlan = packet.vxlan().expect("vxlan");
    assert_eq!((vxlan.vni, vxlan.inner.payload()), (1, &b"inside"[..]));
    Ok(())
}

async fn dump_is_the_same_until_something_changes(lab: Lab) -> Result {
    let [a, b] = lab.hosts(["a", "b"]).await?;
    let before = a.dump().await?;
    // Traffic leaves learned neighbours and counters behind; neither counts.
    send(&a, (b.address(), 5000).into(), "hello").await?;
    assert_eq!(a.dump().await?, before);
    let changes = [
        ("ip addr add 10.1.0.1/24 dev eth0", "ip addr del 10.1.0.1/24 dev eth0", "inet 10.1.0.1/24"),
        ("ip route add 10.2.0.0/16 via 198.18.0.2", "ip route del 10.2.0.0/16", "10.2.0.0/16 via 198.18.0.2"),
        ("ip rule add fwmark 4 lookup 7", "ip rule del fwmark 4 lookup 7", "fwmark 4"),
        (
            "ip neigh add 198.18.0.9 lladdr 02:00:00:00:00:09 dev eth0",
            "ip neigh del 198.18.0.9 dev eth0",
            "eth0 dst 198.18.0.9 lladdr 02:00:00:00:00:09",
        ),
        ("echo 1 >/proc/sys/net/ipv4/ip_forward", "echo 0 >/proc/sys/net/ipv4/ip_forward", "ip_forward = 1"),
        ("ip link set eth0 mtu 1400", "ip link set eth0 mtu 1500", "mtu 1400"),
    ];
    for (change, undo, line) in changes {
        if !a.command(sh(change)).status().await?.success() {
            eprintln!("SKIP dump: `{change}` does not work here");
            continue;
        }
        let after = a.dump().await?;
        assert!(after.contains(line), "{change}: {after}");
        assert!(a.command(sh(undo)).status().await?.success());
        assert_eq!(a.dump().await?, before, "{undo}");
    }
    Ok(())
}

async fn the_closure_has_a_loopback(_: Lab) -> Result {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    TcpStream::connect(listener.local_addr()?).await?;
    Ok(())
}

async fn hosts_are_as_asked_for(lab: Lab) -> Result {
    let builder = lab.host("server2").address("172.20.10.2/24").address("10.0.0.1/8");
    let host = builder.mac("00:0c:29:9f:4f:5a").mtu(1400).default_route("172.20.10.1").create().await?;
    assert_eq!(host.name(), "server2");
    assert_eq!(host.address().to_string(), "172.20.10.2");
    let dump = host.dump().await?;
    for line in [
        "eth0 inet 172.20.10.2/24",
        "eth0 inet 10.0.0.1/8",
        "default Inet via 172.20.10.1 dev eth0",
        "mtu 1400",
        "lladdr 00:0c:29:9f:4f:5a",
        "lo up",
    ] {
        assert!(dump.contains(line), "{line} is not in {dump}");
    }
    host.del_address("eth0", "10.0.0.1/8").await?;
    host.del_route("default", "172.20.10.1").await?;
    let dump = host.dump().await?;
    assert!(!dump.contains("10.0.0.1/8") && !dump.contains("default Inet "), "{dump}");
    Ok(())
}

async fn hosts_route_through_a_router(lab: Lab) -> Result {
    let router = lab.host("router").address("10.1.0.1/24").address("10.2.0.1/24").create().await?;
    router.set_sysctl("net/ipv4/ip_forward", 1).await?;
    let a = lab.host("a").address("10.1.0.2/24").create().await?;
    a.add_route("10.2.0.0/24", "10.1.0.1").await?;
    let b = lab.host("b").address("10.2.0.2/24").default_route("10.2.0.1").create().await?;
    assert_eq!(greeting(&a, &b, "10.2.0.2:80").await?, "hello from 10.2.0.2:80");
    Ok(())
}

async fn ipv6_addresses_are_usable_at_once(lab: Lab) -> Result {
    let a = lab.host("a").address("fd00::1/64").create().await?;
    let b = lab.host("b").address("fd00::2/64").create().await?;
    assert_eq!(greeting(&a, &b, "[fd00::2]:80").await?, "hello from [fd00::2]:80");
    Ok(())
}

async fn greeting(client: &Host, server: &Host, address: &'static str) -> Result<String> {
    let listener = server.run(move || TcpListener::bind(address)).await?;
    let serving = server.spawn(move || async move {
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(format!("hello from {}", stream.local_addr()?).as_bytes()).await
    });
    let text = client.run(move || async move {
        let mut text = String::new();
        TcpStream::connect(address).await?.read_to_string(&mut text).await?;
        std::io::Result::Ok(text)
    });
    let text = text.await?;
    serving.await?;
    Ok(text)
}

/// As /etc/resolv.conf is one, where systemd-resolved keeps it in /run.
async fn files_are_placed_behind_dangling_links(lab: Lab) -> Result {
    let pod = lab.pod("pod").await?;
    std::os::unix::fs::symlink("elsewhere/resolv.conf", "/run/resolv.conf")?;
    let cat = |host: &Host| host.command(sh("cat /run/resolv.conf"));
    let output = cat(&pod).file("/run/resolv.conf", "nameserver 10.96.0.10").output().await?;
    assert_eq!(output.stdout, b"nameserver 10.96.0.10");
    assert_eq!(cat(&pod).output().await?.stdout, b"");
    Ok(())
}

async fn links_move_into_a_pod(lab: Lab) -> Result {
    use std::os::fd::AsRawFd as _;
    let [a] = lab.hosts(["a"]).await?;
    let pod = lab.pod("pod").await?;
    let fd = pod.netns().as_raw_fd();
    let moved = a.run(move || async move {
        let (connection, netlink, _) = rtnetlink::new_connection().map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let pair = rtnetlink::LinkVeth::new("veth0", "veth1").build();
        netlink.link().add(pair).execute().await.map_err(|error| error.to_string())?;
        let set = rtnetlink::LinkUnspec::new_with_name("veth1").setns_by_fd(fd).build();
        netlink.link().set(set).execute().await.map_err(|error| error.to_string())
    });
    moved.await?;
    assert!(a.dump().await?.contains("veth0"));
    assert!(pod.dump().await?.contains("veth1"));
    Ok(())
}

async fn wrong_input_is_refused_by_name(lab: Lab) -> Result {
    let builders = [
        (lab.host("a").address("172.20.10.2"), r#"cannot parse address "172.20.10.2" of host "a""#),
        (lab.host("a").mac("01:00:5e:00:00:01"), r#"cannot create host "a": mac 01:00:5e:00:00:01"#),
        (lab.host("a").mac("zz"), r#"cannot create host "a": "zz" is no hardware address"#),
        (lab.host("a").default_route("192.0.2.1"), "cannot add route 0.0.0.0/0 via 192.0.2.1"),
        (lab.host("a").mtu(1), r#"cannot connect host "a" to the switch"#),
        (lab.host("a\0b"), r#"cannot create a network namespace for host "a\0b": its name"#),
        (lab.host(""), r#"cannot create a network namespace for host "": its name"#),
    ];
    for (builder, start) in builders {
        let error = builder.create().await.expect_err(start).to_string();
        assert!(error.starts_with(start), "{error}");
    }
    let host = lab.host("a").create().await?;
    let error = host.sysctl("net/ipv4/none").await.expect_err("none");
    assert!(
        error.is_not_found() && error.to_string().contains("sysctl net/ipv4/none of host \"a\""),
        "{error}"
    );
    let error = host.add_address("eth0", format!("{}/16", host.address())).await.expect_err("there already");
    assert!(error.is_exists(), "{error}");
    let error = host.add_address("eth1", "10.0.0.1/8").await.expect_err("no eth1");
    assert!(error.is_not_found(), "{error}");
    let error = host.add_route("fd00::/64", "198.18.0.1").await.expect_err("mixed");
    assert!(error.to_string().contains("an IPv6 destination has no IPv4 gateway"), "{error}");
    let error = host.command(Command::new("/no/such/program")).status().await.expect_err("none");
    assert!(
        error.is_not_found() && error.to_string().starts_with("cannot start /no/such/program in host"),
        "{error}"
    );
    let error =
        host.command(Command::new("true")).file("/no/such/file", "").status().await.expect_err("none");
    assert!(error.to_string().contains("file /no/such/file"), "{error}");
    Ok(())
}

async fn futures_in_a_host_need_not_be_send(lab: Lab) -> Result {
    let pod = lab.pod("pod").await?;
    let sum = pod.run(|| async {
        let shared = Rc::new(RefCell::new(1));
        let other = shared.clone();
        tokio::task::spawn_local(async move { *other.borrow_mut() += 1 }).await.expect("joined");
        Rc::into_inner(shared).expect("the only one").into_inner()
    });
    assert_eq!(sum.await, 2);
    Ok(())
}

async fn a_panic_in_a_host_is_the_callers(lab: Lab) -> Result {
    let pod = lab.pod("pod").await?;
    let again = pod.clone();
    let task = tokio::spawn(async move { pod.run(|| async { panic!("on purpose") }).await });
    assert_eq!(task.await.expect_err("panicked").into_panic().downcast_ref(), Some(&"on purpose"));
    assert_eq!(again.run(|| async { 7 }).await, 7);
    Ok(())
}

async fn a_dropped_task_is_aborted(lab: Lab) -> Result {
    let pod = lab.pod("pod").await?;
    let (sender, dropped) = tokio::sync::oneshot::channel::<()>();
    let task = pod.spawn(|| async move {
        let _held = sender;
        std::future::pending::<()>().await;
    });
    drop(task);
    assert!(dropped.await.is_err());
    let (sender, finished) = tokio::sync::oneshot::channel();
    pod.spawn(|| async move { sender.send(()) }).detach();
    finished.await?;
    Ok(())
}

/// A process that says when it is there, and whose end is seen by its output's.
async fn chatty(host: &Host) -> Result<(svc_lab::Process, tokio::process::ChildStdout)> {
    let mut command = sh("echo there; exec sleep 1000");
    command.stdout(std::process::Stdio::piped());
    let mut process = host.command(command).spawn().await?;
    let mut output = process.stdout.take().expect("piped");
    assert_eq!(output.read_u8().await?, b't');
    Ok((process, output))
}

async fn a_dropped_process_is_killed(lab: Lab) -> Result {
    let pod = lab.pod("pod").await?;
    let (process, mut output) = chatty(&pod).await?;
    assert!(process.id().is_some());
    drop(process);
    output.read_to_end(&mut vec![]).await?;
    let (mut process, _output) = chatty(&pod).await?;
    assert!(!process.kill().await?.success());
    assert!(process.signal(15).expect_err("ended").is_not_found());
    Ok(())
}

async fn a_dropped_host_takes_its_processes_along(lab: Lab) -> Result {
    let [a] = lab.hosts(["a"]).await?;
    let (mut process, _output) = chatty(&a).await?;
    drop(a);
    assert_eq!(process.wait().await?.signal(), Some(9));
    Ok(())
}

async fn a_removed_host_is_gone(lab: Lab) -> Result {
    let [a, b] = lab.hosts(["a", "b"]).await?;
    let (mut process, _output) = chatty(&a).await?;
    let again = a.clone();
    let path = format!("/proc/{}", process.id().expect("it lives"));
    assert!(Path::new(&path).exists());
    a.remove().await?;
    assert!(!Path::new(&path).exists());
    assert_eq!(process.wait().await?.signal(), Some(9));
    assert!(again.sysctl("net/ipv4/ip_forward").await.is_err());
    // Its address is free for another.
    let next = lab.host("next").address("198.18.0.1/16").create().await?;
    assert_eq!(greeting(&b, &next, "198.18.0.1:80").await?, "hello from 198.18.0.1:80");
    Ok(())
}

/// The shell's child outlives it; the first process of the namespace inherits and reaps it.
async fn orphans_are_reaped(lab: Lab) -> Result {
    let pod = lab.pod("pod").await?;
    let output = pod.command(sh("(exec sh -c 'echo $$; exec sleep 0' &)")).output().await?;
    let pid: u32 = String::from_utf8(output.stdout)?.trim().parse()?;
    let path = format!("/proc/{pid}");
    while Path::new(&path).exists() {
        tokio::task::yield_now().await;
    }
    Ok(())
}
