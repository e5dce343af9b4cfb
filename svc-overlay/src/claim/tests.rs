use super::*;
use crate::registry::Revision;

fn conf(text: &str) -> NetConf {
    NetConf::parse(text).unwrap()
}

fn small() -> NetConf {
    conf(r#"{"Network": "10.244.0.0/22"}"#)
}

fn dual() -> NetConf {
    conf(r#"{"Network": "10.244.0.0/16", "EnableIPv6": true, "IPv6Network": "fd00:10::/48"}"#)
}

fn claim(conf: &NetConf) -> Claim {
    Claim::new("a", [[172, 20, 10, 2].into(), "fd00:172::2".parse().unwrap()], conf)
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn lease(node: &str, subnet: &str, last: u8) -> Lease {
    Lease::new(node, Backend::Vxlan, Half::direct(net(subnet), [172, 20, 10, last]))
}

fn set(leases: impl IntoIterator<Item = Lease>) -> LeaseSet {
    LeaseSet::new(Revision::new(1), leases)
}

fn taken(decision: Result<Decision, RegistryError>) -> Vec<String> {
    match decision.unwrap() {
        Decision::Take(lease) => lease.halves().iter().map(|half| half.subnet.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lease_that_fits_is_kept_also_under_another_name() {
    for mine in [lease("a", "10.244.2.0/24", 2), lease("172.20.10.2", "10.244.2.0/24", 2)] {
        let decision = claim(&small()).decide(&set([mine.clone(), lease("b", "10.244.1.0/24", 3)]), 0);
        assert_eq!(decision, Ok(Decision::Keep(mine)));
    }
}

#[test]
fn a_lease_of_a_former_network_or_address_is_dropped() {
    let unfit = [
        (small(), lease("a", "10.9.2.0/24", 2)),
        (small(), lease("a", "10.244.2.0/25", 2)),
        (small(), lease("a", "10.244.2.0/24", 9)),
        (dual(), lease("a", "10.244.2.0/24", 2)),
    ];
    for (conf, mine) in unfit {
        assert_eq!(claim(&conf).decide(&set([mine.clone()]), 0), Ok(Decision::Drop(mine)));
    }
}

#[test]
fn the_previous_subnet_is_had_again_if_it_is_free() {
    let claim = claim(&small()).previous([net("10.244.3.0/24")]);
    assert_eq!(taken(claim.decide(&set([]), 0)), ["10.244.3.0/24"]);
    let other = set([lease("b", "10.244.3.0/24", 3)]);
    assert!(taken(claim.decide(&other, 0)) != ["10.244.3.0/24"]);
}

#[test]
fn both_families_are_chosen_for_themselves() {
    let taken = taken(claim(&dual()).seed(0).decide(&set([lease("b", "10.244.1.0/24", 3)]), 0));
    assert_eq!(taken, ["10.244.2.0/24", "fd00:10:0:1::/64"]);
}

#[test]
fn each_attempt_chooses_anew_and_the_same_each_time() {
    let claim = claim(&dual());
    let choose = |attempt| taken(claim.decide(&set([]), attempt));
    assert_eq!(choose(1), choose(1));
    assert!((0..5).map(choose).collect::<std::collections::BTreeSet<_>>().len() > 1);
}

#[test]
fn what_cannot_be_had_is_said() {
    let all = set([lease("b", "10.244.0.0/22", 3)]);
    let error = claim(&small()).decide(&all, 0).unwrap_err().to_string();
    assert!(error.contains("10.244.1.0/24 to 10.244.3.0/24"), "{error}");
    let v4_only = Claim::new("a", [[172, 20, 10, 2].into()], &dual());
    let error = v4_only.decide(&set([]), 0).unwrap_err().to_string();
    assert!(error.contains("node a") && error.contains("no IPv6 address"), "{error}");
    let conf = NetConf::parse_without_allocation(r#"{"Network": "10.244.0.0/16"}"#).unwrap();
    assert!(claim(&conf).decide(&set([]), 0).is_err());
}
