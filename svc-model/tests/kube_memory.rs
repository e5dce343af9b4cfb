//! An API server that never stops talking takes no more memory than one page or one event may have.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a server for the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use peak_alloc::PeakAlloc;
use svc_model::Kind;
use svc_model::kube::{Cluster, Kube};
use svc_model::store::Store;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// What the server never comes to the end of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Endless {
    List,
    Watch,
}

/// Answers one request; how much it got rid of.
async fn serve(mut stream: TcpStream, endless: Endless, sent: &AtomicUsize) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let is_watch = String::from_utf8_lossy(&head).contains("watch=1");
    if !is_watch && endless == Endless::Watch {
        return stream.write_all(br#"{"metadata": {"resourceVersion": "1"}, "items": []}"#).await;
    }
    stream.write_all(br#"{"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"name": ""#).await?;
    loop {
        sent.fetch_add(stream.write(&[b'x'; 1 << 16]).await?, Ordering::Relaxed);
    }
}

/// How much more memory was taken at most, and how much one connection took from the server.
async fn followed(endless: Endless) -> (usize, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // It ends by the client's going away.
            drop(serve(stream, endless, &counted).await);
        }
    });
    let kube = Kube::new(Cluster::plain(&url).expect("a server")).kinds([Kind::Service]).page_size(1);
    let kube = kube.retry(Duration::from_secs(3600), Duration::from_secs(3600));
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let (mut handle, run) = kube.follow(Store::new());
    let told = async {
        while !handle
            .problems()
            .iter()
            .any(|problem| problem.to_string().contains("is larger than what is read"))
        {
            handle.changed().await.expect("following goes on");
        }
    };
    tokio::select! {
        () = run => panic!("following ended"),
        () = told => {}
    }
    server.abort();
    (MEMORY.peak_usage().saturating_sub(before), sent.load(Ordering::Relaxed))
}

#[test]
fn what_a_server_sends_is_bounded() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (endless, limit) in [(Endless::List, 32 * MIB), (Endless::Watch, 16 * MIB)] {
        let (held, sent) = runtime.block_on(followed(endless));
        assert!(sent > limit, "{endless:?}: the server had no chance: {sent} bytes");
        // A buffer that grows is copied to one twice as large.
        assert!(held < 4 * limit, "{endless:?}: {held} bytes for {limit} that are allowed");
    }
}
