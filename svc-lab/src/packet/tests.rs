use super::*;

/// Captured in a lab: two hosts, each with a VXLAN device, as flannel sets them up.
const ARP_REQUEST: &str =
    "ffffffffffff02000000000108060001080006040001020000000001c6120001000000000000c6120002";
const VXLAN_SYN_ACK: &str = "02000000000102000000000208004500006eb8610000401135f6c6120002c6120001e27a2118005a10fc0\
    80000000000010002111111111102222222222208004500003c0000400040061dd50af402000af4050000509f6093a3aa2ce53f299aa012fb\
    341d160000020405820402080a65a7c07fdc5046950103030a";
const TCP_RESET: &str = "020000000001020000000002080045000028000040004006aea8c6120002c61200010051ac6e00000000fa768c5f\
    50140000f0120000";
const UDP: &str = "02000000000202000000000108004500001ea4d44000401109d3c6120001c6120002845d0035000a8c436869";
const ICMP_UNREACHABLE: &str = "020000000001020000000002080045c0003ab7e10000400135fac6120002c6120001030383b3000000004\
    500001ea4d44000401109d3c6120001c6120002845d0035000a8c436869";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn packet(hex: &str) -> Packet {
    Packet::parse(&bytes(hex)).unwrap()
}

#[test]
fn each_is_one_line_as_tcpdump_writes_it() {
    let lines = [
        (
            ARP_REQUEST,
            "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, ARP, request who-has 198.18.0.2 tell 198.18.0.1",
        ),
        (
            VXLAN_SYN_ACK,
            "02:00:00:00:00:02 > 02:00:00:00:00:01, IPv4, 198.18.0.2.57978 > 198.18.0.1.8472: VXLAN, vni 1: \
             02:22:22:22:22:22 > 02:11:11:11:11:11, IPv4, 10.244.2.0.80 > 10.244.5.0.40800: \
             Flags [S.], seq 2476976684, ack 3846121882, length 0",
        ),
        (
            TCP_RESET,
            "02:00:00:00:00:02 > 02:00:00:00:00:01, IPv4, 198.18.0.2.81 > 198.18.0.1.44142: \
             Flags [R.], seq 0, ack 4202073183, length 0",
        ),
        (UDP, "02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4, 198.18.0.1.33885 > 198.18.0.2.53: UDP, length 2"),
        (
            ICMP_UNREACHABLE,
            "02:00:00:00:00:02 > 02:00:00:00:00:01, IPv4, 198.18.0.2 > 198.18.0.1: \
             ICMP destination unreachable, code 3, length 34",
        ),
    ];
    for (hex, line) in lines {
        assert_eq!(packet(hex).to_string(), line);
    }
}

#[test]
fn vxlan_carries_a_packet() {
    let outer = packet(VXLAN_SYN_ACK);
    assert_eq!(outer.udp().unwrap().dst_port, 8472);
    assert_eq!(outer.payload(), b"");
    let vxlan = outer.vxlan().unwrap();
    assert_eq!(vxlan.vni, 1);
    assert_eq!(vxlan.inner.ethernet().src, "02:22:22:22:22:22".parse().unwrap());
    let tcp = vxlan.inner.tcp().unwrap();
    assert!(tcp.flags.syn() && tcp.flags.ack() && !tcp.flags.fin() && !tcp.flags.rst() && !tcp.flags.psh());
    assert_eq!(vxlan.inner.ip().unwrap().ttl, 64);
    assert!(outer.tcp().is_none() && outer.arp().is_none() && outer.icmp().is_none());
}

#[test]
fn padding_is_no_payload() {
    let mut frame = bytes(UDP);
    frame.extend([0; 16]);
    assert_eq!(Packet::parse(&frame).unwrap().payload(), b"hi");
}

#[test]
fn later_fragments_have_no_ports() {
    let mut frame = bytes(UDP);
    frame[21] = 1;
    let packet = Packet::parse(&frame).unwrap();
    assert!(packet.ip().unwrap().is_later_fragment);
    assert!(packet.udp().is_none());
}

#[test]
fn ipv6_extension_headers_are_passed_over() {
    // A multicast listener report, as every link sends it: hop-by-hop options, then ICMPv6.
    let report = packet(
        "33330000001602000000000186dd6000000000240001fe80000000000000000000fffe000001ff0200000000000000000000000000163a\
         000502000001008f0027b80000000104000000ff0200000000000000000001ff000001"
            .replace(char::is_whitespace, "")
            .as_str(),
    );
    assert_eq!(report.ip().unwrap().protocol, IpProtocol::Icmpv6);
    assert_eq!(report.icmp().unwrap().kind, 143);
    assert_eq!(report.malformed(), None);
}

#[test]
fn cut_short_frames_tell_where() {
    let whole = bytes(VXLAN_SYN_ACK);
    assert_eq!(
        Packet::parse(&whole[..10]).unwrap_err().to_string(),
        "Ethernet header cut short at byte 6: 6 bytes wanted, 4 there"
    );
    let cut = Packet::parse(&bytes(UDP)[..30]).unwrap();
    assert_eq!(
        cut.malformed().unwrap().to_string(),
        "IPv4 header cut short at byte 30: 4 bytes wanted, 0 there"
    );
    for length in 14..whole.len() {
        assert!(Packet::parse(&whole[..length]).unwrap().malformed().is_some(), "{length}");
    }
}

#[test]
fn hardware_addresses_are_read_and_written() {
    let mac: Mac = "00:0c:29:9f:4f:5A".parse().unwrap();
    assert_eq!(mac.to_string(), "00:0c:29:9f:4f:5a");
    assert!(Mac::from([1, 0, 0x5e, 0, 0, 1]).is_multicast());
    for wrong in [
        "",
        "00:0c:29:9f:4f",
        "00:0c:29:9f:4f:5a:00",
        "00:0c:29:9f:4f:+a",
        "00-0c-29-9f-4f-5a",
        "0:0:0:0:0:123",
    ] {
        assert!(wrong.parse::<Mac>().is_err(), "{wrong}");
    }
}
