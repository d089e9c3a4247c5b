//! What many answers of the API are made of.

use rollcall_core::{Ci, Estate};
use rollcall_shared::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::query;

/// An instant, RFC 3339 in UTC with milliseconds: `2026-03-01T12:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = DateTime, example = "2026-03-01T12:00:00Z")]
pub(crate) struct Instant(pub(crate) Timestamp);

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl std::fmt::Display for Instant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Things on a page: 1 to 1000. Another number is refused, not bent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageLimit(u16);

impl PageLimit {
    /// Most things on a page.
    const MOST: u16 = 1_000;

    /// The number asked for, or this many.
    pub(crate) fn or(asked: Option<Self>, otherwise: usize) -> usize {
        asked.map_or(otherwise, |limit| limit.0.into())
    }
}

impl<'de> Deserialize<'de> for PageLimit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let asked = u16::deserialize(deserializer).ok().filter(|asked| (1..=Self::MOST).contains(asked));
        asked.map(Self).ok_or_else(|| serde::de::Error::custom(format!("limit is 1 to {}", Self::MOST)))
    }
}

/// A position in a list that counts up. More than the store can count to is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position(pub(crate) u64);

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let position = u64::deserialize(deserializer).ok().filter(|position| i64::try_from(*position).is_ok());
        position.map(Self).ok_or_else(|| serde::de::Error::custom(format!("after is 0 to {}", i64::MAX)))
    }
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items, in the order asked for.
    pub(crate) items: Vec<T>,
    /// Send it as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// How many items the whole list has now; absent where counting would cost as much as listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<usize>,
}

impl<T> Page<T> {
    /// Everything there is, on one page.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self { total: Some(items.len()), items, next: None }
    }
}

/// A configuration item, as other things name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct CiReference {
    /// The item's id.
    pub(crate) id: Uuid,
    /// Its name; the id if the item is unknown here.
    pub(crate) name: String,
    /// Its class, a name of `GET /api/v1/classes`; empty if the item is unknown here.
    pub(crate) class: String,
    /// The name of the machine that it runs on, for what runs on one: ten services called `nginx` are told apart by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on: Option<String>,
}

impl CiReference {
    /// The reference to an item of this estate.
    pub(crate) fn of(estate: &Estate, id: rollcall_shared::CiId) -> Self {
        let machine = estate.dependencies(id).find(|edge| edge.kind == "runs_on").and_then(|edge| estate.ci(edge.to));
        let on = machine.map(|machine| machine.name.clone());
        match estate.ci(id) {
            Some(ci) => Self { id: id.0, name: ci.name.clone(), class: ci.class.clone(), on },
            None => Self { id: id.0, name: id.to_string(), class: String::new(), on: None },
        }
    }
}

/// A configuration item in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CiSummary {
    /// The item's id: UUIDv7, never reused.
    pub(crate) id: Uuid,
    /// Its class, a name of `GET /api/v1/classes`.
    pub(crate) class: String,
    /// What people call it.
    pub(crate) name: String,
    /// `active` or `retired`: whether it counts in lists.
    pub(crate) lifecycle: String,
    /// Where it is in its life: `planned`, `ordered`, `in_stock`, `in_use`, `in_repair`, `retired` or `disposed`. Only what is in use or in repair
    /// takes part in graph and impact.
    #[serde(default)]
    pub(crate) stage: String,
    /// When somebody last stood before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sighting: Option<super::life::SightingView>,
    /// The value that stands for each attribute, by name.
    #[schema(value_type = Object)]
    pub(crate) attributes: Map<String, Value>,
    /// The agent that reports it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<Uuid>,
    /// When the item was first seen or made.
    pub(crate) first_seen: Instant,
    /// When its agent was last heard, or a device without one (class `unmanaged_host`) was last met; absent for everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_seen: Option<Instant>,
    /// When this version came to be.
    pub(crate) changed: Instant,
    /// Counts the item's versions from 1; also in the `ETag`.
    pub(crate) version: u32,
}

impl CiSummary {
    /// The summary of an item of this estate.
    pub(crate) fn of(estate: &Estate, ci: &Ci) -> Self {
        Self {
            id: ci.id.0,
            class: ci.class.clone(),
            name: ci.name.clone(),
            lifecycle: ci.lifecycle.as_str().to_owned(),
            stage: ci.stage.as_str().to_owned(),
            sighting: ci.sighting.as_ref().map(super::life::SightingView::from),
            attributes: ci.attributes.iter().map(|(name, attribute)| (name.clone(), attribute.value().clone())).collect(),
            agent: ci.agent.map(|agent| agent.0),
            first_seen: ci.first_seen.into(),
            last_seen: query::last_noticed(estate, ci).map(Instant),
            changed: ci.valid_from.into(),
            version: ci.version,
        }
    }
}

/// How badly a dependent needs what it depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hardness {
    /// Needed to serve.
    Hard,
    /// Serves worse without it.
    Soft,
    /// No outage travels along it; it is shown only.
    None,
}

impl From<rollcall_shared::catalogue::Hardness> for Hardness {
    fn from(hardness: rollcall_shared::catalogue::Hardness) -> Self {
        match hardness {
            rollcall_shared::catalogue::Hardness::Hard => Self::Hard,
            rollcall_shared::catalogue::Hardness::Soft => Self::Soft,
            rollcall_shared::catalogue::Hardness::None => Self::None,
        }
    }
}

impl From<Hardness> for rollcall_shared::catalogue::Hardness {
    fn from(hardness: Hardness) -> Self {
        match hardness {
            Hardness::Hard => Self::Hard,
            Hardness::Soft => Self::Soft,
            Hardness::None => Self::None,
        }
    }
}

impl Hardness {
    /// The name in data and API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::None => "none",
        }
    }
}

/// What went wrong, where, and the next step (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// A stable identifier of the kind of problem, such as `rollcall:not-found`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The kind in words, the same for every occurrence.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What happened this time, in a sentence.
    pub(crate) detail: String,
    /// Where in the sent JSON, such as `$.attributes.owner`.
    pub(crate) path: Option<String>,
    /// The limit that was passed, in the unit that `detail` names.
    pub(crate) limit: Option<u64>,
    /// What to do about it.
    pub(crate) next_step: Option<String>,
}
