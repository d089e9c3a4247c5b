//! Enrollment tokens: make, list, revoke.

use axum::{Json, extract::State, http::StatusCode};
use rollcall_core::{Catalogue, catalogue::fits};
use rollcall_shared::{Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Admin, Body, Id},
    types::{Instant, Page},
};
use crate::{
    app::SharedApp,
    auth::Refusal,
    enrollment_token::{self, NewEnrollmentToken},
    realm,
    store::{AuditEntry, TokenRecord},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// Longest life of a token, in days.
const MAX_DAYS: u32 = 3_650;
const DAY_MS: i64 = 86_400_000;

/// An enrollment token, without its secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TokenView {
    /// Its id.
    pub(crate) id: Uuid,
    /// What people call it.
    pub(crate) name: String,
    /// `usable`, `used_up`, `expired` or `revoked`.
    pub(crate) state: String,
    /// How many enrollments it allows; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_uses: Option<u32>,
    /// How many it has had.
    pub(crate) uses: u32,
    /// When it stops working.
    pub(crate) expires_at: Instant,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_at: Option<Instant>,
    /// Whether a person approves each enrollment.
    pub(crate) needs_approval: bool,
    /// The network realm that its agents report from.
    pub(crate) realm: String,
    /// Attributes that it gives to its machines.
    #[schema(value_type = Object)]
    pub(crate) attributes: Map<String, Value>,
    /// Who made it.
    pub(crate) created_by: String,
    /// When.
    pub(crate) created_at: Instant,
}

impl TokenView {
    fn of(record: TokenRecord, now: Timestamp) -> Self {
        let state = if record.revoked_at.is_some() {
            "revoked"
        } else if record.expires_at <= now {
            "expired"
        } else if record.max_uses.is_some_and(|most| record.uses >= most) {
            "used_up"
        } else {
            "usable"
        };
        Self {
            id: record.id.0,
            name: record.name,
            state: state.to_owned(),
            max_uses: record.max_uses,
            uses: record.uses,
            expires_at: record.expires_at.into(),
            revoked_at: record.revoked_at.map(Instant),
            needs_approval: record.needs_approval,
            realm: record.realm,
            attributes: record.assigned.into_iter().collect(),
            created_by: record.created_by,
            created_at: record.created_at.into(),
        }
    }
}

/// A token to make. Every field may be left out.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What people call it.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub(crate) name: String,
    /// How many enrollments it allows; one if absent, any number if 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uses: Option<u32>,
    /// Days that it works, 1 to 3650; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub(crate) days: Option<u32>,
    /// Whether a person approves each enrollment.
    #[serde(default)]
    pub(crate) needs_approval: bool,
    /// The network realm that its agents report from; `default` if absent. Give one to each network whose private addresses
    /// overlap with another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) realm: Option<String>,
    /// Attributes to give to its machines: `owner`, `location`, `tags`, …
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) attributes: Map<String, Value>,
}

/// A new token. The secret is in it and shown here only.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CreatedToken {
    /// The token's record.
    #[serde(flatten)]
    pub(crate) view: TokenView,
    /// The token, for `rollcall-agent enroll`. A secret.
    pub(crate) token: String,
    /// The one command that installs the agent on a Linux machine and enrolls it. Holds the secret.
    pub(crate) command: String,
}

/// Enrollment tokens, newest first. Role: admin.
#[utoipa::path(get, path = "/tokens", tag = "enrollment", responses((status = 200, description = "Tokens", body = Page<TokenView>)))]
async fn list(_: Admin, State(app): State<SharedApp>) -> Result<Json<Page<TokenView>>, Refusal> {
    let now = Timestamp::now();
    Ok(Json(Page::whole(app.store.tokens().await?.into_iter().map(|record| TokenView::of(record, now)).collect())))
}

/// Makes an enrollment token and the command for the next machine. Role: admin.
#[utoipa::path(post, path = "/tokens", tag = "enrollment", request_body = NewToken,
    responses((status = 201, description = "Made; the secret is shown here only", body = CreatedToken)))]
async fn create(
    State(app): State<SharedApp>,
    Admin(actor): Admin,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), Refusal> {
    let now = Timestamp::now();
    let (days, realm) = check(app.estate().catalogue(), &new)?;
    let new = NewEnrollmentToken {
        name: new.name.trim().to_owned(),
        max_uses: match new.uses {
            None => Some(1),
            Some(0) => None,
            Some(uses) => Some(uses),
        },
        life_ms: i64::from(days) * DAY_MS,
        needs_approval: new.needs_approval,
        realm,
        assigned: new.attributes.into_iter().collect(),
    };
    let (record, token) = enrollment_token::create(&app, &actor, new, now).await?;
    let (command, text) = (app.enroll_command(&token), token.to_text());
    Ok((StatusCode::CREATED, Json(CreatedToken { view: TokenView::of(record, now), token: text, command })))
}

fn check(catalogue: &Catalogue, new: &NewToken) -> Result<(u32, String), Refusal> {
    let days = new.days.unwrap_or(1);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(Refusal::invalid(format!("days is 1 to {MAX_DAYS}")).at("$.days"));
    }
    if new.name.chars().count() > 100 {
        return Err(Refusal::invalid("a token's name has at most 100 characters").at("$.name"));
    }
    let realm = realm::checked(new.realm.as_deref()).map_err(|problem| Refusal::invalid(problem).at("$.realm"))?;
    for (name, value) in &new.attributes {
        let shown: String = name.chars().take(80).collect();
        let path = format!("$.attributes.{shown}");
        match catalogue.attribute("machine", name) {
            None => return Err(Refusal::invalid(format!("machines have no attribute {shown:?}; see GET /api/v1/classes")).at(path)),
            Some(attribute) if fits(attribute, value).is_err() => {
                return Err(Refusal::invalid(format!("this value does not fit {shown}, see its kind in GET /api/v1/classes")).at(path));
            }
            Some(_) => {}
        }
    }
    Ok((days, realm))
}

/// Revokes an enrollment token: nobody can join with it any more. Who has joined stays. Role: admin.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "enrollment", params(("id" = Uuid, Path, description = "The token's id")),
    responses((status = 204, description = "Revoked")))]
async fn revoke(State(app): State<SharedApp>, Admin(actor): Admin, Id(id): Id<TokenId>) -> Result<StatusCode, Refusal> {
    let now = Timestamp::now();
    let audit = AuditEntry {
        at: now,
        actor: actor.audit_name(),
        action: "token.revoke".to_owned(),
        subject: id.to_string(),
        detail: String::new(),
    };
    if app.store.revoke_token(id, now, &audit).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refusal::not_found("enrollment token", id).next("see `rollcall token list` for those there are"))
}
