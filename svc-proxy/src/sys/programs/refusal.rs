//! What the programs say when they fail. There is no errno: the exit code tells little, and the rest is text.

use super::process::Output;
use crate::iptables::{Cause, Change, Error};

/// `RESOURCE_PROBLEM` of `xtables.h`: a lock, a permission; in the nft variant also what the kernel refuses.
const RESOURCE_PROBLEM: i32 = 4;

/// Somebody else held the lock for all the time that was waited.
pub(super) fn is_locked(output: &Output) -> bool {
    output.status.code() == Some(RESOURCE_PROBLEM) && output.stderr.contains("xtables lock")
}

/// Why a program failed that was given this.
pub(super) fn of(program: &str, output: &Output, change: Option<&Change>) -> Error {
    let message = message(&output.stderr);
    let says = |words: &[&str]| words.iter().any(|word| output.stderr.contains(word));
    if says(&["Permission denied", "Operation not permitted", "you must be root"]) {
        return Error::new(program, Cause::Denied(message));
    }
    if says(&["Message too long"]) {
        return Error::new(program, Cause::TooLarge);
    }
    let line = line(&output.stderr);
    let text = line.and_then(|line| Some(change?.text().lines().nth(line.checked_sub(1)?)?.to_owned()));
    let cause = match (line, text) {
        // Not what is in a table: the table itself.
        (Some(_), Some(table)) if table.starts_with('*') => Cause::Failed {
            status: format!("there is no table {} in this kernel (`modprobe`)", &table[1..]),
            message,
        },
        (Some(line), text) => Cause::Refused { line, text, message },
        (None, _) => Cause::Failed { status: output.status.to_string(), message },
    };
    Error::new(program, cause)
}

/// What it says without its name, warnings and how to get help.
pub(super) fn message(stderr: &str) -> String {
    let noise = ["#", "Try `", "Error occurred at line"];
    let lines =
        stderr.lines().map(str::trim).filter(|line| !noise.iter().any(|noise| line.starts_with(noise)));
    let said = lines.map(|line| match line.split_once(": ") {
        Some((program, said)) if program.starts_with("ip") && !program.contains('`') => said,
        _ => line.trim_end_matches(':'),
    });
    let said: Vec<&str> = said.filter(|said| !said.is_empty() && !said.starts_with("ip")).collect();
    if said.is_empty() { "it does not say why".to_owned() } else { said.join("; ") }
}

/// `Error occurred at line: 3`, `line 7 failed`, `line 6: RULE_APPEND failed (Invalid argument)`
pub(super) fn line(stderr: &str) -> Option<usize> {
    stderr.match_indices("line").find_map(|(at, word)| {
        let rest = stderr[at + word.len()..].trim_start_matches(':').strip_prefix(' ')?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}
