//! What work costs this process and the programs that it runs.

use std::fmt;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};

/// Processor time of all, and by the clock on the wall.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    processor: Duration,
    begun: Instant,
    wall: Duration,
}

impl Cost {
    pub(crate) fn now() -> Self {
        let own = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("a clock");
        let children = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a usage");
        let seconds = |time: nix::sys::time::TimeVal| {
            Duration::from_micros(
                u64::try_from(nix::sys::time::TimeValLike::num_microseconds(&time)).unwrap_or(0),
            )
        };
        let processor = Duration::from(own) + seconds(children.user_time()) + seconds(children.system_time());
        Self { processor, begun: Instant::now(), wall: Duration::ZERO }
    }

    pub(crate) fn since(self) -> Self {
        let now = Self::now();
        Self { processor: now.processor - self.processor, wall: now.begun - self.begun, ..now }
    }
}

pub(crate) fn measure(work: impl FnOnce()) -> Cost {
    let cost = Cost::now();
    work();
    cost.since()
}

/// Our cost and another's, round by round. Displays medians, and those of the rounds' ratios.
#[derive(Default)]
pub(crate) struct Pairs(Vec<(Cost, Cost)>);

impl Pairs {
    pub(crate) fn add(&mut self, ours: Cost, theirs: Cost) {
        self.0.push((ours, theirs));
    }

    fn cells(&self, of: impl Fn(&Cost) -> f64) -> String {
        let median = |of: &dyn Fn(&(Cost, Cost)) -> f64| {
            let mut all: Vec<f64> = self.0.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        format!(
            "{:.1} ms | {:.1} ms | {:.2} x",
            median(&|(ours, _)| of(ours) * 1e3),
            median(&|(_, theirs)| of(theirs) * 1e3),
            median(&|(ours, theirs)| of(ours) / of(theirs))
        )
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processor = self.cells(|cost| cost.processor.as_secs_f64());
        write!(f, "{processor} | {}", self.cells(|cost| cost.wall.as_secs_f64()))
    }
}
