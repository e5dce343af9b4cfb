//! From one set of virtual servers to another.

use std::collections::BTreeMap;

use crate::{Command, Listed};

/// The commands that lead from `current` to `wanted`, none if nothing differs.
///
/// Order: virtual servers first, then their new destinations, then what goes, so that a virtual server that exchanges
/// all its destinations has one at every moment. Costs the number of both together.
#[must_use]
pub fn diff(current: &[Listed], wanted: &[Listed]) -> Vec<Command> {
    let by_id =
        |listed| <[Listed]>::iter(listed).map(|one| (one.service().id(), one)).collect::<BTreeMap<_, _>>();
    let (current, wanted) = (by_id(current), by_id(wanted));
    let mut commands = Vec::new();
    for (id, new) in &wanted {
        match current.get(id) {
            None => commands.push(Command::AddService(new.service().clone())),
            Some(old) if old.service() != new.service() => {
                commands.push(Command::SetService(new.service().clone()))
            }
            Some(_) => {}
        }
        destinations(current.get(id).copied(), new, &mut commands);
    }
    let gone = current.keys().filter(|id| !wanted.contains_key(id));
    commands.extend(gone.map(|id| Command::DeleteService(*id)));
    commands
}

fn destinations(old: Option<&Listed>, new: &Listed, commands: &mut Vec<Command>) {
    let id = new.service().id();
    let by_address = |listed: &Listed| {
        let bare = listed.destinations().iter().map(|one| one.destination.clone());
        bare.map(|destination| (destination.address(), destination)).collect::<BTreeMap<_, _>>()
    };
    let (old, new) = (old.map(by_address).unwrap_or_default(), by_address(new));
    for (address, wanted) in &new {
        match old.get(address) {
            None => commands.push(Command::AddDestination(id, wanted.clone())),
            Some(is) if is != wanted => commands.push(Command::SetDestination(id, wanted.clone())),
            Some(_) => {}
        }
    }
    let gone = old.keys().filter(|address| !new.contains_key(address));
    commands.extend(gone.map(|address| Command::DeleteDestination(id, *address)));
}
