//! The OpenAPI document: what the handlers say, and what holds for all of them.

use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema, openapi::OpenApi};

use super::{BASE, types::ProblemDocument};

const DESCRIPTION: &str = "\
Configuration items, their history, dependencies and what an outage breaks.

**Who asks:** an API token (`rollcall api-token create`) as `Authorization: Bearer rollcallapi_…`, or a browser's session cookie, \
whose writes also carry `X-CSRF-Token`. Each call names the role it takes; a role includes those before it: viewer, change_reviewer, asset_manager, admin.

**Errors** are RFC 9457 problem documents (`application/problem+json`) with `detail`, the place in the body (`path`) and the `next_step`.

**Lists** come in pages: send `next` of one page as `after` of the next. **Times** are RFC 3339 in UTC, **sizes** are bytes, **ids** are UUIDs. \
Unknown fields in a body are refused. Changes to an item may be made conditional: `If-Match` with its `ETag`.";

/// The document as JSON, with a line break at the end, the same for the same handlers.
pub(super) fn to_json(document: OpenApi) -> Vec<u8> {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["info"] = json!({
        "title": "Rollcall",
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        "description": DESCRIPTION,
    });
    document["servers"] = json!([{ "url": BASE }]);
    document["security"] = json!([{ "api_token": [] }, { "session": [] }]);
    document["components"]["securitySchemes"] = json!({
        "api_token": { "type": "http", "scheme": "bearer", "description": "An API token, `rollcallapi_…`." },
        "session": { "type": "apiKey", "in": "cookie", "name": "__Host-rollcall", "description": "A browser's session, from `POST /session`." },
    });
    document["components"]["schemas"]["Problem"] = serde_json::to_value(ProblemDocument::schema()).unwrap_or_default();
    debug_assert_eq!(ProblemDocument::name(), "Problem");
    let methods = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in methods.filter_map(Value::as_object_mut).flat_map(|methods| methods.values_mut()) {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            responses.insert("default".to_owned(), problem_response());
        }
    }
    let mut json = serde_json::to_vec_pretty(&document).unwrap_or_default();
    json.push(b'\n');
    json
}

fn problem_response() -> Value {
    json!({
        "description": "What went wrong, where, and the next step.",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}
