//! People: list, add, change.

use axum::{Json, extract::State, http::StatusCode};
use rollcall_shared::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Admin, Body, Id},
    types::{Instant, Page},
};
use crate::{
    app::{App, SharedApp},
    auth::{Actor, PasswordError, Refusal, check_strength, name_problem},
    store::{AuditEntry, Role, UserRecord},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update))
}

/// Somebody who signs in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UserView {
    /// Their id.
    pub(crate) id: Uuid,
    /// Sign-in name.
    pub(crate) name: String,
    /// `viewer`, `change_reviewer`, `asset_manager` or `admin`.
    pub(crate) role: String,
    /// Whether they may not sign in.
    pub(crate) disabled: bool,
    /// When they were added.
    pub(crate) created_at: Instant,
}

impl From<&UserRecord> for UserView {
    fn from(user: &UserRecord) -> Self {
        Self {
            id: user.id.0,
            name: user.name.clone(),
            role: user.role.as_str().to_owned(),
            disabled: user.disabled,
            created_at: user.created_at.into(),
        }
    }
}

/// A role by its name, or a refusal that names the place.
pub(super) fn role(name: &str) -> Result<Role, Refusal> {
    Role::parse_of_person(name)
        .ok_or_else(|| Refusal::invalid("a person's role is viewer, change_reviewer, asset_manager or admin").at("$.role"))
}

/// A password that was not hashed, as an answer.
pub(super) fn password_refusal(error: PasswordError) -> Refusal {
    match error {
        PasswordError::Unfit(detail) => Refusal::invalid(detail),
        error => {
            tracing::error!(%error, "a password could not be hashed");
            Refusal::internal()
        }
    }
}

/// Everybody who signs in, by name. Role: admin.
#[utoipa::path(get, path = "/users", tag = "people", responses((status = 200, description = "People", body = Page<UserView>)))]
async fn list(State(app): State<SharedApp>, _: Admin) -> Result<Json<Page<UserView>>, Refusal> {
    Ok(Json(Page::whole(app.store.users().await?.iter().map(UserView::from).collect())))
}

/// Somebody to add.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// Sign-in name: a to z, 0 to 9 and `._@-`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9._@-]+$")]
    pub(crate) name: String,
    /// `viewer`, `change_reviewer`, `asset_manager` or `admin`.
    pub(crate) role: String,
    /// Password: 12 characters or more.
    #[schema(format = Password, min_length = 12)]
    pub(crate) password: String,
}

/// Adds somebody. Role: admin.
#[utoipa::path(post, path = "/users", tag = "people", request_body = NewUser, responses((status = 201, description = "Added", body = UserView)))]
async fn create(
    State(app): State<SharedApp>,
    Admin(actor): Admin,
    Body(new): Body<NewUser>,
) -> Result<(StatusCode, Json<UserView>), Refusal> {
    if let Some(problem) = name_problem(&new.name) {
        return Err(Refusal::invalid(problem).at("$.name"));
    }
    let role = role(&new.role)?;
    check_strength(&new.name, &new.password).map_err(|error| password_refusal(error).at("$.password"))?;
    let password_hash = app.auth.passwords.hash(&new.password).await.map_err(password_refusal)?;
    let user =
        UserRecord { id: UserId(Uuid::now_v7()), name: new.name, password_hash, role, disabled: false, created_at: Timestamp::now() };
    let audit = audit(&actor, "user.create", &user.name, format!("role {}", role.as_str()));
    if !app.store.create_user(&user, &audit).await? {
        return Err(Refusal::conflict(format!("the name {} is taken", user.name))
            .at("$.name")
            .next("choose another name, or change that person's role"));
    }
    Ok((StatusCode::CREATED, Json(UserView::from(&user))))
}

fn audit(actor: &Actor, action: &str, name: &str, detail: String) -> AuditEntry {
    AuditEntry { at: Timestamp::now(), actor: actor.audit_name(), action: action.to_owned(), subject: name.to_owned(), detail }
}

async fn existing(app: &App, id: UserId) -> Result<UserRecord, Refusal> {
    app.store.user(id).await?.ok_or_else(|| Refusal::not_found("person", id).next("see `rollcall user list` for those there are"))
}

/// Somebody. Role: admin.
#[utoipa::path(get, path = "/users/{id}", tag = "people", params(("id" = Uuid, Path, description = "Their id")),
    responses((status = 200, description = "The person", body = UserView)))]
async fn get(State(app): State<SharedApp>, _: Admin, Id(id): Id<UserId>) -> Result<Json<UserView>, Refusal> {
    Ok(Json(UserView::from(&existing(&app, id).await?)))
}

/// What to change about somebody. What is absent stays.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserPatch {
    /// A new role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    /// Whether they may not sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) disabled: Option<bool>,
    /// A new password; ends their sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Password)]
    pub(crate) password: Option<String>,
}

/// Changes somebody's role or password, or whether they may sign in. Their sessions end. The last admin stays one. Role: admin.
#[utoipa::path(patch, path = "/users/{id}", tag = "people", request_body = UserPatch, params(("id" = Uuid, Path, description = "Their id")),
    responses((status = 200, description = "Changed", body = UserView)))]
async fn update(
    State(app): State<SharedApp>,
    Admin(actor): Admin,
    Id(id): Id<UserId>,
    Body(patch): Body<UserPatch>,
) -> Result<Json<UserView>, Refusal> {
    let mut user = existing(&app, id).await?;
    let was_admin = user.role == Role::Admin && !user.disabled;
    let mut detail = Vec::new();
    if let Some(name) = &patch.role {
        user.role = role(name)?;
        detail.push(format!("role {name}"));
    }
    if let Some(disabled) = patch.disabled {
        user.disabled = disabled;
        detail.push(if disabled { "disabled" } else { "enabled" }.to_owned());
    }
    if was_admin && (user.role != Role::Admin || user.disabled) && is_last_admin(&app, id).await? {
        return Err(Refusal::conflict(format!("{} is the last admin", user.name)).next("make somebody else admin first"));
    }
    if let Some(password) = &patch.password {
        check_strength(&user.name, password).map_err(|error| password_refusal(error).at("$.password"))?;
        user.password_hash = app.auth.passwords.hash(password).await.map_err(password_refusal)?;
        detail.push("new password".to_owned());
    }
    let audit = audit(&actor, "user.update", &user.name, detail.join(", "));
    if !app.store.update_user(&user, true, &audit).await? {
        return Err(Refusal::not_found("person", id));
    }
    Ok(Json(UserView::from(&user)))
}

async fn is_last_admin(app: &App, id: UserId) -> Result<bool, Refusal> {
    let is_other_admin = |user: &UserRecord| user.id != id && user.role == Role::Admin && !user.disabled;
    Ok(!app.store.users().await?.iter().any(is_other_admin))
}

/// Gives somebody a new password and ends their sessions.
pub(super) async fn replace_password(app: &App, actor: &Actor, mut user: UserRecord, password: &str, path: &str) -> Result<(), Refusal> {
    check_strength(&user.name, password).map_err(|error| password_refusal(error).at(path))?;
    user.password_hash = app.auth.passwords.hash(password).await.map_err(password_refusal)?;
    let audit = audit(actor, "user.password", &user.name, String::new());
    app.store.update_user(&user, true, &audit).await?;
    Ok(())
}
