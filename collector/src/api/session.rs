//! Signing in and out, and who I am.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use rollcall_shared::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{Body, Viewer},
    types::Instant,
    users::{password_refusal, replace_password},
};
use crate::{
    app::SharedApp,
    auth::{Actor, Refusal, client_address, sign_in, sign_out},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(create, end)).routes(routes!(me)).routes(routes!(change_password))
}

/// Name and password.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// Sign-in name.
    pub(crate) name: String,
    /// Password.
    #[schema(format = Password)]
    pub(crate) password: String,
}

/// Who the request is from.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Me {
    /// Sign-in name; for an API token `OWNER/TOKEN`; `console` on the collector's own host.
    pub(crate) name: String,
    /// `viewer`, `change_reviewer`, `asset_manager` or `admin`.
    pub(crate) role: String,
    /// `session`, `api_token` or `console`.
    pub(crate) via: String,
    /// What a browser's writes must carry as `X-CSRF-Token`; sessions only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) csrf_token: Option<String>,
    /// When the session ends; in the answer to signing in only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Instant>,
}

impl Me {
    fn of(actor: &Actor, expires_at: Option<Timestamp>) -> Self {
        Self {
            name: actor.name.clone(),
            role: actor.role.as_str().to_owned(),
            via: actor.via.as_str().to_owned(),
            csrf_token: actor.csrf().map(str::to_owned),
            expires_at: expires_at.map(Instant),
        }
    }
}

/// Signs a person in. Failures are counted by name and address, and answered ever more slowly.
#[utoipa::path(post, path = "/session", tag = "session", request_body = Credentials, security(()),
    responses((status = 200, description = "Signed in; the session is in the cookie", body = Me)))]
async fn create(State(app): State<SharedApp>, parts: Parts, Body(credentials): Body<Credentials>) -> Result<Response, Refusal> {
    let address = client_address(&app, &parts);
    let signed_in = sign_in(&app, &credentials.name, &credentials.password, address).await?;
    let me = Me::of(&signed_in.actor, Some(signed_in.expires_at));
    Ok(([(header::SET_COOKIE, signed_in.cookie)], Json(me)).into_response())
}

/// Signs out: the session ends here and now.
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 204, description = "Signed out")))]
async fn end(State(app): State<SharedApp>, Viewer(actor): Viewer) -> Result<Response, Refusal> {
    let forget = sign_out(&app, &actor).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = forget {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Who this request is from, and what they may do.
#[utoipa::path(get, path = "/me", tag = "session", responses((status = 200, description = "Who", body = Me)))]
async fn me(Viewer(actor): Viewer) -> Json<Me> {
    Json(Me::of(&actor, None))
}

/// A new password for oneself.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The one until now.
    #[schema(format = Password)]
    pub(crate) current_password: String,
    /// The new one: 12 characters or more.
    #[schema(format = Password)]
    pub(crate) new_password: String,
}

/// Changes one's own password and ends all of one's sessions.
#[utoipa::path(put, path = "/me/password", tag = "session", request_body = PasswordChange,
    responses((status = 204, description = "Changed; sign in again")))]
async fn change_password(
    State(app): State<SharedApp>,
    Viewer(actor): Viewer,
    parts: Parts,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, Refusal> {
    let Some(user) = actor.user() else { return Err(Refusal::conflict("the console has no password")) };
    let user = app.store.user(user).await?.ok_or_else(|| Refusal::not_found("user", &actor.name))?;
    let (address, now) = (client_address(&app, &parts), Timestamp::now());
    if let Some(seconds) = app.auth.throttle.wait_seconds(&user.name, address, now) {
        return Err(Refusal::too_many("too many failed tries", seconds));
    }
    app.auth.throttle.failed(&user.name, address, now);
    let right = app.auth.passwords.verify(&change.current_password, Some(&user.password_hash)).await.map_err(password_refusal)?;
    if !right {
        return Err(Refusal::forbidden("the current password is wrong").at("$.current_password").next("try again, or ask an admin"));
    }
    app.auth.throttle.succeeded(&user.name, address);
    replace_password(&app, &actor, user, &change.new_password, "$.new_password").await?;
    Ok(StatusCode::NO_CONTENT)
}
