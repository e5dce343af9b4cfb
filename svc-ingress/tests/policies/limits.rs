use super::harness::{Backend, Nginx, Ours, echo, is_installed, same};

#[test]
fn as_many_requests_pass_as_with_nginx() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let backend = Backend::new(echo);
    let rows: [(&[&str], &str, &str); 4] = [
        // A rate so slow that nothing leaks while curl starts a dozen times.
        (&["limit-rpm: '1'"], "rate=1r/m", "burst=5"),
        (&["limit-rpm: '1'", "limit-burst-multiplier: '3'"], "rate=1r/m", "burst=3"),
        (&["limit-rpm: '1'", "limit-burst-multiplier: '1'"], "rate=1r/m", "burst=1"),
        // Limits come before addresses: who is refused is counted too.
        (&["limit-rpm: '1'", "denylist-source-range: 127.0.0.1"], "rate=1r/m", "burst=5"),
    ];
    for (annotations, rate, burst) in rows {
        let denies = annotations.iter().any(|line| line.starts_with("denylist"));
        let (deny, first) = if denies { ("deny 127.0.0.1;", 403) } else { ("", 200) };
        let ours = Ours::new(annotations, backend.address, "");
        let nginx = Nginx::new(
            &format!("limit_req_zone $binary_remote_addr zone=z:1m {rate}; limit_req_status 503;"),
            &format!(
                "location / {{ limit_req zone=z {burst} nodelay; {deny} proxy_pass http://{}; }}",
                backend.address
            ),
            &[],
        );
        let statuses: Vec<_> =
            (0..10).map(|_| same(&ours, &nginx, "/", &[], &["retry-after"]).status).collect();
        assert!(statuses[0] == first && statuses[9] == 503, "{annotations:?} {statuses:?}");
    }
}
