//! What becomes of connections: policy, endpoints, source.

use super::*;

/// What a ClusterIP gives, and what the other addresses give to pods, to the node and to others.
type Verdicts<'a> = (&'a str, &'a [Row], &'a str, [&'a str; 3]);

const EXTERNAL: &str = "type: NodePort";

/// `1,2` for forwarded to either, `reject`, `drop`.
fn shown(verdict: Verdict<'_>) -> String {
    match verdict {
        Verdict::Reject => "reject".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Forward(to) => hosts(to).iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    }
}

fn hold(rows: &[Verdicts<'_>]) {
    for (spec, endpoints, internal, external) in rows {
        let service = service(spec);
        let backends = backends_of(endpoints);
        let selection = select(&service, &service.ports()[0], &backends, Place::new(HERE, Some("east")));
        let states: Vec<_> = endpoints.iter().map(|Row(host, state, node, ..)| (host, state, node)).collect();
        assert_eq!(shown(selection.verdict(Traffic::Internal)), *internal, "{spec} {states:?}");
        let found = [Client::Pod, Client::Node, Client::Outside]
            .map(|client| shown(selection.verdict(Traffic::External(client))));
        assert_eq!(found, *external, "{spec} {states:?}");
    }
}

#[test]
fn without_any_endpoint_everybody_is_refused() {
    for nobody in [&[][..], &[here(1, Starting)], &[there(1, Gone)], &[here(1, Gone), there(2, Starting)]] {
        for spec in [EXTERNAL, INTERNAL_ONLY, EXTERNAL_LOCAL, BOTH_LOCAL] {
            hold(&[(spec, nobody, "reject", ["reject"; 3])]);
        }
    }
}

#[test]
fn policy_cluster_takes_the_cluster_list_whoever_asks() {
    hold(&[
        (EXTERNAL, &[here(1, Ready), there(2, Ready)], "1,2", ["1,2"; 3]),
        (EXTERNAL, &[here(1, Starting), there(2, Ready)], "2", ["2"; 3]),
        (EXTERNAL, &[here(1, Draining), there(2, Ready)], "2", ["2"; 3]),
        (EXTERNAL, &[here(1, Draining), there(2, Draining)], "1,2", ["1,2"; 3]),
        (EXTERNAL, &[zoned(1, Ready, "there", EAST), zoned(2, Ready, HERE, WEST)], "1", ["1"; 3]),
    ]);
}

#[test]
fn internal_policy_local_takes_the_local_list_or_drops() {
    hold(&[
        (INTERNAL_ONLY, &[here(1, Ready), there(2, Ready)], "1", ["1,2"; 3]),
        (INTERNAL_ONLY, &[here(1, Draining), there(2, Ready)], "1", ["2"; 3]),
        (INTERNAL_ONLY, &[here(1, Starting), there(2, Ready)], "drop", ["2"; 3]),
        (INTERNAL_ONLY, &[there(2, Ready)], "drop", ["2"; 3]),
        (INTERNAL_ONLY, &[there(2, Draining)], "drop", ["2"; 3]),
        // of no node at all
        (INTERNAL_ONLY, &[Row(2, Ready, "", &[], &[])], "drop", ["2"; 3]),
        // the ClusterIP is the only address: nothing is there for others
        (INTERNAL_LOCAL, &[here(1, Ready), there(2, Ready)], "1", ["drop"; 3]),
    ]);
}

#[test]
fn external_policy_local_takes_the_local_list_for_the_outside_only() {
    hold(&[
        (EXTERNAL_LOCAL, &[here(1, Ready), there(2, Ready)], "1,2", ["1,2", "1,2", "1"]),
        (EXTERNAL_LOCAL, &[here(1, Draining), there(2, Ready)], "2", ["2", "2", "1"]),
        (EXTERNAL_LOCAL, &[here(1, Starting), there(2, Ready)], "2", ["2", "2", "drop"]),
        (EXTERNAL_LOCAL, &[there(2, Ready)], "2", ["2", "2", "drop"]),
        (EXTERNAL_LOCAL, &[there(2, Draining)], "2", ["2", "2", "drop"]),
        // topology decides for those who may go anywhere, and not for the others
        (
            EXTERNAL_LOCAL,
            &[zoned(1, Ready, HERE, WEST), zoned(2, Ready, "there", EAST)],
            "2",
            ["2", "2", "1"],
        ),
    ]);
}

#[test]
fn both_policies_local() {
    hold(&[
        (BOTH_LOCAL, &[here(1, Ready), there(2, Ready)], "1", ["1,2", "1,2", "1"]),
        (BOTH_LOCAL, &[there(2, Ready)], "drop", ["2", "2", "drop"]),
        (BOTH_LOCAL, &[here(1, Draining), there(2, Ready)], "1", ["2", "2", "1"]),
    ]);
}
