//! Making the kernel forget what is stale.

use svc_nft::conntrack::{Conntrack, Filter};

use crate::Dataplane;
use crate::conntrack::Sweep;

#[cfg(test)]
mod tests;

/// How many flows are remembered at a time while the kernel lists them, however many there are.
const AT_A_TIME: usize = 4096;

/// Forgets all that is stale. How many flows that were.
pub(super) fn forget(kernel: &mut dyn Dataplane, mut sweep: Sweep) -> Result<u64, svc_nft::Error> {
    if sweep.asks_for_local_addresses() {
        // Those of the configuration are known in any case.
        sweep = sweep.with_local_addresses(kernel.local_addresses().unwrap_or_default());
    }
    let mut forgotten = 0;
    for filter in sweep.filters() {
        forgotten += forget_of(kernel.conntrack(), &sweep, &filter)?;
    }
    Ok(forgotten)
}

fn forget_of(kernel: &mut dyn Conntrack, sweep: &Sweep, filter: &Filter) -> Result<u64, svc_nft::Error> {
    let mut forgotten = 0;
    loop {
        let (mut stale, mut more) = (Vec::new(), false);
        kernel.flows(filter, &mut |flow| {
            if !sweep.is_stale(&flow) {
            } else if stale.len() < AT_A_TIME {
                stale.push(flow);
            } else {
                more = true;
            }
        })?;
        let before = forgotten;
        for flow in &stale {
            forgotten += u64::from(kernel.forget(flow)?);
        }
        // Listing again makes sense only as long as the table gets smaller.
        if !more || forgotten == before {
            return Ok(forgotten);
        }
    }
}
