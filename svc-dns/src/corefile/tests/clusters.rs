//! The Corefiles of kubeadm, k3s, AKS and node-local caches.

use super::*;

pub(super) const KUBEADM: &str = "
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
";

#[test]
fn kubeadms() {
    let plan = plan(KUBEADM, &node());
    let [server] = plan.servers() else { panic!("{plan:?}") };
    assert_eq!(
        server.to_string(),
        "dns://:53\n  zone cluster.local.\n  zone ip6.arpa.\n  zone in-addr.arpa.\n  for .\n    cache\n    forward . to /etc/resolv.conf\n"
    );
    let zone = server.zone().unwrap();
    assert_eq!((zone.ttl(), zone.pods()), (30, crate::PodRecords::Insecure));
    let operations = server.operations();
    let health = operations.health().unwrap();
    assert_eq!((health.address, health.port, health.lameduck.as_secs()), (None, 8080, 5));
    assert_eq!((operations.ready(), operations.metrics()), (Some((None, 8181)), Some((None, 9153))));
    assert!(operations.errors() && operations.detects_loops() && operations.rotate());
    assert_eq!(operations.reload().unwrap().as_secs(), 30);
    assert_eq!(server.files(), ["/etc/resolv.conf"]);
    let (front, problems) = server.front(&node()).unwrap();
    assert!(problems.is_empty());
    let servers = front.forwarder().unwrap().servers(&"www.example.com".parse().unwrap());
    assert_eq!(servers, ["172.20.10.53:53".parse().unwrap()]);
    assert_eq!(front.sites().count(), 0, "no rules that would cost anything");
}

const K3S: &str = "
.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    hosts /etc/coredns/NodeHosts {
      ttl 60
      reload 15s
      fallthrough
    }
    prometheus :9153
    cache 30
    loop
    reload
    loadbalance
    import /etc/coredns/custom/*.override
    forward . /etc/resolv.conf
}
import /etc/coredns/custom/*.server
";

#[test]
fn k3ss_with_and_without_custom_files() {
    let around = node().file("/etc/coredns/NodeHosts", "172.20.10.2 server2\n");
    let server = plan(K3S, &around).servers()[0].clone();
    assert_eq!(server.files(), ["/etc/coredns/NodeHosts", "/etc/resolv.conf"]);
    let (front, problems) = server.front(&around).unwrap();
    assert!(problems.is_empty(), "{problems}");
    assert_eq!(front.sites().next().unwrap().hosts().unwrap().len(), 1);
    assert_eq!(server.sites()[0].hosts().unwrap().reload().as_secs(), 15);
    let around = around
        .file("/etc/coredns/custom/a.override", "log\n")
        .file("/etc/coredns/custom/b.server", "corp.example:53 {\n  forward . 10.1.0.53\n}\n");
    let server = plan(K3S, &around).servers()[0].clone();
    assert_eq!((server.sites().len(), server.operations().log().len()), (2, 1));
    let front = server.front(&around).unwrap().0;
    let servers = |name: &str| front.forwarder().unwrap().servers(&name.parse().unwrap())[0].to_string();
    assert_eq!([servers("www.corp.example"), servers("www.example")], ["10.1.0.53:53", "172.20.10.53:53"]);
    // A hosts file that is not there yet.
    let (_, problems) = server.front(&node()).unwrap();
    assert_eq!(
        problems.to_string(),
        "Corefile:10: warning: hosts: /etc/coredns/NodeHosts: there is no such file"
    );
}

#[test]
fn akss_with_templates_and_custom_files() {
    let text = r#"
.:53 {
    errors
    ready
    health {
      lameduck 5s
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
      ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
    import custom/*.override
    template ANY ANY internal.cloudapp.net {
      match "^(?:[^.]+\.){4,}internal\.cloudapp\.net\.$"
      rcode NXDOMAIN
      fallthrough
    }
    template ANY ANY reddog.microsoft.com {
      rcode NXDOMAIN
    }
}
import custom/*.server
"#;
    let around = node()
        .file("custom/hosts.override", "hosts {\n 10.0.0.7 db.corp\n fallthrough\n}\nrewrite stop {\n name regex (.*)\\.shop\\.example {1}.shop.svc.cluster.local\n answer name (.*)\\.shop\\.svc\\.cluster\\.local {1}.shop.example\n}\n");
    let plan = plan(text, &around);
    let server = &plan.servers()[0];
    let shown = server.to_string();
    assert!(shown.contains("hosts (inline) and 1 names inline"), "{shown}");
    assert!(
        shown.contains("rewrite name regex (.*)\\.shop\\.example {1}.shop.svc.cluster.local answer name"),
        "{shown}"
    );
    assert!(shown.contains("template ANY ANY match ^(?:[^.]+\\.){4,}internal"), "{shown}");
    assert!(server.front(&around).unwrap().1.is_empty());
}

const NODE_LOCAL: &str = "
cluster.local:53 {
    errors
    cache {
            success 9984 30
            denial 9984 5
    }
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . 10.96.137.5 {
            force_tcp
    }
    prometheus :9253
    health 169.254.20.10:8080
    }
in-addr.arpa:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . 10.96.137.5 {
            force_tcp
    }
    prometheus :9253
    }
.:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . /etc/resolv.conf
    prometheus :9253
    }
";

#[test]
fn the_node_local_caches() {
    let plan = plan(NODE_LOCAL, &node());
    let [server] = plan.servers() else { panic!("{plan:?}") };
    let listen: Vec<String> = server.listen().iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["dns://169.254.20.10:53", "dns://10.96.0.10:53"]);
    assert!(server.zone().is_none());
    assert_eq!(server.sites().len(), 3);
    let front = server.front(&node()).unwrap().0;
    let servers = |name: &str| front.forwarder().unwrap().servers(&name.parse().unwrap())[0].to_string();
    assert_eq!(servers("web.shop.svc.cluster.local"), "10.96.137.5:53");
    assert_eq!(servers("1.0.96.10.in-addr.arpa"), "10.96.137.5:53");
    assert_eq!(servers("www.example"), "172.20.10.53:53");
    assert_eq!(server.operations().health().unwrap().address, Some([169, 254, 20, 10].into()));
}
