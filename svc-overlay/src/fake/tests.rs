use super::*;
use crate::config::OverlayBuilder;
use crate::mac::Mac;
use crate::plan::Plan;
use crate::registry::LeaseSet;

#[test]
fn refuses_what_the_kernel_refuses() {
    let mut fake = Fake::new();
    let mac = Mac::derived(&["x"]);
    let via: IpAddr = "10.244.5.0".parse().unwrap();
    let route = Route::onlink("10.244.5.0/24".parse::<IpNet>().unwrap(), via, "flannel.1");
    let operations = [
        Operation::AddRoute(route.clone()),
        Operation::SetNeighbour(Neighbour::permanent(via, mac, "flannel.1")),
        Operation::DeleteRoute(route),
        Operation::DeleteLink("flannel.1".into()),
    ];
    assert!(fake.apply(&operations).iter().all(|result| result.as_ref().is_err_and(Error::is_not_found)));
    assert!(fake.take_log().is_empty());
}

#[test]
fn a_device_set_down_loses_routes_and_neighbours_and_keeps_its_fdb() {
    let (mut fake, config) = (Fake::new(), config());
    fake.add_link("eth0", "172.20.10.2/24".parse().unwrap(), 1500);
    let peer = crate::lease::Lease::vxlan(
        "server3",
        "10.244.5.0/24".parse::<IpNet>().unwrap(),
        [172, 20, 10, 3],
        1,
        Mac::derived(&["server3"]),
    );
    let kernel = fake.list(&config.scope()).unwrap();
    let leases = LeaseSet::new(crate::Revision::new(1), [peer]);
    let plan = Plan::new(&config, kernel.underlay.as_ref().unwrap(), &leases);
    assert!(fake.apply(plan.diff(&kernel).operations()).iter().all(Result::is_ok));
    fake.set_down("flannel.1");
    let kernel = fake.list(&config.scope()).unwrap();
    assert_eq!((kernel.routes.len(), kernel.neighbours.len(), kernel.fdb.len()), (0, 0, 1));
}

fn config() -> crate::Config {
    OverlayBuilder::new("10.244.0.0/16")
        .node("server2")
        .subnet("10.244.2.0/24")
        .public_ip("172.20.10.2")
        .config()
        .unwrap()
}
