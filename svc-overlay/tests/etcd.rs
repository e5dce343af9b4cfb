//! Leases in a real etcd server: flannel's form, races, expiry, cuts, compaction, TLS and users.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests have processes and files, and may panic"
)]

#[path = "etcd/loopback.rs"]
mod loopback;
#[path = "etcd/proxy.rs"]
mod proxy;
#[path = "etcd/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use proxy::Proxy;
use server::Server;
use svc_overlay::fake::Fake;
use svc_overlay::{
    Claim, Etcd, Half, Handle, Lease, LeaseSet, Mac, NetConf, Overlay, Problem, Registry, RegistryError,
    Status, Watch,
};

const CONF: &str = r#"{"Network": "10.5.0.0/16"}"#;
const DUAL: &str = r#"{"Network": "10.5.0.0/16", "EnableIPv6": true, "IPv6Network": "fd00:5::/48"}"#;
/// A test that waits this long for etcd waits for ever.
const HANGS: Duration = Duration::from_secs(90);

fn address(number: u8) -> IpAddr {
    [172, 20, 10, number].into()
}

fn lease(number: u8, third: u8) -> Lease {
    let subnet = ipnet::Ipv4Net::new_assert([10, 5, third, 0].into(), 24);
    Lease::vxlan(format!("n{number}"), subnet, address(number), 1, Mac::derived(&[&number.to_string()]))
}

fn plain(server: &Server) -> Etcd {
    Etcd::builder([server.endpoint()]).build().unwrap()
}

fn keys(server: &Server) -> BTreeSet<String> {
    let listed = server.ctl(&["get", "--prefix", "--keys-only", "/coreos.com/network/subnets/"]);
    listed.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

async fn next(watch: &mut Box<dyn Watch>) -> Result<LeaseSet, RegistryError> {
    tokio::time::timeout(HANGS, watch.changed()).await.unwrap()
}

/// Until the leases are as wanted, over whatever failures.
async fn until(watch: &mut Box<dyn Watch>, wanted: impl Fn(&LeaseSet) -> bool) -> LeaseSet {
    loop {
        match next(watch).await {
            Ok(set) if wanted(&set) => return set,
            Ok(_) => {}
            // What the driver does between two attempts.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[tokio::test]
async fn keys_and_values_are_flannels_and_a_reservation_stays_one() {
    let Some(server) = Server::start("keys_and_values", &[]) else { return };
    let etcd = plain(&server);
    let error = etcd.net_conf().await.unwrap_err().to_string();
    assert!(error.contains("/coreos.com/network/config: missing"), "{error}");
    server.ctl(&["put", "/coreos.com/network/config", r#"{"Network": "10.5.0.0/16", "SubnetLen": 31}"#]);
    let error = etcd.net_conf().await.unwrap_err().to_string();
    assert!(error.contains("/coreos.com/network/config") && error.contains("SubnetLen"), "{error}");
    server.ctl(&["put", "/coreos.com/network/config", CONF]);
    let conf = etcd.net_conf().await.unwrap();

    let claim = Claim::new("n2", [address(2)], &conf).previous(["10.5.52.0/24".parse().unwrap()]);
    let taken = etcd.acquire(&claim).await.unwrap();
    let key = "/coreos.com/network/subnets/10.5.52.0-24";
    assert_eq!(
        server.ctl(&["get", key]),
        format!("{key}\n{}\n", r#"{"PublicIP":"172.20.10.2","PublicIPv6":null,"BackendType":"alloc"}"#)
    );
    assert_eq!(etcd.acquire(&claim).await.unwrap(), taken, "the same again");

    let published = etcd.publish(lease(2, 52)).await.unwrap();
    assert_eq!(published.renew_in, Some(Duration::from_secs(23 * 3600)));
    let mac = Mac::derived(&["2"]);
    let value = format!(
        r#"{{"PublicIP":"172.20.10.2","PublicIPv6":null,"BackendType":"vxlan","BackendData":{{"VNI":1,"VtepMAC":"{mac}"}}}}"#
    );
    assert_eq!(server.ctl(&["get", key]), format!("{key}\n{value}\n"));
    let left = server.seconds_left(key).unwrap();
    assert!((86_000..=86_400).contains(&left), "{left}");

    // A reservation, as flannel's documentation makes one: a key without an etcd lease.
    let reserved = "/coreos.com/network/subnets/10.5.9.0-24";
    server.ctl(&["put", reserved, r#"{"PublicIP":"172.20.10.9","PublicIPv6":null,"BackendType":"alloc"}"#]);
    let mine = etcd.acquire(&Claim::new("n9", [address(9)], &conf)).await.unwrap();
    assert_eq!(mine.subnet().to_string(), "10.5.9.0/24");
    assert_eq!(etcd.publish(lease(9, 9)).await.unwrap().renew_in, None);
    assert_eq!(server.seconds_left(reserved), None);
    etcd.withdraw(&lease(9, 9)).await.unwrap();
    etcd.withdraw(&lease(2, 52)).await.unwrap();
    assert_eq!(keys(&server), BTreeSet::from([reserved.to_owned()]));
    assert!(server.ctl(&["get", reserved]).contains("\"alloc\""));
}

#[tokio::test]
async fn fifty_nodes_that_ask_at_once_get_fifty_subnets_of_each_family() {
    let Some(server) = Server::start("fifty_nodes", &[]) else { return };
    for conf in [CONF, DUAL] {
        let conf = NetConf::parse(conf).unwrap();
        let mut nodes = tokio::task::JoinSet::new();
        for number in 1..=50 {
            let (etcd, conf) = (plain(&server), conf.clone());
            nodes.spawn(async move {
                let v6: IpAddr = format!("fd00:9::{number}").parse().unwrap();
                let addresses: Vec<_> =
                    [address(number), v6].into_iter().take(conf.networks().len()).collect();
                etcd.acquire(&Claim::new(format!("n{number}"), addresses, &conf)).await.unwrap()
            });
        }
        let leases = nodes.join_all().await;
        let subnets: BTreeSet<_> =
            leases.iter().flat_map(Lease::halves).map(|half: &Half| half.subnet).collect();
        assert_eq!(subnets.len(), 50 * conf.networks().len());
        assert_eq!(keys(&server).len(), 50);
        server.ctl(&["del", "--prefix", "/coreos.com/network/subnets/"]);
    }
}

#[tokio::test]
async fn what_another_node_holds_is_not_overwritten() {
    let Some(server) = Server::start("not_overwritten", &[]) else { return };
    let etcd = plain(&server);
    etcd.publish(lease(2, 7)).await.unwrap();
    let error = etcd.publish(lease(3, 7)).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Taken { owner, .. } if owner == "172.20.10.2"), "{error}");
    // Under another key: the same IPv4 subnet with an IPv6 one beside it.
    let six = Half::direct(
        "fd00:5:0:7::/64".parse::<ipnet::IpNet>().unwrap(),
        "fd00:9::3".parse::<IpAddr>().unwrap(),
    );
    let error = etcd.publish(lease(3, 7).and(six)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Taken { .. }), "{error}");
    etcd.withdraw(&lease(3, 7)).await.unwrap();
    assert_eq!(keys(&server).len(), 1);
    // What cannot be read is named and left alone; the others go on.
    server.ctl(&["put", "/coreos.com/network/subnets/10.5.8.0-24", "{]"]);
    let error = etcd.publish(lease(3, 8)).await.unwrap_err().to_string();
    assert!(error.contains("subnets/10.5.8.0-24") && error.contains("repair or delete"), "{error}");
    let set = next(&mut etcd.watch()).await.unwrap();
    assert_eq!((set.len(), set.unreadable().len()), (1, 1));
}

/// More than one page of keys that are no text, as anybody who may write can leave them.
#[tokio::test]
async fn keys_that_are_no_text_end_no_listing() {
    let Some(server) = Server::start("no_text", &[]) else { return };
    let mut client = etcd_client::Client::connect([server.endpoint()], None).await.unwrap();
    for number in 0..1001 {
        let key = [b"/coreos.com/network/subnets/\xff", format!("{number:04}").as_bytes()].concat();
        client.put(key, "x", None).await.unwrap();
    }
    let etcd = plain(&server);
    etcd.publish(lease(2, 7)).await.unwrap();
    let set = next(&mut etcd.watch()).await.unwrap();
    assert_eq!((set.len(), set.unreadable().len()), (1, 1001));
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_expires_and_followers_are_told() {
    let Some(server) = Server::start("expires", &[]) else { return };
    let short = Etcd::builder([server.endpoint()]);
    let short = short.lease_time(Duration::from_secs(2), Duration::from_secs(1)).build().unwrap();
    let etcd = plain(&server);
    let mut watch = etcd.watch();
    assert!(next(&mut watch).await.unwrap().is_empty());
    etcd.publish(lease(3, 3)).await.unwrap();
    let published = short.publish(lease(2, 2)).await.unwrap();
    assert_eq!(published.renew_in, Some(Duration::from_secs(1)));
    // It may be gone before anybody saw it there.
    let after = |set: &LeaseSet| set.revision() > published.revision;
    let set = until(&mut watch, |set| set.len() == 1 && after(set)).await;
    assert_eq!(set.iter().next().unwrap().subnet(), lease(3, 3).subnet());
}

#[tokio::test]
async fn a_history_that_is_gone_is_read_anew() {
    let Some(server) = Server::start("compaction", &[]) else { return };
    let etcd = plain(&server);
    etcd.publish(lease(2, 2)).await.unwrap();
    let mut watch = etcd.watch();
    assert_eq!(next(&mut watch).await.unwrap().len(), 1);
    etcd.withdraw(&lease(2, 2)).await.unwrap();
    let last = etcd.publish(lease(3, 3)).await.unwrap().revision;
    server.ctl(&["compact", &last.to_string()]);
    let set = next(&mut watch).await.unwrap();
    assert_eq!((set.len(), set.revision()), (1, last));
    // While a watch is open a compaction does it no harm.
    etcd.publish(lease(4, 4)).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap().len(), 2);
    server.ctl(&["compact", &next_revision(&etcd, 5).await]);
    assert_eq!(next(&mut watch).await.unwrap().len(), 3);
}

async fn next_revision(etcd: &Etcd, number: u8) -> String {
    etcd.publish(lease(number, number)).await.unwrap().revision.to_string()
}

#[tokio::test]
async fn cut_off_and_back_nothing_is_lost() {
    let Some(mut server) = Server::start("cut_off", &[]) else { return };
    let etcd = plain(&server);
    etcd.publish(lease(2, 2)).await.unwrap();
    let mut watch = etcd.watch();
    assert_eq!(next(&mut watch).await.unwrap().len(), 1);
    etcd.publish(lease(3, 3)).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap().len(), 2);
    server.stop();
    let error = next(&mut watch).await.unwrap_err();
    assert!(error.to_string().contains(server.endpoint()), "{error}");
    let error = etcd.publish(lease(4, 4)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(_)), "{error}");
    server.resume();
    // Said once more, so that who was told of the failure knows that it is over.
    assert_eq!(until(&mut watch, |_| true).await.len(), 2);
    etcd.publish(lease(4, 4)).await.unwrap();
    until(&mut watch, |set| set.len() == 3).await;
}

#[tokio::test]
async fn an_authority_alone_means_tls_and_a_user_proves_itself() {
    let directory = tempfile::tempdir().unwrap();
    let signed = rcgen::generate_simple_self_signed([loopback::address().to_string()]).unwrap();
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("cert"), &certificate).unwrap();
    std::fs::write(path("key"), key).unwrap();
    let tls = ["--cert-file", &path("cert"), "--key-file", &path("key")];
    let Some(server) = Server::start("tls", &tls) else { return };
    for line in ["user add root:top", "user add flannel:pass", "role add net", "user grant-role flannel net"]
    {
        server.ctl(&line.split(' ').collect::<Vec<_>>());
    }
    server.ctl(&["role", "grant-permission", "--prefix", "net", "readwrite", "/coreos.com/network/"]);
    server.ctl(&["user", "grant-role", "root", "root"]);
    server.ctl(&["auth", "enable"]);
    let builder = || Etcd::builder([server.address()]).authorities(certificate.clone());
    let etcd = builder().user("flannel", "pass").build().unwrap();
    let mut watch = etcd.watch();
    assert!(next(&mut watch).await.unwrap().is_empty());
    etcd.publish(lease(2, 2)).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap().len(), 1);
    for (wrong, text) in [
        (builder().build().unwrap(), "user name is empty"),
        (builder().user("flannel", "wrong").build().unwrap(), "authentication failed"),
        (builder().user("flannel", "pass").prefix("/other").build().unwrap(), "permission denied"),
        (Etcd::builder([server.address()]).build().unwrap(), server.address()),
    ] {
        let error = wrong.publish(lease(3, 3)).await.unwrap_err().to_string();
        assert!(error.contains(text) && !error.contains("wrong"), "{error}");
    }
}

/// What a server with `--client-cert-auth` needs, and a client's certificate and key.
fn issued(directory: &std::path::Path) -> (Vec<String>, String, (String, String)) {
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(params, ca_key);
    let issue = |name: &str, usage| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        // etcd's gateway is a client of its own, with the server's certificate.
        params.extended_key_usages = usage;
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let both = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let server = issue(&loopback::address().to_string(), both);
    let client = issue("flannel", vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let files = [write("cert", &server.0), write("key", &server.1), write("ca", &ca)];
    let [cert, key, authority] = files;
    let options = ["--cert-file".to_owned(), cert, "--key-file".to_owned(), key];
    let asks = ["--trusted-ca-file".to_owned(), authority, "--client-cert-auth".to_owned()];
    (options.into_iter().chain(asks).collect(), ca, client)
}

#[tokio::test]
async fn a_server_that_asks_for_certificates_lets_in_who_has_one() {
    let directory = tempfile::tempdir().unwrap();
    let (options, ca, (certificate, key)) = issued(directory.path());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let Some(server) = Server::start("client_certificates", &options) else { return };
    let builder = || Etcd::builder([server.address()]).authorities(ca.clone());
    let etcd = builder().identity(certificate, key).build().unwrap();
    let mut watch = etcd.watch();
    assert!(next(&mut watch).await.unwrap().is_empty());
    etcd.publish(lease(2, 2)).await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap().len(), 1);
    let stranger = issued(tempfile::tempdir().unwrap().path());
    for wrong in [builder().build().unwrap(), builder().identity(stranger.2.0, stranger.2.1).build().unwrap()]
    {
        let error = wrong.publish(lease(3, 3)).await.unwrap_err().to_string();
        assert!(error.contains(server.address()), "{error}");
    }
}

/// Drives n2 (10.5.2.0/24) on a kernel in memory, with leases of four seconds.
fn drive(endpoint: &str) -> (Fake, Handle) {
    drive_node(endpoint, 2)
}

fn drive_node(endpoint: &str, number: u8) -> (Fake, Handle) {
    let etcd = Etcd::builder([endpoint]).lease_time(Duration::from_secs(4), Duration::from_secs(2));
    let overlay =
        Overlay::builder("10.5.0.0/16").lease(&lease(number, number)).registry(etcd.build().unwrap());
    let kernel = Fake::new();
    kernel.add_link("eth0", format!("172.20.10.{number}/24").parse().unwrap(), 1500);
    let (handle, run) = overlay.build().unwrap().drive_on(kernel.clone());
    tokio::spawn(run);
    (kernel, handle)
}

async fn status(handle: &Handle, wanted: impl FnMut(&Status) -> bool) -> Status {
    tokio::time::timeout(HANGS, handle.until(wanted)).await.unwrap().unwrap()
}

fn registry_problem(status: &Status) -> bool {
    status.problems().iter().any(|problem| matches!(problem, Problem::Registry(_)))
}

#[tokio::test]
async fn cut_off_for_longer_than_the_lease_traffic_goes_on_and_the_subnet_is_taken_again() {
    let Some(server) = Server::start("longer_than_the_lease", &[]) else { return };
    let others = plain(&server);
    others.publish(lease(3, 3)).await.unwrap();
    let mut observer = others.watch();
    let mut way = Proxy::start(server.address()).await;
    let (kernel, handle) = drive(&way.endpoint());
    status(&handle, |status| status.peers() == 1 && status.lease().is_some()).await;
    until(&mut observer, |set| set.len() == 2).await;
    let _setting_up = kernel.take_log();

    way.cut().await;
    // The lease expires as all others see it.
    until(&mut observer, |set| set.lease(lease(2, 2).subnet()).is_none()).await;
    let down = status(&handle, registry_problem).await;
    assert_eq!((down.peers(), kernel.take_log()), (1, vec![]), "nothing that runs was touched");
    assert!(down.problems().iter().any(|problem| problem.to_string().contains(&way.endpoint())));
    // A pod can come and go all the same, and a peer is mended.
    kernel.delete_route(lease(3, 3).subnet());
    let operations = down.operations();
    status(&handle, |status| status.operations() > operations).await;

    way.mend().await;
    let set = until(&mut observer, |set| set.lease(lease(2, 2).subnet()).is_some()).await;
    assert_eq!(set.lease(lease(2, 2).subnet()).unwrap().halves(), lease(2, 2).halves());
    let up = status(&handle, |status| status.problems().is_empty() && status.lease().is_some()).await;
    assert_eq!(up.peers(), 1);

    // Again, and this time somebody else has it as soon as it is free.
    way.cut().await;
    let taken = async {
        while others.publish(lease(9, 2)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(HANGS, taken).await.unwrap();
    way.mend().await;
    // The refusal and the other's lease come by two connections: either may be here before the other.
    let texts = |status: &Status| -> Vec<_> { status.problems().iter().map(ToString::to_string).collect() };
    let tells = |texts: &[String], wanted: &str| texts.iter().any(|text| text.contains(wanted));
    let status = status(&handle, |status| {
        let texts = texts(status);
        tells(&texts, "10.5.2.0/24 is leased by 172.20.10.9")
            && tells(&texts, "overlaps this node's own subnet")
    })
    .await;
    let taken = |problem: &Problem| matches!(problem, Problem::Registry(RegistryError::Taken { .. }));
    assert!(status.problems().iter().any(taken), "{:?}", texts(&status));
    assert_eq!(status.peers(), 1, "the peers are what they were");
    assert_eq!(others.publish(lease(9, 2)).await.unwrap().renew_in, Some(Duration::from_secs(23 * 3600)));
}

#[tokio::test]
async fn a_server_that_is_down_for_longer_than_the_lease_changes_nothing_that_runs() {
    let Some(mut server) = Server::start("server_down", &[]) else { return };
    plain(&server).publish(lease(3, 3)).await.unwrap();
    let (kernel, handle) = drive(server.endpoint());
    status(&handle, |status| status.peers() == 1 && status.lease().is_some()).await;
    let _setting_up = kernel.take_log();
    server.stop();
    status(&handle, registry_problem).await;
    let changed = handle.until(|status| status.peers() != 1 || status.programmed().is_none());
    // Longer than the lease's four seconds.
    assert!(tokio::time::timeout(Duration::from_secs(6), changed).await.is_err());
    assert_eq!(kernel.take_log(), vec![]);
    server.resume();
    status(&handle, |status| status.problems().is_empty() && status.lease().is_some()).await;
    // It is renewed from then on, before it expires: it is the same key, written once more.
    let key = "/coreos.com/network/subnets/10.5.2.0-24";
    let before = server.version(key).max(1);
    let renewed = async {
        while server.version(key) <= before {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(HANGS, renewed).await.unwrap();
}

/// An etcd that lives on while all nodes are cut off from it.
#[tokio::test]
async fn peers_whose_leases_expired_in_a_cut_stay_until_they_could_publish_again() {
    let Some(server) = Server::start("expired_in_a_cut", &[]) else { return };
    let others = plain(&server);
    others.publish(lease(4, 4)).await.unwrap();
    let mut observer = others.watch();
    let mut way = Proxy::start(server.address()).await;
    let nodes = [2, 3].map(|number| drive_node(&way.endpoint(), number));
    for (kernel, handle) in &nodes {
        status(handle, |status| status.peers() == 2 && status.is_ready()).await;
        let _setting_up = kernel.take_log();
    }
    way.cut().await;
    until(&mut observer, |set| set.len() == 1).await;
    // This one leaves while nobody sees it.
    others.withdraw(&lease(4, 4)).await.unwrap();
    way.mend().await;
    for (kernel, handle) in &nodes {
        let well = |status: &Status| {
            status.problems().is_empty() && status.lease().is_some() && status.lingering() == 1
        };
        let up = status(handle, well).await;
        assert_eq!((up.peers(), kernel.take_log()), (2, vec![]), "the peer that is back was never gone");
    }
    assert_eq!(keys(&server).len(), 2);
}

#[tokio::test]
async fn a_node_that_gets_another_address_keeps_its_key() {
    let Some(server) = Server::start("another_address", &[]) else { return };
    let mut observer = plain(&server).watch();
    let (kernel, handle) = drive(server.endpoint());
    status(&handle, Status::is_ready).await;
    kernel.delete_address("eth0", address(2));
    status(&handle, |status| !status.is_ready()).await;
    kernel.add_address("eth0", "172.20.10.12/24".parse().unwrap());
    let there = status(&handle, Status::is_ready).await;
    assert_eq!((there.lease().unwrap().public_ip(), there.problems()), (address(12), &[][..]));
    let set = until(&mut observer, |set| set.iter().any(|lease| lease.public_ip() == address(12))).await;
    let seen = set.lease(lease(2, 2).subnet()).unwrap();
    assert_eq!((set.len(), seen.vxlan_data()), (1, lease(2, 2).vxlan_data()));
    assert_eq!(keys(&server), BTreeSet::from(["/coreos.com/network/subnets/10.5.2.0-24".to_owned()]));
    // The former address is nobody's: not that of a process which did not publish it.
    let error = plain(&server).publish(lease(2, 2)).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Taken { owner, .. } if owner == "172.20.10.12"), "{error}");
    // It is renewed as before.
    let key = "/coreos.com/network/subnets/10.5.2.0-24";
    let before = server.version(key);
    let renewed = async {
        while server.version(key) <= before {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(HANGS, renewed).await.unwrap();
}
