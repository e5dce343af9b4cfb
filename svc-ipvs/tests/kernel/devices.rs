//! What holds of the device that has addresses, in memory and in the kernel.

use std::net::IpAddr;

use libtest_mimic::Failed;
use nix::sched::{CloneFlags, unshare};
use svc_ipvs::{AddressDevice, AddressSocket, Addresses, Found};

type Rule = fn(&mut dyn Addresses) -> Result<(), String>;

pub(crate) const ALL: &[(&str, Rule)] = &[
    ("a_device_is_there_with_its_addresses_until_it_is_removed", lives),
    ("addresses_come_once_and_go_once", come_and_go),
    ("a_device_of_somebody_else_is_told_from_ours", belongs),
    ("thousands_of_addresses_come_at_once", many),
    ("addresses_of_other_devices_are_told_when_they_change", told),
];

/// Runs in a network namespace of this thread's own, if the kernel has dummy devices.
pub(crate) fn on_the_kernel(name: &str, rule: Rule) -> Result<(), Failed> {
    // The first user namespace's root, or nobody: a rootless lab would need a process without threads.
    unshare(CloneFlags::CLONE_NEWNET)
        .or_else(|_| unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET))?;
    let mut socket = AddressSocket::open()?;
    let probe = AddressDevice::new("probe0", "probe");
    match socket.create(&probe) {
        Err(error) if error.errno() == Some(95) => {
            println!("SKIP ipvs::{name}: this kernel has no dummy devices");
            return Ok(());
        }
        made => made?,
    }
    socket.remove(&probe)?;
    rule(&mut socket)?;
    Ok(())
}

fn device() -> AddressDevice {
    AddressDevice::new("kube-ipvs0", "of this test")
}

fn addresses(all: &[&str]) -> Vec<IpAddr> {
    all.iter().map(|address| address.parse().unwrap()).collect()
}

fn said<T>(result: Result<T, svc_ipvs::Error>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn expect(found: &Found, wanted: &Found) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{found:?} where {wanted:?} was expected")) }
}

fn lives(devices: &mut dyn Addresses) -> Result<(), String> {
    let (device, two) = (device(), addresses(&["10.96.0.1", "fd00:10:96::1"]));
    expect(&said(devices.find(&device))?, &Found::Nothing)?;
    said(devices.create(&device))?;
    expect(&said(devices.find(&device))?, &Found::Ours(Vec::new()))?;
    if devices.create(&device).is_ok() {
        return Err("it was made twice".to_owned());
    }
    said(devices.bind(&device, &two))?;
    expect(&said(devices.find(&device))?, &Found::Ours(two))?;
    said(devices.remove(&device))?;
    expect(&said(devices.find(&device))?, &Found::Nothing)?;
    said(devices.remove(&device))
}

fn come_and_go(devices: &mut dyn Addresses) -> Result<(), String> {
    let device = device();
    let no_device = devices.bind(&device, &addresses(&["10.96.0.1"]));
    if no_device.is_ok() {
        return Err("an address was put on no device".to_owned());
    }
    said(devices.create(&device))?;
    let (first, both) = (addresses(&["10.96.0.1"]), addresses(&["10.96.0.1", "10.96.0.2", "fd00::2"]));
    said(devices.bind(&device, &first))?;
    said(devices.bind(&device, &both))?;
    expect(&said(devices.find(&device))?, &Found::Ours(both.clone()))?;
    said(devices.unbind(&device, &both[1..]))?;
    said(devices.unbind(&device, &both[1..]))?;
    expect(&said(devices.find(&device))?, &Found::Ours(first))
}

fn belongs(devices: &mut dyn Addresses) -> Result<(), String> {
    let (ours, theirs) = (device(), AddressDevice::new("kube-ipvs0", "somebody else's"));
    said(devices.create(&theirs))?;
    said(devices.bind(&theirs, &addresses(&["10.96.0.7"])))?;
    expect(&said(devices.find(&ours))?, &Found::Foreign)?;
    said(devices.adopt(&ours))?;
    expect(&said(devices.find(&ours))?, &Found::Ours(addresses(&["10.96.0.7"])))
}

fn many(devices: &mut dyn Addresses) -> Result<(), String> {
    let device = device();
    said(devices.create(&device))?;
    let many: Vec<IpAddr> =
        (1..=2000_u32).map(|number| IpAddr::from((0x0a60_0000 + number).to_be_bytes())).collect();
    said(devices.bind(&device, &many))?;
    expect(&said(devices.find(&device))?, &Found::Ours(many.clone()))?;
    said(devices.unbind(&device, &many[1..]))?;
    expect(&said(devices.find(&device))?, &Found::Ours(many[..1].to_vec()))
}

fn told(devices: &mut dyn Addresses) -> Result<(), String> {
    let (ours, other) = (device(), AddressDevice::new("other0", "of somebody else"));
    said(devices.create(&ours))?;
    said(devices.create(&other))?;
    let one = addresses(&["10.0.0.1"]);
    let mut changed =
        |what: &str, wanted: bool, act: &dyn Fn(&mut dyn Addresses) -> Result<(), svc_ipvs::Error>| {
            said(act(devices))?;
            let told = said(devices.poll_changed(&ours))?;
            if told == wanted { Ok(()) } else { Err(format!("{what}: told {told}")) }
        };
    changed("the first time", true, &|_| Ok(()))?;
    changed("nothing", false, &|_| Ok(()))?;
    changed("an address of another device", true, &|devices| devices.bind(&other, &one))?;
    let many: Vec<_> = (0..200).map(|number| IpAddr::from([10, 96, 0, number])).collect();
    changed("addresses of ours", false, &|devices| devices.bind(&ours, &many))?;
    changed("the address goes", true, &|devices| devices.unbind(&other, &one))?;
    changed("those of ours go", false, &|devices| devices.unbind(&ours, &many))
}
