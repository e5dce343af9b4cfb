//! The Corefiles that people have.

mod clusters;
mod refused;

use std::collections::BTreeMap;

use super::*;

/// Variables and files that a test says.
#[derive(Clone, Debug, Default)]
struct Around {
    variables: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

impl Around {
    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read(&self, path: &str) -> Result<String, String> {
        self.files.get(path).cloned().ok_or_else(|| "there is no such file".to_owned())
    }

    fn list(&self, pattern: &str) -> Result<Vec<String>, String> {
        let (before, after) = pattern.split_once('*').unwrap();
        let matching = self.files.keys().filter(|path| path.starts_with(before) && path.ends_with(after));
        Ok(matching.cloned().collect())
    }
}

fn node() -> Around {
    Around::default().file("/etc/resolv.conf", "nameserver 172.20.10.53\nsearch corp.example\n")
}

fn parse(text: &str, around: &Around) -> Corefile {
    Corefile::parse("Corefile", text, around).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What it means, when nothing is wrong with it.
fn plan(text: &str, around: &Around) -> Plan {
    let plan = parse(text, around).plan();
    assert_eq!(plan.problems().to_string(), "", "{text}");
    plan
}

fn problems(text: &str) -> String {
    match Corefile::parse("Corefile", text, &node()) {
        Ok(corefile) => corefile.plan().problems().to_string(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn rules_of_one_block_keep_their_names_from_those_of_another() {
    let text = ".:53 {\n whoami\n}\noffice.example:53 {\n cache\n}\n";
    let plan = plan(text, &node());
    let (front, _) = plan.servers()[0].front(&node()).unwrap();
    let domains: Vec<String> = front.sites().map(|site| site.domain().to_string()).collect();
    assert_eq!(domains, [".", "office.example."], "the second has no rules, and is there all the same");
}

#[test]
fn networks_can_be_preferred() {
    let text = ".:53 {\n loadbalance round_robin {\n  prefer 10.1.0.0/16 fd00::/8\n }\n}\n";
    let plan = plan(text, &node());
    let (front, problems) = plan.servers()[0].front(&node()).unwrap();
    assert!(problems.is_empty());
    assert_eq!(front.sites().count(), 1);
}

#[test]
fn blocks_at_other_addresses_are_other_servers() {
    let text = ".:53 example.org:5353 tls://secure.example {\n forward . 10.0.0.1\n tls cert.pem key.pem\n}\n.:5353 {\n forward . 10.0.0.2\n}";
    let plan = plan(text, &node());
    let shown: Vec<String> = plan.servers().iter().map(|server| server.listen()[0].to_string()).collect();
    assert_eq!(shown, ["dns://:53", "dns://:5353", "tls://:853"]);
    assert_eq!(plan.servers()[1].sites().len(), 2);
}

#[test]
fn a_block_never_asks_the_servers_of_another() {
    let text = "corp.example {\n forward . 10.1.0.53 {\n  except open.corp.example\n  next NXDOMAIN\n }\n}\nclosed.example {\n errors\n}\n. {\n forward . 10.0.0.1\n}";
    let front = plan(text, &node()).servers()[0].front(&node()).unwrap().0;
    let servers = |name: &str| front.forwarder().unwrap().servers(&name.parse().unwrap()).len();
    assert_eq!(
        [
            servers("a.corp.example"),
            servers("a.open.corp.example"),
            servers("a.closed.example"),
            servers("a.example")
        ],
        [1, 0, 0, 1]
    );
}

#[test]
fn the_longest_from_within_a_block_counts_and_networks_are_reverse_zones() {
    let text = ". {\n forward . 10.0.0.1\n forward example.org 10.0.0.2\n forward 10.0.0.0/8 10.0.0.3\n}";
    let front = plan(text, &node()).servers()[0].front(&node()).unwrap().0;
    let servers = |name: &str| front.forwarder().unwrap().servers(&name.parse().unwrap())[0].to_string();
    assert_eq!(servers("www.example.org"), "10.0.0.2:53");
    assert_eq!(servers("1.2.3.10.in-addr.arpa"), "10.0.0.3:53");
    assert_eq!(servers("1.2.3.11.in-addr.arpa"), "10.0.0.1:53");
}

#[test]
fn snippets_imports_variables_quotes_and_comments() {
    let text = r#"
(common) {
    errors   # all of them
    log . "{remote} {name}" {
        class denial error
    }
}
{$ZONE}:{$PORT}, other.example:5300, # goes on
third.example:5300 {
    import common
    import extra.conf
    forward . {$UPSTREAM} {
        policy sequential
    }
}
"#;
    let around = Around::default()
        .variable("ZONE", "first.example")
        .variable("PORT", "5300")
        .variable("UPSTREAM", "10.0.0.1")
        .file("extra.conf", "cache 30\n# nothing else\n");
    let corefile = parse(text, &around);
    assert_eq!(corefile.blocks()[0].keys, ["first.example:5300", "other.example:5300", "third.example:5300"]);
    let plan = corefile.plan();
    assert_eq!(
        plan.problems().to_string(),
        "Corefile:4: warning: log: the format is left out: lines are as common has them"
    );
    let server = &plan.servers()[0];
    assert_eq!(server.sites()[0].zones().len(), 3);
    assert!(server.sites()[0].cache().is_some());
    assert_eq!(server.operations().log()[0].classes, ["denial", "error"]);
    // What it prints means the same.
    let again = parse(&corefile.to_string(), &Around::default());
    assert_eq!(again.to_string(), corefile.to_string());
    assert_eq!(again.plan().servers()[0].to_string(), server.to_string());
}

#[test]
fn the_same_snippet_twice_is_two_lines() {
    let corefile = parse("(e) {\n errors\n}\n. {\n import e\n import e\n}", &Around::default());
    assert_eq!(corefile.blocks()[0].directives.len(), 2);
}

#[test]
fn one_block_needs_no_braces() {
    let corefile = parse(".:5300\nforward . 10.0.0.1\nerrors\n", &Around::default());
    assert_eq!(corefile.blocks().len(), 1);
    assert_eq!(corefile.blocks()[0].directives.len(), 2);
}

#[test]
fn zones_of_the_cluster_that_another_block_has_are_told() {
    let told = problems(". {\n kubernetes cluster.local\n}\ncluster.local {\n forward . 10.0.0.1\n}");
    assert_eq!(
        told,
        "Corefile:2: error: kubernetes: the names in cluster.local. belong to a server block without it"
    );
    let told = problems(". {\n kubernetes a.local\n kubernetes b.local\n}");
    assert!(told.contains("stands here for the second time"), "{told}");
    assert_eq!(problems("cluster.local {\n kubernetes\n}\n. {\n forward . 10.0.0.1\n}"), "");
}

const EVERYTHING: &str = "
. {
    cache 300 example.org {
        success 5000 600 10
        denial 2500 60
        prefetch 10 1m 20%
        serve_stale 2h verify 2s
        servfail 10s
        keepttl
        disable denial internal.example.org
    }
    forward . 10.0.0.1 10.0.0.2:5353 [::1]:53 {
        except cluster.local corp.example
        force_tcp
        prefer_udp
        expire 20s
        max_idle_conns 8
        max_fails 3
        policy round_robin
        health_check 1s no_rec domain example.org
        max_concurrent 500
        next NXDOMAIN
        next_on_nodata
        failfast_all_unhealthy_upstreams
        failover SERVFAIL REFUSED
    }
    forward . /etc/resolv.conf
    rewrite continue ttl regex (.*)\\.coredns\\.rocks 15
    rewrite type ANY HINFO
    rewrite class CH IN
    rewrite name suffix .a.example .b.example answer auto
    rewrite name substring us-west eu answer name (.*)eu(.*) {1}us-west{2} answer value x y
    transfer {
        to *
    }
    any
    local
    acl example.org {
        allow net 10.0.0.0/8 192.0.2.1
        filter type AAAA
        drop net *
    }
    bufsize
    ready :8282
    root /etc/coredns
    hosts example.hosts example.org {
        192.0.2.1 a.example.org
        no_reverse
        fallthrough example.org
    }
}
";

#[test]
fn every_option_of_cache_and_forward_is_taken() {
    let around = node().file("/etc/coredns/example.hosts", "192.0.2.2 b.example.org");
    let plan = plan(EVERYTHING, &around);
    let server = &plan.servers()[0];
    assert_eq!(server.operations().bufsize(), Some(1232));
    assert_eq!(server.sites()[0].rules().len(), 5);
    let (front, problems) = server.front(&around).unwrap();
    assert_eq!(problems.to_string(), "");
    assert_eq!(front.sites().next().unwrap().hosts().unwrap().len(), 2);
    assert_eq!(front.forwarder().unwrap().stats().caches.len(), 1);
}

#[test]
fn a_resolv_conf_that_is_not_there_is_an_error() {
    let plan = plan(clusters::KUBEADM, &node());
    let problems = plan.servers()[0].front(&Around::default()).unwrap_err();
    assert_eq!(problems.to_string(), "Corefile:14: error: forward: /etc/resolv.conf: there is no such file");
    let empty = Around::default().file("/etc/resolv.conf", "search x\n");
    let problems = plan.servers()[0].front(&empty).unwrap_err();
    assert_eq!(problems.to_string(), "Corefile:14: error: forward: /etc/resolv.conf names no server");
}

#[test]
fn durations_are_read_as_go_reads_them() {
    for (text, expected) in [
        ("30", Some(30_000)),
        ("1h30m", Some(5_400_000)),
        ("0.5s", Some(500)),
        ("300ms", Some(300)),
        ("", None),
        ("5", Some(5000)),
        ("s", None),
        ("5x", None),
        ("1e9s", None),
    ] {
        let read = words::duration(text).map(|time| time.as_millis());
        assert_eq!(read, expected, "{text}");
    }
}

#[test]
fn the_table_of_directives_is_sorted_and_in_the_docs() {
    let names: Vec<&str> = Directives::all().map(|(name, ..)| name).collect();
    assert!(names.is_sorted());
    let docs = include_str!("../../docs/corefile.md");
    for (name, state, _) in Directives::all() {
        let row = docs.lines().find(|line| line.starts_with(&format!("| `{name}`")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in docs/corefile.md"));
        assert!(row.contains(&state.to_string()), "{row}: {state}");
    }
}

#[test]
fn servers_within_tls_need_a_certificate() {
    let text = ".:53 tls://. {\n forward . 10.0.0.1\n}\nhttps://.:8443 {\n forward . 10.0.0.1\n}";
    assert_eq!(
        problems(text),
        "Corefile:1: error: tls://:853 needs a certificate and its key: tls CERT KEY\n\
         Corefile:4: error: https://:8443 needs a certificate and its key: tls CERT KEY"
    );
    let plan = plan(
        "tls://. {\n root /etc/dns\n tls cert.pem /run/key.pem ca.pem {\n  client_auth require_and_verify\n }\n}",
        &node(),
    );
    let files = plan.servers()[0].tls_files().unwrap();
    assert_eq!((files.certificate.as_str(), files.key.as_str()), ("/etc/dns/cert.pem", "/run/key.pem"));
    assert_eq!(files.clients, Some(("/etc/dns/ca.pem".to_owned(), false)));
}

#[cfg(feature = "tls")]
#[test]
fn certificates_are_read_through_the_surroundings() {
    let signed = rcgen::generate_simple_self_signed(["dns.test".to_owned()]).unwrap();
    let around = node()
        .file("/tls/cert.pem", &signed.cert.pem())
        .file("/tls/key.pem", &signed.signing_key.serialize_pem())
        .file("/tls/ca.pem", &signed.cert.pem());
    let front = |block: &str| {
        let plan = plan(block, &around);
        let front = plan.servers()[0].front(&around).map(drop).map_err(|problems| problems.to_string());
        (
            front,
            plan.servers()[0].tls(&around).map(|tls| tls.is_some()).map_err(|problems| problems.to_string()),
        )
    };
    let wrong = |text: &str| Err::<(), _>(text.to_owned());
    assert_eq!(front("tls://. {\n tls /tls/cert.pem /tls/key.pem\n}"), (Ok(()), Ok(true)));
    assert_eq!(front(". {\n forward . 10.0.0.1\n}"), (Ok(()), Ok(false)));
    assert_eq!(
        front("tls://. {\n tls /tls/cert.pem /tls/none.pem\n}").1,
        Err("Corefile:2: error: tls: /tls/none.pem: there is no such file".to_owned())
    );
    assert_eq!(
        front("tls://. {\n tls /tls/cert.pem /tls/cert.pem\n}").1,
        Err("Corefile:2: error: tls: key: it is no PEM with a private key".to_owned())
    );
    let forward =
        |options: &str| front(&format!(". {{\n forward . tls://9.9.9.9 10.0.0.1 {{\n {options}\n }}\n}}")).0;
    assert_eq!(forward("tls /tls/ca.pem\n tls_servername dns.quad9.net"), Ok(()));
    assert_eq!(forward("tls /tls/cert.pem /tls/key.pem /tls/ca.pem"), Ok(()));
    assert_eq!(
        forward("tls_servername x"),
        wrong("Corefile:2: error: forward: tls: this system has no list of authorities; name one: tls CA")
    );
    assert_eq!(
        forward("tls /tls/key.pem"),
        wrong(
            "Corefile:2: error: forward: tls: authorities: there is no PEM with a certificate of an authority"
        )
    );
}

#[test]
fn response_rate_limiting_is_that_of_the_plugin() {
    let text = ". {\n rrl example.org {\n  responses-per-second 10\n  nxdomains-per-second 0.5\n  slip-ratio 3\n  window 5\n  \
                ipv4-prefix-length 32\n  max-table-size 1000\n  report-only\n  referrals-per-second 1\n }\n}";
    let plan = parse(text, &node()).plan();
    assert_eq!(
        plan.problems().to_string(),
        "Corefile:4: warning: rrl: nxdomains-per-second: 1 a second is the least\n\
         Corefile:10: warning: rrl: referrals-per-second is left out: there are no referrals"
    );
    let zones: [crate::message::Name; 1] = ["example.org".parse().unwrap()];
    let expected =
        crate::RateLimit::per_second(10).nxdomains(1).slip(3).window(std::time::Duration::from_secs(5));
    let expected = expected.prefixes(32, 56).table_size(1000).report_only(true).zones(&zones);
    assert_eq!(plan.servers()[0].operations().rate_limit(), Some(&expected));
    for (option, told) in [
        (
            "requests-per-second 5",
            "rrl: requests-per-second is not supported: answers are limited, by responses-per-second and its kin",
        ),
        ("slip-ratio x", "slip-ratio: \"x\" is no number"),
        ("responses-per-second -1", "responses-per-second: \"-1\" is no number of answers a second"),
        ("windows 3", "rrl: option \"windows\" is not known"),
    ] {
        let told = format!("Corefile:3: error: {told}");
        assert_eq!(problems(&format!(". {{\n rrl {{\n  {option}\n }}\n}}")), told);
    }
    assert_eq!(
        problems(". {\n rrl {\n  ipv4-prefix-length 40\n }\n}"),
        "Corefile:2: error: rrl: prefixes: 40 and 56 is not within 0 to 32 and 0 to 128 bits"
    );
}

#[test]
fn logs_are_of_the_blocks_names_or_of_those_that_are_named() {
    let plan =
        plan("example.org {\n log\n log a.example b.example common {\n  class denial error\n }\n}", &node());
    let shown = |log: &LogPlan| {
        (log.zones.iter().map(ToString::to_string).collect::<Vec<_>>(), log.classes.join(" "))
    };
    let logs: Vec<_> = plan.servers()[0].operations().log().iter().map(shown).collect();
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(logs[0], (strings(&["example.org."]), "all".to_owned()));
    assert_eq!(logs[1], (strings(&["a.example.", "b.example."]), "denial error".to_owned()));
}
