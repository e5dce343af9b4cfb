use super::*;

fn parse(text: &str) -> Result<String, PacketError> {
    text.parse::<Packet>().map(|packet| packet.to_string())
}

#[test]
fn what_is_written_is_read() {
    for (text, canonical) in [
        ("TCP 10.0.0.2 172.30.0.41:80", "TCP 10.0.0.2 172.30.0.41:80"),
        ("udp  fd00::1   [fd00::2]:53", "UDP fd00::1 [fd00::2]:53"),
        ("Sctp 10.0.0.2:4000 172.30.0.41:1", "SCTP 10.0.0.2:4000 172.30.0.41:1"),
        ("tcp [fd00::1]:4000 [fd00::2]:53", "TCP [fd00::1]:4000 [fd00::2]:53"),
    ] {
        assert_eq!(parse(text).unwrap(), canonical);
        assert_eq!(parse(canonical).unwrap(), canonical);
    }
}

#[test]
fn what_cannot_be_is_named() {
    for (text, part) in [
        ("", "not a packet"),
        ("TCP 10.0.0.2", "not a packet"),
        ("TCP 10.0.0.2 10.0.0.3:80 more", "not a packet"),
        ("ICMP 10.0.0.2 10.0.0.3:80", "`ICMP` is not TCP"),
        ("TCP ten 10.0.0.3:80", "source: `ten`"),
        ("TCP 10.0.0.2 10.0.0.3", "destination: `10.0.0.3`"),
        ("TCP 10.0.0.2 10.0.0.3:65536", "destination: `10.0.0.3:65536`"),
        ("TCP 10.0.0.2 fd00::2:80", "destination: `fd00::2:80`"),
        ("TCP 10.0.0.2 [fd00::2]:80", "one is an IPv4 address"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn loopback_is_local_everywhere() {
    let host = Host::new(["172.20.10.2".parse().unwrap()]);
    for (address, local) in [
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("::1", true),
        ("172.20.10.2", true),
        ("172.20.10.3", false),
    ] {
        assert_eq!(host.is_local(address.parse().unwrap()), local, "{address}");
    }
}
