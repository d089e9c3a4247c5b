//! What speaks for and against two descriptions being of one machine, beside the key that brought them together.

use std::collections::BTreeSet;

use rollcall_shared::{CiId, wire::v1::PlatformKind};
use serde_json::Value;

use super::{
    identify::{Newcomer, is_machine},
    machine::{self, short_name},
    plan::Plan,
};
use crate::{
    model::{Attribute, Ci, Claim, IdentityKey, IdentityKeyKind, Lifecycle, Source},
    observe::full_name,
};

/// What network adapters say about two machines being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adapters {
    /// The same ones, or one side has all of the other's.
    Same,
    /// Some in common, and each side has one that the other lacks: an adapter was replaced, or two machines shared a dock.
    Overlap,
    /// None in common.
    Different,
    /// One side has none that are its own, or they were made up and prove nothing.
    Unknown,
}

pub(super) fn adapters(newcomer: &Newcomer<'_>, ci: &Ci) -> Adapters {
    let (ours, theirs) = (newcomer.macs(), macs_of(ci));
    if ours.is_empty() || theirs.is_empty() {
        return Adapters::Unknown;
    }
    // Locally made-up addresses repeat from host to host: equal ones prove nothing, different ones do.
    let proof = newcomer.keys.iter().any(|key| key.kind == IdentityKeyKind::Mac && ci.keys.contains(key));
    if ours.is_disjoint(&theirs) {
        Adapters::Different
    } else if !ours.is_subset(&theirs) && !theirs.is_subset(ours) {
        Adapters::Overlap
    } else if proof {
        Adapters::Same
    } else {
        Adapters::Unknown
    }
}

/// Whether all adapters of the one are the other's, made-up addresses counted too.
pub(super) fn has_adapters_of(newcomer: &Newcomer<'_>, ci: &Ci) -> bool {
    let (ours, theirs) = (newcomer.macs(), macs_of(ci));
    !ours.is_empty() && !theirs.is_empty() && (ours.is_subset(&theirs) || theirs.is_subset(ours))
}

/// Its agent's word, or everybody's where it has no agent: a register may know one adapter, a program another.
pub(super) fn macs_of(ci: &Ci) -> BTreeSet<String> {
    let claims = ci.attributes.get("mac_addresses").map(Attribute::claims).unwrap_or_default();
    let of_agent = claims.iter().any(|claim| claim.source == Source::Agent);
    let counted = claims.iter().filter(|claim| !of_agent || claim.source == Source::Agent);
    let values = counted.filter_map(|claim| claim.value.as_array()).flatten();
    values.filter_map(|mac| mac.as_str().map(str::to_lowercase)).collect()
}

/// Whether hardware ids say that these are two machines. The same serial under another UUID is a board that was replaced, or a serial that a
/// maker gave twice: what else is known decides. A value that several machines have tells nothing.
pub(super) fn hardware_differs<'a>(plan: &Plan<'_>, ours: impl IntoIterator<Item = &'a IdentityKey>, theirs: &[IdentityKey]) -> bool {
    const HARDWARE: &[IdentityKeyKind] = &[IdentityKeyKind::Serial, IdentityKeyKind::SmbiosUuid, IdentityKeyKind::SerialAndManufacturer];
    let tells = |key: &&IdentityKey| HARDWARE.contains(&key.kind) && !is_shared(plan, key);
    let ours: Vec<&IdentityKey> = ours.into_iter().filter(tells).collect();
    let theirs: Vec<&IdentityKey> = theirs.iter().filter(tells).collect();
    let compare = |kind| compare_keys(ours.iter().copied(), theirs.iter().copied(), kind);
    match compare(IdentityKeyKind::Serial) {
        Some(false) => true,
        Some(true) => compare(IdentityKeyKind::SerialAndManufacturer) == Some(false),
        None => compare(IdentityKeyKind::SmbiosUuid) == Some(false),
    }
}

/// Whether several machines have what should be one machine's own.
fn is_shared(plan: &Plan<'_>, key: &IdentityKey) -> bool {
    let standing: BTreeSet<CiId> = plan.with_key(key).into_iter().map(|id| plan.standing(id)).collect();
    standing.into_iter().filter_map(|id| plan.ci(id)).filter(|ci| is_machine(plan.estate, ci) && ci.lifecycle == Lifecycle::Active).count()
        > 1
}

/// Whether ids of the hardware say that these are one machine.
pub(super) fn hardware_agrees(newcomer: &Newcomer<'_>, ci: &Ci) -> bool {
    [IdentityKeyKind::SmbiosUuidAndSerial, IdentityKeyKind::SerialAndManufacturer]
        .into_iter()
        .any(|kind| compare_keys(newcomer.keys, &ci.keys, kind) == Some(true))
}

/// Whether both have a key of a kind, and a common one; `None` where one of them has none.
pub(super) fn compare_keys<'a, 'b>(
    ours: impl IntoIterator<Item = &'a IdentityKey>,
    theirs: impl IntoIterator<Item = &'b IdentityKey>,
    kind: IdentityKeyKind,
) -> Option<bool> {
    let ours: BTreeSet<&IdentityKey> = ours.into_iter().filter(|key| key.kind == kind).collect();
    let theirs: BTreeSet<&IdentityKey> = theirs.into_iter().filter(|key| key.kind == kind).collect();
    (!ours.is_empty() && !theirs.is_empty()).then(|| !ours.is_disjoint(&theirs))
}

/// Names that installers give, and that say nothing.
const NOBODYS_NAMES: &[&str] = &[
    "localhost",
    "localhost6",
    "debian",
    "ubuntu",
    "fedora",
    "centos",
    "raspberrypi",
    "archlinux",
    "linux",
    "windows",
    "desktop",
    "laptop",
    "notebook",
    "pc",
    "workstation",
    "server",
    "template",
    "golden",
    "image",
    "base",
    "clone",
    "master",
    "vm",
    "host",
    "computer",
    "test",
    "unknown",
    "new",
    "default",
    "installer",
    "minint",
    "sysprep",
    "user",
    "vagrant",
    "bullseye",
    "bookworm",
    "focal",
    "jammy",
    "noble",
];

/// Whether somebody calls both by the same host name, and not one that nobody chose.
pub(super) fn same_name(newcomer: &Newcomer<'_>, ci: &Ci) -> bool {
    let Some(name) = newcomer.hostname().map(|name| short_name(name).to_lowercase()).filter(|name| is_chosen(name)) else { return false };
    let claimed = texts(ci, "hostname").chain(texts(ci, "fqdn")).map(|known| short_name(known).to_lowercase());
    claimed.chain([short_name(&ci.name).to_lowercase()]).any(|known| known == name)
}

/// Whether somebody has chosen this name.
pub(super) fn is_chosen(name: &str) -> bool {
    !name.is_empty() && !NOBODYS_NAMES.contains(&name)
}

/// Whether somebody calls both by the same full name.
pub(super) fn same_full_name(newcomer: &Newcomer<'_>, ci: &Ci) -> bool {
    let Some(name) = newcomer.identity.and_then(|identity| identity.fqdn.as_deref()) else { return false };
    let host = name.split('.').next().unwrap_or_default();
    is_chosen(host) && texts(ci, "fqdn").filter_map(|known| full_name(Some(known))).any(|known| known == name)
}

/// Whether both are of one model.
pub(super) fn same_model(newcomer: &Newcomer<'_>, ci: &Ci) -> bool {
    let Some(model) = newcomer.identity.and_then(|identity| identity.model.as_deref()) else { return false };
    texts(ci, "model").any(|known| known.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase() == model)
}

/// Whether one of them is a guest: its hardware ids are made up, and copied with it.
pub(super) fn is_virtual(newcomer: &Newcomer<'_>, ci: &Ci) -> bool {
    let physical = |kind: &PlatformKind| *kind == PlatformKind::Physical;
    let ours = newcomer.identity.and_then(|identity| identity.platform);
    let theirs = machine::known_platform(ci);
    ours.is_some_and(|kind| !physical(&kind)) || theirs.is_some_and(|kind| !physical(&kind)) || ci.class == "virtual_machine"
}

/// Whether the source that speaks knows this CI by another name: in one register, two rows are two things.
pub(super) fn knows_by_another_name(ci: &Ci, device: &IdentityKey) -> bool {
    let Some((source, _)) = device.value.split_once('|') else { return false };
    let of_source =
        |key: &&IdentityKey| key.kind == IdentityKeyKind::External && key.value.split_once('|').is_some_and(|(it, _)| it == source);
    !ci.keys.contains(device) && ci.keys.iter().any(|key| of_source(&key))
}

/// Whether some source knows the two by two names.
pub(super) fn are_two_to_a_source(a: &Ci, b: &Ci) -> bool {
    a.keys.iter().filter(|key| key.kind == IdentityKeyKind::External).any(|key| knows_by_another_name(b, key))
}

fn texts<'a>(ci: &'a Ci, attribute: &str) -> impl Iterator<Item = &'a str> {
    let claims: &'a [Claim] = ci.attributes.get(attribute).map(Attribute::claims).unwrap_or_default();
    claims.iter().map(|claim| &claim.value).filter_map(Value::as_str)
}
