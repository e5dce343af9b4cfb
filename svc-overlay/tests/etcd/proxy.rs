//! A way to etcd that can be cut, while etcd itself lives on.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::loopback;

pub(crate) struct Proxy {
    address: SocketAddr,
    to: String,
    task: Option<JoinHandle<()>>,
}

impl Proxy {
    pub(crate) async fn start(to: &str) -> Self {
        let address = loopback::place();
        let listener = TcpListener::bind(address).await.unwrap();
        let task = Some(tokio::spawn(carry(listener, to.to_owned())));
        Proxy { address, to: to.to_owned(), task }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends all connections; new ones are refused.
    pub(crate) async fn cut(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // Only then is the port closed.
            let _aborted = task.await;
        }
    }

    pub(crate) async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.task = Some(tokio::spawn(carry(listener, self.to.clone())));
    }
}

async fn carry(listener: TcpListener, to: String) {
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let to = to.clone();
        connections.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(&to).await {
                let _ended = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
            }
        });
    }
}
