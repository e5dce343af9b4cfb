//! The program, and curl as its client.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) const INGRESS: &str = env!("CARGO_BIN_EXE_ingress");

/// Before something that has to happen counts as missing.
const PATIENCE: Duration = Duration::from_secs(30);

/// True, and told, where there is no curl.
pub(crate) fn missing_curl() -> bool {
    let missing = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err();
    if missing {
        eprintln!("SKIP: no curl program here");
    }
    missing
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}

/// Tries until it is there.
pub(crate) fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "no {what}");
        sleep(Duration::from_millis(20));
    }
}

/// The program while it serves.
pub(crate) struct Program {
    child: Child,
    /// By `http`, `https` and whatever else it tells of.
    addresses: BTreeMap<String, Vec<SocketAddr>>,
    complaints: Arc<Mutex<String>>,
}

impl Program {
    /// Started, and serving at all the addresses that it was given.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(INGRESS);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let complaints = Arc::new(Mutex::new(String::new()));
        let (errors, heard) = (child.stderr.take().unwrap(), Arc::clone(&complaints));
        spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                *heard.lock().unwrap() += &(line + "\n");
            }
        });
        let mut program = Self { child, addresses: BTreeMap::new(), complaints };
        let expected =
            arguments.iter().filter(|word| ["--http", "--https", "--metrics"].contains(*word)).count();
        let said = BufReader::new(program.child.stdout.take().unwrap());
        let mut lines = said.lines();
        for _ in 0..expected {
            let Some(Ok(line)) = lines.next() else { panic!("it ended: {}", program.complaints()) };
            let mut words = line.split(' ').rev();
            let address = words.next().and_then(|word| word.parse().ok());
            let what = words.nth(1).unwrap_or_default().to_owned();
            let address = address.unwrap_or_else(|| panic!("no ADDR:PORT at the end of {line:?}"));
            program.addresses.entry(what).or_default().push(address);
        }
        program
    }

    pub(crate) fn http(&self, number: usize) -> SocketAddr {
        self.addresses["http"][number]
    }

    pub(crate) fn https(&self, number: usize) -> SocketAddr {
        self.addresses["https"][number]
    }

    pub(crate) fn metrics(&self) -> SocketAddr {
        self.addresses["metrics"][0]
    }

    fn complaints(&self) -> String {
        self.complaints.lock().unwrap().clone()
    }

    /// Waits until it has said this on standard error.
    pub(crate) fn complains(&self, part: &str) {
        until(part, || self.complaints().contains(part).then_some(()));
    }

    /// How many of its threads have such a name.
    pub(crate) fn threads(&self, prefix: &str) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with(prefix)).count()
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(id), signal).unwrap();
    }

    /// Told to terminate, it does, and says that all was well.
    pub(crate) fn ends_well(mut self) {
        self.signal(Signal::SIGTERM);
        let status = until("end", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", self.complaints());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A request by curl.
#[derive(Clone)]
pub(crate) struct Curl {
    to: SocketAddr,
    host: String,
    path: String,
    root: Option<PathBuf>,
    options: Vec<String>,
}

/// What curl got.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Curl {
    pub(crate) fn to(to: SocketAddr) -> Self {
        Self { to, host: to.to_string(), path: "/".to_owned(), root: None, options: Vec::new() }
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Over TLS, with this certificate as the only root.
    pub(crate) fn tls(mut self, root: &Path) -> Self {
        self.root = Some(root.to_owned());
        self
    }

    pub(crate) fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    fn output(&self) -> std::process::Output {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "20", "-w", "\n%{http_code}", "--connect-to"]);
        command.arg(format!("::{}", self.to)).args(&self.options);
        let scheme = match &self.root {
            Some(root) => {
                command.arg("--cacert").arg(root);
                "https"
            }
            None => "http",
        };
        command.arg(format!("{scheme}://{}{}", self.host, self.path)).output().unwrap()
    }

    pub(crate) fn reply(&self) -> Reply {
        self.try_reply().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&self.output().stderr)))
    }

    /// `None` where there was no reply.
    pub(crate) fn try_reply(&self) -> Option<Reply> {
        let text = String::from_utf8(self.output().stdout).unwrap();
        let (body, status) = text.rsplit_once('\n')?;
        let status = status.parse().ok().filter(|status| *status > 0)?;
        Some(Reply { status, body: body.to_owned() })
    }

    pub(crate) fn body(&self) -> String {
        self.reply().body
    }

    /// Whether curl gives up with this exit code.
    pub(crate) fn fails_with(&self, code: &str) -> bool {
        self.output().status.code().is_some_and(|ended| ended.to_string() == code)
    }

    /// Asks until the reply is such a one.
    pub(crate) fn until(&self, expected: impl Fn(&Reply) -> bool) {
        until("such reply", || expected(&self.reply()).then_some(()));
    }
}
