//! Ordinary tests, several of them on libtest's threads at once.

use std::process::Command;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[test]
fn hosts_exchange_tcp_over_the_switch() {
    svc_lab::run(|lab| async move {
        let [a, b] = lab.hosts(["a", "b"]).await?;
        let address = b.address();
        let listener = b.run(move || TcpListener::bind((address, 7000))).await?;
        let server = b.spawn(move || async move {
            let (mut stream, peer) = listener.accept().await?;
            stream.write_all(b"hello").await?;
            std::io::Result::Ok(peer.ip())
        });
        let text = a.run(move || async move {
            let mut text = String::new();
            TcpStream::connect((address, 7000)).await?.read_to_string(&mut text).await?;
            std::io::Result::Ok(text)
        });
        assert_eq!(text.await?, "hello");
        assert_eq!(server.await?, a.address());
        Ok(())
    });
}

#[test]
fn sysctls_are_per_host() {
    svc_lab::run(|lab| async move {
        let [a, b] = lab.hosts(["a", "b"]).await?;
        a.set_sysctl("net/ipv4/ip_forward", 1).await?;
        assert_eq!(a.sysctl("net.ipv4.ip_forward").await?, "1");
        assert_eq!(b.sysctl("net/ipv4/ip_forward").await?, "0");
        Ok(())
    });
}

#[test]
fn processes_see_their_host_and_their_files() {
    svc_lab::run(|lab| async move {
        let pod = lab.pod("pod").await?;
        let mut cat = Command::new("cat");
        cat.args(["/proc/net/dev", "/etc/hosts"]);
        let output = pod.command(cat).file("/etc/hosts", "192.0.2.1 there\n").output().await?;
        let text = String::from_utf8(output.stdout)?;
        assert!(text.ends_with("192.0.2.1 there\n"), "{text}");
        assert!(text.contains("lo:") && !text.contains("eth0"), "{text}");
        Ok(())
    });
}

#[test]
#[should_panic(expected = "the lab failed")]
fn failure_inside_is_failure_outside() {
    svc_lab::run(|_| async { Err("on purpose".into()) });
}

#[test]
#[should_panic(expected = "the lab failed")]
fn panic_inside_is_failure_outside() {
    svc_lab::run(|_| async { panic!("on purpose") });
}

#[test]
fn several_labs_run_one_after_another() {
    let mut outside = 0;
    for _ in 0..2 {
        svc_lab::run(|lab| async move { lab.hosts(["a"]).await.map(drop).map_err(Into::into) });
        outside += 1;
    }
    assert_eq!(outside, 2);
}
