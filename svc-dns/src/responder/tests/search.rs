//! Search paths: most of what a name server of a cluster hears.

use super::*;

#[test]
fn a_short_name_is_found_with_the_search_path_of_a_pod() {
    // `search testns.svc.Z svc.Z Z`, `options ndots:5`
    table(
        &responder(),
        &[
            ("svc1, first element", "svc1.testns.svc.Z", A, "NoError | A 10.96.0.1"),
            ("svc1.testns, first element", "svc1.testns.testns.svc.Z", A, NXDOMAIN),
            ("svc1.testns, second element", "svc1.testns.svc.Z", A, "NoError | A 10.96.0.1"),
            ("svc1.testns.svc, third element", "svc1.testns.svc.Z", A, "NoError | A 10.96.0.1"),
        ],
    );
}

#[test]
fn a_foreign_name_behind_the_search_path_does_not_exist() {
    table(
        &responder(),
        &[
            ("api.example.com, first element", "api.example.com.testns.svc.Z", A, NXDOMAIN),
            ("api.example.com, first element", "api.example.com.testns.svc.Z", AAAA, NXDOMAIN),
            ("api.example.com, second element", "api.example.com.svc.Z", A, NXDOMAIN),
            ("api.example.com, third element", "api.example.com.Z", A, NXDOMAIN),
            ("example.com, first element", "example.com.testns.svc.Z", A, NXDOMAIN),
            ("a.b.c.d.e, first element", "a.b.c.d.e.testns.svc.Z", A, NXDOMAIN),
        ],
    );
}

#[test]
fn names_of_the_zone_never_leave() {
    let forwarding = responder().forwarding(true);
    table(
        &forwarding,
        &[
            ("never forward names under Z", "api.example.com.testns.svc.Z", A, NXDOMAIN),
            ("never forward names under Z", "foo.Z", A, NXDOMAIN),
            ("never forward names of the reverse zones", "99.0.96.10.in-addr.arpa", PTR, NXDOMAIN),
        ],
    );
    assert!(ask(&forwarding, "svc1.testns.svc.cluster.local.", A).metadata.recursion_available);
}
