//! Making an enrollment token, for the API and the web UI alike.

use std::collections::BTreeMap;

use rollcall_shared::{Timestamp, TokenId, wire::v1::EnrollmentToken};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    app::App,
    auth::{Actor, Refusal, Secret},
    store::{AuditEntry, TokenRecord},
};

/// What a token shall allow; checked by who asks.
pub(crate) struct NewEnrollmentToken {
    /// What people call it.
    pub(crate) name: String,
    /// How many enrollments it allows; absent: any number.
    pub(crate) max_uses: Option<u32>,
    /// How long it works, milliseconds.
    pub(crate) life_ms: i64,
    /// Whether a person approves each enrollment.
    pub(crate) needs_approval: bool,
    /// The network realm that its agents report from.
    pub(crate) realm: String,
    /// Attributes to give to its machines.
    pub(crate) assigned: BTreeMap<String, Value>,
}

/// Makes and stores a token. The secret is in the second of what is returned, and nowhere else.
pub(crate) async fn create(
    app: &App,
    actor: &Actor,
    new: NewEnrollmentToken,
    now: Timestamp,
) -> Result<(TokenRecord, EnrollmentToken), Refusal> {
    let secret = Secret::generate("").map_err(|error| {
        tracing::error!(%error, "no randomness");
        Refusal::internal()
    })?;
    let record = TokenRecord {
        id: TokenId(Uuid::now_v7()),
        secret_hash: secret.hash,
        name: new.name,
        max_uses: new.max_uses,
        uses: 0,
        expires_at: now.plus_millis(new.life_ms),
        revoked_at: None,
        needs_approval: new.needs_approval,
        realm: new.realm,
        assigned: new.assigned,
        created_by: actor.audit_name(),
        created_at: now,
    };
    let uses = record.max_uses.map_or("any number of".to_owned(), |uses| uses.to_string());
    let audit = AuditEntry {
        at: now,
        actor: actor.audit_name(),
        action: "token.create".to_owned(),
        subject: record.id.to_string(),
        detail: format!("{} ({uses} uses, until {})", record.name, record.expires_at).trim().to_owned(),
    };
    app.store.create_token(&record, &audit).await?;
    let token = EnrollmentToken {
        id: record.id,
        secret: secret.text.to_string(),
        root_pin: app.authority.root_pin().to_owned(),
        urls: app.agent_urls(),
    };
    Ok((record, token))
}
