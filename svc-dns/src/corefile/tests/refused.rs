//! What cannot be read or is not supported.

use super::*;

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    for (text, expected) in [
        ("", "Corefile:1: error: there is no server block; write at least `. { ... }`"),
        (". {\n errors\n", "Corefile:1: error: the block that begins here is not closed; add `}`"),
        (". {\n log \"x\n}", "Corefile:2: error: a quote is not closed"),
        ("}", "Corefile:1: error: a server block begins with its zones, not with `}`"),
        (". {\n {\n}", "Corefile:2: error: `{` has nothing it belongs to"),
        (". {\n import\n}", "Corefile:2: error: import needs a snippet or a file"),
        (". {\n import nope\n}", "Corefile:2: error: import nope: there is no such file"),
        (". {\n import a b\n}", "Corefile:2: error: import takes one snippet or file, and no arguments"),
        ("(a) {\n errors\n", "Corefile:1: error: the snippet that begins here is not closed; add `}`"),
        (
            "x..y {\n}",
            "Corefile:1: error: zone \"x..y\": domain name \"x..y\": an empty label (two dots in a row, or one in front)",
        ),
        (
            "grpc://. {\n}",
            "Corefile:1: error: zone \"grpc://.\": grpc is not spoken here; dns, tls and https are",
        ),
        (".:99999 {\n}", "Corefile:1: error: zone \".:99999\": \"99999\" is no port"),
        (". {\n}\n. {\n}", "Corefile:3: error: . has a block at these addresses already"),
    ] {
        assert_eq!(problems(text), expected, "{text}");
    }
    let circle = "(a) {\n import b\n}\n(b) {\n import a\n}\n. {\n import a\n}";
    assert!(problems(circle).contains("too many imports in one another"), "{}", problems(circle));
}

/// Directives that are not, or not quite, supported, and what is said.
const REFUSED: &[(&str, &str)] = &[
    ("frobnicate", "error: directive \"frobnicate\" is not known"),
    ("dnssec", "error: directive \"dnssec\" is not supported: answers are not signed"),
    (
        "file db.example",
        "error: directive \"file\" is not supported: zone files are not served; put a name server for them beside this one and `forward` to it",
    ),
    (
        "proxy . 10.0.0.1",
        "error: directive \"proxy\" is not supported: it is gone from CoreDNS; write `forward` in its place",
    ),
    ("pprof", "warning: directive \"pprof\" is left out: there is no profile of Go's"),
    (
        "minimal",
        "warning: directive \"minimal\" is left out: answers keep their authority and additional records",
    ),
    ("loop x", "error: loop takes no arguments"),
    ("cache x..y", "error: cache: domain name \"x..y\": an empty label (two dots in a row, or one in front)"),
    ("cache {\n frob\n}", "error: cache: option \"frob\" is not known"),
    ("cache {\n success x\n}", "error: cache: success takes a capacity, the most and the least seconds"),
    (
        "cache {\n serve_stale 1h never\n}",
        "error: cache: serve_stale takes [DURATION] [immediate|verify [DURATION]]",
    ),
    ("cache {\n servfail 10m\n}", "error: cache servfail: 600s is not within 0 to 300 s"),
    ("cache {\n prefetch 1 2 3 4\n}", "error: cache: prefetch takes AMOUNT [DURATION] [PERCENTAGE%]"),
    ("cache {\n disable nothing\n}", "error: cache: disable takes success or denial, not \"nothing\""),
    ("forward .", "error: forward: name at least one server, or /etc/resolv.conf"),
    (
        "forward . tls://dns.quad9.net",
        "error: forward: \"tls://dns.quad9.net\": write tls:// and an address; names of servers are not looked up",
    ),
    (
        "forward . https://9.9.9.9/dns-query",
        "error: forward: \"https://9.9.9.9/dns-query\": servers are not asked over HTTPS; name one that answers plain DNS or DNS over TLS",
    ),
    (
        "forward . dns.example",
        "error: forward: \"dns.example\": it is neither an address nor a file; names of servers are not looked up, write their addresses",
    ),
    ("forward . 10.0.0.1 {\n policy best\n}", "error: policy: \"best\" is no policy"),
    (
        "forward . 10.0.0.1 {\n health_check soon\n}",
        "error: forward: health_check takes DURATION [no_rec] [domain FQDN]",
    ),
    ("forward . 10.0.0.1 {\n failover OOPS\n}", "error: failover: \"OOPS\" is no response code"),
    (
        "forward . 10.0.0.1 {\n tls_servername not..aname\n}",
        "error: tls_servername: \"not..aname\" is no name",
    ),
    ("forward . 10.0.0.1 {\n tls a b c d\n}", "error: forward: tls takes [CERT KEY] [CA]"),
    (
        "forward . 10.0.0.1 {\n doh_method GET\n}",
        "error: forward: doh_method: servers are not asked over HTTPS",
    ),
    ("tls cert.pem", "error: tls takes CERT KEY [CA]"),
    (
        "tls cert.pem key.pem {\n client_auth verify_if_given\n}",
        "error: tls: client_auth needs the authorities: tls CERT KEY CA",
    ),
    (
        "tls cert.pem key.pem ca.pem {\n client_auth require\n}",
        "error: tls: client_auth: certificates are verified or not asked for: write verify_if_given or require_and_verify",
    ),
    (
        "tls cert.pem key.pem ca.pem {\n client_auth maybe\n}",
        "error: tls: client_auth takes nocert, verify_if_given or require_and_verify",
    ),
    ("rewrite edns0 local set 0xffee abcd", "error: rewrite: the field edns0 is not supported"),
    ("rewrite name regex (.* x", "error: rewrite: regular expression"),
    (
        "rewrite name fuzzy a b",
        "error: rewrite: \"fuzzy\" is no kind of match; write exact, prefix, suffix, substring or regex",
    ),
    (
        "template IN A {\n answer \"{{ .Name }} 60 IN A {{ parseInt .Group.a 16 8 }}\"\n}",
        "error: template: template expression",
    ),
    (
        "template IN A {\n ederror 21\n}",
        "warning: template: ederror is left out: extended errors only explain",
    ),
    ("hosts {\n 10.0.0.1\n}", "error: hosts: 10.0.0.1 has no name"),
    ("hosts {\n frob\n}", "error: hosts: option \"frob\" is not known"),
    ("autopath @kubernetes", "error: autopath @kubernetes needs the kubernetes directive"),
    ("autopath /etc/resolv.conf", "error: autopath takes @kubernetes: other search paths are not walked"),
    (
        "kubernetes cluster.local {\n noendpoints\n}",
        "error: kubernetes: noendpoints is not supported: endpoints are always answered",
    ),
    (
        "kubernetes cluster.local {\n endpoint https://x\n}",
        "warning: kubernetes: endpoint is left out: the program is told where objects come from",
    ),
    ("kubernetes cluster.local {\n pods maybe\n}", "error: pods: \"maybe\" is no pod mode"),
    ("kubernetes cluster.local {\n ttl 9999\n}", "error: kubernetes: ttl: 9999 s is not within 0 to 3600 s"),
    ("kubernetes cluster.local {\n labels (((\n}", "error: kubernetes: labels"),
    ("kubernetes in-addr.arpa", "error: kubernetes: name the zone of the cluster, such as cluster.local"),
    ("bufsize 100", "error: bufsize takes 512 to 4096 bytes"),
    ("prometheus here", "error: prometheus: \"here\" is no address; write :PORT or ADDRESS:PORT"),
    (
        "loadbalance weighted w.conf",
        "error: loadbalance: weighted is not supported: answers begin with each address equally often",
    ),
    (
        "loadbalance round_robin {\n prefer 10.0.0.0/8 web\n}",
        "error: loadbalance: prefer: \"web\" is no network such as 10.0.0.0/8",
    ),
    ("acl {\n allow net 10.0.0.0/99\n}", "error: acl: \"10.0.0.0/99\" is no network"),
];

#[test]
fn what_is_not_supported_is_named_with_its_line() {
    for (directive, expected) in REFUSED {
        let told = problems(&format!(".:53 {{\n{directive}\n}}\n"));
        let line = if directive.contains('\n')
            && !directive.starts_with("cache {\n servfail")
            && !expected.contains(": kubernetes: ttl")
            && !expected.contains(": kubernetes: labels")
        {
            3
        } else {
            2
        };
        let expected = format!("Corefile:{line}: {expected}");
        assert!(told.starts_with(&expected), "{directive}\n told: {told}\n want: {expected}");
        assert_eq!(told.lines().filter(|line| line.starts_with("Corefile:")).count(), 1, "{told}");
    }
}
