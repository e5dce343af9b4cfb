//! As `ipvsadm --save --numeric` prints it and `ipvsadm --restore` reads it.

use std::fmt;

use crate::{Command, Destination, Family, Flags, Forwarding, Protocol, Service, ServiceId, Tunnel};

#[cfg(test)]
mod tests;

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(Protocol::Tcp, address) => write!(f, "-t {address}"),
            Self::Address(Protocol::Udp, address) => write!(f, "-u {address}"),
            Self::Address(Protocol::Sctp, address) => write!(f, "--sctp-service {address}"),
            Self::Mark(Family::V4, mark) => write!(f, "-f {mark}"),
            Self::Mark(Family::V6, mark) => write!(f, "-f {mark} -6"),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -s ", self.id())?;
        match self.scheduler() {
            Some(scheduler) => write!(f, "{scheduler}")?,
            None => f.write_str("none")?,
        }
        if self.flags().contains(Flags::PERSISTENT) {
            write!(f, " -p {}", self.timeout())?;
            match (self.id().family(), self.netmask()) {
                (family, all) if family.bits() == all => {}
                (Family::V4, bits) => {
                    let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                    write!(f, " -M {}", std::net::Ipv4Addr::from(mask))?;
                }
                (Family::V6, bits) => write!(f, " -M {bits}")?,
            }
        }
        if let Some(engine) = self.persistence_engine() {
            write!(f, " --pe {engine}")?;
        }
        if self.flags().contains(Flags::ONE_PACKET) {
            f.write_str(" -o")?;
        }
        scheduler_flags(self, f)
    }
}

/// `-b sh-fallback,sh-port`, or by number where the scheduler gives them no names.
fn scheduler_flags(service: &Service, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let scheduler =
        service.scheduler().map(|name| name.to_string()).filter(|name| name == "sh" || name == "mh");
    let name = |named: &str, number: u32| match &scheduler {
        Some(scheduler) if !named.is_empty() => format!("{scheduler}-{named}"),
        _ => format!("flag-{number}"),
    };
    let flags = [
        (Flags::SCHEDULER_FALLBACK, "fallback", 1),
        (Flags::SCHEDULER_PORT, "port", 2),
        (Flags::SCHEDULER_3, "", 3),
    ];
    let set = flags.into_iter().filter(|(flag, ..)| service.flags().contains(*flag));
    let names: Vec<_> = set.map(|(_, named, number)| name(named, number)).collect();
    if names.is_empty() { Ok(()) } else { write!(f, " -b {}", names.join(",")) }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-r {} ", self.address())?;
        match self.forwarding() {
            Forwarding::Masquerade | Forwarding::Local | Forwarding::Bypass => f.write_str("-m")?,
            Forwarding::Direct => f.write_str("-g")?,
            Forwarding::Tunnel(tunnel) => write!(f, "-i{}", Encapsulation(tunnel))?,
        }
        write!(f, " -w {}", self.weight())?;
        if self.upper_threshold() > 0 {
            write!(f, " -x {}", self.upper_threshold())?;
        }
        if self.lower_threshold() > 0 {
            write!(f, " -y {}", self.lower_threshold())?;
        }
        Ok(())
    }
}

struct Encapsulation(Tunnel);

impl fmt::Display for Encapsulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checksum = |flags: u16| match flags {
            flags if flags & 2 != 0 => " --tun-remcsum",
            flags if flags & 1 != 0 => " --tun-csum",
            _ => " --tun-nocsum",
        };
        match self.0 {
            Tunnel::Ipip => Ok(()),
            Tunnel::Gue { port, flags } => write!(f, " --tun-type gue --tun-port {port}{}", checksum(flags)),
            Tunnel::Gre { flags } => write!(f, " --tun-type gre{}", checksum(flags)),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(service) => write!(f, "-A {service}"),
            Self::SetService(service) => write!(f, "-E {service}"),
            Self::DeleteService(id) => write!(f, "-D {id}"),
            Self::AddDestination(id, destination) => write!(f, "-a {id} {destination}"),
            Self::SetDestination(id, destination) => write!(f, "-e {id} {destination}"),
            Self::DeleteDestination(id, address) => write!(f, "-d {id} -r {address}"),
            Self::SetTimeouts(timeouts) => {
                write!(f, "--set {} {} {}", timeouts.tcp, timeouts.tcp_fin, timeouts.udp)
            }
        }
    }
}
