//! Families on creation: every combination of policy, addresses, families and cluster against the rules of KEP-563, put
//! down once more in their shortest form.

use serde_json::{Value, json};

use crate::AddressType::{self, Ipv4, Ipv6};
use crate::defaults;
use crate::validate::{self, Ranges};
use crate::wire::{self, Manifest};

type Families = &'static [AddressType];

const CLUSTERS: [Families; 4] = [&[Ipv4], &[Ipv6], &[Ipv4, Ipv6], &[Ipv6, Ipv4]];
const CHOICES: [Families; 5] = [&[], &[Ipv4], &[Ipv6], &[Ipv4, Ipv6], &[Ipv6, Ipv4]];
const POLICIES: [Option<&str>; 4] =
    [None, Some("SingleStack"), Some("PreferDualStack"), Some("RequireDualStack")];

fn ranges(cluster: Families) -> Ranges {
    let cidr = |family: &AddressType| match family {
        Ipv4 => "10.96.0.0/12".parse().unwrap(),
        Ipv6 => "fd00:10:96::/112".parse().unwrap(),
    };
    Ranges::default().service_cidrs(cluster.iter().map(cidr).collect())
}

fn address(family: &AddressType) -> &'static str {
    match family {
        Ipv4 => "10.96.0.7",
        Ipv6 => "fd00:10:96::7",
    }
}

/// What becomes of a Service, if anything.
type Settled = Option<(String, Vec<String>)>;

fn settled(spec: Value, cluster: Families) -> Settled {
    let wire: wire::Service =
        serde_json::from_value(json!({"metadata": {"name": "web"}, "spec": spec})).unwrap();
    let at = Manifest::Service(Box::new(wire.clone())).reference();
    let spec = validate::service(&wire, &at, &ranges(cluster), None).ok()?.spec;
    Some((spec.ip_family_policy?, spec.ip_families?))
}

fn texts(families: &[AddressType]) -> Vec<String> {
    families.iter().map(ToString::to_string).collect()
}

fn spec(policy: Option<&str>, families: Families) -> Value {
    let mut spec = json!({"ports": [{"port": 80}]});
    if let Some(policy) = policy {
        spec["ipFamilyPolicy"] = json!(policy);
    }
    if !families.is_empty() {
        spec["ipFamilies"] = json!(texts(families));
    }
    spec
}

/// The rules: addresses and families say the same; two of them are not single; what is asked for must be there.
fn expected(policy: Option<&str>, addresses: Families, families: Families, cluster: Families) -> Settled {
    let policy = policy.unwrap_or("SingleStack");
    let (short, long) =
        if addresses.len() < families.len() { (addresses, families) } else { (families, addresses) };
    let dual = cluster.len() == 2;
    let fits = long.starts_with(short)
        && long.iter().all(|family| cluster.contains(family))
        && (policy != "SingleStack" || long.len() < 2)
        && (policy != "RequireDualStack" || dual);
    let mut all = if long.is_empty() { vec![cluster[0]] } else { long.to_vec() };
    if policy != "SingleStack" && dual && all.len() == 1 {
        all.extend(cluster.iter().filter(|family| **family != all[0]).copied().collect::<Vec<_>>());
    }
    fits.then(|| (policy.to_owned(), texts(&all)))
}

#[test]
fn every_combination_of_a_service_with_addresses() {
    let mut accepted = 0;
    for cluster in CLUSTERS {
        for policy in POLICIES {
            for addresses in CHOICES {
                for families in CHOICES {
                    let mut spec = spec(policy, families);
                    if let Some(first) = addresses.first() {
                        spec["clusterIP"] = json!(address(first));
                        spec["clusterIPs"] = json!(addresses.iter().map(address).collect::<Vec<_>>());
                    }
                    let found = settled(spec.clone(), cluster);
                    assert_eq!(found, expected(policy, addresses, families, cluster), "{cluster:?}: {spec}");
                    accepted += usize::from(found.is_some());
                }
            }
        }
    }
    assert!((100..300).contains(&accepted), "{accepted} of 400");
}

/// Also of those that are refused: filling in comes before judging.
#[test]
fn filling_in_any_combination_twice_is_filling_it_in_once() {
    for cluster in CLUSTERS {
        for policy in POLICIES {
            for addresses in CHOICES {
                for families in CHOICES {
                    let mut spec = spec(policy, families);
                    spec["clusterIPs"] = json!(addresses.iter().map(address).collect::<Vec<_>>());
                    let mut once: wire::Service = serde_json::from_value(json!({ "spec": spec })).unwrap();
                    defaults::service(&mut once, cluster);
                    let mut twice = once.clone();
                    defaults::service(&mut twice, cluster);
                    assert_eq!(once, twice, "{cluster:?}: {spec}");
                }
            }
        }
    }
}

/// With a selector a headless Service follows the cluster; without one its endpoints are somebody else's, of any family.
#[test]
fn every_combination_of_a_headless_service() {
    for cluster in CLUSTERS {
        for policy in POLICIES {
            for families in CHOICES {
                let mut spec = spec(policy, families);
                spec["clusterIP"] = json!("None");
                let detached = settled(spec.clone(), cluster);
                let wanted = policy.unwrap_or("RequireDualStack");
                let both = if cluster[0] == Ipv4 { &[Ipv4, Ipv6] } else { &[Ipv6, Ipv4] };
                // As in a cluster that has both, its own family first.
                assert_eq!(detached, expected(Some(wanted), &[], families, both), "{cluster:?}: {spec}");
                spec["selector"] = json!({"app": "web"});
                assert_eq!(
                    settled(spec.clone(), cluster),
                    expected(policy, &[], families, cluster),
                    "{cluster:?}: {spec}"
                );
            }
        }
    }
}

#[test]
fn an_external_name_says_nothing_of_families() {
    for cluster in CLUSTERS {
        for policy in POLICIES {
            for families in CHOICES {
                let mut spec = spec(policy, families);
                spec["type"] = json!("ExternalName");
                spec["externalName"] = json!("example.com");
                let wire: wire::Service =
                    serde_json::from_value(json!({"metadata": {"name": "web"}, "spec": spec})).unwrap();
                let fine = validate::create(&Manifest::Service(Box::new(wire)), &ranges(cluster)).is_ok();
                assert_eq!(fine, policy.is_none() && families.is_empty(), "{spec}");
            }
        }
    }
}
