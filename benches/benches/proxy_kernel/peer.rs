//! The same Services in the shape of kube-proxy's nftables mode, for the nft program: a chain and an anonymous map for
//! each. kube-proxy adds its own work to what this costs: it lists the table before each sync.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::cluster::{cluster_ip, endpoints};
use crate::processor;

/// Everything.
pub(crate) fn full(services: usize) -> String {
    let mut text = String::from(
        "table ip kube-proxy {
 set cluster-ips { type ipv4_addr ; }
 map service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; }
 chain mark-for-masquerade { meta mark set meta mark | 0x4000 ; }
 chain services {
  ip daddr @cluster-ips ip saddr != 10.128.0.0/14 jump mark-for-masquerade
  ip daddr . meta l4proto . th dport vmap @service-ips
 }
 chain nat-prerouting { type nat hook prerouting priority -100 ; jump services ; }
 chain nat-output { type nat hook output priority -100 ; jump services ; }
 chain masquerading { mark and 0x4000 != 0 mark set mark xor 0x4000 masquerade fully-random ; }
 chain nat-postrouting { type nat hook postrouting priority 100 ; jump masquerading ; }
}
",
    );
    for number in 0..services {
        let _ = writeln!(text, "add chain ip kube-proxy {}", chain(number));
        let _ = writeln!(text, "{}", rule(number, endpoints(number, false)));
        let ip = cluster_ip(number);
        let _ = writeln!(text, "add element ip kube-proxy cluster-ips {{ {ip} }}");
        let chain = chain(number);
        let _ = writeln!(text, "add element ip kube-proxy service-ips {{ {ip} . tcp . 80 : goto {chain} }}");
    }
    text
}

/// One endpoint of one Service moves, there and back.
pub(crate) fn change(number: usize, changed: bool) -> String {
    let chain = chain(number);
    let rule = rule(number, endpoints(number, changed));
    format!("add chain ip kube-proxy {chain}\nflush chain ip kube-proxy {chain}\n{rule}\n")
}

fn chain(number: usize) -> String {
    format!("service-ULMVA6XW-ns-{}/svc-{number}/tcp/", number % 20)
}

fn rule(number: usize, [first, second]: [Ipv4Addr; 2]) -> String {
    format!(
        "add rule ip kube-proxy {} meta l4proto tcp dnat ip addr . port to numgen random mod 2 map {{ 0 : {first} . 8080, 1 \
         : {second} . 8080 }}",
        chain(number)
    )
}

/// Gives a text to `nft -f`, and tells its processor time, in steps of 10 ms; `None` where there is no such program.
pub(crate) fn nft(script: &str) -> Option<Duration> {
    let path = std::env::temp_dir().join(format!("svc-bench-{}.nft", std::process::id()));
    std::fs::write(&path, script).ok()?;
    let before = processor::children();
    let output = std::process::Command::new("nft").arg("-f").arg(&path).output();
    let took = processor::children() - before;
    let _ = std::fs::remove_file(&path);
    let output = output.ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(took)
}
