use std::borrow::Cow;

use rollcall_core::{
    Endpoint, Evidence, Judge, Judgement, Method, MinUp, NeedGroup, Pattern, Purpose, Put, Relationship, SmallSet, Standing, Suggestion,
};
use rollcall_shared::{AgentId, CiId, NeedGroupId, RelationshipId, catalogue::Hardness};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{At, Decode, Row, StoreError, each, json, time};
use crate::store::plan::Version;

/// `relationship_version`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct RelationshipRow {
    id: Uuid,
    kind: String,
    from_ci: Uuid,
    to_ci: Uuid,
    hardness: Option<String>,
    judgement: Option<String>,
    lifecycle: String,
    evidence: String,
    first_seen: i64,
    valid_from: i64,
    version: u32,
    #[serde(default)]
    valid_to: Option<i64>,
}

impl Row for RelationshipRow {
    const TABLE: &'static str = "relationship_version";
}

impl RelationshipRow {
    pub(in crate::store) fn new(relationship: &Relationship) -> Result<Self, StoreError> {
        let evidence: Vec<EvidenceJson<'_>> = relationship.evidence.iter().map(EvidenceJson::from).collect();
        Ok(Self {
            id: relationship.id.0,
            kind: relationship.kind.clone(),
            from_ci: relationship.from.0,
            to_ci: relationship.to.0,
            hardness: relationship.hardness.map(|hardness| hardness_word(hardness).to_owned()),
            judgement: relationship.judgement.as_ref().map(|it| json(&JudgementJson::from(it))).transpose()?,
            lifecycle: relationship.lifecycle.as_str().into(),
            evidence: json(&evidence)?,
            first_seen: relationship.first_seen.as_millis(),
            valid_from: relationship.valid_from.as_millis(),
            version: relationship.version,
            valid_to: None,
        })
    }
}

impl Decode for RelationshipRow {
    type Record = Put;
    fn decode(self) -> Result<Put, StoreError> {
        let at = At::row::<Self>(&self.id);
        let evidence: Vec<EvidenceJson<'_>> = serde_json::from_str(&self.evidence).map_err(|error| at.corrupt("evidence", error))?;
        Ok(Put::Relationship(Relationship {
            id: RelationshipId(self.id),
            from: CiId(self.from_ci),
            to: CiId(self.to_ci),
            hardness: self.hardness.as_deref().map(|word| at.word("hardness", word, hardness)).transpose()?,
            judgement: self.judgement.as_deref().map(|text| judgement(at, text)).transpose()?,
            lifecycle: at.lifecycle(&self.lifecycle)?,
            evidence: each(evidence, |evidence| evidence.decode(at))?,
            kind: self.kind,
            first_seen: time(self.first_seen),
            valid_from: time(self.valid_from),
            version: self.version,
        }))
    }
}

impl Version for RelationshipRow {
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

/// What a connection is for, as JSON.
#[derive(Serialize, Deserialize)]
struct JudgementJson<'a> {
    purpose: Cow<'a, str>,
    by: Cow<'a, str>,
    reason: Cow<'a, str>,
}

impl<'a> From<&'a Judgement> for JudgementJson<'a> {
    fn from(judgement: &'a Judgement) -> Self {
        Self { purpose: judgement.purpose.as_str().into(), by: judgement.by.to_string().into(), reason: judgement.reason.as_str().into() }
    }
}

fn judgement(at: At<'_>, text: &str) -> Result<Judgement, StoreError> {
    let json: JudgementJson<'_> = serde_json::from_str(text).map_err(|error| at.corrupt("judgement", error))?;
    Ok(Judgement {
        purpose: at.word("judgement", &json.purpose, Purpose::parse)?,
        by: at.word("judgement", &json.by, Judge::parse)?,
        reason: json.reason.into_owned(),
    })
}

/// One piece of evidence as JSON.
#[derive(Serialize, Deserialize)]
struct EvidenceJson<'a> {
    method: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<Uuid>,
    source: Cow<'a, str>,
    detail: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    endpoints: Vec<String>,
    samples_seen: u64,
    samples_total: u64,
    first_seen: i64,
    last_seen: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    longest_silence_ms: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl<'a> From<&'a Evidence> for EvidenceJson<'a> {
    fn from(evidence: &'a Evidence) -> Self {
        Self {
            method: evidence.method.as_str().into(),
            agent: evidence.agent.map(|agent| agent.0),
            source: evidence.source.to_string().into(),
            detail: evidence.detail.as_str().into(),
            endpoints: evidence.endpoints.iter().map(Endpoint::to_string).collect(),
            samples_seen: evidence.samples_seen,
            samples_total: evidence.samples_total,
            first_seen: evidence.first_seen.as_millis(),
            last_seen: evidence.last_seen.as_millis(),
            longest_silence_ms: evidence.longest_silence_ms,
        }
    }
}

impl EvidenceJson<'_> {
    fn decode(self, at: At<'_>) -> Result<Evidence, StoreError> {
        Ok(Evidence {
            method: at.word("evidence", &self.method, Method::parse)?,
            agent: self.agent.map(AgentId),
            source: at.source("evidence", &self.source)?,
            detail: self.detail.into_owned(),
            endpoints: endpoints(at, &self.endpoints)?,
            samples_seen: self.samples_seen,
            samples_total: self.samples_total,
            first_seen: time(self.first_seen),
            last_seen: time(self.last_seen),
            longest_silence_ms: self.longest_silence_ms,
        })
    }
}

fn endpoints(at: At<'_>, texts: &[String]) -> Result<SmallSet<Endpoint>, StoreError> {
    texts.iter().map(|text| text.parse().map_err(|error| at.corrupt("evidence", error))).collect()
}

/// `need_group_version`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct NeedGroupRow {
    id: Uuid,
    ci: Uuid,
    name: String,
    members: String,
    min_up: u32,
    min_up_unit: String,
    hardness: String,
    lifecycle: String,
    standing: String,
    suggestion: Option<String>,
    source: String,
    valid_from: i64,
    version: u32,
    #[serde(default)]
    valid_to: Option<i64>,
}

impl Row for NeedGroupRow {
    const TABLE: &'static str = "need_group_version";
}

impl NeedGroupRow {
    pub(in crate::store) fn new(group: &NeedGroup) -> Result<Self, StoreError> {
        let (min_up, unit) = match group.min_up {
            MinUp::Count(count) => (count, "count"),
            MinUp::Percent(percent) => (u32::from(percent), "percent"),
        };
        Ok(Self {
            id: group.id.0,
            ci: group.ci.0,
            name: group.name.clone(),
            members: json(&group.members)?,
            min_up,
            min_up_unit: unit.into(),
            hardness: hardness_word(group.hardness).into(),
            lifecycle: group.lifecycle.as_str().into(),
            standing: group.standing.as_str().into(),
            suggestion: group.suggestion.as_ref().map(|it| json(&SuggestionJson::from(it))).transpose()?,
            source: group.source.to_string(),
            valid_from: group.valid_from.as_millis(),
            version: group.version,
            valid_to: None,
        })
    }
}

impl Decode for NeedGroupRow {
    type Record = Put;
    fn decode(self) -> Result<Put, StoreError> {
        let at = At::row::<Self>(&self.id);
        let min_up = match self.min_up_unit.as_str() {
            "count" => MinUp::Count(self.min_up),
            "percent" => MinUp::Percent(u8::try_from(self.min_up).map_err(|error| at.corrupt("min_up", error))?),
            other => return Err(at.corrupt("min_up_unit", format!("{other:?} is neither count nor percent"))),
        };
        Ok(Put::NeedGroup(NeedGroup {
            id: NeedGroupId(self.id),
            ci: CiId(self.ci),
            members: at.json("members", &self.members).and_then(|members| each(members, Ok))?,
            min_up,
            hardness: at.word("hardness", &self.hardness, hardness)?,
            lifecycle: at.lifecycle(&self.lifecycle)?,
            standing: at.word("standing", &self.standing, Standing::parse)?,
            suggestion: self.suggestion.as_deref().map(|text| suggestion(at, text)).transpose()?,
            source: at.source("source", &self.source)?,
            name: self.name,
            valid_from: time(self.valid_from),
            version: self.version,
        }))
    }
}

impl Version for NeedGroupRow {
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

/// Why a need group is suggested, as JSON.
#[derive(Serialize, Deserialize)]
struct SuggestionJson<'a> {
    pattern: Cow<'a, str>,
    evidence: Cow<'a, [String]>,
}

impl<'a> From<&'a Suggestion> for SuggestionJson<'a> {
    fn from(suggestion: &'a Suggestion) -> Self {
        Self { pattern: suggestion.pattern.as_str().into(), evidence: Cow::Borrowed(&suggestion.evidence) }
    }
}

fn suggestion(at: At<'_>, text: &str) -> Result<Suggestion, StoreError> {
    let json: SuggestionJson<'_> = serde_json::from_str(text).map_err(|error| at.corrupt("suggestion", error))?;
    Ok(Suggestion { pattern: at.word("suggestion", &json.pattern, Pattern::parse)?, evidence: json.evidence.into_owned() })
}

fn hardness_word(hardness: Hardness) -> &'static str {
    match hardness {
        Hardness::Hard => "hard",
        Hardness::Soft => "soft",
        Hardness::None => "none",
    }
}

fn hardness(word: &str) -> Option<Hardness> {
    [Hardness::Hard, Hardness::Soft, Hardness::None].into_iter().find(|hardness| hardness_word(*hardness) == word)
}
