use std::net::SocketAddr;

use crate::*;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn prints_what_ipvsadm_would_save() {
    let web = ServiceId::tcp(at("10.96.0.10:80"));
    let six = ServiceId::udp(at("[fd00:96::a]:53"));
    let sctp = ServiceId::sctp(at("10.96.0.10:132"));
    let mark = ServiceId::mark(Family::V6, 7.try_into().unwrap());
    let pod = Destination::new(at("10.244.0.5:8080"));
    let gue = Forwarding::Tunnel(Tunnel::Gue { port: 6080, flags: 1 });
    let cases = [
        (Command::AddService(Service::new(web, Scheduler::RR)), "-A -t 10.96.0.10:80 -s rr"),
        (
            Command::AddService(Service::new(web, Scheduler::WLC).persistent(10_800)),
            "-A -t 10.96.0.10:80 -s wlc -p 10800",
        ),
        (
            Command::AddService(Service::new(web, Scheduler::RR).persistent(60).client_prefix(24)),
            "-A -t 10.96.0.10:80 -s rr -p 60 -M 255.255.255.0",
        ),
        (
            Command::SetService(Service::new(six, Scheduler::MH).with(Flags::SCHEDULER_PORT)),
            "-E -u [fd00:96::a]:53 -s mh -b mh-port",
        ),
        (
            Command::AddService(Service::new(six, Scheduler::RR).persistent(60).client_prefix(64)),
            "-A -u [fd00:96::a]:53 -s rr -p 60 -M 64",
        ),
        (
            Command::AddService(Service::new(sctp, Scheduler::RR).unscheduled().with(Flags::ONE_PACKET)),
            "-A --sctp-service 10.96.0.10:132 -s none -o",
        ),
        (Command::DeleteService(mark), "-D -f 7 -6"),
        (Command::AddDestination(web, pod.clone()), "-a -t 10.96.0.10:80 -r 10.244.0.5:8080 -m -w 1"),
        (
            Command::SetDestination(web, pod.clone().with_weight(0).with_thresholds(9, 5)),
            "-e -t 10.96.0.10:80 -r 10.244.0.5:8080 -m -w 0 -x 9 -y 5",
        ),
        (
            Command::AddDestination(web, pod.with_forwarding(gue)),
            "-a -t 10.96.0.10:80 -r 10.244.0.5:8080 -i --tun-type gue --tun-port 6080 --tun-csum -w 1",
        ),
        (Command::DeleteDestination(web, at("10.244.0.5:8080")), "-d -t 10.96.0.10:80 -r 10.244.0.5:8080"),
        (Command::SetTimeouts(Timeouts::new(900, 120, 300)), "--set 900 120 300"),
    ];
    for (command, text) in cases {
        assert_eq!(command.to_string(), text);
    }
}

#[test]
fn a_refusal_names_command_and_cure() {
    let service = Service::new(ServiceId::tcp(at("10.96.0.10:80")), "quick".parse().unwrap());
    let refusal = Refusal::new(0, &Command::AddService(service), 2);
    assert_eq!(
        refusal.to_string(),
        "ipvsadm -A -t 10.96.0.10:80 -s quick: no scheduler quick in this kernel: load it with `modprobe \
         ip_vs_quick`, or name another"
    );
    assert!(refusal.is_unknown_scheduler());
}

#[test]
fn names_that_no_module_has_are_refused() {
    for name in ["", "RR", "round robin", "../../etc", "aaaaaaaaaaaaaaaa"] {
        assert!(name.parse::<Scheduler>().is_err(), "{name:?}");
    }
    for scheduler in Scheduler::ALL {
        assert_eq!(scheduler.as_str().parse(), Ok(scheduler));
    }
}
