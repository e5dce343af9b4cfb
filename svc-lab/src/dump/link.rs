//! One line for a link: what somebody set, nothing that happens to it.

use netlink_packet_route::link::{
    InfoBridge, InfoBridgePort, InfoData, InfoPortData, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage,
};

use super::{Names, mac, name_of, push};

pub(super) fn name(link: &LinkMessage) -> String {
    let name = link.attributes.iter().find_map(|it| match it {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    name.unwrap_or_default()
}

pub(super) fn line(link: &LinkMessage, names: &Names) -> String {
    let mut line = name(link);
    for (flag, word) in
        [(LinkFlags::Up, " up"), (LinkFlags::Promisc, " promisc"), (LinkFlags::Noarp, " noarp")]
    {
        if link.header.flags.contains(flag) {
            line.push_str(word);
        }
    }
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::Address(bytes) => push(&mut line, "lladdr", mac(bytes)),
            LinkAttribute::Mtu(mtu) => push(&mut line, "mtu", mtu),
            LinkAttribute::TxQueueLen(length) => push(&mut line, "qlen", length),
            LinkAttribute::Controller(index) => push(&mut line, "master", name_of(names, *index)),
            LinkAttribute::IfAlias(alias) => push(&mut line, "alias", alias),
            LinkAttribute::LinkInfo(info) => info.iter().for_each(|it| kind(&mut line, it, names)),
            _ => {}
        }
    }
    line
}

fn kind(line: &mut String, info: &LinkInfo, names: &Names) {
    match info {
        LinkInfo::Kind(kind) => push(line, "type", kind),
        LinkInfo::Data(InfoData::Vxlan(vxlan)) => vxlan.iter().for_each(|it| vxlan_option(line, it, names)),
        LinkInfo::Data(InfoData::Bridge(bridge)) => {
            bridge.iter().filter(|it| is_set_on_bridge(it)).for_each(|it| option(line, it));
        }
        LinkInfo::PortData(InfoPortData::BridgePort(port)) => {
            port.iter().filter(|it| is_set_on_port(it)).for_each(|it| option(line, it));
        }
        _ => {}
    }
}

fn vxlan_option(line: &mut String, option: &InfoVxlan, names: &Names) {
    match option {
        InfoVxlan::Id(it) => push(line, "id", it),
        InfoVxlan::Group(it) => push(line, "group", it),
        InfoVxlan::Group6(it) => push(line, "group", it),
        InfoVxlan::Link(it) => push(line, "dev", name_of(names, *it)),
        InfoVxlan::Local(it) => push(line, "local", it),
        InfoVxlan::Local6(it) => push(line, "local", it),
        InfoVxlan::Port(it) => push(line, "dstport", it),
        InfoVxlan::Learning(it) => push(line, "learning", it),
        InfoVxlan::Ageing(it) => push(line, "ageing", it),
        _ => {}
    }
}

fn option(line: &mut String, option: &dyn std::fmt::Debug) {
    push(line, &format!("{option:?}"), "");
    line.truncate(line.trim_end().len());
}

fn is_set_on_bridge(option: &InfoBridge) -> bool {
    use InfoBridge as B;
    matches!(
        option,
        B::StpState(_)
            | B::AgeingTime(_)
            | B::VlanFiltering(_)
            | B::MulticastSnooping(_)
            | B::NfCallIpTables(_)
            | B::NfCallIp6Tables(_)
            | B::NfCallArpTables(_)
    )
}

fn is_set_on_port(option: &InfoBridgePort) -> bool {
    use InfoBridgePort as P;
    matches!(
        option,
        P::HairpinMode(_)
            | P::Guard(_)
            | P::Isolated(_)
            | P::Learning(_)
            | P::NeighSupress(_)
            | P::ProxyARP(_)
            | P::UnicastFlood(_)
    )
}
