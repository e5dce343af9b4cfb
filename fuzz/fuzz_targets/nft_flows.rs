//! What a kernel says of its flows: what is understood can be said again and is understood alike.
#![cfg_attr(fuzzing, no_main)]

use svc_nft::conntrack::Flow;

fuzz::target!(|bytes| {
    for flow in Flow::parse_all(bytes) {
        assert_eq!(
            Flow::parse_all(&flow.emit()).next().map(|again| again.to_string()),
            Some(flow.to_string())
        );
    }
});
