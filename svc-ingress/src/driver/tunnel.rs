//! After 101: bytes both ways until both sides are done or neither says anything for too long.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Carries an upgraded connection. `early` came from the backend together with its 101.
pub(super) async fn run<S>(
    client: hyper::upgrade::OnUpgrade,
    backend: S,
    early: BytesMut,
    idle: Duration,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let client = TokioIo::new(client.await.map_err(io::Error::other)?);
    let (from_client, mut to_client) = split(client);
    let (from_backend, to_backend) = split(backend);
    to_client.write_all(&early).await?;
    // Silence is over when either side speaks.
    let spoken = watch::Sender::new(Instant::now());
    let up = copy(from_client, to_backend, &spoken, idle);
    let down = copy(from_backend, to_client, &spoken, idle);
    tokio::try_join!(up, down).map(|_| ())
}

async fn copy<R, W>(
    mut from: ReadHalf<R>,
    mut to: WriteHalf<W>,
    spoken: &watch::Sender<Instant>,
    idle: Duration,
) -> io::Result<()>
where
    R: AsyncRead,
    W: AsyncWrite,
{
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let deadline = *spoken.borrow() + idle;
        let Ok(read) = timeout_at(deadline, from.read(&mut buffer)).await else {
            if *spoken.borrow() + idle > Instant::now() {
                continue;
            }
            return Err(io::ErrorKind::TimedOut.into());
        };
        match read? {
            0 => return to.shutdown().await,
            length => {
                spoken.send_replace(Instant::now());
                let written = timeout_at(Instant::now() + idle, to.write_all(&buffer[..length])).await;
                written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            }
        }
    }
}
