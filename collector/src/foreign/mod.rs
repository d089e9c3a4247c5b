//! Other programs' agents as sources: GLPI Agent, FusionInventory Agent and OCS Inventory Agent, unmodified, report to
//! `/foreign/TOKEN` on the listener for people.
//!
//! Off until somebody makes an API token with the role `inventory_source`, which is good for this and nothing else; its name is the
//! source's. The token stands in the address or in basic authentication, and is checked before a byte of the body is read. What they send
//! becomes the sections of our own inventory, so that everything after is the same way.

mod answer;
mod content;
mod json;
mod message;
mod sections;
mod xml;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::any,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rollcall_core::{ImportFacts, Source, observe, reconcile_import};
use rollcall_shared::Timestamp;
use tokio::sync::Semaphore;

use self::{
    answer::{Format, Reply},
    message::{Message, Sent},
};
use crate::{
    agents::body::Bodies,
    app::{App, SharedApp},
    auth::{API_TOKEN_PREFIX, Refusal, Secret},
    starting,
    store::Role,
    writer::Command,
};

/// A body as sent, bytes.
const MAX_BODY_BYTES: u64 = 8 << 20;
/// The realm of basic authentication: the programs ask for it by name.
const REALM: &str = "Rollcall";

/// Where programs report.
pub(crate) fn router(app: SharedApp) -> Router {
    let starting = middleware::from_fn_with_state(app.clone(), starting::everything);
    let shared = Shared { app, bodies: Arc::default(), readers: Arc::new(Semaphore::new(READERS)) };
    let routes = Router::new().route("/foreign", any(basic)).route("/foreign/", any(basic)).route("/foreign/{token}", any(by_address));
    routes.with_state(shared).layer(starting)
}

/// Bodies that are read at once: one may take some tens of megabytes as it is taken apart.
const READERS: usize = 4;

#[derive(Clone)]
struct Shared {
    app: SharedApp,
    bodies: Arc<Bodies>,
    readers: Arc<Semaphore>,
}

async fn by_address(State(shared): State<Shared>, Path(token): Path<String>, headers: HeaderMap, body: Body) -> Response {
    match sender(&shared.app, &token).await {
        Ok(Some(sender)) => answer(&shared, sender, &headers, body).await,
        Ok(None) => (StatusCode::FORBIDDEN, UNKNOWN).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn basic(State(shared): State<Shared>, headers: HeaderMap, body: Body) -> Response {
    let known = match basic_password(&headers) {
        Some(token) => sender(&shared.app, &token).await,
        None => Ok(None),
    };
    match known {
        Ok(Some(sender)) => answer(&shared, sender, &headers, body).await,
        Ok(None) => {
            let ask = format!("Basic realm=\"{REALM}\", charset=\"UTF-8\"");
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, ask)], UNKNOWN).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

const UNKNOWN: &str = "the token is unknown, revoked or expired; make one with: rollcall api-token create NAME --role inventory_source\n";

/// The token stands where a password does; the name before it may be any.
fn basic_password(headers: &HeaderMap) -> Option<String> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())??;
    Some(String::from_utf8(decoded).ok()?.split_once(':')?.1.to_owned())
}

/// Who sends.
struct Sender {
    /// The source, by the name of its token.
    source: Source,
    /// The network realm of its machines.
    realm: String,
}

/// Whose token it is. Only a token that can do nothing else counts: it lies on every machine.
async fn sender(app: &App, token: &str) -> Result<Option<Sender>, Refusal> {
    if !token.starts_with(API_TOKEN_PREFIX) {
        return Ok(None);
    }
    let Some(record) = app.store.api_token(&Secret::hash(token), Timestamp::now()).await? else { return Ok(None) };
    let owner = app.store.user(record.user).await?.filter(|owner| !owner.disabled);
    let counts = owner.is_some() && record.role == Role::InventorySource;
    Ok(counts.then_some(Sender { source: Source::Import(record.name), realm: record.realm }))
}

async fn answer(shared: &Shared, sender: Sender, headers: &HeaderMap, body: Body) -> Response {
    let read = match shared.bodies.read(headers, body.into(), MAX_BODY_BYTES).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    // A whole machine takes milliseconds to read: off the threads that answer.
    let speaks_json = headers.contains_key("glpi-agent-id");
    let Ok(_permit) = shared.readers.acquire().await else { return Refusal::internal().into_response() };
    let Ok(read) = tokio::task::spawn_blocking(move || message::read(&read.bytes)).await else {
        return Refusal::internal().into_response();
    };
    let (format, result) = match read {
        Ok(Sent { message, format }) => (format, take(&shared.app, sender, message, speaks_json).await),
        Err(refused) => (refused.format, Err(Refusal::new(refused.problem))),
    };
    match result {
        Ok(reply) => format.reply(&reply),
        Err(refusal) => {
            tracing::warn!(detail = %refusal.problem.detail, "an inventory of another program was refused");
            format.refuse(refusal)
        }
    }
}

async fn take(app: &App, sender: Sender, message: Message, speaks_json: bool) -> Result<Reply, Refusal> {
    match message {
        // Who can speak JSON is asked to.
        Message::Prolog if speaks_json => Ok(Reply::SpeakJson),
        Message::Prolog => Ok(Reply::SendInventory),
        Message::Contact => Ok(Reply::Contact),
        Message::Other => Ok(Reply::Nothing),
        Message::Inventory(inventory) => {
            let received_at = Timestamp::now();
            let facts = ImportFacts {
                source: sender.source.clone(),
                device: inventory.device.clone(),
                realm: sender.realm,
                partial: inventory.partial,
            };
            let document = sections::document(&inventory, received_at);
            let observed = observe(&document, &facts.realm, received_at);
            let policy = app.policy.clone();
            let command = Command {
                actor: sender.source.to_string(),
                audit: None,
                plan: Box::new(move |estate, now, ids| Ok(reconcile_import(estate, &facts, &observed, now, &policy, ids))),
            };
            app.writer.command(command).await?;
            Ok(Reply::Stored)
        }
    }
}

impl Format {
    fn refuse(self, refusal: Refusal) -> Response {
        let status = StatusCode::from_u16(refusal.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = self.error(&refusal.problem.detail);
        *response.status_mut() = status;
        if let Some(seconds) = refusal.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
