//! What people, imports and API clients say of a machine's identity, read like a document.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::wire::v1::{Identity, Platform, PlatformKind};
use serde_json::Value;

use super::{IdentityFacts, machine};
use crate::model::{Ci, Source};

/// The identity that one source's claims about a CI make.
pub(crate) fn identity_claimed_by(ci: &Ci, source: &Source) -> IdentityFacts {
    // A program that does not tell a platform cannot; a person or a client of the API knows what they register.
    let otherwise = if matches!(source, Source::Import(_)) { None } else { Some(PlatformKind::Physical) };
    identity_of(otherwise, |name| {
        let claims = ci.attributes.get(name)?.claims();
        claims.iter().find(|claim| claim.source == *source).map(|claim| &claim.value)
    })
}

/// The identity that values of attributes make, as `value` knows them; the platform `otherwise` where they do not say one. Whether it is
/// hardware or a guest makes no difference here.
fn identity_of<'a>(otherwise: Option<PlatformKind>, value: impl Fn(&str) -> Option<&'a Value>) -> IdentityFacts {
    let text = |name: &str| value(name).and_then(Value::as_str).map(str::to_owned);
    let macs = value("mac_addresses").and_then(Value::as_array).into_iter().flatten();
    let kind = match text("platform") {
        Some(platform) if platform.starts_with("container") => Some(PlatformKind::Container),
        Some(_) => Some(PlatformKind::Physical),
        None => otherwise,
    };
    let identity = Identity {
        hostname: text("hostname").unwrap_or_default(),
        fqdn: text("fqdn"),
        machine_id: text("machine_id"),
        smbios_uuid: text("smbios_uuid"),
        serial: text("serial"),
        manufacturer: text("manufacturer"),
        model: text("model"),
        cloud_instance_id: text("cloud_instance_id"),
        permanent_macs: macs.filter_map(|mac| mac.as_str().map(str::to_owned)).collect(),
        platform: kind.map(|kind| Platform { kind, technology: None }),
    };
    machine::read_identity(&identity, &BTreeSet::new())
}

impl IdentityFacts {
    /// What the values that stand for an item say of its identity.
    pub(crate) fn of_item(ci: &Ci) -> Self {
        let mut identity = identity_of(Some(PlatformKind::Physical), |name| ci.value(name));
        if identity.hostname.is_empty() {
            identity.hostname.clone_from(&ci.name);
        }
        identity
    }

    /// What attributes given at once say of an identity.
    pub(crate) fn of_attributes(attributes: &BTreeMap<String, Value>) -> Self {
        identity_of(Some(PlatformKind::Physical), |name| attributes.get(name))
    }
}
