//! API tokens: make, list, revoke one's own; admins everybody's.

use axum::{Json, extract::State, http::StatusCode};
use rollcall_shared::{ApiTokenId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Body, Id, Viewer},
    types::{Instant, Page},
};
use crate::{
    app::{App, SharedApp},
    auth::{API_TOKEN_PREFIX, Actor, Refusal, Secret, Via},
    realm,
    store::{ApiTokenRecord, AuditEntry, Role, UserRecord},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

const MAX_DAYS: u32 = 366;
const DAY_MS: i64 = 86_400_000;

/// An API token, without its secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiTokenView {
    /// Its id.
    pub(crate) id: Uuid,
    /// What people call it.
    pub(crate) name: String,
    /// Whose it is.
    pub(crate) owner: String,
    /// What it may do, at most what its owner may.
    pub(crate) role: String,
    /// The network realm of the machines whose inventories it sends; absent where it sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) realm: Option<String>,
    /// `usable`, `expired` or `revoked`.
    pub(crate) state: String,
    /// When it was made.
    pub(crate) created_at: Instant,
    /// When it stops working.
    pub(crate) expires_at: Instant,
}

/// A token to make.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiToken {
    /// What it is for; shown in the audit log.
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    /// What it may do; as its owner if absent. `inventory_source`: nothing but send other programs' inventories to `/foreign/TOKEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    /// Days that it works, 1 to 366; 90 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 366)]
    pub(crate) days: Option<u32>,
    /// Whose it is to be, for admins; one's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// The network realm of the machines whose inventories an `inventory_source` sends; `default` if absent. Give one to each network whose
    /// private addresses overlap with another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) realm: Option<String>,
}

/// A new API token. The secret is shown here only.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CreatedApiToken {
    /// The token's record.
    #[serde(flatten)]
    pub(crate) view: ApiTokenView,
    /// The secret, for `Authorization: Bearer`.
    pub(crate) token: String,
}

fn view(record: &ApiTokenRecord, owner: String, now: Timestamp) -> ApiTokenView {
    let state = if record.revoked_at.is_some() {
        "revoked"
    } else if record.expires_at <= now {
        "expired"
    } else {
        "usable"
    };
    ApiTokenView {
        id: record.id.0,
        name: record.name.clone(),
        owner,
        role: record.role.as_str().to_owned(),
        realm: (record.role == Role::InventorySource).then(|| record.realm.clone()),
        state: state.to_owned(),
        created_at: record.created_at.into(),
        expires_at: record.expires_at.into(),
    }
}

/// One's own API tokens, newest first; an admin sees everybody's. Role: viewer.
#[utoipa::path(get, path = "/api-tokens", tag = "people", responses((status = 200, description = "API tokens", body = Page<ApiTokenView>)))]
async fn list(State(app): State<SharedApp>, Viewer(actor): Viewer) -> Result<Json<Page<ApiTokenView>>, Refusal> {
    let now = Timestamp::now();
    let users = app.store.users().await?;
    let owner = |record: &ApiTokenRecord| users.iter().find(|user| user.id == record.user).map(|user| user.name.clone());
    let mut tokens = app.store.api_tokens().await?;
    tokens.retain(|token| actor.may(Role::Admin) || actor.user() == Some(token.user));
    Ok(Json(Page::whole(tokens.iter().map(|token| view(token, owner(token).unwrap_or_default(), now)).collect())))
}

/// Makes an API token. A token made with a token lives no longer than that one. Role: viewer.
#[utoipa::path(post, path = "/api-tokens", tag = "people", request_body = NewApiToken,
    responses((status = 201, description = "Made; the secret is shown here only", body = CreatedApiToken)))]
async fn create(
    State(app): State<SharedApp>,
    Viewer(actor): Viewer,
    Body(new): Body<NewApiToken>,
) -> Result<(StatusCode, Json<CreatedApiToken>), Refusal> {
    let now = Timestamp::now();
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Refusal::invalid("an API token's name has 1 to 100 characters").at("$.name"));
    }
    let days = new.days.unwrap_or(90);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(Refusal::invalid(format!("days is 1 to {MAX_DAYS}")).at("$.days"));
    }
    let owner = owner(&app, &actor, new.owner.as_deref()).await?;
    let role = new.role.as_deref().map(token_role).transpose()?.unwrap_or(owner.role.min(actor.role));
    if role > owner.role || role > actor.role {
        return Err(Refusal::forbidden("a token may not do more than its owner and than who makes it").at("$.role"));
    }
    if new.realm.is_some() && role != Role::InventorySource {
        return Err(Refusal::invalid("only a token of the role inventory_source sends machines of a realm").at("$.realm"));
    }
    let realm = realm::checked(new.realm.as_deref()).map_err(|problem| Refusal::invalid(problem).at("$.realm"))?;
    let secret = Secret::generate(API_TOKEN_PREFIX).map_err(|error| {
        tracing::error!(%error, "no randomness");
        Refusal::internal()
    })?;
    let record = ApiTokenRecord {
        id: ApiTokenId(Uuid::now_v7()),
        secret_hash: secret.hash,
        name: name.to_owned(),
        user: owner.id,
        role,
        realm,
        created_at: now,
        expires_at: now.plus_millis(i64::from(days) * DAY_MS).min(end_of(&app, &actor).await?.unwrap_or(Timestamp::from_millis(i64::MAX))),
        revoked_at: None,
    };
    let detail = format!("{} for {}, role {}, until {}", record.name, owner.name, role.as_str(), record.expires_at);
    let audit =
        AuditEntry { at: now, actor: actor.audit_name(), action: "api_token.create".to_owned(), subject: record.id.to_string(), detail };
    app.store.create_api_token(&record, &audit).await?;
    Ok((StatusCode::CREATED, Json(CreatedApiToken { view: view(&record, owner.name, now), token: secret.text.to_string() })))
}

fn token_role(name: &str) -> Result<Role, Refusal> {
    let unknown = "a token's role is inventory_source, viewer, change_reviewer, asset_manager or admin";
    Role::parse(name).ok_or_else(|| Refusal::invalid(unknown).at("$.role"))
}

/// When the token that asks ends; `None` for people and the console.
async fn end_of(app: &App, actor: &Actor) -> Result<Option<Timestamp>, Refusal> {
    let Via::ApiToken { token, .. } = actor.via else { return Ok(None) };
    let tokens = app.store.api_tokens().await?;
    tokens.iter().find(|known| known.id == token).map(|known| Some(known.expires_at)).ok_or_else(Refusal::internal)
}

async fn owner(app: &App, actor: &Actor, wanted: Option<&str>) -> Result<UserRecord, Refusal> {
    let own = match actor.user() {
        Some(user) => app.store.user(user).await?,
        None => None,
    };
    match (wanted, own) {
        (None, Some(own)) => Ok(own),
        (None, None) => Err(Refusal::invalid("the console has no tokens of its own; say whose it is to be").at("$.owner")),
        (Some(name), Some(own)) if own.name == name => Ok(own),
        (Some(_), _) if !actor.may(Role::Admin) => Err(Refusal::forbidden("only an admin makes tokens for others").at("$.owner")),
        (Some(name), _) => {
            let shown: String = name.chars().take(64).collect();
            app.store.user_by_name(name).await?.ok_or_else(|| Refusal::invalid(format!("there is no person {shown:?}")).at("$.owner"))
        }
    }
}

/// Revokes an API token; one's own, or as an admin anybody's. Role: viewer.
#[utoipa::path(delete, path = "/api-tokens/{id}", tag = "people", params(("id" = Uuid, Path, description = "The token's id")),
    responses((status = 204, description = "Revoked")))]
async fn revoke(State(app): State<SharedApp>, Viewer(actor): Viewer, Id(id): Id<ApiTokenId>) -> Result<StatusCode, Refusal> {
    let unknown = || Refusal::not_found("API token", id).next("see `rollcall api-token list` for yours");
    let tokens = app.store.api_tokens().await?;
    // Somebody else's token is answered like none, so that ids cannot be probed.
    let token =
        tokens.iter().find(|token| token.id == id && (actor.may(Role::Admin) || actor.user() == Some(token.user))).ok_or_else(unknown)?;
    let now = Timestamp::now();
    let audit = AuditEntry {
        at: now,
        actor: actor.audit_name(),
        action: "api_token.revoke".to_owned(),
        subject: id.to_string(),
        detail: token.name.clone(),
    };
    if app.store.revoke_api_token(id, now, &audit).await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}
