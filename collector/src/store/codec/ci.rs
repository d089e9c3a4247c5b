use std::{borrow::Cow, collections::BTreeMap};

use rollcall_core::{
    Attribute, Ci, Claim, Conflict, ConflictKind, ConflictState, IdentityKey, IdentityKeyKind, Put, Sighting, SoftwareEntry, Stage,
};
use rollcall_shared::{AgentId, CiId, ConflictId, Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{At, Decode, Row, StoreError, each, json, time};
use crate::store::{CiVersion, plan::Version};

/// `ci_version`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct CiRow {
    id: Uuid,
    class: String,
    name: String,
    lifecycle: String,
    attributes: String,
    keys: String,
    agent: Option<Uuid>,
    merged_into: Option<Uuid>,
    first_seen: i64,
    valid_from: i64,
    version: u32,
    #[serde(default = "in_use")]
    stage: String,
    sighting: Option<String>,
    #[serde(default)]
    valid_to: Option<i64>,
    // The history needs these; the current state is read without.
    #[serde(default)]
    revision: u64,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    differs: String,
}

/// Where an item was that was written down before there were stages.
fn in_use() -> String {
    Stage::InUse.as_str().to_owned()
}

impl Row for CiRow {
    const TABLE: &'static str = "ci_version";
}

impl CiRow {
    pub(in crate::store) fn new(ci: &Ci, actor: &str, reason: &str, differs: &[String]) -> Result<Self, StoreError> {
        let keys: Vec<(&str, &str)> = ci.keys.iter().map(|key| (key.kind.as_str(), key.value.as_str())).collect();
        Ok(Self {
            id: ci.id.0,
            class: ci.class.clone(),
            name: ci.name.clone(),
            lifecycle: ci.lifecycle.as_str().into(),
            attributes: attributes_json(&ci.attributes)?,
            keys: json(&keys)?,
            agent: ci.agent.map(|agent| agent.0),
            merged_into: ci.merged_into.map(|ci| ci.0),
            first_seen: ci.first_seen.as_millis(),
            valid_from: ci.valid_from.as_millis(),
            version: ci.version,
            stage: ci.stage.as_str().into(),
            sighting: ci.sighting.as_ref().map(|sighting| json(&SightingJson::from(sighting))).transpose()?,
            valid_to: None,
            revision: 0,
            actor: actor.into(),
            reason: reason.into(),
            differs: json(differs)?,
        })
    }

    fn ci(&self) -> Result<Ci, StoreError> {
        let at = At::row::<Self>(&self.id);
        let keys: Vec<(Cow<'_, str>, String)> = serde_json::from_str(&self.keys).map_err(|error| at.corrupt("keys", error))?;
        Ok(Ci {
            id: CiId(self.id),
            class: self.class.clone(),
            name: self.name.clone(),
            lifecycle: at.lifecycle(&self.lifecycle)?,
            stage: at.word("stage", &self.stage, Stage::parse)?,
            sighting: self.sighting.as_deref().map(|text| at.json::<SightingJson>("sighting", text)).transpose()?.map(Sighting::from),
            attributes: attributes(at, &self.attributes)?,
            keys: each(keys, |(kind, value)| Ok(IdentityKey { kind: at.word("keys", &kind, IdentityKeyKind::parse)?, value }))?,
            agent: self.agent.map(AgentId),
            merged_into: self.merged_into.map(CiId),
            first_seen: time(self.first_seen),
            valid_from: time(self.valid_from),
            version: self.version,
        })
    }

    /// Reads it as a part of a history.
    pub(in crate::store) fn version(self) -> Result<CiVersion, StoreError> {
        Ok(CiVersion {
            ci: self.ci()?,
            valid_to: self.valid_to.map(time),
            revision: rollcall_core::Revision(self.revision),
            differs: At::row::<Self>(&self.id).json("differs", &self.differs)?,
            actor: self.actor,
            reason: self.reason,
        })
    }
}

impl Decode for CiRow {
    type Record = Put;
    fn decode(self) -> Result<Put, StoreError> {
        self.ci().map(Put::Ci)
    }
}

impl Version for CiRow {
    fn thing(&self) -> Uuid {
        self.id
    }
    fn valid_from(&self) -> i64 {
        self.valid_from
    }
    fn close(&mut self, at: i64) {
        self.valid_to = Some(at);
    }
}

/// A sighting as JSON.
#[derive(Serialize, Deserialize)]
struct SightingJson {
    at: i64,
    place: String,
    by: String,
    source: String,
}

impl From<&Sighting> for SightingJson {
    fn from(sighting: &Sighting) -> Self {
        let Sighting { at, place, by, source } = sighting.clone();
        Self { at: at.as_millis(), place, by, source }
    }
}

impl From<SightingJson> for Sighting {
    fn from(json: SightingJson) -> Self {
        Self { at: time(json.at), place: json.place, by: json.by, source: json.source }
    }
}

/// A claim as JSON.
#[derive(Serialize, Deserialize)]
struct ClaimJson<'a> {
    value: Cow<'a, Value>,
    source: Cow<'a, str>,
    since: i64,
    /// Absent: as `since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confirmed: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pinned: bool,
}

fn attributes_json(attributes: &BTreeMap<String, Attribute>) -> Result<String, StoreError> {
    let claim = |claim: &Claim| ClaimJson {
        value: Cow::Owned(claim.value.clone()),
        source: claim.source.to_string().into(),
        since: claim.since.as_millis(),
        confirmed: (claim.confirmed != claim.since).then(|| claim.confirmed.as_millis()),
        pinned: claim.pinned,
    };
    let by_name: BTreeMap<&str, Vec<ClaimJson<'_>>> =
        attributes.iter().map(|(name, attribute)| (name.as_str(), attribute.claims().iter().map(claim).collect())).collect();
    json(&by_name)
}

fn attributes(at: At<'_>, text: &str) -> Result<BTreeMap<String, Attribute>, StoreError> {
    let by_name: BTreeMap<String, Vec<ClaimJson<'_>>> = serde_json::from_str(text).map_err(|error| at.corrupt("attributes", error))?;
    by_name
        .into_iter()
        .map(|(name, claims)| {
            let claims = each(claims, |claim| {
                let source = at.source("attributes", &claim.source)?;
                let (since, confirmed) = (time(claim.since), time(claim.confirmed.unwrap_or(claim.since)));
                Ok(Claim { value: claim.value.into_owned(), source, since, confirmed, pinned: claim.pinned })
            })?;
            let attribute = Attribute::from_ordered(claims)
                .ok_or_else(|| at.corrupt("attributes", format!("{name:?} has no claim, or two of one source")))?;
            Ok((name, attribute))
        })
        .collect()
}

/// `identity_conflict`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct ConflictRow {
    pub(in crate::store) id: Uuid,
    kind: String,
    known: Uuid,
    other: Option<Uuid>,
    agent: Option<Uuid>,
    detail: String,
    state: String,
    opened_at: i64,
    settled_at: Option<i64>,
}

impl Row for ConflictRow {
    const TABLE: &'static str = "identity_conflict";
}

impl From<&Conflict> for ConflictRow {
    fn from(conflict: &Conflict) -> Self {
        Self {
            id: conflict.id.0,
            kind: conflict.kind.as_str().into(),
            known: conflict.known.0,
            other: conflict.other.map(|ci| ci.0),
            agent: conflict.agent.map(|agent| agent.0),
            detail: conflict.detail.clone(),
            state: conflict.state.as_str().into(),
            opened_at: conflict.opened_at.as_millis(),
            settled_at: conflict.settled_at.map(Timestamp::as_millis),
        }
    }
}

impl Decode for ConflictRow {
    type Record = Put;
    fn decode(self) -> Result<Put, StoreError> {
        let at = At::row::<Self>(&self.id);
        Ok(Put::Conflict(Conflict {
            id: ConflictId(self.id),
            kind: at.word("kind", &self.kind, ConflictKind::parse)?,
            known: CiId(self.known),
            other: self.other.map(CiId),
            agent: self.agent.map(AgentId),
            state: at.word("state", &self.state, ConflictState::parse)?,
            detail: self.detail,
            opened_at: time(self.opened_at),
            settled_at: self.settled_at.map(time),
        }))
    }
}

/// `agent_binding`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct BindingRow {
    pub(in crate::store) agent: Uuid,
    pub(in crate::store) ci: Uuid,
    #[serde(default)]
    pub(in crate::store) valid_from: i64,
    #[serde(default)]
    pub(in crate::store) valid_to: Option<i64>,
}

impl Row for BindingRow {
    const TABLE: &'static str = "agent_binding";
}

impl Decode for BindingRow {
    type Record = Put;
    fn decode(self) -> Result<Put, StoreError> {
        Ok(Put::AgentBinding { agent: AgentId(self.agent), ci: CiId(self.ci) })
    }
}

impl Version for BindingRow {
    fn thing(&self) -> Uuid {
        self.agent
    }
    fn valid_from(&self) -> i64 {
        self.valid_from
    }
    fn close(&mut self, at: i64) {
        self.valid_to = Some(at);
    }
}

/// `software_set`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct SoftwareSetRow {
    pub(in crate::store) ci: Uuid,
    /// JSON: ascending catalogue ids.
    pub(in crate::store) ids: String,
    #[serde(default)]
    pub(in crate::store) valid_from: i64,
    #[serde(default)]
    pub(in crate::store) valid_to: Option<i64>,
}

impl Row for SoftwareSetRow {
    const TABLE: &'static str = "software_set";
}

impl SoftwareSetRow {
    /// The catalogue ids.
    pub(in crate::store) fn software(&self) -> Result<Vec<u32>, StoreError> {
        At::row::<Self>(&self.ci).json("ids", &self.ids)
    }
}

impl Version for SoftwareSetRow {
    fn thing(&self) -> Uuid {
        self.ci
    }
    fn valid_from(&self) -> i64 {
        self.valid_from
    }
    fn close(&mut self, at: i64) {
        self.valid_to = Some(at);
    }
}

/// `software`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct SoftwareRow {
    /// 0 before the database has given one.
    pub(in crate::store) id: u32,
    kind: String,
    name: String,
    version: String,
    architecture: String,
    publisher: String,
    #[serde(default)]
    digest: String,
}

impl Row for SoftwareRow {
    const TABLE: &'static str = "software";
}

impl From<&SoftwareEntry> for SoftwareRow {
    fn from(entry: &SoftwareEntry) -> Self {
        Self {
            id: 0,
            kind: entry.kind.clone(),
            name: entry.name.clone(),
            version: entry.version.clone(),
            architecture: entry.architecture.clone(),
            publisher: entry.publisher.clone(),
            digest: software_digest(entry),
        }
    }
}

impl Decode for SoftwareRow {
    type Record = (u32, SoftwareEntry);
    fn decode(self) -> Result<Self::Record, StoreError> {
        let Self { id, kind, name, version, architecture, publisher, .. } = self;
        Ok((id, SoftwareEntry { kind, name, version, architecture, publisher }))
    }
}

/// What the catalogue is unique by.
pub(in crate::store) fn software_digest(entry: &SoftwareEntry) -> String {
    let fields = [&entry.kind, &entry.name, &entry.version, &entry.architecture, &entry.publisher];
    let mut bytes = Vec::with_capacity(64);
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
        bytes.extend_from_slice(field.as_bytes());
    }
    Digest::of(&bytes).to_string()
}
