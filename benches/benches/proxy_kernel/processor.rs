//! Processor time: what counts where others use the machine too.

use std::time::Duration;

/// The processor time of all processes that this one has waited for (proc(5): cutime and cstime, in 1/100 s).
pub(crate) fn children() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or_default().split(' ').skip(13).take(2);
    Duration::from_millis(fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() * 10)
}
