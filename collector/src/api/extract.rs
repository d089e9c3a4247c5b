//! What handlers take from a request, each refusing what does not fit with a problem document.

use std::str::FromStr;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, Method, header, request::Parts},
};
use rollcall_shared::wire::{
    Problem,
    limits::{self, JsonLimits},
};
use serde::de::DeserializeOwned;

use crate::{
    app::SharedApp,
    auth::{Actor, CSRF_HEADER, Refusal},
    store::Role,
};

/// For everything a client of the API sends.
const LIMITS: JsonLimits = JsonLimits { bytes: 1 << 20, depth: 16, items: 10_000, total_items: 50_000, string_bytes: 64 << 10 };

/// Who asks, checked: signed in, and for a browser's write from our own page.
async fn caller(parts: &mut Parts, app: &SharedApp, role: Role) -> Result<Actor, Refusal> {
    let actor = <Actor as FromRequestParts<SharedApp>>::from_request_parts(parts, app).await?;
    let is_write = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let carried = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    if is_write && !actor.csrf_holds(carried) {
        return Err(Refusal::forbidden("a browser's write must carry its session's secret in the header X-CSRF-Token")
            .next("read csrf_token from GET /api/v1/me and send it, or use an API token"));
    }
    actor.require(role)?;
    Ok(actor)
}

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident => $role:ident;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name(pub(super) Actor);

        impl FromRequestParts<SharedApp> for $name {
            type Rejection = Refusal;

            async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Refusal> {
                caller(parts, app, Role::$role).await.map(Self)
            }
        }
    )*};
}

roles! {
    /// Anybody who is signed in.
    Viewer => Viewer;
    /// Who may ask what an outage breaks.
    Reviewer => ChangeReviewer;
    /// Who may write configuration items.
    Manager => AssetManager;
    /// Who may do everything.
    Admin => Admin;
}

/// A JSON body within limits, without fields nobody knows.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<SharedApp> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &SharedApp) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            let problem = Problem::new(415, "not-json", "The body is not JSON", "the body must be sent as Content-Type: application/json");
            return Err(Refusal::new(problem));
        }
        let bytes = Bytes::from_request(request, app).await.map_err(|rejection| {
            Refusal::new(
                Problem::new(rejection.status().as_u16(), "limit-exceeded", "The body is too large", rejection.body_text())
                    .limited_to(LIMITS.bytes),
            )
        })?;
        // A body left out means one without fields, for the calls where all are optional.
        let json = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
        limits::parse(&json, &LIMITS).map(Self).map_err(|mut problem| {
            if problem.status == 422 {
                problem.title = "A value is wrong".to_owned();
                problem.next_step = Some("compare the body with this call in /api/v1/openapi.json".to_owned());
            }
            Refusal::new(problem)
        })
    }
}

/// The files of a code base in a body: longer texts, and more of them, than everything else.
pub(super) const CODE_LIMITS: JsonLimits =
    JsonLimits { bytes: 24 << 20, depth: 8, items: 2_000, total_items: 10_000, string_bytes: 8 << 20 };

/// Reads a JSON body that is longer than usual.
///
/// # Errors
/// What is wrong, and where.
pub(super) async fn long_body<T: DeserializeOwned>(headers: &HeaderMap, body: axum::body::Body) -> Result<T, Refusal> {
    if !is_json(headers) {
        let problem = Problem::new(415, "not-json", "The body is not JSON", "the body must be sent as Content-Type: application/json");
        return Err(Refusal::new(problem));
    }
    let limit = usize::try_from(CODE_LIMITS.bytes).unwrap_or(usize::MAX);
    let bytes = axum::body::to_bytes(body, limit).await.map_err(|_| {
        let detail = format!("the body has more than {limit} bytes, or ended before it was complete");
        Refusal::new(Problem::new(413, "limit-exceeded", "The body is too large", detail).limited_to(CODE_LIMITS.bytes))
    })?;
    limits::parse(&bytes, &CODE_LIMITS).map_err(|mut problem| {
        if problem.status == 422 {
            problem.title = "A value is wrong".to_owned();
        }
        Refusal::new(problem).next("compare the body with this call in /api/v1/openapi.json")
    })
}

/// Most bytes of a body, for the router.
pub(super) const MAX_BODY_BYTES: usize = LIMITS.bytes as usize;

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        // Without a type there must be no body; one that is there is not understood as JSON by accident.
        return headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0") && !headers.contains_key(header::TRANSFER_ENCODING);
    };
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.eq_ignore_ascii_case("application/merge-patch+json")
}

/// The query of the address.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<SharedApp> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &SharedApp) -> Result<Self, Refusal> {
        let Query(params) = Query::try_from_uri(&parts.uri)
            .map_err(|rejection| Refusal::bad_request(rejection.body_text()).next("see this call's parameters in /api/v1/openapi.json"))?;
        Ok(Self(params))
    }
}

/// The id in the path.
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr> FromRequestParts<SharedApp> for Id<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Refusal> {
        let Path(text) =
            Path::<String>::from_request_parts(parts, app).await.map_err(|rejection| Refusal::bad_request(rejection.body_text()))?;
        let shown: String = text.chars().take(64).collect();
        text.parse()
            .map(Self)
            .map_err(|_| Refusal::bad_request(format!("{shown:?} is not an id; ids look like 0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a11")))
    }
}

/// The version that `If-Match` names; `None` if the header is absent or `*`.
pub(super) struct IfMatch(pub(super) Option<u32>);

impl FromRequestParts<SharedApp> for IfMatch {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &SharedApp) -> Result<Self, Refusal> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        let version = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|version| version.parse().ok());
        version.map(|version| Self(Some(version))).ok_or_else(|| Refusal::invalid("If-Match must be an ETag of this item, such as \"3\""))
    }
}
