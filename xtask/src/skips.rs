//! Tests that skipped themselves: shown at the end of the run, and in CI an error unless they are on the list.

use std::collections::BTreeSet;

use anyhow::bail;

use crate::progress::Progress;
use crate::workspace::in_ci;

const EXPECTED: &str = include_str!("../expected-skips.txt");

/// Notes every skip among `lines`. Where nobody is watching, one that is not on the list is an error: a machine that
/// lost a kernel feature must not go on passing.
pub(crate) fn judge(lines: &[String], progress: &mut Progress) -> anyhow::Result<()> {
    let skips = skips(lines);
    skips.iter().for_each(|skip| progress.note(format!("skipped {skip}")));
    let unexpected: Vec<&str> = skips.into_iter().filter(|skip| !is_expected(skip)).collect();
    if in_ci() && !unexpected.is_empty() {
        bail!("skipped and not in xtask/expected-skips.txt:\n  {}", unexpected.join("\n  "));
    }
    Ok(())
}

/// An error for any skip among `lines`, expected elsewhere or not: for a machine that was made to have everything.
pub(crate) fn forbid(lines: &[String]) -> anyhow::Result<()> {
    let skips: Vec<&str> = skips(lines).into_iter().collect();
    if !skips.is_empty() {
        bail!("skipped where nothing may be missing:\n  {}", skips.join("\n  "));
    }
    Ok(())
}

/// What follows `SKIP` in a test's output (`SKIP <test>: <reason>`), and steps of the tour that the kernel cannot do.
fn skips(lines: &[String]) -> BTreeSet<&str> {
    lines.iter().filter_map(|line| skip(line.trim_start())).collect()
}

fn skip(line: &str) -> Option<&str> {
    let skip = line.strip_prefix("SKIP ").or_else(|| line.strip_prefix("SKIP: "));
    skip.or_else(|| skipped_step(line))
}

/// `step 9 SKIPPED title` is one.
fn skipped_step(line: &str) -> Option<&str> {
    let (number, rest) = line.strip_prefix("step ")?.split_once(' ')?;
    (number.parse::<u32>().is_ok() && rest.starts_with("SKIPPED ")).then_some(line)
}

/// An entry of the list is what the skip's text begins with.
fn is_expected(skip: &str) -> bool {
    let mut entries =
        EXPECTED.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    entries.any(|entry| skip.starts_with(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&str]) -> Vec<String> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        skips(&lines).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_skip_is_found_however_the_harness_prints_it() {
        let lines =
            ["test a ... ok", "SKIP rules::listing: nft is not installed", "  SKIP: no vxlan", "SKIPPED c"];
        assert_eq!(found(&lines), ["no vxlan", "rules::listing: nft is not installed"]);
    }

    #[test]
    fn what_is_on_the_list_is_expected_and_nothing_else() {
        assert!(is_expected("program::*: no nft program here (Debian's package has it)"));
        assert!(!is_expected("overlay: this kernel has no vxlan"));
        assert!(!is_expected(""));
    }

    #[test]
    fn what_is_expected_on_a_machine_is_forbidden_in_one_of_ours() {
        let lines = ["SKIP ipvs::what_is_added_is_listed: this kernel has no IPVS".to_owned()];
        assert!(is_expected("ipvs::what_is_added_is_listed: this kernel has no IPVS"));
        assert!(forbid(&lines).is_err());
        assert!(forbid(&["test a ... ok".to_owned()]).is_ok());
    }

    #[test]
    fn a_skipped_step_of_the_tour_is_one_too() {
        assert_eq!(
            found(&["step 9 SKIPPED Proxy modes", "step 1 PASS Definition"]),
            ["step 9 SKIPPED Proxy modes"]
        );
    }
}
