//! The public name server of the lab: a handful of outside names, and a record of who asked for what.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;

/// The names it was asked for, in order.
#[derive(Clone, Debug, Default)]
pub struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    /// All names so far.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, name: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    }
}

/// Serves `names` (absolute, lower case, with the final dot) at `address`. Bound when this returns.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    names: BTreeMap<&'static str, Ipv4Addr>,
) -> anyhow::Result<(Asked, impl Future<Output = ()>)> {
    let socket =
        UdpSocket::bind(address).await.with_context(|| format!("public name server on {address}"))?;
    let asked = Asked::default();
    let notes = asked.clone();
    let serving = async move {
        let mut buffer = [0; 1500];
        loop {
            let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
            if let Some(reply) = answer(&buffer[..length], &names, &notes) {
                let _ = socket.send_to(&reply, client).await;
            }
        }
    };
    Ok((asked, serving))
}

fn answer(query: &[u8], names: &BTreeMap<&str, Ipv4Addr>, asked: &Asked) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok()?;
    let question = query.queries.first()?.clone();
    let name = question.name().to_lowercase().to_string();
    asked.note(name.clone());
    let mut reply = Message::response(query.metadata.id, OpCode::Query);
    reply.metadata.authoritative = true;
    match names.get(name.as_str()) {
        Some(address) if question.query_type() == RecordType::A => {
            reply.add_answer(Record::from_rdata(question.name().clone(), 60, RData::A(A(*address))));
        }
        Some(_) => {}
        None => reply.metadata.response_code = ResponseCode::NXDomain,
    }
    reply.add_query(question);
    reply.to_vec().ok()
}
