//! Whose request it is: the extractors of API and web UI.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use rollcall_shared::Timestamp;

use super::{Actor, Secret, Via, refusal::Refusal, session::cookie_name};
use crate::{
    app::{App, SharedApp},
    store::Role,
};

/// The header by which scripts of our own pages carry the session's CSRF secret.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// How API tokens begin.
pub const API_TOKEN_PREFIX: &str = "rollcallapi_";

/// Anybody who proves who they are. Refuses everybody else with 401. The web UI asks for `Option<Actor>` and shows the
/// sign-in page instead.
///
/// This alone does not guard a browser's write against other sites: the API requires [`CSRF_HEADER`] (in its own
/// extractor), pages check their form field with [`Actor::csrf_holds`].
impl FromRequestParts<SharedApp> for Actor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Refusal> {
        identify(app, &parts.headers).await?.ok_or_else(|| Refusal::unauthenticated("this needs a signed-in person or an API token"))
    }
}

impl OptionalFromRequestParts<SharedApp> for Actor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Option<Self>, Refusal> {
        identify(app, &parts.headers).await
    }
}

/// Who the headers prove. A wrong `Authorization` is refused and never falls back to a cookie.
async fn identify(app: &App, headers: &HeaderMap) -> Result<Option<Actor>, Refusal> {
    let now = Timestamp::now();
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let token =
            authorization.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            return Err(Refusal::unauthenticated("the Authorization header is not of the form Bearer TOKEN"));
        };
        return by_token(app, token.trim(), now).await.map(Some);
    }
    match session_secret(headers, app.auth.secure_cookies) {
        Some(secret) => by_session(app, secret, now).await,
        None => Ok(None),
    }
}

async fn by_token(app: &App, token: &str, now: Timestamp) -> Result<Actor, Refusal> {
    let hash = Secret::hash(token);
    if app.auth.console.is_some_and(|console| blake3::Hash::from(console) == blake3::Hash::from(hash)) {
        return Ok(Actor { name: "console".to_owned(), role: Role::Admin, via: Via::LocalConsole });
    }
    let refused = || Refusal::unauthenticated("the token is unknown, revoked or expired");
    if !token.starts_with(API_TOKEN_PREFIX) {
        return Err(refused());
    }
    let record = app.store.api_token(&hash, now).await?.ok_or_else(refused)?;
    let owner = app.store.user(record.user).await?.filter(|owner| !owner.disabled).ok_or_else(refused)?;
    Ok(Actor {
        name: format!("{}/{}", owner.name, record.name),
        // A token never does more than its owner may by now.
        role: record.role.min(owner.role),
        via: Via::ApiToken { user: owner.id, token: record.id },
    })
}

async fn by_session(app: &App, secret: &str, now: Timestamp) -> Result<Option<Actor>, Refusal> {
    let secret_hash = Secret::hash(secret);
    let Some(session) = app.store.session(&secret_hash, now).await? else { return Ok(None) };
    let Some(user) = app.store.user(session.user).await?.filter(|user| !user.disabled) else { return Ok(None) };
    Ok(Some(Actor { name: user.name, role: user.role, via: Via::Session { user: user.id, csrf: session.csrf, secret_hash } }))
}

fn session_secret(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let name = cookie_name(secure);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(known, value)| (known == name && !value.is_empty() && value.len() <= 128).then_some(value))
}

/// Where the request comes from: the peer, or behind a trusted proxy the nearest address that is no trusted proxy.
pub fn client_address(app: &App, parts: &Parts) -> IpAddr {
    let peer =
        parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip().to_canonical());
    let trusted = &app.config.people.trusted_proxies;
    if !trusted.contains(&peer) {
        return peer;
    }
    let forwarded: Vec<IpAddr> = parts
        .headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|address| address.trim().parse().ok())
        .collect();
    // From the right: what stands further left was sent by the client and proves nothing.
    forwarded.into_iter().rev().find(|address| !trusted.contains(address)).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_read_from_its_own_cookie_only() {
        for (cookies, secure, expected) in [
            ("__Host-rollcall=abc", true, Some("abc")),
            ("a=b; __Host-rollcall=abc; c", true, Some("abc")),
            // Planted by a neighbouring host over plain HTTP.
            ("rollcall=abc", true, None),
            ("rollcall=abc", false, Some("abc")),
            ("rollcall=", false, None),
            ("x", false, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, cookies.parse().unwrap());
            assert_eq!(session_secret(&headers, secure), expected, "{cookies}");
        }
    }
}
