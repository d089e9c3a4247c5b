//! `Idempotency-Key`: a write that is sent again, because its answer was lost, is done once and answered as the first time.
//!
//! A key belongs to who sent it and to one request: method, address and body. It is kept for a day.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rollcall_shared::{Timestamp, wire::Problem};
use serde_json::Value;

use super::{BASE, extract::MAX_BODY_BYTES};
use crate::{
    app::SharedApp,
    auth::{Actor, Refusal},
    store::{KeyedAnswer, KeyedRequest, SeenRequest},
};

/// The header.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Tells that an answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key, in characters.
pub(super) const MAX_KEY_CHARACTERS: usize = 255;
/// No write takes longer: a request that was begun earlier and has no answer was cut off, and nobody knows how far it came.
const CUT_OFF_AFTER_MS: i64 = 120_000;
/// Calls whose answers hold a secret that is shown once: they are remembered without their answer.
const WITH_SECRETS: [&str; 4] = ["/session", "/tokens", "/api-tokens", "/users"];

/// The calls that take keys: every write that there is, by path and method.
pub(super) struct Writes {
    app: SharedApp,
    calls: BTreeSet<(String, String)>,
}

impl Writes {
    /// As the API's description says.
    pub(super) fn of(document: &Value, app: SharedApp) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let calls = paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flat_map(|methods| methods.keys());
            methods.map(move |method| (format!("{BASE}{path}"), method.to_uppercase()))
        });
        Self { app, calls: calls.collect() }
    }
}

/// Does a write with a key once. What is no call is refused as without a key.
pub(super) async fn once(State(writes): State<Arc<Writes>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let is_write = !request.method().is_safe() && writes.calls.contains(&(path, request.method().to_string()));
    let Some(key) = request.headers().get(&HEADER).cloned().filter(|_| is_write) else {
        return next.run(request).await;
    };
    let app = SharedApp::clone(&writes.app);
    match keyed(app, &key, request, next).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.into_response(),
    }
}

/// Visible ASCII, of some length.
fn is_key(key: &str) -> bool {
    (1..=MAX_KEY_CHARACTERS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

async fn keyed(app: SharedApp, key: &HeaderValue, request: Request, next: Next) -> Result<Response, Refusal> {
    let key = key.to_str().ok().filter(|key| is_key(key)).ok_or_else(|| {
        Refusal::bad_request(format!("Idempotency-Key is 1 to {MAX_KEY_CHARACTERS} visible characters")).next("make a UUID for each write")
    })?;
    let (mut parts, body) = request.into_parts();
    let actor = <Actor as FromRequestParts<SharedApp>>::from_request_parts(&mut parts, &app).await?;
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
        let problem = Problem::new(413, "limit-exceeded", "The body is too large", "a body with an Idempotency-Key is too large");
        Refusal::new(problem.limited_to(MAX_BODY_BYTES as u64))
    })?;
    let mut digest = blake3::Hasher::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.to_string().as_bytes(), &body] {
        digest.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let request = KeyedRequest {
        actor: actor.audit_name(),
        key: key.to_owned(),
        digest: digest.finalize().to_hex().to_string(),
        begun_at: Timestamp::now(),
    };
    match app.store.begin_request(&request).await? {
        SeenRequest::New => {}
        SeenRequest::Before { digest, .. } if digest != request.digest => {
            return Err(Refusal::invalid("this Idempotency-Key was sent before with another request").next("make a new key for each write"));
        }
        SeenRequest::Before { answer: Some(answer), .. } => return Ok(replay(answer)),
        SeenRequest::Before { begun_at, .. } if request.begun_at.millis_since(begun_at) < CUT_OFF_AFTER_MS => {
            let mut refusal =
                Refusal::conflict("the first request with this Idempotency-Key is still being done").next("try again in a second");
            refusal.retry_after_seconds = Some(1);
            return Err(refusal);
        }
        SeenRequest::Before { .. } => {
            return Err(Refusal::conflict("the first request with this Idempotency-Key was cut off; it may have been done")
                .next("look at what is there, and send it with a new key if it was not"));
        }
    }
    let holds_secret = WITH_SECRETS.iter().any(|path| parts.uri.path().split("/api/v1").last().is_some_and(|rest| rest.starts_with(path)));
    let inner = next.run(Request::from_parts(parts, Body::from(body)));
    // On its own: a client that goes away does not leave behind a request that nobody knows the end of.
    let done = tokio::spawn(async move {
        let answer = inner.await;
        remember(&app, &request, answer, holds_secret).await
    });
    done.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request's work ended badly");
        Err(Refusal::internal())
    })
}

/// Keeps the answer of what was done; what was refused may be sent again.
async fn remember(app: &SharedApp, request: &KeyedRequest, answer: Response, holds_secret: bool) -> Result<Response, Refusal> {
    if !answer.status().is_success() {
        app.store.forget_request(&request.actor, &request.key).await?;
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|_| Refusal::internal())?;
    let text = |name: &HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let kept = KeyedAnswer {
        status: parts.status.as_u16(),
        content_type: text(&header::CONTENT_TYPE),
        etag: text(&header::ETAG),
        body: (!holds_secret).then(|| String::from_utf8_lossy(&body).into_owned()),
    };
    app.store.finish_request(&request.actor, &request.key, &kept).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replay(answer: KeyedAnswer) -> Response {
    let Some(body) = answer.body else {
        let refusal = Refusal::conflict("this was done already; its answer held a secret, which is shown once and not kept");
        return refusal.next("take back what was made and make another, with a new key").into_response();
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    for (name, value) in [(header::CONTENT_TYPE, answer.content_type), (header::ETAG, answer.etag)] {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    response
}
