use std::net::SocketAddr;

use super::{
    message::{self, Head},
    *,
};
use crate::*;

/// What `ipvsadm -A -t 10.96.0.10:80 -s rr -p 60` would have sent, by `linux/ip_vs.h`.
#[test]
fn a_virtual_server_is_laid_out_as_the_header_says() {
    let id = ServiceId::tcp(SocketAddr::from(([10, 96, 0, 10], 80)));
    let command = Command::AddService(Service::new(id, Scheduler::RR).persistent(60));
    let mut writer = Writer::default();
    message::command(Head { family: 0x1c, flags: 4, sequence: 9 }, &command, &mut writer);
    let mut expected: Vec<u8> = Vec::new();
    expected.extend(100_u32.to_ne_bytes());
    expected.extend(0x1c_u16.to_ne_bytes());
    expected.extend(5_u16.to_ne_bytes()); // NLM_F_REQUEST | NLM_F_ACK
    expected.extend(9_u32.to_ne_bytes());
    expected.extend([0; 4]);
    expected.extend([1, 1, 0, 0]); // IPVS_CMD_NEW_SERVICE, version 1
    let mut attr = |kind: u16, payload: &[u8]| {
        expected.extend(u16::try_from(payload.len() + 4).unwrap().to_ne_bytes());
        expected.extend(kind.to_ne_bytes());
        expected.extend(payload);
        expected.extend(vec![0; payload.len().next_multiple_of(4) - payload.len()]);
    };
    let inside = {
        let mut inside = Vec::new();
        let mut put = |kind: u16, payload: &[u8]| {
            inside.extend(u16::try_from(payload.len() + 4).unwrap().to_ne_bytes());
            inside.extend(kind.to_ne_bytes());
            inside.extend(payload);
            inside.extend(vec![0; payload.len().next_multiple_of(4) - payload.len()]);
        };
        put(1, &2_u16.to_ne_bytes());
        put(2, &6_u16.to_ne_bytes());
        put(3, &[10, 96, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        put(4, &[0, 80]);
        put(6, b"rr\0");
        put(7, &[1, 0, 0, 0, 255, 255, 255, 255]);
        put(8, &60_u32.to_ne_bytes());
        put(9, &[255; 4]);
        inside
    };
    attr(1 | 0x8000, &inside);
    let length = u32::try_from(expected.len()).unwrap();
    expected[..4].copy_from_slice(&length.to_ne_bytes());
    assert_eq!(writer.bytes, expected);
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(parse_service(&[]), Err(Malformed("address family")));
    assert_eq!(
        parse_destination(&[], Family::V4).unwrap_err().to_string(),
        "the kernel's answer has no valid destination address"
    );
}
