//! Booting an image, and reading what was written to the serial line.

use std::path::Path;

use super::kernel::Kernel;
use crate::call::Call;
use crate::workspace::Workspace;

/// Far more than a run takes even where twenty programs wait for a processor (a quarter of an hour), so that a hung machine ends
/// the stage rather than the day.
const SECONDS: &str = "2400";

/// What a machine wrote, line by line.
#[derive(Debug)]
pub(crate) struct Transcript {
    lines: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, kernel: &Kernel, image: &Path) -> anyhow::Result<Transcript> {
    let qemu = Call::parse("timeout --kill-after=10").arg(SECONDS).args(&["qemu-system-x86_64"]);
    let qemu = qemu
        .args(&["-machine", "q35", "-cpu", "max", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "2048"])
        .args(&["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-nic", "none"])
        .args(&["-append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off"])
        .arg("-kernel")
        .arg(kernel.image().to_string_lossy())
        .arg("-initrd")
        .arg(image.to_string_lossy());
    Ok(Transcript { lines: qemu.tagged(kernel.release()).listen(workspace)? })
}

impl Transcript {
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The machine went through all its suites and switched itself off.
    pub(crate) fn is_complete(&self) -> bool {
        self.lines.iter().any(|line| line == "VM DONE")
    }

    /// The suites that ended well.
    pub(crate) fn passed(&self) -> impl Iterator<Item = &str> {
        self.ends().filter(|(_, status)| *status == "0").map(|(name, _)| name)
    }

    /// The suites that did not, among them one that never ended.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &str> {
        let begun = self.lines.iter().filter_map(|line| line.strip_prefix("VM BEGIN "));
        begun.filter(|name| !self.passed().any(|passed| passed == *name))
    }

    fn ends(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(|line| line.strip_prefix("VM END ")?.split_once(' '))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(lines: &[&str]) -> Transcript {
        Transcript { lines: lines.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn a_suite_that_never_ended_has_failed() {
        let run = transcript(&["VM BEGIN a", "VM END a 0", "VM BEGIN b", "VM END b 101", "VM BEGIN c"]);
        assert_eq!(run.passed().collect::<Vec<_>>(), ["a"]);
        assert_eq!(run.failed().collect::<Vec<_>>(), ["b", "c"]);
        assert!(!run.is_complete());
        assert!(transcript(&["VM DONE"]).is_complete());
    }
}
