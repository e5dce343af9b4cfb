//! One DNS query over UDP, for what the C library cannot ask: SRV, the response code, the CNAME itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use svc_lab::Host;
use tokio::net::UdpSocket;

/// An answer: the response code and the records, each as `name type data`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// `No Error`, `Non-Existent Domain` and so on.
    pub code: String,
    /// The answer section, sorted.
    pub records: Vec<String>,
}

/// Asks `server` from `host`.
///
/// # Errors
/// No answer within three tries of a second, or one that cannot be read.
pub async fn query(
    host: &Host,
    server: SocketAddr,
    name: &str,
    record: RecordType,
) -> anyhow::Result<Answer> {
    let name = Name::from_ascii(name)?;
    let place = host.name().to_owned();
    let context = format!("{name} {record} asked of {server} from {place}");
    host.run(move || async move { exchange(server, name, record).await }).await.context(context)
}

async fn exchange(server: SocketAddr, name: Name, record: RecordType) -> anyhow::Result<Answer> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, record));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(server).await?;
    let mut buffer = vec![0; 4096];
    for _ in 0..3 {
        socket.send(&message.to_vec()?).await?;
        let received = tokio::time::timeout(Duration::from_secs(1), socket.recv(&mut buffer)).await;
        if let Ok(length) = received {
            return Ok(answer(&Message::from_vec(&buffer[..length?])?));
        }
    }
    anyhow::bail!("no answer")
}

fn answer(message: &Message) -> Answer {
    let record = |record: &hickory_proto::rr::Record| {
        format!("{} {} {}", record.name, record.record_type(), record.data)
    };
    let mut records: Vec<_> = message.answers.iter().map(record).collect();
    records.sort();
    Answer { code: message.metadata.response_code.to_string(), records }
}
