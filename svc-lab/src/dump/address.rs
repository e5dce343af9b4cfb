//! One line for an address.

use netlink_packet_route::address::{AddressAttribute, AddressMessage};

use super::{Names, name_of, push};

pub(super) fn line(address: &AddressMessage, names: &Names) -> String {
    let header = &address.header;
    let mut line = name_of(names, header.index);
    for attribute in &address.attributes {
        match attribute {
            AddressAttribute::Address(it) => {
                push(&mut line, "inet", format_args!("{it}/{}", header.prefix_len))
            }
            AddressAttribute::Local(it) => push(&mut line, "local", it),
            AddressAttribute::Broadcast(it) => push(&mut line, "brd", it),
            _ => {}
        }
    }
    push(&mut line, "scope", header.scope);
    line
}
