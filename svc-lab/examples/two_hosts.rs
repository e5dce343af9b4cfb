//! Two hosts on a switch, kept until Ctrl-C: `cargo run -p svc-lab --example two_hosts`.
#![allow(clippy::print_stdout, reason = "a program")]

use std::process::ExitCode;

fn main() -> ExitCode {
    svc_lab::main(|lab| async move {
        let [a, b] = lab.hosts(["a", "b"]).await?;
        for host in [&a, &b] {
            println!("{} {}: {}", host.name(), host.address(), host.nsenter());
        }
        std::future::pending::<()>().await;
        Ok(())
    })
}
