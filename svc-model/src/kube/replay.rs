//! What a server said, without a server: for the fuzz target.

use super::lines::Lines;
use super::reflector::Reflector;
use super::resource::Resource;
use super::{decode, referenced};
use crate::{Kind, Snapshot};

/// What following a server comes to whose answer to the list is `list`, and which then sends `watch` in these pieces: what is in
/// the store, and the text of what ended it. Takes no more than the following itself does.
#[must_use]
pub fn replay(kind: Kind, list: &[u8], watch: &[&[u8]]) -> (Snapshot, String) {
    let mut reflector = Reflector::new(Resource::all(kind), 500);
    let mut snapshot = Snapshot::default();
    let ended = run(&mut reflector, &mut snapshot, list, watch).err().unwrap_or_default();
    drop(referenced::secrets(&snapshot));
    (snapshot, ended)
}

fn run(
    reflector: &mut Reflector,
    snapshot: &mut Snapshot,
    list: &[u8],
    watch: &[&[u8]],
) -> Result<(), String> {
    let kind = reflector.resource().kind();
    if let Some(change) = reflector.page(decode::page(kind, list)?) {
        *snapshot = snapshot.with(change.set, change.removed).0;
    }
    let mut lines = Lines::default();
    for piece in watch {
        lines.feed(piece);
        while let Some(line) = lines.next().map_err(|error| format!("{error:?}"))? {
            let change = reflector.event(decode::event(kind, line)?).map_err(|error| format!("{error:?}"))?;
            if let Some(change) = change {
                *snapshot = snapshot.with(change.set, change.removed).0;
            }
        }
    }
    Ok(())
}
