//! Addresses that cannot be had, at first or at all.

use super::*;

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let address = taken.local_addr().unwrap();
    let (handle, run) = Server::builder(zone()).udp(address).build().unwrap().drive(Store::new().watch());
    let (served, ready) = tokio::join!(run, handle.ready());
    for error in [served.unwrap_err(), ready.unwrap_err()] {
        assert!(error.is_exists());
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}

#[test]
fn a_server_needs_an_address_that_is_one() {
    let missing = Server::builder(zone()).build().unwrap_err();
    assert_eq!(missing.to_string(), "listen: name at least one address");
    let wrong = Server::builder(zone()).udp("127.0.0.1:99999").build().unwrap_err();
    assert!(wrong.to_string().contains("127.0.0.1:99999"), "{wrong}");
}

#[tokio::test]
async fn an_address_in_use_is_served_as_soon_as_it_is_free() {
    let address = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    for threads in [0, 1] {
        let taken = TcpListener::bind(address).await.unwrap();
        let store = Store::new();
        store.apply(service("web", "10.96.0.1"));
        let builder = Server::builder(zone()).threads(threads).listen(address).keep_trying(true);
        with_server(builder, &store, async |handle, server| {
            let name = "web.default.svc.cluster.local.";
            assert_ne!(server, address);
            assert_eq!(answers(&by_udp(server, name, RecordType::A).await), ["A 10.96.0.1"]);
            let status = handle.status();
            assert_eq!(status.unbound.len(), 1);
            assert_eq!(status.unbound[0].0, address);
            assert!(status.unbound[0].1.is_exists());
            let before = status.bound.unwrap();
            drop(taken);
            let bound = handle.bound_more(&before).await.unwrap();
            assert_eq!((&bound.udp[1..], &bound.tcp[1..]), (&[address][..], &[address][..]));
            assert_eq!(answers(&by_udp(address, name, RecordType::A).await), ["A 10.96.0.1"]);
            assert_eq!(answers(&by_tcp(address, name, RecordType::A).await), ["A 10.96.0.1"]);
            assert!(handle.status().unbound.is_empty());
        })
        .await;
    }
}
