//! The overlay in labs of network namespaces: real devices, real packets.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

mod kernel {
    pub(crate) mod cluster;
    pub(crate) mod pods;
}

fn main() -> ExitCode {
    svc_lab::enter();
    let trials = [kernel::pods::trials()];
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit_code()
}

/// A test that runs in a lab of its own.
fn trial<F, R>(name: &str, test: F) -> Trial
where
    F: FnOnce(svc_lab::Lab) -> R + Send + 'static,
    R: Future<Output = svc_lab::Result>,
{
    Trial::test(name, move || {
        svc_lab::run(test);
        Ok::<(), Failed>(())
    })
}
