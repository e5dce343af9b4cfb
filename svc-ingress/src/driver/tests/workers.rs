//! Several workers, faults in one connection, and the end of them all.

use std::io;
use std::num::NonZeroUsize;

use super::*;
use crate::sys::Connect;

#[test]
fn every_worker_follows_the_objects_and_all_end_together() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::new();
        store.apply(objects(&format!("{CLASS}{}", ingress("foo.example", "", ""))));
        let workers = NonZeroUsize::new(3).unwrap();
        let server = Server::builder().http("127.0.0.1:0").https("127.0.0.1:0").workers(workers);
        let (handle, run) = server.build().unwrap().drive(store.watch());
        let running = tokio::spawn(run);
        let bound = handle.ready().await.unwrap();
        let first = echo().await;
        handle.serving(store.apply(objects(&service(&[first])))).await.unwrap();
        // As many that some fall on every worker; each stays open.
        let mut clients = Vec::new();
        for _ in 0..24 {
            let mut client = client(bound.http()[0]).await;
            assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200);
            clients.push(client);
        }
        let second = backend(|_, mut stream| async move {
            while read_head(&mut stream).await.is_some() {
                let _ = stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
            }
        });
        let second = second.await;
        handle.serving(store.apply(objects(&service(&[second])))).await.unwrap();
        for client in &mut clients {
            assert_eq!(fetch(client, "foo.example", "/").await.0, 201);
        }
        drop(handle);
        running.await.unwrap().unwrap();
        assert!(TcpStream::connect(bound.http()[0]).await.is_err());
        for client in &mut clients {
            assert!(client.ready().await.is_err());
        }
    });
}

#[test]
fn dropping_the_server_closes_the_connections_of_every_worker() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::new();
        let workers = NonZeroUsize::new(3).unwrap();
        let server = Server::builder().http("127.0.0.1:0").workers(workers).build().unwrap();
        let (handle, run) = server.drive(store.watch());
        let running = tokio::spawn(run);
        let address = handle.ready().await.unwrap().http()[0];
        let mut streams = Vec::new();
        for _ in 0..12 {
            let mut client = client(address).await;
            assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 404);
            streams.push(client);
        }
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        for client in &mut streams {
            while client.ready().await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
    });
}

/// Reaches endpoints over TCP, but for one.
#[derive(Clone)]
struct Faulty(SocketAddr);

impl Connect for Faulty {
    type Stream = TcpStream;

    async fn connect(&self, endpoint: SocketAddr) -> io::Result<TcpStream> {
        assert_ne!(endpoint, self.0, "a fault of ours");
        TcpStream::connect(endpoint).await
    }
}

#[test]
fn a_panic_ends_one_connection_only() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (good, bad) = (echo().await, echo().await);
        let store = Store::new();
        store.apply(objects(&format!("{CLASS}{}{}", ingress("foo.example", "", ""), service(&[good]))));
        let server = Server::builder().http("127.0.0.1:0").connect(Faulty(bad)).build().unwrap();
        let (handle, run) = server.drive(store.watch());
        let running = tokio::spawn(run);
        let address = handle.ready().await.unwrap().http()[0];
        let mut other = client(address).await;
        assert_eq!(fetch(&mut other, "foo.example", "/").await.0, 200);
        handle.serving(store.apply(objects(&service(&[bad])))).await.unwrap();
        assert!(client(address).await.send_request(get("foo.example", "/")).await.is_err());
        handle.serving(store.apply(objects(&service(&[good])))).await.unwrap();
        assert_eq!(fetch(&mut other, "foo.example", "/").await.0, 200);
        drop(handle);
        running.await.unwrap().unwrap();
    });
}
