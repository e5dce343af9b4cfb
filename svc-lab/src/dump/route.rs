//! One line for a route.

use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteType, RouteVia,
};

use super::{Names, name_of, push};

/// linux/rtnetlink.h
const RT_TABLE_LOCAL: u32 = 255;

/// `None` for what the kernel keeps by itself: the local table and cached routes.
pub(super) fn line(route: &RouteMessage, names: &Names) -> Option<String> {
    let table = table(route);
    if table == RT_TABLE_LOCAL || route.header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let mut line = destination(route);
    attributes(&mut line, &route.attributes, names);
    if route.header.flags.contains(RouteFlags::Onlink) {
        line.push_str(" onlink");
    }
    push(&mut line, "table", table);
    push(&mut line, "proto", route.header.protocol);
    push(&mut line, "scope", route.header.scope);
    Some(line)
}

fn table(route: &RouteMessage) -> u32 {
    let table = route.attributes.iter().find_map(|it| match it {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    table.unwrap_or_else(|| route.header.table.into())
}

fn destination(route: &RouteMessage) -> String {
    let kind = match route.header.kind {
        RouteType::Unicast => String::new(),
        other => format!("{other:?} ").to_lowercase(),
    };
    let destination = route.attributes.iter().find_map(|it| match it {
        RouteAttribute::Destination(it) => Some(text(it)),
        _ => None,
    });
    match destination {
        Some(destination) => format!("{kind}{destination}/{}", route.header.destination_prefix_length),
        None => format!("{kind}default {:?}", route.header.address_family),
    }
}

fn attributes(line: &mut String, attributes: &[RouteAttribute], names: &Names) {
    for attribute in attributes {
        match attribute {
            RouteAttribute::Gateway(it) => push(line, "via", text(it)),
            RouteAttribute::Via(RouteVia::Inet(it)) => push(line, "via", it),
            RouteAttribute::Via(RouteVia::Inet6(it)) => push(line, "via", it),
            RouteAttribute::Oif(index) => push(line, "dev", name_of(names, *index)),
            RouteAttribute::PrefSource(it) => push(line, "src", text(it)),
            RouteAttribute::Priority(metric) => push(line, "metric", metric),
            RouteAttribute::MultiPath(hops) => hops.iter().for_each(|it| next_hop(line, it, names)),
            _ => {}
        }
    }
}

fn next_hop(line: &mut String, hop: &RouteNextHop, names: &Names) {
    push(line, "nexthop dev", name_of(names, hop.interface_index));
    attributes(line, &hop.attributes, names);
}

fn text(address: &RouteAddress) -> String {
    match address {
        RouteAddress::Inet(it) => it.to_string(),
        RouteAddress::Inet6(it) => it.to_string(),
        other => format!("{other:?}"),
    }
}
