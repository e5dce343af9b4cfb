//! Messages encoded before the clock runs, sent many at a time; the kernel answers each with an acknowledgement that is read
//! once a send. Nothing is checked but that nothing was refused: what any program has to do at least.

use std::net::{IpAddr, SocketAddr};

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr as NetlinkAddr};
use svc_ipvs::{Command, Destination, Protocol, ServiceId};

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const ERROR: u16 = 2;
const PIPELINE: usize = 512;

/// What is to be sent.
pub(crate) struct Pipeline {
    sends: Vec<Vec<u8>>,
    family: u16,
}

impl Pipeline {
    /// Virtual servers with the scheduler rr and real servers of weight 1 that are masqueraded to, IPv4.
    pub(crate) fn of(commands: &[Command]) -> Self {
        let mut family = message(16, 0, 3, &attribute(2, b"IPVS\0"), REQUEST);
        // struct genlmsghdr: the version of the controller.
        family[17] = 2;
        let answer = ask(&connect(), &family);
        let family = find(&answer[20..], 1).map(|bytes| u16::from_ne_bytes([bytes[0], bytes[1]]));
        let family = family.expect("the family IPVS");
        let sends = commands.chunks(PIPELINE).map(|some| {
            let all = some.iter().enumerate().flat_map(|(number, command)| {
                let flags = if number + 1 == some.len() { REQUEST | ACK } else { REQUEST };
                let (kind, attributes) = encoded(command);
                message(family, number, kind, &attributes, flags)
            });
            all.collect()
        });
        Self { sends: sends.collect(), family }
    }

    pub(crate) fn send(&self) {
        let socket = connect();
        for bytes in &self.sends {
            let answer = ask(&socket, bytes);
            let (kind, errno) = (u16::from_ne_bytes([answer[4], answer[5]]), &answer[16..20]);
            assert_eq!((kind, errno), (ERROR, &[0; 4][..]), "family {}: refused", self.family);
        }
    }
}

fn connect() -> Socket {
    let mut socket = Socket::new(NETLINK_GENERIC).expect("a socket");
    socket.bind_auto().expect("an address");
    socket.connect(&NetlinkAddr::new(0, 0)).expect("the kernel");
    socket
}

fn ask(socket: &Socket, bytes: &[u8]) -> Vec<u8> {
    socket.send(bytes, 0).expect("a send");
    let mut answer = Vec::with_capacity(1 << 16);
    socket.recv(&mut answer, 0).expect("an answer");
    answer
}

fn message(family: u16, sequence: usize, command: u8, attributes: &[u8], flags: u16) -> Vec<u8> {
    let length = u32::try_from(20 + attributes.len()).expect("a short message");
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(family.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(u32::try_from(sequence).expect("a small number").to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend([command, 1, 0, 0]);
    bytes.extend(attributes);
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("a short attribute");
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while attributes.len() > 4 {
        let length = usize::from(u16::from_ne_bytes([attributes[0], attributes[1]]));
        if u16::from_ne_bytes([attributes[2], attributes[3]]) == wanted {
            return attributes.get(4..length);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn encoded(command: &Command) -> (u8, Vec<u8>) {
    match command {
        Command::AddService(service) => {
            let flags = [0_u32.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat();
            let more = [
                attribute(6, b"rr\0"),
                attribute(7, &flags),
                attribute(8, &0_u32.to_ne_bytes()),
                attribute(9, &u32::MAX.to_ne_bytes()),
            ];
            (1, attribute(1, &[id(service.id()), more.concat()].concat()))
        }
        Command::AddDestination(of, to) => (5, [attribute(1, &id(*of)), attribute(2, &real(to))].concat()),
        Command::DeleteDestination(of, to) => (7, [attribute(1, &id(*of)), attribute(2, &at(*to))].concat()),
        other => panic!("not in this bench: {other}"),
    }
}

fn id(of: ServiceId) -> Vec<u8> {
    let ServiceId::Address(Protocol::Tcp, to) = of else { panic!("not in this bench: {of}") };
    let head = [attribute(1, &2_u16.to_ne_bytes()), attribute(2, &6_u16.to_ne_bytes())].concat();
    [head, address(3, to.ip()), attribute(4, &to.port().to_be_bytes())].concat()
}

fn at(to: SocketAddr) -> Vec<u8> {
    let family = attribute(11, &2_u16.to_ne_bytes());
    [address(1, to.ip()), attribute(2, &to.port().to_be_bytes()), family].concat()
}

fn real(to: &Destination) -> Vec<u8> {
    // Forwarding by masquerading, weight 1, no thresholds.
    let numbers = [(3_u16, 0_u32), (4, 1), (5, 0), (6, 0)];
    let numbers = numbers.map(|(kind, value)| attribute(kind, &value.to_ne_bytes())).concat();
    [at(to.address()), numbers].concat()
}

fn address(kind: u16, address: IpAddr) -> Vec<u8> {
    let IpAddr::V4(address) = address else { panic!("not in this bench: {address}") };
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&address.octets());
    attribute(kind, &bytes)
}
