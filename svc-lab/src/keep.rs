//! Keeping a failed lab for a person to look into it.

use std::env;
use std::io::{self, Write as _};

use crate::lab::Lab;

const KEEP: &str = "SVC_LAB_KEEP";

pub(crate) fn is_wanted() -> bool {
    env::var_os(KEEP).is_some_and(|it| !it.is_empty() && it != "0")
}

/// After a failure: keeps the lab until somebody interrupts, or says how to have that.
pub(crate) async fn after_failure(lab: &Lab) {
    let mut stderr = io::stderr();
    if !is_wanted() {
        let _ =
            writeln!(stderr, "note: with {KEEP}=1 a failed lab is kept, and the way into its hosts printed");
        return;
    }
    let _ = writeln!(stderr, "The lab is kept until it is interrupted. The way into its hosts:");
    for (name, command) in lab.nsenter() {
        let _ = writeln!(stderr, "  {name}: {command}");
    }
    std::future::pending().await
}
