//! Back ends agree with what Services mean: for generated clusters, settings and packets of every class, the trace of the
//! compiled rules is what a reference says that reads the objects alone; and rules that followed a history, in memory
//! and in a kernel, are those that a start from nothing would give.
//!
//! The seed of a run is printed; `AGREEMENT_SEED` repeats one, `AGREEMENT_CLUSTERS` makes it longer.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a test"
)]

mod endpoints;
mod histories;
mod mutations;
mod outcomes;
mod packets;
mod reference;
mod settings;
mod subject;
mod world;

use std::hash::{BuildHasher as _, RandomState};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fn main() -> ExitCode {
    svc_lab::enter();
    let run = Run { seed: number("AGREEMENT_SEED").unwrap_or_else(|| RandomState::new().hash_one(0)) };
    println!("agreement: AGREEMENT_SEED={} repeats this run", run.seed);
    let trials = [outcomes::trials(run), histories::trials(run), mutations::trials()];
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit_code()
}

/// What is random in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    seed: u64,
}

impl Run {
    /// A runner of so many cases, unless the environment says otherwise.
    fn runner(self, cases: u32) -> TestRunner {
        let cases = number("AGREEMENT_CLUSTERS").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(cases);
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn trial(name: impl Into<String>, test: impl FnOnce() -> Result<(), String> + Send + 'static) -> Trial {
    Trial::test(name, move || Ok(test()?))
}
