//! Browser sessions: signing in with name and password, the cookie, signing out.

use std::net::IpAddr;

use axum::http::HeaderValue;
use rollcall_shared::Timestamp;

use super::{Secret, Via, refusal::Refusal};
use crate::{
    app::App,
    auth::Actor,
    store::{AuditEntry, SessionRecord},
};

/// How long a session lasts, in milliseconds.
pub const SESSION_LIFETIME_MS: i64 = 12 * 3_600_000;

/// A new session.
pub struct SignedIn {
    /// Who.
    pub actor: Actor,
    /// For the `Set-Cookie` header.
    pub cookie: HeaderValue,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// Name or password is wrong, or the person may not sign in: these are not told apart.
    #[error("name or password is wrong")]
    Wrong,
    /// Too many failures.
    #[error("too many failed tries; try again in {retry_after_seconds} s")]
    Throttled {
        /// Seconds.
        retry_after_seconds: u32,
    },
    /// The collector failed; it is in the log.
    #[error("the collector could not check this; its log says why")]
    Failed,
}

impl From<SignInError> for Refusal {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Wrong => Self::unauthenticated("name or password is wrong")
                .next("try again; who has forgotten the password asks an admin for `rollcall user passwd NAME`"),
            SignInError::Throttled { retry_after_seconds } => Self::too_many("too many failed tries to sign in", retry_after_seconds),
            SignInError::Failed => Self::internal(),
        }
    }
}

/// Signs a person in. Every failure is in the audit log.
///
/// # Errors
/// See [`SignInError`].
pub async fn sign_in(app: &App, name: &str, password: &str, address: IpAddr) -> Result<SignedIn, SignInError> {
    let now = Timestamp::now();
    let name: String = name.trim().chars().take(65).collect::<String>().to_lowercase();
    if let Some(retry_after_seconds) = app.auth.throttle.wait_seconds(&name, address, now) {
        return Err(SignInError::Throttled { retry_after_seconds });
    }
    app.auth.throttle.failed(&name, address, now);
    let user = app.store.user_by_name(&name).await.map_err(failed)?;
    let stored = user.as_ref().map(|user| user.password_hash.as_str());
    let right = app.auth.passwords.verify(password, stored).await.map_err(failed)?;
    let Some(user) = user.filter(|user| right && !user.disabled) else {
        audit(app, now, &name, "session.refused", format!("from {address}")).await?;
        return Err(SignInError::Wrong);
    };
    app.auth.throttle.succeeded(&name, address);
    let secret = Secret::generate("").map_err(failed)?;
    let csrf = Secret::generate("").map_err(failed)?.text.to_string();
    let expires_at = now.plus_millis(SESSION_LIFETIME_MS);
    let session = SessionRecord { secret_hash: secret.hash, user: user.id, csrf: csrf.clone(), created_at: now, expires_at };
    app.store.create_session(&session).await.map_err(failed)?;
    audit(app, now, &name, "session.create", format!("from {address}")).await?;
    let cookie = cookie(app.auth.secure_cookies, &secret.text, SESSION_LIFETIME_MS / 1_000).ok_or(SignInError::Failed)?;
    let via = Via::Session { user: user.id, csrf, secret_hash: secret.hash };
    Ok(SignedIn { actor: Actor { name: user.name, role: user.role, via }, cookie, expires_at })
}

/// Ends the actor's session, if it has one; returns the `Set-Cookie` header that makes the browser forget it.
///
/// # Errors
/// If the store fails.
pub async fn sign_out(app: &App, actor: &Actor) -> Result<Option<HeaderValue>, crate::store::StoreError> {
    if let Via::Session { secret_hash, .. } = &actor.via {
        app.store.end_session(secret_hash).await?;
        app.store
            .audit(&AuditEntry {
                at: Timestamp::now(),
                actor: actor.audit_name(),
                action: "session.end".to_owned(),
                subject: actor.name.clone(),
                detail: String::new(),
            })
            .await?;
    }
    Ok(cookie(app.auth.secure_cookies, "", 0))
}

/// The session cookie's name. `__Host-` makes browsers refuse it unless it came over TLS, from this host, for all of it:
/// no neighbouring host can plant one.
pub(super) const fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-rollcall" } else { "rollcall" }
}

/// `SameSite=Lax`, not `Strict`: who follows a link to an item from a mail is signed in there too. Writes are guarded by the CSRF secret.
fn cookie(secure: bool, value: &str, max_age_seconds: i64) -> Option<HeaderValue> {
    let secure_attribute = if secure { "; Secure" } else { "" };
    let text = format!("{}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Lax{secure_attribute}", cookie_name(secure));
    HeaderValue::from_str(&text).ok()
}

async fn audit(app: &App, at: Timestamp, name: &str, action: &str, detail: String) -> Result<(), SignInError> {
    let entry = AuditEntry { at, actor: format!("user:{name}"), action: action.to_owned(), subject: name.to_owned(), detail };
    app.store.audit(&entry).await.map_err(failed)
}

fn failed(error: impl std::error::Error) -> SignInError {
    tracing::error!(error = %error, "a sign-in could not be checked");
    SignInError::Failed
}
