//! The processes that a lab consists of, each the same program executed again:
//!
//! ```text
//! outer    the test or program as started     waits, passes output, status and signals on
//! unshare  single-threaded                    makes the namespaces; its first child is pid 1 in them
//! init     pid 1                              mounts, reaps orphans; when it dies the kernel kills the rest
//! inside   pid 2                              runs the closure
//! ```
//!
//! `unshare` and `init` ask the kernel for SIGKILL at their parent's death, so a killed outer takes all of it along.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, exit};

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid, gettid};

use crate::namespaces;

const STAGE: &str = "SVC_LAB_STAGE";
const PARENT: &str = "SVC_LAB_PARENT";
const CALL: &str = "SVC_LAB_CALL";
const TEST: &str = "SVC_LAB_TEST";
const MIN_STACK: &str = "SVC_LAB_MIN_STACK";
const RUST_MIN_STACK: &str = "RUST_MIN_STACK";

/// What a process inside a lab must not hand down to programs that it starts.
pub(crate) const VARIABLES: [&str; 5] = [STAGE, PARENT, CALL, TEST, MIN_STACK];

/// Begins the part of the output of a re-executed test that is the test's own.
const MARK: &str = "\u{1e}svc-lab";

/// Longer than any address space: libtest cannot start the test's thread and falls back to running the test on the
/// main thread, which is the only one then, as unshare(CLONE_NEWUSER) requires.
const UNMAPPABLE_STACK: usize = 1 << 60;

/// What the caller has to do, as one process of the chain.
pub(crate) enum Turn {
    /// This process runs the closure.
    Inside,
    /// The lab ran in a child process and ended so.
    Ran(ExitStatus),
    /// It is another call's turn; its lab ran already.
    Skip,
}

/// Finds out which process of the chain this is and does its work. Only the outer and the inside one return.
pub(crate) fn pass(call: u32) -> io::Result<Turn> {
    let stage = env::var(STAGE).unwrap_or_default();
    let turn = env::var(CALL).ok().and_then(|it| it.parse().ok()).unwrap_or(0);
    match stage.as_str() {
        "unshare" | "init" if call < turn => Ok(Turn::Skip),
        "unshare" => unshare(),
        "init" => init(),
        "inside" if is_inside() && call < turn => Ok(Turn::Skip),
        "inside" if is_inside() => inside(),
        _ => outer(call).map(Turn::Ran),
    }
}

pub(crate) fn is_inside() -> bool {
    getppid() == Pid::from_raw(1) && env::var(STAGE).is_ok_and(|it| it == "inside")
}

/// Whether this is a libtest process that was started for one test.
pub(crate) fn is_test() -> bool {
    env::var_os(TEST).is_some()
}

fn outer(call: u32) -> io::Result<ExitStatus> {
    if gettid() == getpid() { outer_of_program(call) } else { outer_of_test(call) }
}

fn outer_of_program(call: u32) -> io::Result<ExitStatus> {
    let before = SigSet::thread_get_mask()?;
    passed_on().thread_block()?;
    let child = begin(call).args(arguments()).spawn();
    let status = child.and_then(|child| wait_passing_signals(&child));
    before.thread_set_mask()?;
    status
}

/// Runs this one test in a new process and prints what it prints, so that libtest captures it as the test's own.
fn outer_of_test(call: u32) -> io::Result<ExitStatus> {
    let thread = std::thread::current();
    let name = thread.name().ok_or_else(not_a_test)?;
    let (reader, writer) = io::pipe()?;
    let mut command = begin(call);
    command.args([name, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"]);
    command.env(TEST, name).env(RUST_MIN_STACK, UNMAPPABLE_STACK.to_string());
    command.env(MIN_STACK, env::var_os(RUST_MIN_STACK).unwrap_or_default());
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    drop(command);
    let marked = pass_output(BufReader::new(reader));
    let status = child.wait()?;
    if status.success() && !marked? { Err(never_called(name)) } else { Ok(status) }
}

#[allow(clippy::print_stdout, reason = "the test's own output, printed here so that libtest captures it")]
fn pass_output(mut reader: impl BufRead) -> io::Result<bool> {
    let (mut marked, mut line) = (false, Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if marked {
            print!("{text}");
        } else {
            marked = text.trim_end().ends_with(MARK);
        }
        line.clear();
    }
    Ok(marked)
}

fn not_a_test() -> io::Error {
    io::Error::other(
        "called on a thread that is neither the main one nor that of a #[test]; \
         with `harness = false` call svc_lab::enter() first in main",
    )
}

fn never_called(name: &str) -> io::Error {
    io::Error::other(format!("the test binary, executed again for `{name}` alone, did not get here"))
}

fn unshare() -> ! {
    let parent = expected_parent();
    die_with_parent(|| getppid() == parent);
    let made = namespaces::unshare();
    die_with_parent(|| getppid() == parent);
    let status = made.map_err(|error| error.to_string()).and_then(|()| {
        let mut command = again("init");
        command.args(arguments());
        match env::var_os(MIN_STACK).filter(|it| !it.is_empty()) {
            Some(size) => command.env(RUST_MIN_STACK, size),
            None if is_test() => command.env_remove(RUST_MIN_STACK),
            None => &mut command,
        };
        passed_on().thread_block().map_err(|error| error.to_string())?;
        let child =
            command.spawn().map_err(|error| format!("cannot start the lab's first process: {error}"))?;
        wait_passing_signals(&child).map_err(|error| error.to_string())
    });
    finish(status)
}

fn init() -> ! {
    let parent = expected_parent();
    die_with_parent(|| outer_parent() == Some(parent));
    let status = namespaces::mount().map_err(|error| error.to_string()).and_then(|()| {
        let mut command = again("inside");
        let child = command.args(arguments()).spawn();
        let child = child.map_err(|error| format!("cannot start the lab's own process: {error}"))?;
        wait_passing_signals(&child).map_err(|error| error.to_string())
    });
    finish(status)
}

fn inside() -> io::Result<Turn> {
    SigSet::empty().thread_set_mask()?;
    mark();
    Ok(Turn::Inside)
}

fn finish(status: Result<ExitStatus, String>) -> ! {
    match status {
        Ok(status) => exit(code(status)),
        Err(error) => {
            mark();
            let _ = writeln!(io::stderr(), "svc-lab: {error}");
            exit(1)
        }
    }
}

/// The exit code that says the same as the status; for a signal what shells say.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn mark() {
    if is_test() {
        let _ = writeln!(io::stderr(), "\n{MARK}");
    }
}

/// The next process after the outer one. Nothing of a lab around this one is handed down.
fn begin(call: u32) -> Command {
    let mut command = again("unshare");
    command.env(CALL, call.to_string()).env_remove(TEST).env_remove(MIN_STACK);
    command
}

fn again(stage: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = env::args_os().next() {
        command.arg0(name);
    }
    command.env(STAGE, stage).env(PARENT, getpid().to_string());
    command
}

fn arguments() -> impl Iterator<Item = OsString> {
    env::args_os().skip(1)
}

fn expected_parent() -> Pid {
    Pid::from_raw(env::var(PARENT).ok().and_then(|it| it.parse().ok()).unwrap_or(-1))
}

/// The parent's pid as the procfs of the outer pid namespace tells it; `getppid` says 0 to a first process.
fn outer_parent() -> Option<Pid> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok().map(Pid::from_raw)
}

/// The parent may have died before the kernel knew of the wish, hence the look afterwards.
fn die_with_parent(is_alive: impl Fn() -> bool) {
    let asked = prctl::set_pdeathsig(Signal::SIGKILL);
    if asked.is_err() || !is_alive() {
        exit(137);
    }
}

fn passed_on() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGCHLD].into_iter().collect()
}

/// Waits for the child, reaping whatever else ends. A signal that somebody sent to this process alone is sent on;
/// one from the terminal (`SI_KERNEL`) has reached the whole process group already.
fn wait_passing_signals(child: &Child) -> io::Result<ExitStatus> {
    const SI_KERNEL: i32 = 0x80;
    let child = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let signals = SignalFd::new(&passed_on())?;
    loop {
        if let Some(status) = reap(child)? {
            return Ok(status);
        }
        let Some(info) = signals.read_signal()? else { continue };
        let signal = i32::try_from(info.ssi_signo).ok().and_then(|it| Signal::try_from(it).ok());
        if let Some(signal @ (Signal::SIGINT | Signal::SIGTERM)) = signal
            && info.ssi_code != SI_KERNEL
        {
            let _ = kill(child, signal);
        }
    }
}

fn reap(child: Pid) -> io::Result<Option<ExitStatus>> {
    loop {
        let (pid, raw) = match waitpid(None, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(pid, code) => (pid, code << 8),
            WaitStatus::Signaled(pid, signal, _) => (pid, signal as i32),
            WaitStatus::StillAlive => return Ok(None),
            _ => continue,
        };
        if pid == child {
            return Ok(Some(ExitStatus::from_raw(raw)));
        }
    }
}
