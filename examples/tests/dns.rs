//! The `dns` program as a newcomer runs it: every option, asked by the clients of others, in a lab.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the test starts programs and feeds them files"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use libtest_mimic::{Arguments, Trial};
use svc_lab::{Host, Lab, Process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStderr, ChildStdout};

const DNS: &str = env!("CARGO_BIN_EXE_dns");

const MANIFESTS: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.80, clusterIPs: [10.96.0.80, 'fd00:96::80'], ipFamilies: [IPv4, IPv6], ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {clusterIP: 10.96.0.81, clusterIPs: [10.96.0.81], ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: c, image: i}]}
status: {phase: Running, podIP: 172.20.10.3, podIPs: [{ip: 172.20.10.3}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-a, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [172.20.10.3]}]
";

fn main() -> ExitCode {
    svc_lab::enter();
    let trials = vec![
        lab("answers_come_from_the_address_that_was_asked", |lab| {
            Box::pin(answers_come_from_the_address(lab))
        }),
        lab("a_node_local_address_is_served", |lab| Box::pin(a_node_local_address_is_served(lab))),
        lab("a_link_local_address_is_served", |lab| Box::pin(a_link_local_address_is_served(lab))),
        lab("options_of_edns_are_answered", |lab| Box::pin(options_of_edns_are_answered(lab))),
        lab("dig_and_kdig_ask_in_every_way", |lab| Box::pin(dig_and_kdig_ask_in_every_way(lab))),
        lab("the_resolver_of_the_c_library_is_content", |lab| Box::pin(the_resolver_is_content(lab))),
        lab("every_option_does_what_it_says", |lab| Box::pin(every_option_does_what_it_says(lab))),
        lab("options_about_others_do_what_they_say", |lab| Box::pin(options_about_others(lab))),
        lab("a_port_in_use_is_named_and_had_later", |lab| Box::pin(a_port_in_use(lab))),
        lab("mistakes_are_named_and_the_rest_is_served", |lab| Box::pin(mistakes_are_named(lab))),
        lab("answers_are_explained", |lab| Box::pin(answers_are_explained(lab))),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

type Case = fn(Lab) -> std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

fn lab(name: &'static str, case: Case) -> Trial {
    Trial::test(name, move || {
        let missing = ["kdig", "dig", "python3"].into_iter().find(|program| !is_installed(program));
        if let Some(program) = missing {
            eprintln!("SKIP {name}: no {program} program here");
            return Ok(());
        }
        svc_lab::run(|lab| async move { Ok(case(lab).await?) });
        Ok(())
    })
}

fn is_installed(program: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/usr/local/bin"]
        .iter()
        .any(|directory| Path::new(directory).join(program).exists())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}

fn manifests() -> std::io::Result<TempDir> {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("web.yaml"), MANIFESTS)?;
    Ok(directory)
}

async fn hosts(lab: &Lab) -> anyhow::Result<(Host, Host)> {
    let a = lab.host("a").address("172.20.10.2/24").create().await?;
    let b = lab.host("b").address("172.20.10.3/24").create().await?;
    Ok((a, b))
}

/// A program, and what it says.
struct Program {
    process: Process,
    said: Lines<BufReader<ChildStdout>>,
    complained: Lines<BufReader<ChildStderr>>,
}

impl Program {
    async fn start(host: &Host, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(DNS);
        command.args(arguments).env_remove("RUST_BACKTRACE").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = host.command(command).spawn().await?;
        let said = BufReader::new(process.stdout.take().context("output is piped")?).lines();
        let complained = BufReader::new(process.stderr.take().context("errors are piped")?).lines();
        Ok(Self { process, said, complained })
    }

    /// Started, and listening: its first line has an address.
    async fn serving(host: &Host, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut program = Self::start(host, arguments).await?;
        let first = program.said.next_line().await?.context("it ended without a word")?;
        let has_address = first.split([' ', ',']).any(|word| word.parse::<std::net::SocketAddr>().is_ok());
        ensure!(has_address, "the first line has no ADDR:PORT: {first}");
        Ok(program)
    }

    /// Waits for a line with this in it.
    async fn says(&mut self, part: &str) -> anyhow::Result<String> {
        let lines = async {
            while let Some(line) = self.said.next_line().await? {
                if line.contains(part) {
                    return Ok(line);
                }
            }
            anyhow::bail!("it ended without {part:?}")
        };
        tokio::time::timeout(Duration::from_secs(30), lines).await.with_context(|| format!("no {part:?}"))?
    }

    /// Waits until there were errors with these in them, in whatever order.
    async fn complains(&mut self, parts: &[&str]) -> anyhow::Result<()> {
        let (mut missing, mut all) = (parts.to_vec(), String::new());
        let lines = async {
            while !missing.is_empty() {
                let Some(line) = self.complained.next_line().await? else { anyhow::bail!("it ended") };
                missing.retain(|part| !line.contains(part));
                all = format!("{all}{line}\n");
            }
            Ok(())
        };
        let all_said = tokio::time::timeout(Duration::from_secs(30), lines).await.context("it says no more");
        all_said.and_then(|said| said).with_context(|| format!("no {missing:?} in {all}"))
    }
}

async fn output(host: &Host, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = host.command(command).output().await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// What `kdig +short` prints, line by line, sorted.
async fn short(host: &Host, arguments: &str) -> anyhow::Result<Vec<String>> {
    let words: Vec<&str> =
        ["+short", "+retry=2", "+time=3"].into_iter().chain(arguments.split(' ')).collect();
    let text = output(host, "kdig", &words).await?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    Ok(lines)
}

/// The code that `dig` saw.
async fn code(host: &Host, arguments: &str) -> anyhow::Result<String> {
    let words: Vec<&str> = ["+tries=3", "+time=3"].into_iter().chain(arguments.split(' ')).collect();
    let text = output(host, "dig", &words).await?;
    let status = text.split("status: ").nth(1).and_then(|rest| rest.split(',').next());
    Ok(status.with_context(|| format!("no status in {text}"))?.to_owned())
}

/// Asks until the answer is this one: files are looked at now and then.
async fn until(host: &Host, arguments: &str, expected: &[&str]) -> anyhow::Result<()> {
    let mut last = Vec::new();
    let mut again = tokio::time::interval(Duration::from_millis(50));
    let poll = async {
        loop {
            again.tick().await;
            last = short(host, arguments).await?;
            if last == expected {
                return anyhow::Ok(());
            }
        }
    };
    let polled = tokio::time::timeout(Duration::from_secs(30), poll).await;
    polled.map_err(|_| anyhow::anyhow!("{arguments}: {last:?} instead of {expected:?}"))?
}

const WEB: &str = "web.default.svc.cluster.local";

async fn answers_come_from_the_address(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    a.add_address("eth0", "172.20.10.12/24").await?;
    for (host, addresses) in [(&a, &["fd00:20::2/64", "fd00:20::12/64"][..]), (&b, &["fd00:20::3/64"])] {
        host.set_sysctl("net.ipv6.conf.eth0.accept_dad", 0).await?;
        for address in addresses {
            output(host, "ip", &["addr", "add", address, "dev", "eth0", "nodad"]).await?;
        }
    }
    let directory = manifests()?;
    let v4 = ["172.20.10.2", "172.20.10.12"];
    let v6 = ["fd00:20::2", "fd00:20::12"];
    // kdig takes an answer from the address that it asked only.
    for (listen, asked) in [("0.0.0.0:53", &v4[..]), ("[::]:53", &[v4, v6].concat())] {
        let arguments = ["--manifests", text(directory.path()), "--listen", listen];
        let mut program = Program::serving(&a, &arguments).await?;
        for address in asked {
            for how in ["+notcp", "+tcp"] {
                let records = short(&b, &format!("{how} @{address} {WEB} A")).await?;
                ensure!(records == ["10.96.0.80"], "{listen} {address} {how}: {records:?}");
            }
        }
        program.process.signal(15)?;
        ensure!(program.process.wait().await?.success(), "it did not end well");
    }
    Ok(())
}

async fn a_node_local_address_is_served(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    output(&a, "ip", &["addr", "add", "169.254.20.10/32", "dev", "lo"]).await?;
    let (directory, around) = (manifests()?, tempfile::tempdir()?);
    let upstream = ["--manifests", text(directory.path()), "--listen", "172.20.10.3:53"];
    let _upstream = Program::serving(&b, &upstream).await?;
    let corefile = around.path().join("Corefile");
    // As the node-local cache of Kubernetes has it: no zones of its own, the cluster's name server over TCP.
    let blocks = "cluster.local:53 in-addr.arpa:53 .:53 {
        errors
        cache 30
        bind 169.254.20.10
        forward . 172.20.10.3 {
            force_tcp
        }
        health 169.254.20.10:8080
    }";
    fs::write(&corefile, blocks)?;
    let mut program =
        Program::serving(&a, &["--manifests", text(directory.path()), "--corefile", text(&corefile)]).await?;
    program.says("http://169.254.20.10:8080").await?;
    ensure!(short(&a, &format!("@169.254.20.10 {WEB} A")).await? == ["10.96.0.80"]);
    ensure!(short(&a, &format!("+tcp @169.254.20.10 {WEB} AAAA")).await? == ["fd00:96::80"]);
    ensure!(code(&b, &format!("@172.20.10.3 {WEB}")).await? == "NOERROR");
    Ok(())
}

async fn a_link_local_address_is_served(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    for (host, address) in [(&a, "fe80::53/64"), (&b, "fe80::54/64")] {
        host.set_sysctl("net.ipv6.conf.eth0.accept_dad", 0).await?;
        output(host, "ip", &["addr", "add", address, "dev", "eth0", "nodad"]).await?;
    }
    let (directory, around) = (manifests()?, tempfile::tempdir()?);
    let corefile = around.path().join("Corefile");
    fs::write(&corefile, ".:53 {\n  bind fe80::53%eth0\n  kubernetes cluster.local\n}\n")?;
    let manifests = ["--manifests", text(directory.path())];
    for listen in [
        &["--listen", "fe80::53%eth0"][..],
        &["--listen", "[fe80::53%eth0]:53"],
        &["--listen", "[::]:53"],
        &["--corefile", text(&corefile)],
    ] {
        let mut program = Program::serving(&a, &[&manifests[..], listen].concat()).await?;
        for how in ["+notcp", "+tcp"] {
            let records = short(&b, &format!("{how} @fe80::53%eth0 {WEB} A")).await?;
            ensure!(records == ["10.96.0.80"], "{listen:?} {how}: {records:?}");
        }
        program.process.signal(15)?;
        ensure!(program.process.wait().await?.success(), "it did not end well");
    }
    // An interface that is not there yet.
    let later = ["--listen", "[fe80::55%eth9]:53", "--listen", "172.20.10.2:53"];
    let mut program = Program::serving(&a, &[&manifests[..], &later].concat()).await?;
    program.complains(&["[fe80::55%eth9]:53: this host has no such address"]).await?;
    ensure!(short(&b, &format!("@172.20.10.2 {WEB} A")).await? == ["10.96.0.80"]);
    Ok(())
}

async fn options_of_edns_are_answered(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let (directory, around) = (manifests()?, tempfile::tempdir()?);
    certificate(around.path())?;
    let corefile = around.path().join("Corefile");
    let blocks = ".:53 tls://. {\n bind 172.20.10.2\n tls cert.pem key.pem\n kubernetes cluster.local\n nsid cluster dns 7\n}\n";
    fs::write(&corefile, blocks)?;
    let arguments = ["--manifests", text(directory.path()), "--corefile", text(&corefile)];
    let mut program = Program::serving(&a, &arguments).await?;
    program.says("172.20.10.2:853, TLS").await?;
    let dig = async |arguments: &str| {
        let words: Vec<&str> = arguments.split(' ').chain(["@172.20.10.2", WEB]).collect();
        output(&b, "dig", &words).await
    };
    for (arguments, told) in [
        ("+nsid", "(\"cluster dns 7\")"),
        // dig knows its own cookie again.
        ("+cookie", "(good)"),
        ("+tcp +keepalive", "TCP-KEEPALIVE: 10.0 secs"),
        ("+ednsopt=65001:0102", "status: NOERROR"),
        ("+cookie=0102030405", "status: FORMERR"),
    ] {
        let said = dig(arguments).await?.replace("TCP KEEPALIVE", "TCP-KEEPALIVE");
        ensure!(said.contains(told), "{arguments}: no {told} in {said}");
    }
    ensure!(!dig("+notcp +keepalive").await?.contains("KEEPALIVE"), "keepalive over UDP");
    ensure!(!dig("+ednsopt=65001:0102").await?.contains("OPT=65001"), "an unknown option came back");
    let authority = around.path().join("cert.pem");
    let tls =
        format!("+tls +tls-ca={} +tls-hostname=dns.test +padding=128 @172.20.10.2 {WEB}", text(&authority));
    let said = output(&b, "kdig", &tls.split(' ').collect::<Vec<_>>()).await?;
    ensure!(said.contains("PADDING") && said.contains("Received 468 B"), "{said}");
    Ok(())
}

/// A certificate for host a, in files.
fn certificate(directory: &Path) -> anyhow::Result<()> {
    let signed = rcgen::generate_simple_self_signed(["dns.test".to_owned(), "172.20.10.2".to_owned()])?;
    fs::write(directory.join("cert.pem"), signed.cert.pem())?;
    Ok(fs::write(directory.join("key.pem"), signed.signing_key.serialize_pem())?)
}

async fn dig_and_kdig_ask_in_every_way(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let (directory, around) = (manifests()?, tempfile::tempdir()?);
    certificate(around.path())?;
    let corefile = around.path().join("Corefile");
    let blocks = ".:53 tls://. https://. {
        bind 172.20.10.2
        tls cert.pem key.pem
        kubernetes cluster.local 10.96.0.0/16 {
            ttl 30
        }
        prometheus 172.20.10.2:9153
        ready 172.20.10.2:8181
    }";
    fs::write(&corefile, blocks)?;
    let mut program =
        Program::serving(&a, &["--manifests", text(directory.path()), "--corefile", text(&corefile)]).await?;
    for part in ["172.20.10.2:853, TLS", "172.20.10.2:443, HTTPS"] {
        program.says(part).await?;
    }
    let authority = around.path().join("cert.pem");
    let tls = format!("+tls +tls-ca={} +tls-hostname=dns.test", text(&authority));
    let https = format!("+https +tls-ca={} +tls-hostname=dns.test", text(&authority));
    for how in ["+notcp", "+tcp", &tls, &https, &format!("{https} +https-get")] {
        for (question, expected) in [
            (format!("{WEB} A"), vec!["10.96.0.80"]),
            (format!("{WEB} AAAA"), vec!["fd00:96::80"]),
            (format!("_http._tcp.{WEB} SRV"), vec!["0 50 80 web.default.svc.cluster.local."]),
            ("-x 10.96.0.80".to_owned(), vec!["web.default.svc.cluster.local."]),
            (format!("no{WEB} A"), vec![]),
        ] {
            let records = short(&b, &format!("{how} @172.20.10.2 {question}")).await?;
            ensure!(records == expected, "{how} {question}: {records:?}");
        }
    }
    // A name that the certificate is not for is the client's to refuse.
    let wrong = format!("+tls +tls-ca={} +tls-hostname=other.test @172.20.10.2 {WEB}", text(&authority));
    ensure!(!short(&b, &wrong).await?.contains(&"10.96.0.80".to_owned()));
    for (how, expected) in
        [("+notcp", "NOERROR"), ("+tcp", "NOERROR"), ("+edns=1 +noednsnegotiation", "BADVERS")]
    {
        let code = code(&b, &format!("{how} @172.20.10.2 {WEB}")).await?;
        ensure!(code == expected, "{how}: {code}");
    }
    ensure!(code(&b, "@172.20.10.2 version.bind CH TXT").await? == "REFUSED");
    let page = output(&b, "python3", &["-c", PAGE, "http://172.20.10.2:9153/metrics"]).await?;
    for part in ["server=\"dns://172.20.10.2:53\"", "server=\"tls://172.20.10.2:853\"", "rcode=\"BADVERS\""] {
        ensure!(page.contains(part), "no {part} in {page}");
    }
    let page = output(&b, "python3", &["-c", PAGE, "http://172.20.10.2:8181/ready"]).await?;
    ensure!(page.trim() == "OK", "{page}");
    Ok(())
}

const PAGE: &str = "import sys,urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())";

/// What getaddrinfo says: both families, by the search path.
const GETADDRINFO: &str = "import socket,sys\n\
    for name in sys.argv[1:]:\n\
    \x20   try: print(name, *sorted({a[4][0] for a in socket.getaddrinfo(name, 80)}))\n\
    \x20   except socket.gaierror as error: print(name, error.args[0])";

async fn the_resolver_is_content(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let directory = manifests()?;
    let large: Vec<String> = (1..=60).map(|n| format!("{{addresses: [10.7.0.{n}]}}")).collect();
    let large = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: large}}, spec: {{clusterIP: None}}}}\n---\n\
         {{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: large-a, \
         labels: {{kubernetes.io/service-name: large}}}}, endpoints: [{}]}}",
        large.join(", ")
    );
    fs::write(directory.path().join("large.yaml"), large)?;
    let _program =
        Program::serving(&a, &["--manifests", text(directory.path()), "--listen", "172.20.10.2:53"]).await?;
    let conf = |options: &str| {
        format!(
            "nameserver 172.20.10.2\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5 {options}\n"
        )
    };
    let everybody: Vec<String> = (1..=60).map(|n| format!("10.7.0.{n}")).collect();
    // Both questions at a time from one port, one after the other, and over TCP; 60 addresses need TCP in any case.
    for options in ["", "single-request", "edns0", "use-vc"] {
        let mut command = Command::new("python3");
        command.args(["-c", GETADDRINFO, "web", "web.default", "large", "absent.default.svc.cluster.local."]);
        let output = b.command(command).file("/etc/resolv.conf", conf(options)).output().await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let [web, short, large, absent] = lines[..] else { anyhow::bail!("{options}: {output:?}") };
        ensure!(web == "web 10.96.0.80 fd00:96::80", "{options}: {web}");
        ensure!(short == "web.default 10.96.0.80 fd00:96::80", "{options}: {short}");
        let found: Vec<&str> = large.split(' ').skip(1).collect();
        ensure!(
            found.len() == 60 && everybody.iter().all(|ip| found.contains(&ip.as_str())),
            "{options}: {large}"
        );
        // EAI_NONAME
        ensure!(absent.ends_with(" -2"), "{options}: {absent}");
    }
    Ok(())
}

async fn every_option_does_what_it_says(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let (directory, around) = (manifests()?, tempfile::tempdir()?);
    let file = around.path().join("hosts");
    fs::write(&file, "192.0.2.7 printer.office\n")?;
    let arguments = [
        &[
            "--manifests",
            text(directory.path()),
            "--listen",
            "172.20.10.2:53",
            "--listen",
            "172.20.10.2:5300",
        ][..],
        &["--zone", "cluster.local", "--zone", "other.example", "--reverse", "10.96.0.0/16"],
        &["--reverse", "fd00:96::/32", "--ttl", "77", "--pods", "verified", "--hosts", text(&file)],
        &["--ignore-empty-service", "--autopath", "--allow-transfer", "172.20.10.3/32"],
        &["--metrics", "172.20.10.2:9153", "--log", "--rate-limit", "1000"],
    ]
    .concat();
    let mut program = Program::serving(&a, &arguments).await?;
    program.says("http://172.20.10.2:9153").await?;
    let reverse = "-x fd00:96::80";
    for (question, expected) in [
        (format!("{WEB} A"), vec!["10.96.0.80"]),
        ("-p 5300 web.default.svc.other.example AAAA".to_owned(), vec!["fd00:96::80"]),
        ("-x 10.96.0.80".to_owned(), vec!["web.default.svc.cluster.local."]),
        (reverse.to_owned(), vec!["web.default.svc.cluster.local."]),
        ("172-20-10-3.default.pod.cluster.local".to_owned(), vec!["172.20.10.3"]),
        ("172-20-10-4.default.pod.cluster.local".to_owned(), vec![]),
        ("printer.office".to_owned(), vec!["192.0.2.7"]),
        ("empty.default.svc.cluster.local".to_owned(), vec![]),
    ] {
        let records = short(&b, &format!("@172.20.10.2 {question}")).await?;
        ensure!(records == expected, "{question}: {records:?}");
    }
    its_clients_are_told_apart(&a, &b).await?;
    let line = program.says("[INFO] 172.20.10.3:").await?;
    ensure!(
        line.contains("\"A IN web.default.svc.cluster.local. udp ") && line.contains("NOERROR qr,aa,rd"),
        "{line}"
    );
    for page in ["health", "ready"] {
        let said = output(&b, "python3", &["-c", PAGE, &format!("http://172.20.10.2:9153/{page}")]).await?;
        ensure!(said.trim() == "OK", "{page}: {said}");
    }
    // An edit is in force by itself, and so is one of the hosts.
    fs::write(
        directory.path().join("new.yaml"),
        MANIFESTS.replace("name: web", "name: new").replace(".80", ".90"),
    )?;
    until(&b, "@172.20.10.2 new.default.svc.cluster.local A", &["10.96.0.90"]).await?;
    fs::write(&file, "192.0.2.8 printer.office\n")?;
    until(&b, "@172.20.10.2 printer.office", &["192.0.2.8"]).await?;
    program.process.signal(2)?;
    ensure!(program.process.wait().await?.success(), "it did not end well");
    Ok(())
}

/// `--autopath`, `--reverse`, `--ttl` and `--allow-transfer`: host b is a pod and may have the zone, host a neither.
async fn its_clients_are_told_apart(a: &Host, b: &Host) -> anyhow::Result<()> {
    let walked = short(b, "@172.20.10.2 printer.office.default.svc.cluster.local A").await?;
    ensure!(walked == ["192.0.2.7", "printer.office."], "{walked:?}");
    // Asked for by the program's host, which is no pod.
    ensure!(code(a, "@172.20.10.2 printer.office.default.svc.cluster.local").await? == "NXDOMAIN");
    for (question, expected) in [
        ("empty.default.svc.cluster.local", "NXDOMAIN"),
        ("www.example.com", "REFUSED"),
        ("-x 10.96.5.5", "NXDOMAIN"),
    ] {
        let code = code(b, &format!("@172.20.10.2 {question}")).await?;
        ensure!(code == expected, "{question}: {code}");
    }
    let answer = output(b, "dig", &["@172.20.10.2", WEB]).await?;
    ensure!(
        answer.split_whitespace().collect::<Vec<_>>().join(" ").contains(" 77 IN A 10.96.0.80"),
        "{answer}"
    );
    let zone = output(b, "dig", &["@172.20.10.2", "cluster.local", "AXFR"]).await?;
    ensure!(zone.contains("XFR size"), "{zone}");
    let zone = output(a, "dig", &["@172.20.10.2", "cluster.local", "AXFR"]).await?;
    ensure!(zone.contains("Transfer failed"), "{zone}");
    Ok(())
}

async fn options_about_others(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let (directory, around) = (manifests()?, tempfile::tempdir()?);
    certificate(around.path())?;
    // Host b is the outside, for two zones; host a asks it as it is told to.
    let outside =
        ["--manifests", text(directory.path()), "--zone", "example.com", "--listen", "172.20.10.3:53"];
    let _outside = Program::serving(&b, &outside).await?;
    let corp =
        ["--manifests", text(directory.path()), "--zone", "corp.example", "--listen", "172.20.10.3:5353"];
    let _corp = Program::serving(&b, &corp).await?;
    let own = ["--manifests", text(directory.path()), "--listen", "172.20.10.2:53"];
    let (www, desk) = ("web.default.svc.example.com", "web.default.svc.corp.example");
    {
        let stub = "corp.example=172.20.10.3:5353";
        let arguments =
            [&own[..], &["--upstream", "172.20.10.3", "--stub", stub, "--pods", "insecure"]].concat();
        let mut program = Program::serving(&a, &arguments).await?;
        ensure!(short(&a, &format!("@172.20.10.2 {www}")).await? == ["10.96.0.80"]);
        ensure!(short(&a, &format!("@172.20.10.2 {desk}")).await? == ["10.96.0.80"]);
        ensure!(short(&a, "@172.20.10.2 10-9-8-7.default.pod.cluster.local").await? == ["10.9.8.7"]);
        program.process.signal(15)?;
        program.process.wait().await?;
    }
    let config = |stub: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: kube-dns, namespace: kube-system}}, \
             data: {{stubDomains: '{{\"{stub}\": [\"172.20.10.3:5353\"]}}', upstreamNameservers: '[\"172.20.10.3\"]'}}}}"
        )
    };
    let kube_dns = directory.path().join("kube-dns.yaml");
    fs::write(&kube_dns, config("corp.example"))?;
    let _program = Program::serving(&a, &[&own[..], &["--kube-dns", "--compat", "coredns"]].concat()).await?;
    ensure!(short(&a, &format!("@172.20.10.2 {www}")).await? == ["10.96.0.80"]);
    ensure!(short(&a, &format!("@172.20.10.2 {desk}")).await? == ["10.96.0.80"]);
    // CoreDNS's side: no HINFO for ANY.
    ensure!(short(&a, &format!("@172.20.10.2 {WEB} ANY")).await?.is_empty());
    // The ConfigMap is followed: without the stub domain its names go to the server that does not know them.
    fs::write(&kube_dns, config("other.example"))?;
    until(&a, &format!("@172.20.10.2 {desk}"), &[]).await?;
    ensure!(code(&a, &format!("@172.20.10.2 {desk}")).await? == "REFUSED");
    Ok(())
}

async fn a_port_in_use(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let directory = manifests()?;
    let hold = "import socket,sys\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('172.20.10.2', 53))\n\
        t = socket.socket(); t.bind(('172.20.10.2', 9153)); t.listen()\n\
        print('held', flush=True); sys.stdin.read()";
    let mut command = Command::new("python3");
    command.args(["-c", hold]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = a.command(command).spawn().await?;
    BufReader::new(holder.stdout.take().context("output")?).lines().next_line().await?;
    let arguments = [
        &[
            "--manifests",
            text(directory.path()),
            "--listen",
            "172.20.10.2:53",
            "--listen",
            "172.20.10.2:5300",
        ][..],
        &["--metrics", "172.20.10.2:9153"],
    ]
    .concat();
    let mut program = Program::serving(&a, &arguments).await?;
    program.complains(&["172.20.10.2:53: another server listens there", "172.20.10.2:9153"]).await?;
    ensure!(short(&b, &format!("@172.20.10.2 -p 5300 {WEB} A")).await? == ["10.96.0.80"]);
    holder.kill().await?;
    let mut missing = vec!["172.20.10.2:53, UDP and TCP", "http://172.20.10.2:9153"];
    while !missing.is_empty() {
        let line = program.says("172.20.10.2").await?;
        missing.retain(|part| !line.contains(part));
    }
    ensure!(short(&b, &format!("@172.20.10.2 {WEB} A")).await? == ["10.96.0.80"]);
    ensure!(short(&b, &format!("+tcp @172.20.10.2 {WEB} A")).await? == ["10.96.0.80"]);
    Ok(())
}

async fn mistakes_are_named(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let (directory, around) = (manifests()?, tempfile::tempdir()?);
    fs::write(
        directory.path().join("broken.yaml"),
        "{apiVersion: v1, kind: Service, metadata: {name: Not A Name}}",
    )?;
    let arguments = [
        &["--manifests", text(directory.path()), "--listen", "172.20.10.2:53", "--zone", "cluster.local"][..],
        &["--zone", "inner.cluster.local", "--reverse", "10.96.0.0/99", "--upstream", "172.20.10.99"],
    ]
    .concat();
    let mut program = Program::serving(&a, &arguments).await?;
    program.complains(&["broken.yaml", "inner.cluster.local", "10.96.0.0/99"]).await?;
    ensure!(short(&b, &format!("@172.20.10.2 {WEB} A")).await? == ["10.96.0.80"]);
    // Nobody is there: it says so, and the cluster's own names go on.
    ensure!(code(&b, "@172.20.10.2 +time=10 www.example.com").await? == "SERVFAIL");
    ensure!(short(&b, &format!("@172.20.10.2 {WEB} A")).await? == ["10.96.0.80"]);
    for (arguments, told) in [
        (
            vec!["--listen", "172.20.10.2:5300"],
            "--manifests DIR for a directory, --kubeconfig FILE for a cluster",
        ),
        (vec!["--manifests", text(directory.path()), "--listen", "nowhere"], "nowhere"),
        (vec!["--manifests", text(directory.path()), "--ttl", "4000"], "ttl"),
        (vec!["--kubeconfig", "/nowhere/config"], "/nowhere/config"),
        (vec!["--manifests", text(directory.path()), "--corefile", "/nowhere/Corefile"], "/nowhere/Corefile"),
    ] {
        let mut program = Program::start(&a, &arguments).await?;
        program.complains(&[told]).await.with_context(|| format!("{arguments:?}"))?;
        ensure!(!program.process.wait().await?.success(), "{arguments:?}");
    }
    let corefile = around.path().join("Corefile");
    fs::write(&corefile, ".:53 {\n  kubernetes cluster.local\n  frobnicate\n  dnssec\n}\n")?;
    let mut program =
        Program::start(&a, &["--manifests", text(directory.path()), "--corefile", text(&corefile)]).await?;
    let both = [
        "Corefile:3: error: directive \"frobnicate\" is not known",
        "Corefile:4: error: directive \"dnssec\" is not supported",
    ];
    program.complains(&both).await
}

async fn answers_are_explained(lab: Lab) -> anyhow::Result<()> {
    let (a, _b) = hosts(&lab).await?;
    let directory = manifests()?;
    let explain = async |words: &[&str]| {
        output(&a, DNS, &[&["--manifests", text(directory.path()), "explain"], words].concat()).await
    };
    let said = explain(&[WEB, "A", "172.20.10.3"]).await?;
    for part in ["172.20.10.3", "NOERROR", "10.96.0.80", "Service default/web: spec.clusterIPs[0]"] {
        ensure!(said.contains(part), "no {part} in {said}");
    }
    let said = explain(&["nobody.default.svc.cluster.local", "SRV"]).await?;
    ensure!(said.contains("NXDOMAIN") && said.contains("there is no Service default/nobody"), "{said}");
    let said = explain(&[WEB, "BOGUS"]).await?;
    ensure!(said.contains("BOGUS"), "{said}");
    Ok(())
}
