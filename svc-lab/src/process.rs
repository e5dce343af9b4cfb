//! Processes in a host.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

use crate::error::Error;
use crate::namespaces::{self, DIRECTORY};
use crate::netns::{Ending, Netns};
use crate::stage::VARIABLES;

static FILES: AtomicU64 = AtomicU64::new(0);

/// A process about to be started in a host; see [`Host::command`](crate::Host::command).
#[must_use = "no process before `spawn`, `status` or `output`"]
#[derive(Debug)]
pub struct HostCommand {
    netns: Netns,
    command: Command,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl HostCommand {
    pub(crate) fn new(netns: Netns, mut command: Command) -> Self {
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command.kill_on_drop(true);
        Self { netns, command, files: vec![] }
    }

    /// Lets the process, and what it starts, find this content at a path, `/etc/resolv.conf` say. The path has to
    /// exist (a symbolic link is followed); nobody else sees the change.
    pub fn file(mut self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.into(), content.into()));
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    ///
    /// If the program cannot be executed, or a [`file`](HostCommand::file) cannot be put in place.
    pub async fn spawn(self) -> Result<Process, Error> {
        let Self { netns, command, files } = self;
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let object = format!("{program} in host {:?}", netns.name());
        let child =
            netns.clone().task(move || async move { start(command, files).await }).outcome().await.flatten();
        let child = child.map_err(|cause| Error::new("start", &object, cause))?;
        Ok(Process::new(&netns, child, object))
    }

    /// Runs the process to its end. Its input and output are the lab's unless the command says otherwise.
    ///
    /// # Errors
    ///
    /// As [`spawn`](HostCommand::spawn).
    pub async fn status(self) -> Result<ExitStatus, Error> {
        self.spawn().await?.wait().await
    }

    /// Runs the process to its end and collects what it writes.
    ///
    /// # Errors
    ///
    /// As [`spawn`](HostCommand::spawn).
    pub async fn output(mut self) -> Result<Output, Error> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn().await?.wait_with_output().await
    }
}

/// Starts the command on the host's thread, or, when it is to see other files, on a thread in a mount namespace of
/// its own that ends right after.
async fn start(mut command: Command, files: Vec<(PathBuf, Vec<u8>)>) -> io::Result<Child> {
    if files.is_empty() {
        return command.spawn();
    }
    let runtime = tokio::runtime::Handle::current();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("files".into()).spawn(move || {
        let _entered = runtime.enter();
        let _ = sender.send(place(&files).and_then(|()| command.spawn()));
    })?;
    receiver.await.map_err(io::Error::other)?
}

fn place(files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let directory = Path::new(DIRECTORY).join("files");
    fs::create_dir_all(&directory)?;
    for (path, content) in files {
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let source = directory.join(number.to_string());
        let failed =
            |error: io::Error| io::Error::new(error.kind(), format!("file {}: {error}", path.display()));
        fs::write(&source, content).map_err(failed)?;
        target(path).and_then(|target| namespaces::bind(&source, &target)).map_err(failed)?;
    }
    Ok(())
}

/// Where a path leads to. Behind a link into /run, which is empty in a lab, an empty file is made.
fn target(path: &Path) -> io::Result<PathBuf> {
    let missing = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => error,
        other => return other,
    };
    let link = fs::read_link(path).map_err(|_| missing)?;
    let target = path.parent().unwrap_or(Path::new("/")).join(link);
    fs::create_dir_all(target.parent().unwrap_or(Path::new("/")))?;
    fs::write(&target, "")?;
    Ok(target)
}

/// A process in a host. It is killed when this is dropped, and when its host is.
#[derive(Debug)]
pub struct Process {
    /// Its standard input, if the command asked for a pipe.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if the command asked for a pipe.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if the command asked for a pipe.
    pub stderr: Option<ChildStderr>,
    pid: Option<u32>,
    object: String,
    status: watch::Receiver<Option<Result<ExitStatus, i32>>>,
    /// Dropped with the process: the task that holds the child ends, and kills it.
    _held: crate::netns::Task<()>,
}

impl Process {
    fn new(netns: &Netns, mut child: Child, object: String) -> Self {
        let (sender, status) = watch::channel(None);
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let pid = child.id();
        let held = netns.task_to_the_end(move |host| async move {
            let ended = end(&mut child, host).await.map_err(|error| error.raw_os_error().unwrap_or(0));
            let _ = sender.send(Some(ended));
        });
        Self { stdin, stdout, stderr, pid, object, status, _held: held }
    }

    /// Its pid as seen inside the lab.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.pid
    }

    /// Sends it a signal by its number; 15 is SIGTERM.
    ///
    /// # Errors
    ///
    /// If it has ended, or there is no such signal.
    pub fn signal(&self, number: i32) -> Result<(), Error> {
        let failed = |cause| Error::new("signal", &self.object, cause);
        let gone = || failed(io::Error::from(nix::errno::Errno::ESRCH));
        if self.status.borrow().is_some() {
            return Err(gone());
        }
        let pid = self.pid.and_then(|it| i32::try_from(it).ok()).ok_or_else(gone)?;
        let signal = Signal::try_from(number).map_err(|errno| failed(errno.into()))?;
        nix::sys::signal::kill(Pid::from_raw(pid), signal).map_err(|errno| failed(errno.into()))
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// If its host was removed while it was being started.
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        self.stdin = None;
        let ended = self.status.wait_for(Option::is_some).await.map(|it| *it);
        let failed = |cause| Error::new("wait for", &self.object, cause);
        match ended {
            Ok(Some(Ok(status))) => Ok(status),
            Ok(Some(Err(errno))) => Err(failed(io::Error::from_raw_os_error(errno))),
            Ok(None) | Err(_) => Err(failed(io::Error::other("its host is gone"))),
        }
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    ///
    /// As [`wait`](Process::wait).
    pub async fn kill(&mut self) -> Result<ExitStatus, Error> {
        match self.signal(Signal::SIGKILL as i32) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => self.wait().await,
        }
    }

    /// Waits for its end and collects what it wrote to the pipes that are still here.
    ///
    /// # Errors
    ///
    /// As [`wait`](Process::wait).
    pub async fn wait_with_output(mut self) -> Result<Output, Error> {
        let (out, err) = (self.stdout.take(), self.stderr.take());
        let (stdout, stderr) = tokio::join!(read_all(out), read_all(err));
        let failed = |cause| Error::new("read the output of", &self.object, cause);
        let (stdout, stderr) = (stdout.map_err(failed)?, stderr.map_err(failed)?);
        Ok(Output { status: self.wait().await?, stdout, stderr })
    }
}

/// Waits for the child's end, and brings it about when the host ends.
async fn end(child: &mut Child, mut host: Ending) -> io::Result<ExitStatus> {
    tokio::select! {
        status = child.wait() => return status,
        () = host.begun() => {}
    }
    child.start_kill()?;
    child.wait().await
}

async fn read_all(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        tokio::io::AsyncReadExt::read_to_end(&mut pipe, &mut bytes).await?;
    }
    Ok(bytes)
}
