use super::*;

fn set() -> IpSet {
    IpSet::new("SVC-PROXY-AAAA", Family::Ip6).hash_size(5000).max_elements(20_000)
}

/// As Linux 6.18 told of a set that was made so, in answer to `IPSET_CMD_LIST`.
const TOLD: &[u8] = b"\x88\x00\x00\x00\x07\x06\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\
    \x05\x00\x01\x00\x07\x00\x00\x00\x07\x00\x02\x00A5\x00\x00\x0c\x00\x03\x00hash:ip\x00\
    \x05\x00\x05\x00\x02\x00\x00\x00\x05\x00\x04\x00\x05\x00\x00\x00\x06\x00\x0b@\x00\x05\x00\x00\
    <\x00\x07\x80\x08\x00\x12@\x00\x00\x04\x00\x08\x00\x13@\x00\x01\x00\x00\x08\x00\x19@\x00\x00\x00\x00\
    \x08\x00\x1a@\x00\x00\x00\xd8\x08\x00\x18@\x00\x00\x00\x00\x08\x00\x06@\x00\x00\x00\x00\
    \x08\x00\x08@\x00\x00\x00 \x04\x00\x08\x80";

#[test]
fn what_the_kernel_tells_is_understood() {
    let sets: Vec<_> = IpSet::parse_all(TOLD).collect();
    assert_eq!(sets, [IpSet::new("A5", Family::Ip)]);
}

#[test]
fn sizes_are_what_the_kernel_makes_of_them() {
    assert_eq!(
        set().to_string(),
        "create SVC-PROXY-AAAA hash:ip family inet6 hashsize 8192 maxelem 20000 timeout 0 forceadd"
    );
    assert!(set().hash_size(1).to_string().contains("hashsize 64 "));
}

#[test]
fn elements_are_told_with_the_time_that_is_left() {
    let members = [
        Member::new("10.0.0.1".parse().unwrap(), Duration::from_secs(10_800)),
        Member::new("2001:db8::1".parse().unwrap(), Duration::ZERO),
    ];
    let told = wire::tell(&set(), &members);
    assert_eq!(wire::members(&told).collect::<Vec<_>>(), members);
    assert_eq!(IpSet::parse_all(&told).collect::<Vec<_>>(), [set()]);
}

#[test]
fn text_of_other_sets_is_refused() {
    for text in [
        "",
        "create a hash:net family inet hashsize 64 maxelem 65536 timeout 0 forceadd",
        "create a hash:ip family inet hashsize 65 maxelem 65536 timeout 0 forceadd",
        "create a hash:ip family ip hashsize 64 maxelem 65536 timeout 0 forceadd",
        "create a hash:ip family inet hashsize 64 maxelem 065536 timeout 0 forceadd",
        "create a hash:ip family inet hashsize 64 maxelem 65536 timeout 0 forceadd comment",
    ] {
        assert_eq!(text.parse::<IpSet>(), Err(NoSet), "{text}");
    }
}
