//! Packets between two pods that never pause.

use svc_lab::{Host, Result};
use tokio::fs::read_to_string;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::cluster::tool;

/// A byte there and back, again and again, until it is told to stop; how many went.
pub(crate) struct Traffic {
    exchanged: mpsc::Receiver<()>,
    stop: oneshot::Sender<()>,
    task: svc_lab::Task<std::io::Result<u32>>,
    ends: [Host; 2],
    before: u64,
    _echo: svc_lab::Task<std::io::Result<()>>,
}

impl Traffic {
    pub(crate) async fn start(server: &Host, client: &Host, to: std::net::IpAddr) -> Result<Self> {
        let ends = [server.clone(), client.clone()];
        for end in &ends {
            patient(end).await?;
        }
        let listener = server.run(move || TcpListener::bind((to, 9100))).await?;
        let _echo = server.spawn(move || async move {
            let (mut stream, _) = listener.accept().await?;
            let mut byte = [0];
            while stream.read_exact(&mut byte).await.is_ok() {
                stream.write_all(&byte).await?;
            }
            std::io::Result::Ok(())
        });
        let (stop, mut stopped) = oneshot::channel();
        let (told, exchanged) = mpsc::channel(1);
        let task = client.spawn(move || async move {
            let mut stream = TcpStream::connect((to, 9100)).await?;
            stream.set_nodelay(true)?;
            let mut count = 0;
            while stopped.try_recv().is_err() {
                stream.write_all(&[1]).await?;
                stream.read_exact(&mut [0]).await?;
                count += 1;
                let _full = told.try_send(());
            }
            Ok(count)
        });
        let mut traffic = Traffic { exchanged, stop, task, ends, before: 0, _echo };
        traffic.flows().await?;
        traffic.before = traffic.retransmitted().await?;
        Ok(traffic)
    }

    pub(crate) async fn flows(&mut self) -> Result {
        while self.exchanged.try_recv().is_ok() {}
        for _ in 0..3 {
            self.exchanged.recv().await.ok_or("the connection broke")?;
        }
        Ok(())
    }

    pub(crate) async fn end(self) -> Result<u32> {
        self.stop.send(()).map_err(|()| "the connection broke")?;
        Ok(self.task.await?)
    }

    /// How many packets were lost since the start: TCP hides it.
    pub(crate) async fn lost(&self) -> Result<u64> {
        Ok(self.retransmitted().await? - self.before)
    }

    async fn retransmitted(&self) -> Result<u64> {
        let [server, client] = &self.ends;
        Ok(retransmitted(server).await? + retransmitted(client).await?)
    }
}

/// On a loaded machine an answer may take longer than TCP waits by itself, and nothing was lost.
async fn patient(pod: &Host) -> Result {
    let route = tool(pod, "ip route show default").await?;
    tool(pod, &format!("ip route change {} rto_min 5s", route.trim())).await.map(drop)
}

async fn retransmitted(host: &Host) -> Result<u64> {
    let text = host.run(|| read_to_string("/proc/thread-self/net/snmp")).await?;
    let tcp: Vec<_> =
        text.lines().filter(|line| line.starts_with("Tcp:")).map(str::split_whitespace).collect();
    let [names, values] = <[_; 2]>::try_from(tcp).map_err(|_| "no Tcp lines")?;
    let found = names.zip(values).find(|(name, _)| *name == "RetransSegs").ok_or("no RetransSegs")?;
    Ok(found.1.parse()?)
}
