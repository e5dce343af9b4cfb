//! Rootless labs of network namespaces, for tests, examples and your own tests: hosts on a switch, pods on none,
//! processes and futures in them, packet capture.
//!
//! ```
//! use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
//! use tokio::net::{TcpListener, TcpStream};
//!
//! svc_lab::run(|lab| async move {
//!     let server = lab.host("server").address("172.20.10.2/24").create().await?;
//!     let client = lab.host("client").address("172.20.10.50/24").create().await?;
//!
//!     // Sockets belong to the host in which they are made.
//!     let listener = server.run(|| TcpListener::bind("172.20.10.2:80")).await?;
//!     server.spawn(|| async move { listener.accept().await?.0.write_all(b"hello").await }).detach();
//!
//!     let mut capture = client.capture("eth0").await?;
//!     let text = client.run(|| async {
//!         let mut text = String::new();
//!         TcpStream::connect("172.20.10.2:80").await?.read_to_string(&mut text).await?;
//!         std::io::Result::Ok(text)
//!     });
//!     assert_eq!(text.await?, "hello");
//!
//!     let timeout = std::time::Duration::from_secs(5);
//!     let answer = capture.find(timeout, |packet| packet.payload() == b"hello").await?;
//!     assert_eq!(answer.ip().unwrap().src.to_string(), "172.20.10.2");
//!     println!("{answer}");
//!     Ok(())
//! });
//! ```
//!
//! It needs no privilege, nothing installed, and leaves nothing behind: not after a panic, not after SIGKILL.
//!
//! It is not a container runtime: it isolates the network and the process ids, not the file system, and is no
//! boundary for programs that are not trusted.
//!
//! # Layers
//!
//! ```text
//!  run, main, enter      execute this program again, in namespaces       processes: outer > unshare > init > inside
//!       Lab              a switch (a bridge), and what is plugged in     its own network namespace
//!       Host             a network namespace, a thread, a runtime        eth0 on the switch; a pod: lo alone
//!    run spawn command   futures and processes in it                     sysctls, addresses, routes, dump
//!       Capture          what passes a link                              a packet socket
//!       packet           pure: bytes to typed layers                     Ethernet ARP IP UDP TCP ICMP VXLAN
//! ```
//!
//! # Three ways in
//!
//! | where | call | what happens |
//! |---|---|---|
//! | an ordinary `#[test]`, a doctest | [`run`] | The test binary is executed again for that one test; what it prints is the test's output, an error or a panic fails the test. Under `cargo test` and under nextest. |
//! | the `main` of a program | [`main`] | The program is executed again with its arguments. Streams, exit status and signals pass through. |
//! | a test program with `harness = false` | [`enter`], then [`run`] in each test | The program is executed again once; each test makes its lab in it, in parallel if the harness does so. |
//!
//! The closure is all that runs inside. The closure itself runs in no host; what is to touch a network goes through
//! [`Host::run`], [`Host::spawn`] or [`Host::command`].
//!
//! In the lab the caller is root, whoever that is outside. `/run` is empty, `/proc` shows the lab's processes alone,
//! everything else is the machine's, with the permissions that the caller has there.
//!
//! # Looking in
//!
//! [`Host::nsenter`] is the command by which somebody outside enters a host. `SVC_LAB_KEEP=1 cargo test NAME --
//! --nocapture` keeps a failed lab and prints these commands.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `api-server` | no | `api_server`, a Kubernetes API server for tests of clients; it needs no lab |
//!
//! # What it needs
//!
//! | | |
//! |---|---|
//! | Linux 4.9 or later | with `CONFIG_USER_NS`, `CONFIG_NET_NS`, `CONFIG_PID_NS`, bridge, veth and packet sockets |
//! | the environment variable `SVC_LAB_PRIVILEGED`, and root | what the kernel allows in the first user namespace only, as IPVS: the lab makes no user namespace then |
//! | user namespaces for the caller | if they are forbidden the error names the switch and how to turn it: `user.max_user_namespaces`, `kernel.unprivileged_userns_clone`, `kernel.apparmor_restrict_unprivileged_userns`, the seccomp profile of a container |
//! | threads | none before the call, but for libtest's |
//! | programs | none; `nsenter` of util-linux to look in |
//! | Rust | 1.89 |
//!
//! # Cancel safety
//!
//! [`Capture::next`] and [`Capture::find`] lose no packet when dropped. Dropping [`Host::run`] or a [`Task`] aborts
//! the future in the host, dropping a [`Process`] kills it. A [`HostBuilder::create`] that is dropped half-way leaves
//! nothing.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a lab is made of threads, processes, files and sockets"
)]

#[cfg(feature = "api-server")]
pub mod api_server;
mod capture;
mod dump;
mod error;
mod host;
mod keep;
mod lab;
mod link;
mod namespaces;
mod netns;
#[deny(clippy::disallowed_types, clippy::disallowed_methods, reason = "pure: bytes in, values out")]
pub mod packet;
mod process;
mod run;
mod stage;
mod sysctl;

pub use capture::Capture;
pub use error::Error;
pub use host::Host;
pub use lab::{HostBuilder, Lab};
pub use netns::Task;
pub use packet::Packet;
pub use process::{HostCommand, Process};
pub use run::{Result, enter, is_inside, main, run};
