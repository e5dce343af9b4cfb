//! The search path of a client, walked for it.

use super::{rcode, site::Site};
use crate::{
    Client, Forward, Outcome, Responder,
    autopath::{Autopath, Candidate},
    forward::Search,
    message::{Header, Query, Rcode},
    rewrite::Undo,
};

/// `out` holds the NXDOMAIN for the name as it was asked. The first name of the path that exists is the answer; names of the zone
/// are looked for first, and in the zone only.
pub(super) fn walk(
    autopath: &Autopath,
    site: &Site,
    responder: &Responder,
    message: &[u8],
    query: &Query<'_>,
    client: Client,
    out: &mut Vec<u8>,
) -> Outcome {
    let Some(candidates) = autopath.candidates(responder, query, client.address.ip()) else {
        return Outcome::Answer;
    };
    let nothing = out.clone();
    let limit = responder.limit(query.edns(), client.transport);
    let (own, foreign): (Vec<Candidate>, Vec<Candidate>) =
        candidates.into_iter().partition(|candidate| candidate.own);
    let mut forwards = Vec::new();
    for candidate in own.into_iter().chain(foreign) {
        let asked = instead(message, query, &candidate);
        let undo = Undo::alias(query.question().raw(), query.header().id, &candidate.name);
        let Ok(parsed) = Query::parse(&asked) else { continue };
        match site.respond(responder, &asked, &parsed, client, out) {
            Outcome::Answer if matches!(rcode(out), Rcode::NXDOMAIN | Rcode::REFUSED) => {}
            Outcome::Answer if forwards.is_empty() => {
                undo.apply(limit, out);
                return Outcome::Answer;
            }
            Outcome::Forward(mut forward) if !candidate.own || forward.is_chase() => {
                forward.after_mut().undo = Some(Box::new(undo));
                forwards.push(*forward);
            }
            _ => {}
        }
    }
    out.clone_from(&nothing);
    hand_over(forwards, nothing)
}

/// The message, about another name.
fn instead(message: &[u8], query: &Query<'_>, candidate: &Candidate) -> Vec<u8> {
    let question = query.question();
    let behind = Header::LEN + question.name().wire().len();
    [&message[..Header::LEN], candidate.name.wire(), &message[behind..]].concat()
}

fn hand_over(forwards: Vec<Forward>, nothing: Vec<u8>) -> Outcome {
    let mut forwards = forwards.into_iter();
    let Some(mut first) = forwards.next() else { return Outcome::Answer };
    first.after_mut().search = Some(Box::new(Search { next: forwards.collect(), nothing }));
    Outcome::Forward(Box::new(first))
}
