//! An etcd server on loopback, with a directory of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::loopback;

pub(crate) struct Server {
    directory: TempDir,
    options: Vec<String>,
    address: String,
    endpoint: String,
    /// Where it would talk to others of its cluster.
    peers: SocketAddr,
    child: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Server {
    /// Returns once it serves; nothing where there is no etcd.
    pub(crate) fn start(test: &str, options: &[&str]) -> Option<Self> {
        Self::start_with(test, &loopback::place().to_string(), options)
    }

    /// The same at an address of the network namespace in which it is called.
    #[allow(dead_code, reason = "for labs; the tests on loopback have no use for it")]
    pub(crate) fn start_at(test: &str, address: &str) -> Option<Self> {
        Self::start_with(test, address, &[])
    }

    fn start_with(test: &str, address: &str, options: &[&str]) -> Option<Self> {
        let there = |program: &str| Command::new(program).arg("--help").output().is_ok();
        if !there("etcd") || !there("etcdctl") {
            println!("SKIP etcd::{test}: no etcd and etcdctl programs here");
            return None;
        }
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        let scheme = if options.is_empty() { "http" } else { "https" };
        let address = address.to_owned();
        let endpoint = format!("{scheme}://{address}");
        let (directory, peers) = (tempfile::tempdir().unwrap(), loopback::place());
        let mut server = Server { directory, options, address, endpoint, peers, child: None };
        assert!(server.serve(), "etcd does not serve");
        Some(server)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Ends the server as a power cut does; what it had stored stays.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn resume(&mut self) {
        assert!(self.serve(), "etcd does not serve again");
    }

    /// What etcdctl, etcd's own client, prints.
    pub(crate) fn ctl(&self, args: &[&str]) -> String {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").arg("--endpoints").arg(&self.endpoint).args(args);
        if self.endpoint.starts_with("https") {
            command.arg("--cacert").arg(&self.options[1]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// How long a key has; nothing if it never expires.
    pub(crate) fn seconds_left(&self, key: &str) -> Option<u64> {
        let json: serde_json::Value =
            serde_json::from_str(&self.ctl(&["get", key, "--write-out", "json"])).unwrap();
        let lease = json["kvs"][0].get("lease")?.as_u64()?;
        let text = self.ctl(&["lease", "timetolive", &format!("{lease:x}")]);
        // lease 694d7c0e already granted with TTL(86400s), remaining(86399s)
        let (_, left) = text.split_once("remaining(")?;
        left.split_once('s')?.0.parse().ok()
    }

    /// How often a key was written since it came to be.
    pub(crate) fn version(&self, key: &str) -> u64 {
        let json: serde_json::Value =
            serde_json::from_str(&self.ctl(&["get", key, "--write-out", "json"])).unwrap();
        json["kvs"][0]["version"].as_u64().unwrap_or(0)
    }

    fn serve(&mut self) -> bool {
        // It dies with the thread that started it, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "etcd", "--data-dir"]).arg(self.directory.path().join("data"));
        command.args(["--listen-client-urls", &self.endpoint, "--advertise-client-urls", &self.endpoint]);
        let peers = format!("http://{}", self.peers);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--initial-cluster", &format!("default={peers}"), "--unsafe-no-fsync"]);
        command.args(&self.options).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = Vec::new();
        let serves = lines.by_ref().inspect(|line| seen.push(line.clone())).any(|line| {
            // 3.4 and later say it in different words.
            ["serving client requests on", "serving insecure client requests on", "serving client traffic"]
                .iter()
                .any(|words| line.contains(words))
        });
        if !serves {
            child.wait().unwrap();
            println!("etcd: {}", seen.join("\netcd: "));
            return false;
        }
        // What it says must be read, or it waits for ever.
        std::thread::spawn(move || lines.for_each(drop));
        self.child = Some(child);
        true
    }
}
