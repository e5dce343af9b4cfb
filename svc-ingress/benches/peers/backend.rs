//! The backend: the same answer to every request, 1 KiB or 10 MiB.

use super::{Failure, routers::BACKENDS};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const LARGE: usize = 10 << 20;

pub(super) fn serve() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = |length: usize| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), &vec![b'x'; length]].concat()
    };
    let answers: &'static [Vec<u8>; 2] = Box::leak(Box::new([answer(1024), answer(LARGE)]));
    runtime.block_on(async {
        let mut listeners = tokio::task::JoinSet::new();
        for address in BACKENDS {
            let listener = TcpListener::bind(address).await?;
            listeners.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(answer_all(stream, answers));
                }
            });
        }
        while listeners.join_next().await.is_some() {}
        Ok(())
    })
}

async fn answer_all(mut stream: TcpStream, answers: &[Vec<u8>; 2]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::with_capacity(4096);
    while stream.read_buf(&mut head).await? > 0 {
        if head.ends_with(b"\r\n\r\n") {
            let large = head.starts_with(b"GET /big");
            head.clear();
            stream.write_all(&answers[usize::from(large)]).await?;
        }
    }
    Ok(())
}
