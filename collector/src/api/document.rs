//! The OpenAPI document: what the handlers say, and what holds for all of them.

use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema, openapi::OpenApi};

use super::{BASE, examples, fields, idempotency, types::ProblemDocument};

const DESCRIPTION: &str = "\
Configuration items, their history, dependencies and what an outage breaks.

**Who asks:** an API token (`rollcall api-token create`) as `Authorization: Bearer rollcallapi_…`, or a browser's session cookie, \
whose writes also carry `X-CSRF-Token`. Each call names the role it takes; a role includes those before it: viewer, change_reviewer, asset_manager, admin.

**Errors** are RFC 9457 problem documents (`application/problem+json`) with `detail`, the place in the body (`path`) and the `next_step`.

**Lists** come in pages: send `next` of one page as `after` of the next. **Times** are RFC 3339 in UTC, **sizes** are bytes, **ids** are UUIDs. \
Unknown fields in a body are refused. Changes to an item may be made conditional: `If-Match` with its `ETag`. A write with an `Idempotency-Key` is done once, however often it is sent. \
`fields` chooses members of an answer.";

/// The document as JSON, with a line break at the end, the same for the same handlers.
pub(super) fn to_json(document: &Value) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(document).unwrap_or_default();
    json.push(b'\n');
    json
}

/// The document: what the handlers say, and what holds for all of them.
pub(super) fn of(document: OpenApi) -> Value {
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
    let mut schemas = document["components"]["schemas"].take();
    let methods = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for (method, operation) in methods.filter_map(Value::as_object_mut).flatten() {
        let general = if method == "get" { fields_parameter(operation) } else { Some(key_parameter()) };
        if method == "get" && general.is_some() {
            let schema =
                json!({ "type": "object", "description": "The members that `fields` names, of the answer or of each item of the page." });
            operation["responses"]["200"]["content"][fields::PARTIAL] = json!({ "schema": schema });
        }
        if let Some(parameter) = general {
            match operation.get_mut("parameters").and_then(Value::as_array_mut) {
                Some(parameters) => parameters.push(parameter),
                None => operation["parameters"] = json!([parameter]),
            }
        }
        if body_may_be_left_out(operation, &schemas) {
            operation["requestBody"]["required"] = json!(false);
        }
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if parameter["name"] == "If-Match" {
                parameter["schema"] = json!({ "type": "string", "pattern": "^(\\*|\"[0-9]{1,9}\")$", "examples": ["\"3\""] });
            }
        }
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            responses.insert("default".to_owned(), problem_response());
        }
    }
    examples::add_to(&mut schemas);
    document["components"]["schemas"] = schemas;
    document
}

/// Whether the body has no member that must be there: an empty one means one without members.
fn body_may_be_left_out(operation: &Value, schemas: &Value) -> bool {
    let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema/$ref").and_then(Value::as_str) else {
        return false;
    };
    let name = schema.trim_start_matches("#/components/schemas/");
    schemas[name]["required"].as_array().is_none_or(Vec::is_empty)
}

/// Every call that answers with an object takes it.
fn fields_parameter(operation: &Value) -> Option<Value> {
    operation.pointer("/responses/200/content/application~1json")?;
    Some(json!({
        "name": fields::PARAMETER, "in": "query", "required": false,
        "description": "Only these members of the answer, or of each item of a page, separated by commas; `attributes.owner` is one member \
                        of a member. All if absent.",
        "schema": { "type": "string", "examples": ["id,name,attributes.owner"] },
    }))
}

/// Every write takes it.
fn key_parameter() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "A key of your own for this write, a UUID for example: sent again within a day, with the same request, it is not done \
                        again but answered as the first time, with `Idempotency-Replayed: true`.",
        "schema": { "type": "string", "minLength": 1, "maxLength": idempotency::MAX_KEY_CHARACTERS, "pattern": "^[!-~]+$" },
    })
}

fn problem_response() -> Value {
    json!({
        "description": "What went wrong, where, and the next step.",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}
