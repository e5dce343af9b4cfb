//! The ways into a lab: `run` for tests, `main` for programs, `enter` for test programs with their own main.

use std::cell::Cell;
use std::future::Future;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{ExitCode, Termination, exit};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;

use crate::keep;
use crate::lab::Lab;
use crate::stage::{self, Turn};

/// What a closure in a lab returns: any error will do.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

static ENTERED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

fn next_call() -> u32 {
    CALLS.replace(CALLS.get() + 1) + 1
}

/// Runs a closure in a new lab and returns when it has ended and all of the lab is gone.
///
/// In a `#[test]` this executes the test binary again for that one test, in new namespaces; in the main thread of a
/// program, the program with its arguments. The closure runs there and nowhere else, and what follows the call runs
/// outside only. What precedes it runs outside and again in each of the three processes inside (see the front page):
/// nothing with effects belongs there.
///
/// After [`enter`] the lab is made in this process.
///
/// # Panics
///
/// If the closure returns an error or panics, or where user namespaces are forbidden; the output printed before says
/// why.
pub fn run<F, Fut>(closure: F)
where
    F: FnOnce(Lab) -> Fut,
    Fut: Future<Output = Result>,
{
    if ENTERED.load(Ordering::Relaxed) {
        return in_place(closure).unwrap_or_else(|error| panic!("{error}"));
    }
    match stage::pass(next_call()) {
        Ok(Turn::Skip) => {}
        Ok(Turn::Inside) => exit(outcome(closure)),
        Ok(Turn::Ran(status)) if status.success() => {}
        Ok(Turn::Ran(status)) => panic!("the lab failed with {status}; the reason is in the output above"),
        Err(error) => panic!("cannot run a lab: {error}"),
    }
}

/// Runs a closure in a new lab, as the `main` of a program: arguments, standard streams, exit status and Ctrl-C pass
/// through. To be called before any thread is started.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     svc_lab::main(|lab| async move {
///         let [a, b] = lab.hosts(["a", "b"]).await?;
///         println!("{}", a.nsenter());
///         Ok(())
///     })
/// }
/// ```
pub fn main<F, Fut, T>(closure: F) -> ExitCode
where
    F: FnOnce(Lab) -> Fut,
    Fut: Future<Output = Result<T>>,
    T: Termination,
{
    if let Some(code) = entered() {
        return u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from);
    }
    match in_place(closure) {
        Ok(value) => value.report(),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Puts the whole program in a lab's namespaces: for a test program with `harness = false`, first thing in its main.
/// Returns inside only; there each [`run`] makes a lab of its own in this process, several at once if need be.
///
/// The process outside waits, passes signals on and exits as the one inside does.
pub fn enter() {
    if let Some(code) = entered() {
        exit(code);
    }
}

/// Whether this process was started by svc-lab to be inside a lab.
#[must_use]
pub fn is_inside() -> bool {
    stage::is_inside()
}

/// `None` inside, the exit code of the process inside otherwise.
fn entered() -> Option<i32> {
    if ENTERED.load(Ordering::Relaxed) {
        return None;
    }
    match stage::pass(next_call()) {
        Ok(Turn::Inside) => {
            ENTERED.store(true, Ordering::Relaxed);
            None
        }
        Ok(Turn::Ran(status)) => Some(stage::code(status)),
        Ok(Turn::Skip) => Some(0),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "svc-lab: {error}");
            Some(1)
        }
    }
}

/// Runs the closure of a test in this process, which has nothing else to do: the exit code says how it went.
fn outcome<F, Fut>(closure: F) -> i32
where
    F: FnOnce(Lab) -> Fut,
    Fut: Future<Output = Result>,
{
    match catch_unwind(AssertUnwindSafe(|| in_place(closure))) {
        Ok(Ok(())) => 0,
        Ok(Err(_)) | Err(_) => 101,
    }
}

/// Runs the closure in a lab in this process. A failure has been printed when this returns it.
fn in_place<F, Fut, T>(closure: F) -> Result<T>
where
    F: FnOnce(Lab) -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let lab = Lab::new().await.inspect_err(|error| report(error))?;
        let ended = AssertUnwindSafe(closure(lab.clone())).catch_unwind().await;
        if let Ok(Err(error)) = &ended {
            report(&**error);
        }
        if !matches!(ended, Ok(Ok(_))) {
            keep::after_failure(&lab).await;
        }
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn report(error: &dyn std::error::Error) {
    let _ = writeln!(std::io::stderr(), "error: {}", chain(error));
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
