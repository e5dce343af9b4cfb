//! A responder over a small cluster, and what holds for all that it says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;

use hickory_proto::op::Message;
use svc_dns::message::Rcode;
use svc_dns::{Client, Forward, Outcome, PodRecords, Responder, Zone};
use svc_model::yaml;

/// It may transfer zones.
pub const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

const CLUSTER: &str = include_str!("../../svc-dns/src/responder/cluster.yaml");

static RESPONDER: LazyLock<Responder> = LazyLock::new(|| {
    let zone = Zone::builder("cluster.local")
        .multicluster("clusterset.local")
        .reverse("10.0.0.0/8")
        .reverse("fd00::/8");
    let zone = zone.pods(PodRecords::Insecure).zonal(true).transfer_to("127.0.0.1").reverse_fallthrough(true);
    let snapshot = yaml::read(CLUSTER).stored().0.into_iter().collect();
    Responder::new(zone.build().expect("a zone"), &snapshot).forwarding(true)
});

/// Gives the responder a message.
///
/// # Panics
/// If it says something that cannot be read, or that answers nothing.
pub fn answer(bytes: &[u8], client: Client) {
    let mut out = Vec::new();
    match RESPONDER.respond(bytes, client, &mut out) {
        Outcome::Answer => read(bytes, &out),
        Outcome::Forward(forward) => finish(bytes, &forward),
        Outcome::Transfer(mut transfer) => {
            while transfer.next_message(&mut out) {
                read(bytes, &out);
            }
        }
        _ => {}
    }
}

/// What if the upstream server sends the same bytes back, or nothing?
fn finish(bytes: &[u8], forward: &Forward) {
    let mut out = Vec::new();
    let mut echo = forward.query(0);
    echo[2] |= 0x80;
    for reply in [Ok(echo.as_slice()), Ok(bytes), Err(Rcode::SERVFAIL), Err(Rcode::REFUSED)] {
        forward.finish(reply, &mut out);
        assert_eq!(out[..2], bytes[..2], "the id");
    }
    read(bytes, &out);
}

fn read(bytes: &[u8], answer: &[u8]) {
    assert!(bytes[2] & 0x80 == 0 && answer[2] & 0x80 != 0, "an answer, and not to an answer");
    assert_eq!(bytes[..2], answer[..2], "the id");
    Message::from_vec(answer).expect("a message");
}
