//! A list and a watch of an API server, a line feed between them: what comes of them does not depend on where frames are cut.
#![cfg_attr(fuzzing, no_main)]

use svc_model::{Kind, kube};

fuzz::target!(|bytes| {
    let [choice, bytes @ ..] = bytes else { return };
    let kinds = [Kind::Service, Kind::EndpointSlice, Kind::Ingress, Kind::Node, Kind::Pod, Kind::Secret];
    let kind = kinds[usize::from(*choice) % kinds.len()];
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (list, watch) = bytes.split_at(at);
    let pieces: Vec<&[u8]> = watch.chunks(1 + usize::from(*choice) / kinds.len()).collect();
    let (whole, cut) = (kube::replay(kind, list, &[watch]), kube::replay(kind, list, &pieces));
    assert_eq!((whole.0.objects(), whole.1), (cut.0.objects(), cut.1), "wherever it is cut");
});
