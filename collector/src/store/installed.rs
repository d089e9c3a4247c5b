//! Software sets as read from the store: numbers, and the catalogue that says what they mean.

use std::collections::{BTreeSet, HashMap};

use rollcall_core::{Put, SoftwareEntry};
use rollcall_shared::CiId;

use super::{
    InstalledSoftware, StoreError,
    codec::{self, SoftwareSetRow},
};

/// Machines and the catalogue ids of what is on them.
type Sets = Vec<(CiId, Vec<u32>)>;

/// Reads rows of `ci, ids`.
pub(super) fn read_sets(text: &str) -> Result<Sets, StoreError> {
    codec::rows::<SoftwareSetRow>(text)?.into_iter().map(|row| Ok((CiId(row.ci), row.software()?))).collect()
}

/// The catalogue ids that are in use.
pub(super) fn used_by(sets: &Sets) -> BTreeSet<u32> {
    sets.iter().flat_map(|(_, ids)| ids).copied().collect()
}

/// The whole state: ids become positions.
pub(super) fn with_catalogue(mut sets: Sets, catalogue: Vec<(u32, SoftwareEntry)>) -> Result<InstalledSoftware, StoreError> {
    if let Some(((id, _), expected)) = catalogue.iter().zip(1..).find(|((id, _), expected)| id != expected) {
        let problem = format!("the numbering is not dense: {expected} is missing");
        return Err(StoreError::Corrupt { table: "software", id: id.to_string(), column: "id", problem });
    }
    for (ci, ids) in &mut sets {
        for id in ids {
            if *id == 0 || *id as usize > catalogue.len() {
                return Err(unknown(*ci, *id));
            }
            *id -= 1;
        }
    }
    Ok(InstalledSoftware { catalogue: catalogue.into_iter().map(|(_, entry)| entry).collect(), installed: sets })
}

/// A part of the state: sets as puts.
pub(super) fn puts(sets: Sets, catalogue: Vec<(u32, SoftwareEntry)>) -> Result<Vec<Put>, StoreError> {
    let catalogue: HashMap<u32, SoftwareEntry> = catalogue.into_iter().collect();
    sets.into_iter()
        .map(|(ci, ids)| {
            let entry = |id: u32| catalogue.get(&id).cloned().ok_or_else(|| unknown(ci, id));
            let software = ids.into_iter().map(entry).collect::<Result<_, _>>()?;
            Ok(Put::Software { ci, software })
        })
        .collect()
}

fn unknown(ci: CiId, id: u32) -> StoreError {
    StoreError::Corrupt {
        table: "software_set",
        id: ci.to_string(),
        column: "ids",
        problem: format!("software {id} is not in table software"),
    }
}
