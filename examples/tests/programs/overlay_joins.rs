//! Nodes that find one another in Kubernetes and in etcd.
#![allow(clippy::print_stdout, reason = "a test that cannot be made here says so")]

use anyhow::ensure;
use serde_json::json;
use svc_lab::api_server::Server;

use super::*;

const CONF: &str = r#"{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}"#;
const STORE: &str = "172.20.10.9";

async fn say(host: &Host, verb: &str, arguments: &[String]) -> anyhow::Result<(bool, String)> {
    let mut command = Command::new(OVERLAY);
    command.arg(verb).args(arguments);
    let output = host.command(command).output().await?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// One node runs, the other is applied; each has the other then, and packets pass.
async fn join(a: &Host, b: &Host, arguments: impl Fn(u8) -> Vec<String>) -> anyhow::Result<()> {
    let first: Vec<String> = ["run".to_owned()].into_iter().chain(arguments(2)).collect();
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let _running = start(a, OVERLAY, &first, "runs until it is interrupted").await?;
    let (done, said) = say(b, "apply", &arguments(3)).await?;
    ensure!(done && said.starts_with("1 peers are programmed"), "{said}");
    let (done, said) = say(b, "status", &arguments(3)).await?;
    ensure!(done && said.contains("172.20.10.2") && said.contains("in step"), "{said}");
    // The first learns of the second by its watch.
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let (done, said) = say(a, "status", &arguments(2)).await?;
        if done && said.contains("172.20.10.3") {
            break;
        }
        ensure!(std::time::Instant::now() < deadline, "{said}");
    }
    let dump = b.dump().await?;
    let own = dump
        .lines()
        .find(|line| line.contains("flannel.1") && line.contains("/32") && line.contains("10.244."));
    let own = own.and_then(|line| line.split_whitespace().find(|word| word.ends_with("/32")));
    let own =
        own.map(|word| word.trim_end_matches("/32")).with_context(|| format!("no address in {dump}"))?;
    Get::new(format!("{own}:8080").parse()?).send_from(a).await?;
    Ok(())
}

pub(super) async fn by_kubernetes(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let store = lab.host("store").address("172.20.10.9/24").create().await?;
    let server = store.run(|| Server::listen("172.20.10.9:8001", None)).await;
    for (name, cidr) in [("n2", "10.244.2.0/24"), ("n3", "10.244.3.0/24"), ("n4", "10.9.4.0/24")] {
        server.set("nodes", name, json!({"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}));
    }
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);
    let (kubeconfig, conf) = (path("kubeconfig"), path("net-conf.json"));
    fs::write(&conf, CONF)?;
    fs::write(
        &kubeconfig,
        format!(
            "{{current-context: c, contexts: [{{name: c, context: {{cluster: k}}}}], \
             clusters: [{{name: k, cluster: {{server: 'http://{STORE}:8001'}}}}]}}"
        ),
    )?;
    // Each node finds its device in another of flanneld's ways; the first of those that are named is nowhere.
    let device = |number: u8| match number {
        2 => vec!["--iface=ens3".to_owned(), "--iface=172.20.10.2".to_owned()],
        _ => vec![r"--iface-regex=^172\.20\.10\.[0-9]+$".to_owned()],
    };
    let arguments = |number: u8| {
        let own = [vec![format!("--node-name=n{number}")], device(number)].concat();
        let common =
            ["--kube-subnet-mgr", "--kubeconfig", text(&kubeconfig), "--net-config-path", text(&conf)];
        common.map(str::to_owned).into_iter().chain(own).collect::<Vec<_>>()
    };
    join(&a, &b, arguments).await?;
    let published = server.object("nodes", "n3").context("no Node n3")?;
    let address = &published["metadata"]["annotations"]["flannel.alpha.coreos.com/public-ip"];
    ensure!(address == "172.20.10.3", "{published}");
    let (done, said) = say(&a, "plan", &arguments(4)).await?;
    ensure!(!done && said.contains("node n4") && said.contains("10.9.4.0/24 lies outside Network"), "{said}");
    let condition = &published["status"]["conditions"][0];
    ensure!(condition["reason"] == "FlannelIsUp" && condition["status"] == "False", "{published}");
    let nowhere = [arguments(2), vec!["--iface=ens9".to_owned()]].concat();
    let nowhere: Vec<_> = nowhere.into_iter().filter(|it| !it.contains("172.20.10.2")).collect();
    let (done, said) = say(&a, "plan", &nowhere).await?;
    ensure!(
        !done && said.contains("ens3 or ens9 is not here") && said.contains("eth0 (172.20.10.2"),
        "{said}"
    );
    Ok(())
}

#[cfg(feature = "etcd")]
pub(super) async fn by_etcd(lab: Lab) -> anyhow::Result<()> {
    if Command::new("etcd").arg("--version").output().is_err() {
        println!("SKIP overlay_joins_by_etcd: no etcd program here");
        return Ok(());
    }
    let (a, b) = hosts(&lab).await?;
    let store = lab.host("store").address("172.20.10.9/24").create().await?;
    let (directory, endpoint) = (tempfile::tempdir()?, format!("http://{STORE}:2379"));
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(directory.path()).arg("--unsafe-no-fsync");
    command.args(["--listen-client-urls", &endpoint, "--advertise-client-urls", &endpoint]);
    command.stderr(Stdio::piped()).stdout(Stdio::null());
    let mut etcd = store.command(command).spawn().await?;
    let mut lines = BufReader::new(etcd.stderr.take().context("no stderr")?).lines();
    loop {
        let line = lines.next_line().await?.context("etcd ended before it served")?;
        if line.contains("serving insecure client requests") || line.contains("serving client traffic") {
            break;
        }
    }
    // What it says must be read, or it waits for ever.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").args([
        "--endpoints",
        &endpoint,
        "put",
        "/coreos.com/network/config",
        CONF,
    ]);
    ensure!(store.command(command).output().await?.status.success(), "the configuration was not written");
    let subnet_env = |number: u8| directory.path().join(format!("subnet-{number}.env"));
    let arguments = |number: u8| {
        let file = subnet_env(number);
        // The hosts of a lab share one host name.
        let own = [format!("--node-name=n{number}"), format!("--iface-can-reach={STORE}")];
        let own = own.into_iter().chain([format!("--subnet-file={}", text(&file))]);
        [format!("--etcd-endpoints={endpoint}")].into_iter().chain(own).collect::<Vec<_>>()
    };
    let (done, said) = say(&a, "plan", &arguments(2)).await?;
    ensure!(!done && said.contains("etcd has no lease of 172.20.10.2 yet"), "{said}");
    join(&a, &b, arguments).await?;
    ensure!(fs::read_to_string(subnet_env(3))?.contains("FLANNEL_NETWORK=10.244.0.0/16"));
    Ok(())
}
