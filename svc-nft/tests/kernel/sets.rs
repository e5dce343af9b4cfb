//! What sets of ip_set owe their users, be they the kernel's or the fake's.

use libtest_mimic::Trial;
use svc_nft::ipset::{IpSet, IpSets, fake};
use svc_nft::{Family, Socket};

type Demand = fn(&mut dyn IpSets);

const DEMANDS: &[(&str, Demand)] = &[
    ("are_listed_as_they_were_made", are_listed_as_they_were_made),
    ("are_made_once", are_made_once),
    ("of_other_settings_are_refused", of_other_settings_are_refused),
    ("are_destroyed_once", are_destroyed_once),
    ("that_are_not_there_are_named", that_are_not_there_are_named),
    ("are_as_many_as_one_likes", are_as_many_as_one_likes),
];

pub(crate) fn trials() -> Vec<Trial> {
    let trials = DEMANDS.iter().flat_map(|(name, demand)| {
        let on_fake = move || {
            demand(&mut fake::Sets::default());
            Ok(())
        };
        let on_kernel = move || {
            crate::in_lab(move || demand(&mut Socket::open().expect("a netlink socket")));
            Ok(())
        };
        [
            Trial::test(format!("fake::sets::{name}"), on_fake),
            Trial::test(format!("kernel::sets::{name}"), on_kernel),
        ]
    });
    trials.collect()
}

fn clients(name: &str) -> IpSet {
    IpSet::new(name, Family::Ip).hash_size(16_384)
}

fn are_listed_as_they_were_made(kernel: &mut dyn IpSets) {
    assert_eq!(kernel.list().expect("a listing"), []);
    let sets = [clients("a"), IpSet::new("b", Family::Ip6).max_elements(100).hash_size(25)];
    sets.iter().for_each(|set| kernel.create(set).expect("made"));
    let mut listed = kernel.list().expect("a listing");
    listed.sort_by_key(|set| set.name().to_owned());
    assert_eq!(listed, sets);
    assert_eq!(kernel.members("a").expect("its elements"), []);
}

fn are_made_once(kernel: &mut dyn IpSets) {
    kernel.create(&clients("a")).expect("made");
    // It may have become larger.
    kernel.create(&clients("a").hash_size(64)).expect("there");
    assert_eq!(kernel.list().expect("a listing"), [clients("a")]);
    kernel.flush("a").expect("emptied");
}

fn of_other_settings_are_refused(kernel: &mut dyn IpSets) {
    kernel.create(&clients("a")).expect("made");
    let error = kernel.create(&clients("a").max_elements(7)).expect_err("another of this name");
    assert!(error.is_exists() && error.object() == "set a", "{error}");
    assert_eq!(kernel.list().expect("a listing"), [clients("a")]);
}

fn are_destroyed_once(kernel: &mut dyn IpSets) {
    kernel.create(&clients("a")).expect("made");
    kernel.create(&clients("b")).expect("made");
    assert!(kernel.destroy("a").expect("destroyed"));
    assert!(!kernel.destroy("a").expect("gone"));
    assert_eq!(kernel.list().expect("a listing"), [clients("b")]);
}

fn that_are_not_there_are_named(kernel: &mut dyn IpSets) {
    for error in [kernel.flush("a").expect_err("none"), kernel.members("a").expect_err("none")] {
        assert!(error.is_not_found() && error.object() == "set a", "{error}");
    }
}

fn are_as_many_as_one_likes(kernel: &mut dyn IpSets) {
    // More than ip_set has room for in the beginning, and more than fit one datagram.
    let names: Vec<_> = (100..500).map(|number| format!("set-{number}")).collect();
    names.iter().for_each(|name| kernel.create(&clients(name).hash_size(64)).expect("made"));
    let mut listed: Vec<_> =
        kernel.list().expect("a listing").iter().map(|set| set.name().to_owned()).collect();
    listed.sort_unstable();
    assert_eq!(listed, names);
}
