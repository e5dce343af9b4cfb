//! Bytes as the nft program sends them for the same thing, apart from registers' numbers.

use crate::*;

fn id() -> TableId {
    TableId::new(Family::Ip, "t")
}

/// The bytes of a message of this number, begin being 0, from its attributes on.
fn attributes(batch: &Batch, number: usize) -> Vec<u8> {
    let bytes = batch.encode().expect("a netlink form").to_bytes();
    let message = super::message::split(&bytes).nth(number).expect("a message");
    message.payload[4..].to_vec()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex"))
        .collect()
}

#[test]
fn a_batch_begins_and_ends_and_asks_for_one_acknowledgement() {
    let mut batch = Batch::new();
    batch.add_table(&id()).delete_table(&id());
    let encoded = batch.encode().expect("a netlink form");
    let expected = hex("
        14000000 1000 0100 00000000 00000000 00 00 000a
        24000000 000a 0104 01000000 00000000 02 00 0000  0600 0100 7400 0000  0800 0200 00000000
        1c000000 020a 0500 02000000 00000000 02 00 0000  0600 0100 7400 0000
        14000000 1100 0100 03000000 00000000 00 00 000a");
    assert_eq!(encoded.to_bytes(), expected);
    assert_eq!(encoded.pieces().collect::<Vec<_>>(), [&expected]);
}

#[test]
fn a_verdict_map_is_declared_by_its_expressions() {
    let set = Set::vmap("m", [Expr::IpDaddr, Expr::L4Proto, Expr::ThDport]).comment("hello");
    let mut batch = Batch::new();
    batch.add_table(&id()).add_set(&id(), &set);
    let expected = hex("
        0600 0100 7400 0000  0600 0200 6d00 0000  0800 0300 00000008
        0800 0400 0000730d  0800 0500 0000000c  0800 0600 ffffff00  0800 0700 00000000
        0800 0a00 00000001
        6e00 0d00
        00 04 00000000  01 04 00000000
        03 44  00 04 0d000000  01 3c
            00 14  00 04 07000000  01 0c 00 04 0c000000 01 04 0c000000
            01 0e  00 04 09000000  01 06 00 04 10000000
            02 14  00 04 07000000  01 0c 00 04 0b000000 01 04 02000000
        04 08  00 04 01000000  01 00
        06 04 00000000
        07 06  68656c6c6f00  0000");
    assert_eq!(attributes(&batch, 2), expected);
}

#[test]
fn an_element_leads_to_a_chain() {
    let set = Set::vmap("m", [Expr::IpDaddr, Expr::L4Proto, Expr::ThDport]);
    let key = [Value::Ipv4([10, 0, 0, 1].into()), L4Proto::TCP.into(), Value::Port(80)];
    let mut batch = Batch::new();
    batch.add_elements(&id(), &set, [Element::mapping(key, Verdict::goto("c2"))]);
    let expected = hex("
        0600 0100 7400 0000  0600 0200 6d00 0000
        3400 0380  3000 0180
            1400 0180  1000 0100 0a000001 06000000 00500000
            1800 0280  1400 0280  0800 0100 fffffffc  0700 0200 633200 00");
    assert_eq!(attributes(&batch, 1), expected);
}

#[test]
fn a_network_ends_where_the_next_address_begins() {
    let set = Set::new("s", DataType::Ipv4Addr).flag(SetFlag::Interval);
    let net = |text: &str| Element::new(Value::from(text.parse::<ipnet::IpNet>().expect("a network")));
    let mut batch = Batch::new();
    batch.add_elements(&id(), &set, [net("10.0.0.0/8"), net("255.0.0.0/8")]);
    let expected = hex("
        0600 0100 7400 0000  0600 0200 7300 0000
        4400 0380
            1000 0180  0c00 0180  0800 0100 0a000000
            1800 0180  0800 0300 00000001  0c00 0180  0800 0100 0b000000
            1000 0180  0c00 0180  0800 0100 ff000000");
    assert_eq!(attributes(&batch, 1)[..16], expected[..16]);
    assert_eq!(attributes(&batch, 1)[20..], expected[20..]);
}

#[test]
fn too_long_a_key_is_refused_before_it_is_sent() {
    let key = [Expr::Ip6Saddr, Expr::Ip6Daddr, Expr::Iifname, Expr::Oifname, Expr::Mark];
    let mut batch = Batch::new();
    batch.add_table(&id()).add_rule(&id(), "c", [Statement::lookup(key, "s")]);
    let error = batch.encode().expect_err("refused");
    assert_eq!(error.command(), Some(1));
    assert_eq!(
        error.to_string(),
        "add rule ip t c ip6 saddr . ip6 daddr . iifname . oifname . meta mark @s: the key and data are longer than \
         the 64 bytes of registers: use fewer parts"
    );
}

#[test]
fn the_key_of_a_sticky_ipv6_client_and_its_endpoint_fit_the_registers() {
    let client = [Expr::Ip6Saddr, Expr::Ip6Daddr, Expr::L4Proto, Expr::ThDport];
    let drawn = Source::map(
        [Expr::Ip6Daddr, Expr::L4Proto, Expr::ThDport, Expr::numgen_random(9)],
        "endpoints",
        [DataType::Ipv6Addr, DataType::InetService],
    );
    let mut batch = Batch::new();
    batch.add_rule(&id(), "c", [Statement::update_map("affinity", client, drawn)]);
    assert!(batch.encode().is_ok());
}

#[test]
fn a_name_that_no_interface_has_is_refused_before_it_is_sent() {
    let name = || Value::IfName("sixteen-bytes-xx".into());
    let mut batch = Batch::new();
    batch.add_elements(&id(), &Set::new("s", DataType::IfName), [Element::new(name())]);
    assert!(batch.encode().expect_err("refused").to_string().ends_with("at most 15 bytes"));
    let mut batch = Batch::new();
    batch.add_rule(&id(), "c", [Statement::eq(Expr::Iifname, name())]);
    assert!(batch.encode().expect_err("refused").to_string().ends_with("at most 15 bytes"));
}
