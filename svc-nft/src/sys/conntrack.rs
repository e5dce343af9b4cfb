//! Connection tracking over the same socket.

use super::{Request, Socket};
use crate::Error;
use crate::conntrack::{Conntrack, Filter, Flow, wire};
use crate::wire::uapi::*;

impl Conntrack for Socket {
    fn flows(&mut self, filter: &Filter, show: &mut dyn FnMut(Flow)) -> Result<(), Error> {
        // The kernel looks at tuples only when it is told their family.
        for family in filter.families() {
            let kind = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
            let request = Request { kind, flags: NLM_F_DUMP, family: Some(family) };
            let write = |writer: &mut _| wire::write_filter(filter, writer);
            self.stream(request, ("list", filter), write, |bytes| {
                // Older kernels show more than they are asked for.
                wire::flows(bytes).filter(|flow| filter.admits(flow)).for_each(&mut *show);
            })?;
        }
        Ok(())
    }

    fn forget(&mut self, flow: &Flow) -> Result<bool, Error> {
        let kind = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
        let request = Request { kind, flags: 0, family: Some(wire::family(flow)) };
        let write = |writer: &mut _| wire::write_identity(flow, writer);
        match self.stream(request, ("forget flow", flow), write, |_| {}) {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
