use rollcall_core::{Merge, MergeStep, Put, SoftwareEntry};
use rollcall_shared::{AgentId, CiId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{At, CiRow, ConflictRow, Decode, NeedGroupRow, RelationshipRow, Row, StoreError, json, time};

/// `merge_record`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct MergeRow {
    pub(in crate::store) absorbed: Uuid,
    survivor: Uuid,
    at: i64,
    by_rule: i64,
    is_undone: i64,
    /// JSON: [{before, after}]
    steps: String,
}

impl Row for MergeRow {
    const TABLE: &'static str = "merge_record";
}

impl MergeRow {
    pub(in crate::store) fn new(merge: &Merge) -> Result<Self, StoreError> {
        let step = |step: &MergeStep| {
            Ok(StepJson { before: step.before.as_ref().map(PutJson::new).transpose()?, after: PutJson::new(&step.after)? })
        };
        let steps = merge.steps.iter().map(step).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Self {
            absorbed: merge.absorbed.0,
            survivor: merge.survivor.0,
            at: merge.at.as_millis(),
            by_rule: i64::from(merge.by_rule),
            is_undone: i64::from(merge.is_undone),
            steps: json(&steps)?,
        })
    }
}

impl Decode for MergeRow {
    type Record = Put;
    fn decode(self) -> Result<Put, StoreError> {
        let at = At::row::<Self>(&self.absorbed);
        let steps: Vec<StepJson> = at.json("steps", &self.steps)?;
        let step =
            |step: StepJson| Ok(MergeStep { before: step.before.map(|put| put.decode(at)).transpose()?, after: step.after.decode(at)? });
        Ok(Put::Merge(Box::new(Merge {
            absorbed: CiId(self.absorbed),
            survivor: CiId(self.survivor),
            at: time(self.at),
            by_rule: self.by_rule != 0,
            is_undone: self.is_undone != 0,
            steps: steps.into_iter().map(step).collect::<Result<_, StoreError>>()?,
        })))
    }
}

#[derive(Serialize, Deserialize)]
struct StepJson {
    before: Option<PutJson>,
    after: PutJson,
}

/// A thing as it was, in the form of its own table's row.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PutJson {
    Ci(CiRow),
    Relationship(RelationshipRow),
    NeedGroup(NeedGroupRow),
    Conflict(ConflictRow),
    Software {
        ci: Uuid,
        software: Vec<(String, String, String, String, String)>,
    },
    AgentBinding {
        agent: Uuid,
        ci: Uuid,
    },
    /// A merge touches no other merge.
    Nothing,
}

impl PutJson {
    fn new(put: &Put) -> Result<Self, StoreError> {
        Ok(match put {
            Put::Ci(ci) => Self::Ci(CiRow::new(ci, "", "", &[])?),
            Put::Relationship(relationship) => Self::Relationship(RelationshipRow::new(relationship)?),
            Put::NeedGroup(group) => Self::NeedGroup(NeedGroupRow::new(group)?),
            Put::Conflict(conflict) => Self::Conflict(ConflictRow::from(conflict)),
            Put::Software { ci, software } => {
                let entry = |it: &SoftwareEntry| {
                    (it.kind.clone(), it.name.clone(), it.version.clone(), it.architecture.clone(), it.publisher.clone())
                };
                Self::Software { ci: ci.0, software: software.iter().map(entry).collect() }
            }
            Put::AgentBinding { agent, ci } => Self::AgentBinding { agent: agent.0, ci: ci.0 },
            // A merge changes no definition either.
            Put::Merge(_) | Put::Definition(_) => Self::Nothing,
        })
    }

    fn decode(self, at: At<'_>) -> Result<Put, StoreError> {
        match self {
            Self::Ci(row) => row.decode(),
            Self::Relationship(row) => row.decode(),
            Self::NeedGroup(row) => row.decode(),
            Self::Conflict(row) => row.decode(),
            Self::Software { ci, software } => {
                let entry = |(kind, name, version, architecture, publisher)| SoftwareEntry { kind, name, version, architecture, publisher };
                Ok(Put::Software { ci: CiId(ci), software: software.into_iter().map(entry).collect() })
            }
            Self::AgentBinding { agent, ci } => Ok(Put::AgentBinding { agent: AgentId(agent), ci: CiId(ci) }),
            Self::Nothing => Err(at.corrupt("steps", "a step without a thing")),
        }
    }
}
