//! A child process with input, output and a limit of time.

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::iptables::Cause;

/// No more of an output is kept: 10 000 Services with 100 endpoints each are a few hundred MB of rules.
const MOST: u64 = 1 << 30;

pub(super) struct Output {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Runs a program in the network namespace of this thread.
pub(super) fn run(
    program: &Path,
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
    input: Option<Arc<String>>,
    limit: Duration,
) -> Result<Output, Cause> {
    let until = Instant::now() + limit;
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed("run it", &error))?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // A program that ends before it has read all says why on its standard error.
        std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    }
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let read = |output: Option<mpsc::Receiver<io::Result<Vec<u8>>>>| match output {
        Some(output) => output.recv_timeout(until.saturating_duration_since(Instant::now())),
        None => Ok(Ok(Vec::new())),
    };
    let (Ok(stdout), Ok(stderr)) = (read(stdout), read(stderr)) else {
        // One that cannot be ended has ended.
        let _ = child.kill();
        let _ = child.wait();
        return Err(Cause::TimedOut { after: limit });
    };
    let text = |bytes: io::Result<Vec<u8>>| match bytes {
        Ok(bytes) => Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())),
        Err(error) => Err(failed("read its output", &error)),
    };
    let status = child.wait().map_err(|error| failed("wait for it", &error))?;
    Ok(Output { status, stdout: text(stdout)?, stderr: text(stderr)? })
}

fn collect(output: impl Read + Send + 'static) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.take(MOST).read_to_end(&mut bytes);
        // Nobody waits any more for one that took too long.
        let _ = sender.send(read.map(|_| bytes));
    });
    receiver
}

fn failed(operation: &'static str, error: &io::Error) -> Cause {
    Cause::Unrunnable { operation, errno: error.raw_os_error().unwrap_or(0) }
}
