//! Who talked to whom.

use rollcall_shared::wire::v1::Connections;

use super::{Machine, Outcome};

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Connections> {
    if machine.windows.is_empty() {
        return Outcome::Failed(match &machine.attribution {
            Ok(_) => "no sample of the socket table was taken yet".to_owned(),
            Err(reason) => reason.clone(),
        });
    }
    let data = machine.connections();
    match machine.windows.overflowed() {
        0 => Outcome::Data(data),
        lost => Outcome::Partial(data, format!("{lost} sightings of flows were not kept: there were too many different ones")),
    }
}
