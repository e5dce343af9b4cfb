//! The same demands on the fake and on the kernel; and what the nft program says about what we sent.

#[path = "kernel/contract.rs"]
mod contract;
#[path = "kernel/flows.rs"]
#[allow(clippy::disallowed_types, reason = "sends datagrams")]
mod flows;
#[path = "kernel/interrupted.rs"]
#[allow(clippy::disallowed_types, clippy::print_stdout, reason = "runs strace")]
mod interrupted;
#[path = "kernel/packets.rs"]
#[allow(clippy::disallowed_types, reason = "sends packets")]
mod packets;
#[path = "kernel/program.rs"]
#[allow(clippy::disallowed_types, reason = "runs the nft program")]
mod program;
#[path = "kernel/sample.rs"]
#[allow(clippy::too_many_lines, reason = "a table reads best in one piece")]
mod sample;
#[path = "kernel/scale.rs"]
mod scale;
#[path = "kernel/sets.rs"]
mod sets;
#[path = "kernel/strategies.rs"]
mod strategies;
#[path = "kernel/walk.rs"]
mod walk;

use libtest_mimic::{Arguments, Trial};
use svc_nft::{Socket, fake};

fn main() {
    if std::env::var_os(interrupted::WATCHED).is_some() {
        return interrupted::watched();
    }
    let arguments = Arguments::from_args();
    if !arguments.list {
        svc_lab::enter();
    }
    let mut trials = Vec::new();
    for (name, demand) in contract::DEMANDS {
        trials.push(Trial::test(format!("fake::{name}"), move || {
            demand(&mut fake::Kernel::new());
            Ok(())
        }));
        trials.push(Trial::test(format!("kernel::{name}"), move || {
            in_lab(move || demand(&mut Socket::open().expect("a netlink socket")));
            Ok(())
        }));
    }
    trials.extend(program::trials());
    trials.extend(packets::trials());
    trials.extend(walk::trials());
    trials.extend(scale::trials());
    trials.extend(interrupted::trials());
    trials.extend(flows::trials());
    trials.extend(sets::trials());
    libtest_mimic::run(&arguments, trials).exit();
}

/// Runs on a host of its own.
fn in_lab(body: impl FnOnce() + Send + 'static) {
    svc_lab::run(move |lab| async move {
        let host = lab.pod("kernel").await?;
        host.run(move || async move { body() }).await;
        Ok(())
    });
}
