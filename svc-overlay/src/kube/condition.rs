//! The condition of a Node by which Kubernetes learns that pods may come to it. Pure.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use svc_model::Node;

/// While a Node has this with `True`, the control plane keeps pods away from it (NodeNetworkUnavailable in core/v1).
const TYPE: &str = "NetworkUnavailable";
/// flannel's word: who waits for flannel waits for this.
const REASON: &str = "FlannelIsUp";

/// Whether it says that the network is up, in our words.
pub(super) fn is_up(node: &Node) -> bool {
    ours(node).any(|condition| condition.status() == "False")
}

/// Whether it is there, in our words.
pub(super) fn is_there(node: &Node) -> bool {
    ours(node).next().is_some()
}

fn ours(node: &Node) -> impl Iterator<Item = &svc_model::Condition> {
    let conditions = node.conditions().iter();
    conditions.filter(|condition| condition.condition_type() == TYPE && condition.reason() == Some(REASON))
}

/// The strategic merge patch that says so.
pub(super) fn up(now: SystemTime) -> String {
    let now = rfc3339(now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()));
    patch(&json!({
        "type": TYPE, "status": "False", "reason": REASON, "message": "The overlay network runs on this node",
        "lastTransitionTime": now, "lastHeartbeatTime": now,
    }))
}

/// The one that takes it away.
pub(super) fn gone() -> String {
    patch(&json!({"$patch": "delete", "type": TYPE}))
}

fn patch(condition: &Value) -> String {
    json!({"status": {"conditions": [condition]}}).to_string()
}

/// Seconds since 1970 as Kubernetes writes times. Years are counted from March on: the day that leap years add is their last.
fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z", year + era * 400 + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_date_does() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
