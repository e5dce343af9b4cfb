use super::{lock, refusal, version};

#[test]
fn versions_are_read_with_and_without_a_patch() {
    assert_eq!(version("1.8.9"), Some((1, 8, 9)));
    assert_eq!(version("1.6"), Some((1, 6, 0)));
    assert_eq!(version("1.4.21-rc1"), Some((1, 4, 21)));
    assert_eq!(version("x"), None);
}

/// As the programs of 1.8.9 say it.
#[test]
fn the_line_and_the_reason_are_found_in_what_programs_say() {
    for (stderr, line, message) in [
        (
            "iptables-restore v1.8.9 (legacy): Couldn't load target `KUBE-NOWHERE':No such file or directory\n\n\
             Error occurred at line: 3\nTry `iptables-restore -h' or 'iptables-restore --help' for more information.\n",
            Some(3),
            "Couldn't load target `KUBE-NOWHERE':No such file or directory",
        ),
        ("iptables-restore: line 7 failed\n", Some(7), "line 7 failed"),
        (
            "iptables-nft-restore v1.8.9 (nf_tables): \nline 6: RULE_APPEND failed (Invalid argument): rule in chain KUBE-A\n",
            Some(6),
            "line 6: RULE_APPEND failed (Invalid argument): rule in chain KUBE-A",
        ),
        ("# Warning: iptables-legacy tables present\n", None, "it does not say why"),
    ] {
        assert_eq!(refusal::line(stderr), line, "{stderr}");
        assert_eq!(refusal::message(stderr), message);
    }
}

#[test]
fn the_holder_of_a_lock_is_who_has_it_not_who_waits() {
    let locks = "1: FLOCK  ADVISORY  WRITE 1234 00:1a:5678 0 EOF\n\
                 1: -> FLOCK  ADVISORY  WRITE 99 00:1a:5679 0 EOF\n\
                 2: FLOCK  ADVISORY  WRITE 4321 00:1a:5679 0 EOF\n\
                 3: POSIX  ADVISORY  WRITE 0 00:1a:5680 0 EOF\n";
    let device = nix::sys::stat::makedev(0, 0x1a);
    assert_eq!(lock::held_by(locks, device, 5678), Some(1234));
    assert_eq!(lock::held_by(locks, device, 5679), Some(4321));
    assert_eq!(lock::held_by(locks, device, 5680), None);
}
