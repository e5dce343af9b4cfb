use super::*;
use crate::SysctlPolicy;

#[derive(Default)]
struct Values(BTreeMap<String, String>);

impl Sysctls for Values {
    fn sysctl(&mut self, name: &str) -> io::Result<Option<String>> {
        Ok(self.0.get(name).cloned())
    }

    fn set_sysctl(&mut self, name: &str, value: &str) -> io::Result<()> {
        let known = self.0.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        if known == "locked" {
            return Err(io::Error::from_raw_os_error(1));
        }
        value.clone_into(known);
        Ok(())
    }
}

const FORWARD: &str = "net/ipv4/ip_forward";
const BRIDGE: &str = "net/bridge/bridge-nf-call-iptables";

fn node() -> Node {
    Node::builder("a").address("10.0.0.1").build().unwrap()
}

fn values(entries: &[(&str, &str)]) -> Values {
    Values(entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

#[test]
fn findings_depend_on_value_and_policy() {
    use SysctlPolicy::{Check, Set};
    let denied = Finding::Failed(Error::Sysctl { name: FORWARD.into(), operation: "write", errno: 1 });
    let rows = [
        (Some("1"), Check, Finding::Fine),
        (Some("1"), Set, Finding::Fine),
        (Some("0"), Check, Finding::Wrong),
        (Some("0"), Set, Finding::Set),
        (Some("locked"), Set, denied),
        (None, Set, Finding::Absent),
    ];
    for (value, policy, expected) in rows {
        let mut sysctls = values(&value.map(|value| (FORWARD, value)).into_iter().collect::<Vec<_>>());
        let mut before = Before::new();
        if policy == Set {
            note(&mut sysctls, &node(), &[], &mut before);
        }
        let report = check(&mut sysctls, &node(), &[], &before);
        assert_eq!(*report.entries()[0].finding(), expected);
    }
}

#[test]
fn what_was_changed_is_restored_to_its_first_value() {
    let mut sysctls = values(&[(FORWARD, "0"), (BRIDGE, "1")]);
    let mut before = Before::new();
    note(&mut sysctls, &node(), &[], &mut before);
    check(&mut sysctls, &node(), &[], &before);
    sysctls.set_sysctl(FORWARD, "2").unwrap();
    note(&mut sysctls, &node(), &[], &mut before);
    check(&mut sysctls, &node(), &[], &before);
    assert_eq!(sysctls.sysctl(FORWARD).unwrap().as_deref(), Some("1"));
    assert!(restore(&mut sysctls, &before).is_empty());
    assert_eq!(sysctls.0, values(&[(FORWARD, "0"), (BRIDGE, "1")]).0);
}

#[test]
fn reports_say_what_to_do() {
    let mut sysctls = values(&[(FORWARD, "0")]);
    let report = check(&mut sysctls, &node(), &[], &Before::new());
    let text = report.to_string();
    assert!(text.contains("net/ipv4/ip_forward = 0: forwarding to other hosts and pods needs 1"), "{text}");
    assert!(text.contains("modprobe br_netfilter"), "{text}");
    assert_eq!(report.problems().count(), 1);
}

#[test]
fn families_of_the_node_decide_what_is_needed() {
    let node = Node::builder("a").address("fd00::1").build().unwrap();
    let names: Vec<_> = needed(&node, &[]).into_iter().map(|setting| setting.name).collect();
    assert_eq!(names, ["net/ipv6/conf/all/forwarding", "net/bridge/bridge-nf-call-ip6tables"]);
}

#[test]
fn connection_tracking_is_raised_and_never_lowered() {
    const MAX: &str = "net/netfilter/nf_conntrack_max";
    let node = Node::builder("a").address("10.0.0.1").conntrack_at_least([(MAX, 131_072)]).build().unwrap();
    for (value, expected, after) in [
        ("65536", Finding::Set, "131072"),
        ("131072", Finding::Fine, "131072"),
        ("262144", Finding::Fine, "262144"),
    ] {
        let mut sysctls = values(&[(FORWARD, "1"), (MAX, value)]);
        let mut before = Before::new();
        note(&mut sysctls, &node, &[], &mut before);
        let report = check(&mut sysctls, &node, &[], &before);
        let entry = report.entries().iter().find(|entry| entry.name() == MAX).unwrap();
        assert_eq!((entry.finding(), entry.needed()), (&expected, 131_072));
        assert_eq!(sysctls.0[MAX], after);
        assert_eq!(restore(&mut sysctls, &before), []);
        assert_eq!(sysctls.0[MAX], value);
    }
    let report = check(&mut values(&[(MAX, "65536")]), &node, &[], &Before::new());
    let text = report.to_string();
    assert!(text.contains("net/netfilter/nf_conntrack_max = 65536: the configuration of connection tracking needs at least 131072"), "{text}");
}

#[test]
fn what_could_not_be_set_is_no_error_of_the_clean_up() {
    let mut sysctls = values(&[(FORWARD, "locked")]);
    let mut before = Before::new();
    note(&mut sysctls, &node(), &[], &mut before);
    assert!(check(&mut sysctls, &node(), &[], &before).problems().next().is_some());
    assert_eq!(restore(&mut sysctls, &before), []);
}
