//! The other servers: their configuration, and the zone file they all read.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{Failure, Running};

/// Starts what is installed, and ours.
pub(super) fn start(directory: &Path, services: usize) -> Result<Vec<Running>, Failure> {
    let here = directory.display();
    let zone = benches::dns::zone_file(services);
    fs::write(directory.join("cluster.local.zone"), zone)?;
    let configurations = [
        (
            "knot.conf",
            format!(
                "server:\n    rundir: \"{here}\"\n    listen: 127.0.0.1@5401\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\ndatabase:\n    storage: \"{here}\"\nzone:\n  - domain: cluster.local\n    file: \"{here}/cluster.local.zone\"\n    zonefile-load: whole\n    journal-content: none\n"
            ),
        ),
        (
            "nsd.conf",
            format!(
                "server:\n    server-count: 1\n    ip-address: 127.0.0.1@5402\n    username: \"\"\n    chroot: \"\"\n    database: \"\"\n    pidfile: \"{here}/nsd.pid\"\n    xfrdfile: \"{here}/xfrd.state\"\n    zonelistfile: \"{here}/zone.list\"\n    xfrdir: \"{here}\"\n    zonesdir: \"{here}\"\n    rrl-ratelimit: 0\n    minimal-responses: yes\nremote-control:\n    control-enable: no\nzone:\n    name: cluster.local\n    zonefile: cluster.local.zone\n"
            ),
        ),
        (
            "unbound.conf",
            format!(
                "server:\n    num-threads: 1\n    interface: 127.0.0.1@5403\n    username: \"\"\n    chroot: \"\"\n    directory: \"{here}\"\n    pidfile: \"{here}/u.pid\"\n    use-syslog: no\n    access-control: 127.0.0.0/8 allow\n    module-config: \"iterator\"\n    do-ip6: no\nauth-zone:\n    name: \"cluster.local\"\n    zonefile: \"{here}/cluster.local.zone\"\n    for-downstream: yes\n    for-upstream: no\nremote-control:\n    control-enable: no\n"
            ),
        ),
    ];
    for (file, text) in configurations {
        fs::write(directory.join(file), text)?;
    }
    let own = std::env::current_exe()?.display().to_string();
    let commands = [
        ("svc-dns", 5400, format!("{own} serve 127.0.0.1:5400")),
        ("svc-dns, 1 000 changes/s", 5404, format!("{own} serve 127.0.0.1:5404 1000")),
        ("knot", 5401, format!("/usr/sbin/knotd -c {here}/knot.conf")),
        ("nsd, minimal responses", 5402, format!("/usr/sbin/nsd -d -c {here}/nsd.conf")),
        ("unbound, auth-zone", 5403, format!("/usr/sbin/unbound -d -c {here}/unbound.conf")),
    ];
    let mut running = Vec::new();
    for (name, port, command) in commands {
        match spawn(name, port, &command) {
            Ok(server) => running.push(server),
            Err(error) => println!("{name} is left out: {error}"),
        }
    }
    Ok(running)
}

fn spawn(name: &'static str, port: u16, command: &str) -> Result<Running, Failure> {
    let program = command.split(' ').next().unwrap_or_default();
    if !Path::new(program).exists() {
        return Err(format!("{program} is not installed").into());
    }
    let child = Command::new("taskset")
        .args(["-c", "0"])
        .args(command.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let server = Running { name, address: SocketAddr::from(([127, 0, 0, 1], port)), child };
    ready(&server)?;
    Ok(server)
}

/// Asks until there is an answer with an address in it.
fn ready(server: &Running) -> Result<(), Failure> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server.address)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let (query, start) = (benches::dns::Kind::A.query(1, 100), Instant::now());
    while start.elapsed() < Duration::from_secs(60) {
        let _refused = socket.send(&query);
        let mut reply = [0; 512];
        if socket.recv(&mut reply).is_ok_and(|length| length > 12 && reply[7] > 0) {
            return Ok(());
        }
    }
    Err("it never answered".into())
}

/// Anonymous memory of the processes, in MB.
pub(super) fn resident(processes: &[u32]) -> f64 {
    let kilobytes = |process: &u32| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    processes.iter().filter_map(kilobytes).sum::<f64>() / 1024.0
}
