//! What kube-proxy wants of connection tracking as a whole.

use std::time::Duration;

/// `conntrack`: sizes and timeouts. They are the kernel's settings below `net/netfilter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conntrack {
    pub(super) max_per_core: u32,
    pub(super) min: u32,
    pub(super) tcp_established: Option<Duration>,
    pub(super) tcp_close_wait: Option<Duration>,
    pub(super) tcp_be_liberal: bool,
    pub(super) udp: Option<Duration>,
    pub(super) udp_stream: Option<Duration>,
}

/// kube-proxy's defaults.
impl Default for Conntrack {
    fn default() -> Self {
        Self {
            max_per_core: 32 * 1024,
            min: 128 * 1024,
            tcp_established: Some(Duration::from_secs(24 * 3600)),
            tcp_close_wait: Some(Duration::from_secs(3600)),
            tcp_be_liberal: false,
            udp: None,
            udp_stream: None,
        }
    }
}

impl Conntrack {
    /// The settings with the values that they have at least on a machine of so many processors. What is 0 in the file is left
    /// alone; kube-proxy never lowers a value that is there, and neither does [`SysctlPolicy::Set`](crate::SysctlPolicy::Set).
    #[must_use]
    pub fn at_least(&self, processors: usize) -> Vec<(&'static str, u64)> {
        let processors = u64::try_from(processors).unwrap_or(u64::MAX);
        let most = u64::from(self.max_per_core).saturating_mul(processors).max(u64::from(self.min));
        let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs());
        let settings = [
            ("net/netfilter/nf_conntrack_max", (self.max_per_core > 0).then_some(most)),
            ("net/netfilter/nf_conntrack_tcp_timeout_established", seconds(self.tcp_established)),
            ("net/netfilter/nf_conntrack_tcp_timeout_close_wait", seconds(self.tcp_close_wait)),
            ("net/netfilter/nf_conntrack_tcp_be_liberal", Some(u64::from(self.tcp_be_liberal))),
            ("net/netfilter/nf_conntrack_udp_timeout", seconds(self.udp)),
            ("net/netfilter/nf_conntrack_udp_timeout_stream", seconds(self.udp_stream)),
        ];
        let said = settings.into_iter().filter_map(|(name, value)| Some((name, value?)));
        said.filter(|(_, value)| *value > 0).collect()
    }
}
