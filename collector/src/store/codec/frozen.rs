use rollcall_shared::FrozenAnswerId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Decode, Row, StoreError, time};
use crate::store::FrozenAnswer;

/// `frozen_answer`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct FrozenAnswerRow {
    id: Uuid,
    at: i64,
    actor: String,
    reason: String,
    revision: Option<u64>,
    verdict: String,
}

impl Row for FrozenAnswerRow {
    const TABLE: &'static str = "frozen_answer";
}

impl Decode for FrozenAnswerRow {
    type Record = FrozenAnswer;
    fn decode(self) -> Result<FrozenAnswer, StoreError> {
        Ok(FrozenAnswer {
            id: FrozenAnswerId(self.id),
            at: time(self.at),
            actor: self.actor,
            reason: self.reason,
            revision: self.revision,
            verdict: self.verdict,
        })
    }
}
