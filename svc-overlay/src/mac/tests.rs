use super::*;

#[test]
fn reads_what_it_prints() {
    let mac: Mac = "2e:57:5F:4d:3f:d4".parse().unwrap();
    assert_eq!(mac.to_string(), "2e:57:5f:4d:3f:d4");
    assert_eq!(mac.to_string().parse(), Ok(mac));
}

#[test]
fn refuses_what_is_not_an_address() {
    for text in ["", "2e:57:5f:4d:3f", "2e:57:5f:4d:3f:d4:00", "+e:57:5f:4d:3f:d4", "2e-57-5f-4d-3f-d4"] {
        assert!(text.parse::<Mac>().is_err(), "{text}");
    }
}

#[test]
fn a_derived_address_is_local_unicast_and_stable() {
    let mac = Mac::derived(&["server2", "10.244.2.0/24"]);
    assert!(mac.is_unicast());
    assert_eq!(mac.octets()[0] & 2, 2);
    assert_eq!(mac, Mac::derived(&["server2", "10.244.2.0/24"]));
    assert_ne!(mac, Mac::derived(&["server", "210.244.2.0/24"]));
}
