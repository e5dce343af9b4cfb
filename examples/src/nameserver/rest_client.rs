//! What was asked of the API server, as CoreDNS tells it.

use svc_model::kube::Requests;

/// Lines for Prometheus. There is no limit to requests here, so none of how long one kept them waiting.
pub(super) fn lines(requests: &Requests) -> Vec<String> {
    const NAME: &str = "coredns_kubernetes_rest_client";
    let host = &requests.host;
    let code = |code: &Option<u16>| code.map_or("<error>".to_owned(), |code| code.to_string());
    let answers = requests.answers.iter().map(|(answer, count)| {
        let code = code(answer);
        format!("{NAME}_requests_total{{code=\"{code}\",method=\"GET\",host=\"{host}\"}} {count}")
    });
    let mut lines: Vec<String> = answers.collect();
    let labels = format!("verb=\"GET\",host=\"{host}\"");
    let mut below = 0;
    let bounds = Requests::BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(requests.durations) {
        below += count;
        lines.push(format!("{NAME}_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {below}"));
    }
    lines.push(format!("{NAME}_request_duration_seconds_sum{{{labels}}} {}", requests.seconds));
    lines.push(format!("{NAME}_request_duration_seconds_count{{{labels}}} {below}"));
    lines
}
