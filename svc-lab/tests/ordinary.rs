//! Ordinary tests, several of them on libtest's threads at once.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests of sockets, processes and files"
)]

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

/// In the lab's own user namespace the switch is turned that forbids further ones, and a test started there.
#[test]
fn forbidden_user_namespaces_are_explained() {
    svc_lab::run(|_| async {
        std::fs::write("/proc/sys/user/max_user_namespaces", "0")?;
        let output = Command::new("/proc/self/exe").args(["sysctls_are_per_host", "--exact"]).output()?;
        let text = String::from_utf8(output.stdout)?;
        assert!(!output.status.success());
        assert!(text.contains("cannot create a user namespace"), "{text}");
        assert!(text.contains("/proc/sys/user/max_user_namespaces is 0"), "{text}");
        assert!(text.contains("sysctl -w user.max_user_namespaces="), "{text}");
        Ok(())
    });
}

#[test]
fn labs_nest() {
    svc_lab::run(|_| async {
        let output = Command::new("/proc/self/exe").args(["sysctls_are_per_host", "--exact"]).output()?;
        assert!(output.status.success(), "{output:?}");
        Ok(())
    });
}

/// The failing tests above are about this: what the closure printed, then why it failed, then what can be done.
#[test]
fn output_of_a_failed_test_is_its_own() {
    let output = Command::new("/proc/self/exe")
        .args(["failure_inside_is_failure_outside", "--exact", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("error: on purpose\nnote: with SVC_LAB_KEEP=1"), "{text}");
    assert_eq!(text.matches("running 1 test").count(), 1, "{text}");
}

/// The same tests as a user with no privilege, if this one has some.
#[test]
fn no_privilege_is_needed() {
    use std::os::unix::process::CommandExt as _;
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("not root: the other tests show it");
    }
    let mut command = Command::new("/proc/self/exe");
    command.args(["hosts_exchange_tcp_over_the_switch", "processes_see_their_host_and_their_files"]);
    let output = command.uid(65534).gid(65534).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("2 passed"), "{output:?}");
}
