//! Names that configurations use, and the machines that have them. A name stands for a machine only if it is whole, and exactly one machine
//! of the realm says that it is its own.

use rollcall_shared::CiId;

use super::plan::Plan;
use crate::model::{Ci, IdentityKey, IdentityKeyKind, Lifecycle};

/// The key of a machine's full name.
pub(super) fn name_key(realm: &str, name: &str) -> IdentityKey {
    IdentityKey { kind: IdentityKeyKind::NameInRealm, value: format!("{realm}|{}", crate::observe::bounded(name)) }
}

/// The machine that a name means on another machine. A short name means the one with the same domain as that machine itself.
pub(super) fn machine_named(plan: &Plan<'_>, asking: CiId, realm: &str, name: &str) -> Option<CiId> {
    let name = name.trim().trim_end_matches('.').to_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return Some(asking);
    }
    let full = match name.contains('.') {
        true => name,
        false => format!("{name}.{}", domain_of(plan.ci(asking)?, realm)?),
    };
    let holders = plan.with_key(&name_key(realm, &full));
    let mut holders = holders.into_iter().filter(|id| plan.ci(*id).is_some_and(|ci| ci.lifecycle == Lifecycle::Active));
    holders.next().filter(|_| holders.next().is_none())
}

fn domain_of(ci: &Ci, realm: &str) -> Option<String> {
    let prefix = format!("{realm}|");
    let key = ci.keys.iter().filter(|key| key.kind == IdentityKeyKind::NameInRealm).find_map(|key| key.value.strip_prefix(&prefix))?;
    key.split_once('.').map(|(_, domain)| domain.to_owned())
}
