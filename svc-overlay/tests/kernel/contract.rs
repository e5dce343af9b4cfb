//! One suite on the kernel in memory and on the kernel: both do, drop and refuse the same.

use libtest_mimic::{Failed, Trial};
use svc_lab::{Lab, Result};
use svc_overlay::fake::Fake;
use svc_overlay::{
    Config, Dataplane, Kernel, Lease, LeaseSet, Mac, Operation, Overlay, Plan, Revision, Route, System,
};

use super::cluster::host;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("contract_on_the_fake", || {
            let mut fake = Fake::new();
            fake.add_link("eth0", "172.20.10.2/24".parse().map_err(|_| Failed::without_message())?, 1500);
            contract(&mut fake).map_err(|error| Failed::from(error.to_string()))
        }),
        trial("contract_on_the_kernel", on_the_kernel),
    ]
}

async fn on_the_kernel(lab: Lab) -> Result {
    let host = host(&lab, "server2", 2).await?;
    host.run(|| async { contract(&mut System::new()) }).await
}

fn config() -> Result<Config> {
    let builder = Overlay::builder("10.244.0.0/16").node("server2").subnet("10.244.2.0/24");
    Ok(builder.public_ip("172.20.10.2").config()?)
}

fn lease(third: u8, mac: &str) -> Lease {
    let subnet = ipnet::Ipv4Net::new_assert([10, 244, third, 0].into(), 24);
    Lease::vxlan(format!("n{third}"), subnet, [172, 20, 10, third], 1, Mac::derived(&[mac]))
}

struct Stage<'a, D> {
    dataplane: &'a mut D,
    config: Config,
}

fn contract<D: Dataplane>(dataplane: &mut D) -> Result {
    let mut stage = Stage { dataplane, config: config()? };
    let before = stage.kernel()?;
    stage.plans_are_reached_and_then_empty()?;
    stage.refusals_have_the_same_reason()?;
    stage.a_living_device_and_bridge_are_changed()?;
    stage.a_device_takes_its_entries_with_it()?;
    let kernel = stage.kernel()?;
    stage.make(stage.plan(&kernel, &[])?.removal(&kernel).operations())?;
    assert_eq!(stage.kernel()?, before);
    Ok(())
}

impl<D: Dataplane> Stage<'_, D> {
    fn kernel(&mut self) -> Result<Kernel> {
        Ok(self.dataplane.list(&self.config.scope())?)
    }

    fn plan(&self, kernel: &Kernel, leases: &[Lease]) -> Result<Plan> {
        let underlay = kernel.underlay.as_ref().ok_or("no underlay")?;
        Ok(Plan::new(&self.config, underlay, &LeaseSet::new(Revision::new(1), leases.iter().cloned())))
    }

    fn make(&mut self, operations: &[Operation]) -> Result {
        Ok(self.dataplane.apply(operations).into_iter().collect::<std::result::Result<(), _>>()?)
    }

    /// Two rounds: a device's own sysctls exist only after the first.
    fn reach(&mut self, leases: &[Lease]) -> Result<Kernel> {
        for _ in 0..2 {
            let kernel = self.kernel()?;
            let plan = self.plan(&kernel, leases)?;
            let bridge = plan.diff_bridge(&kernel);
            self.make(bridge.operations())?;
            let kernel = self.kernel()?;
            self.make(plan.diff(&kernel).operations())?;
        }
        let kernel = self.kernel()?;
        let rest = self.plan(&kernel, leases)?.diff(&kernel);
        assert!(rest.is_empty(), "{rest}");
        Ok(kernel)
    }

    fn plans_are_reached_and_then_empty(&mut self) -> Result {
        let both = [lease(5, "a"), lease(7, "b")];
        assert_eq!(self.reach(&both)?.fdb.len(), 2);
        // Another MAC, another address, a peer less.
        let kernel = self.reach(&[lease(5, "c"), lease(7, "b")])?;
        assert!(kernel.fdb.iter().any(|entry| entry.mac == Mac::derived(&["c"])) && kernel.fdb.len() == 2);
        let kernel = self.reach(&[lease(7, "b")])?;
        let counts = (kernel.fdb.len(), kernel.neighbours.len());
        assert_eq!((counts, kernel.routes.iter().filter(|route| route.is_ours()).count()), ((1, 1), 1));
        self.reach(&both)?;
        Ok(())
    }

    fn refusals_have_the_same_reason(&mut self) -> Result {
        let kernel = self.kernel()?;
        let route = kernel.routes.iter().find(|route| route.is_ours()).cloned().ok_or("no route")?;
        let gone =
            Route::onlink("10.244.99.0/24".parse::<ipnet::IpNet>()?, "10.244.99.0".parse()?, "flannel.1");
        let neighbour = kernel.neighbours.first().cloned().ok_or("no neighbour")?;
        let entry = kernel.fdb.first().cloned().ok_or("no FDB entry")?;
        let results = self.dataplane.apply(&[
            Operation::AddRoute(route),
            Operation::DeleteRoute(gone),
            Operation::DeleteFdb(entry.clone()),
            Operation::DeleteFdb(entry.clone()),
            Operation::SetFdb(entry),
            Operation::DeleteNeighbour(neighbour.clone()),
            Operation::DeleteNeighbour(neighbour.clone()),
            Operation::SetNeighbour(neighbour),
            Operation::DeleteLink("veth-of-nobody".into()),
            Operation::AddAddress("10.244.2.0/32".parse()?, "flannel.1".into()),
        ]);
        let told: Vec<_> = results
            .iter()
            .map(|result| match result {
                Ok(()) => "made",
                Err(error) if error.is_exists() => "exists",
                Err(error) if error.is_not_found() => "not found",
                Err(_) => "other",
            })
            .collect();
        let expected = [
            "exists",
            "not found",
            "made",
            "not found",
            "made",
            "made",
            "not found",
            "made",
            "not found",
            "exists",
        ];
        assert_eq!(told, expected, "{results:?}");
        Ok(())
    }

    fn a_living_device_and_bridge_are_changed(&mut self) -> Result {
        let kernel = self.kernel()?;
        let plan = self.plan(&kernel, &[])?;
        let (mut device, mut bridge) = (plan.tunnels()[0].device.clone(), plan.bridge().clone());
        device.mtu = 1300;
        device.learning = true;
        device.mac = Mac::derived(&["other"]);
        bridge.mtu = 1300;
        bridge.mac = Mac::derived(&["another"]);
        self.make(&[Operation::SetDevice(device.clone()), Operation::SetBridge(bridge.clone())])?;
        let kernel = self.kernel()?;
        assert_eq!(kernel.devices["flannel.1"].link.clone(), Some(device));
        assert_eq!(kernel.bridge.and_then(|found| found.link), Some(bridge));
        self.reach(&[lease(5, "a")])?;
        Ok(())
    }

    fn a_device_takes_its_entries_with_it(&mut self) -> Result {
        self.make(&[Operation::DeleteLink("flannel.1".into())])?;
        let kernel = self.kernel()?;
        assert!(kernel.devices.is_empty() && kernel.neighbours.is_empty() && kernel.fdb.is_empty());
        assert!(!kernel.routes.iter().any(Route::is_ours));
        self.reach(&[lease(5, "a")])?;
        Ok(())
    }
}
