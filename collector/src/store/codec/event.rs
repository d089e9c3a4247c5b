use rollcall_core::Revision;
use rollcall_shared::CiId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{At, Decode, Row, StoreError, time};
use crate::store::{AuditEntry, Event};

/// `event`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct EventRow {
    /// 0 before the database has given one.
    pub(in crate::store) cursor: u64,
    /// 0 before the commit.
    pub(in crate::store) revision: u64,
    pub(in crate::store) at: i64,
    pub(in crate::store) kind: String,
    pub(in crate::store) action: String,
    pub(in crate::store) subject: Uuid,
    pub(in crate::store) ci: Option<Uuid>,
    pub(in crate::store) other_ci: Option<Uuid>,
    pub(in crate::store) actor: String,
    pub(in crate::store) reason: String,
    pub(in crate::store) differs: String,
}

impl Row for EventRow {
    const TABLE: &'static str = "event";
}

impl Decode for EventRow {
    type Record = Event;
    fn decode(self) -> Result<Event, StoreError> {
        Ok(Event {
            differs: At::row::<Self>(&self.cursor).json("differs", &self.differs)?,
            cursor: self.cursor,
            revision: Revision(self.revision),
            at: time(self.at),
            kind: self.kind,
            action: self.action,
            subject: self.subject,
            ci: self.ci.map(CiId),
            other_ci: self.other_ci.map(CiId),
            actor: self.actor,
            reason: self.reason,
        })
    }
}

/// `audit_log`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct AuditRow {
    /// 0 before the database has given one.
    number: u64,
    at: i64,
    actor: String,
    action: String,
    subject: String,
    detail: String,
}

impl Row for AuditRow {
    const TABLE: &'static str = "audit_log";
}

impl From<&AuditEntry> for AuditRow {
    fn from(entry: &AuditEntry) -> Self {
        Self {
            number: 0,
            at: entry.at.as_millis(),
            actor: entry.actor.clone(),
            action: entry.action.clone(),
            subject: entry.subject.clone(),
            detail: entry.detail.clone(),
        }
    }
}

impl Decode for AuditRow {
    type Record = (u64, AuditEntry);
    fn decode(self) -> Result<Self::Record, StoreError> {
        let Self { number, at, actor, action, subject, detail } = self;
        Ok((number, AuditEntry { at: time(at), actor, action, subject, detail }))
    }
}
