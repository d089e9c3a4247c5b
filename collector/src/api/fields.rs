//! Field selection: `?fields=id,name,attributes.owner` on every call that answers with JSON, so that a client gets no more than it uses.
//!
//! What may be named comes from the API's own description, so that a new call or member needs nothing here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    body::{Body, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header, uri::PathAndQuery},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use super::BASE;
use crate::auth::Refusal;

/// The parameter.
pub(super) const PARAMETER: &str = "fields";
/// The media type of an answer that is less than its schema says.
pub(super) const PARTIAL: &str = "application/vnd.rollcall.partial+json";
/// Most fields in one request.
const MOST: usize = 100;
/// No answer of a page is larger.
const MOST_BYTES: usize = 256 << 20;

/// By path, the members that its answer, or each item of its page, may have.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, BTreeSet<String>>);

impl Known {
    /// As the API's description says.
    pub(super) fn of(document: &Value) -> Self {
        let schemas = &document["components"]["schemas"];
        let paths = document["paths"].as_object().into_iter().flatten();
        let members = paths.filter_map(|(path, methods)| {
            let schema = methods.pointer("/get/responses/200/content/application~1json/schema")?;
            let mut found = BTreeMap::new();
            members(schema, schemas, &mut found);
            if let Some(items) = found.get("items").and_then(|items| items.get("items")).cloned() {
                found.clear();
                members(&items, schemas, &mut found);
            }
            Some((format!("{BASE}{path}"), found.into_keys().collect()))
        });
        Self(members.collect())
    }
}

/// The members of an object's schema, through references and compositions.
fn members(schema: &Value, schemas: &Value, found: &mut BTreeMap<String, Value>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/schemas/")) {
        members(&schemas[name], schemas, found);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        members(part, schemas, found);
    }
    for (name, value) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(name.clone(), value.clone());
    }
}

/// Leaves in an answer what `fields` asks for.
pub(super) async fn select(State(known): State<Arc<Known>>, mut request: Request, next: Next) -> Response {
    if request.method() != Method::GET || !request.uri().query().is_some_and(|query| query.contains(PARAMETER)) {
        return next.run(request).await;
    }
    let Some((wanted, uri)) = take(request.uri()) else { return next.run(request).await };
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let wanted = match Wanted::parse(&wanted, known.0.get(&path)) {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal.into_response(),
    };
    *request.uri_mut() = uri;
    wanted.answer(next.run(request).await).await
}

/// The parameter's value, and the address without it; `None` if it is not there.
fn take(uri: &Uri) -> Option<(String, Uri)> {
    let query = uri.query()?;
    let (asked, others): (Vec<_>, Vec<_>) = url::form_urlencoded::parse(query.as_bytes()).partition(|(name, _)| name == PARAMETER);
    if asked.is_empty() {
        return None;
    }
    let rest = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(others).finish();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}?{rest}", uri.path())).ok()?);
    let wanted: Vec<_> = asked.into_iter().map(|(_, value)| value).collect();
    Some((wanted.join(","), Uri::from_parts(parts).ok()?))
}

/// What is to be left: a member as a whole, or members of it.
struct Wanted(BTreeMap<String, BTreeSet<String>>);

impl Wanted {
    fn parse(text: &str, known: Option<&BTreeSet<String>>) -> Result<Self, Refusal> {
        let known = known.ok_or_else(|| Refusal::invalid("this call's answer has no fields to choose from").next("leave fields out"))?;
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut whole = BTreeSet::new();
        for (count, field) in text.split(',').map(str::trim).filter(|field| !field.is_empty()).enumerate() {
            if count == MOST {
                return Err(Refusal::invalid(format!("fields names more than {MOST}")).next("name fewer, or leave it out"));
            }
            let (member, part) = field.split_once('.').map_or((field, None), |(member, part)| (member, Some(part)));
            if !known.contains(member) {
                let shown: String = member.chars().take(64).collect();
                let names = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                return Err(
                    Refusal::invalid(format!("fields names {shown:?}, which this answer never has")).next(format!("it has {names}"))
                );
            }
            let parts = wanted.entry(member.to_owned()).or_default();
            match part {
                Some(part) => drop(parts.insert(part.to_owned())),
                None => drop(whole.insert(member.to_owned())),
            }
        }
        whole.into_iter().for_each(|member| wanted.entry(member).or_default().clear());
        Ok(Self(wanted))
    }

    async fn answer(&self, answer: Response) -> Response {
        let is_json = answer.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        if answer.status() != StatusCode::OK || !is_json {
            return answer;
        }
        let (mut parts, body) = answer.into_parts();
        let chosen = to_bytes(body, MOST_BYTES).await.ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let Some(mut chosen) = chosen else { return Refusal::internal().into_response() };
        match chosen.get_mut("items").and_then(Value::as_array_mut) {
            Some(items) => items.iter_mut().for_each(|item| self.keep(item)),
            None => self.keep(&mut chosen),
        }
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PARTIAL));
        Response::from_parts(parts, Body::from(chosen.to_string()))
    }

    fn keep(&self, value: &mut Value) {
        let Some(members) = value.as_object_mut() else { return };
        let kept: Map<String, Value> = self
            .0
            .iter()
            .filter_map(|(member, parts)| {
                let mut value = members.remove(member)?;
                if let (false, Some(inner)) = (parts.is_empty(), value.as_object_mut()) {
                    inner.retain(|name, _| parts.contains(name));
                }
                Some((member.clone(), value))
            })
            .collect();
        *members = kept;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_be_named_comes_from_the_description() {
        let page =
            json!({ "type": "object", "properties": { "items": { "type": "array", "items": { "$ref": "#/components/schemas/View" } } } });
        let answer =
            |schema: Value| json!({ "get": { "responses": { "200": { "content": { "application/json": { "schema": schema } } } } } });
        let document = json!({
            "paths": { "/cis": answer(page), "/cis/{id}": answer(json!({ "$ref": "#/components/schemas/View" })) },
            "components": { "schemas": {
                "View": { "allOf": [{ "$ref": "#/components/schemas/Base" }, { "properties": { "keys": {} } }] },
                "Base": { "properties": { "id": {}, "name": {} } },
            } },
        });
        let known = Known::of(&document);
        for path in ["/api/v1/cis", "/api/v1/cis/{id}"] {
            assert_eq!(known.0[path], ["id", "keys", "name"].map(str::to_owned).into(), "{path}");
        }
    }

    #[test]
    fn members_and_members_of_members_are_kept() {
        let known = ["id", "name", "attributes"].map(str::to_owned).into();
        let item = json!({ "id": 1, "name": "a", "attributes": { "owner": "x", "os": "y" } });
        for (fields, kept) in [
            ("id,name", json!({ "id": 1, "name": "a" })),
            (" attributes.owner , id", json!({ "id": 1, "attributes": { "owner": "x" } })),
            ("attributes.owner,attributes", json!({ "attributes": { "owner": "x", "os": "y" } })),
            ("name.length", json!({ "name": "a" })),
        ] {
            let mut value = item.clone();
            Wanted::parse(fields, Some(&known)).map_err(|refusal| refusal.problem.detail).unwrap().keep(&mut value);
            assert_eq!(value, kept, "{fields}");
        }
        for fields in ["secret", "id,secret.x", &"id,".repeat(MOST + 1)] {
            assert!(Wanted::parse(fields, Some(&known)).is_err_and(|refusal| refusal.problem.status == 422), "{fields}");
        }
    }

    #[test]
    fn the_parameter_is_taken_out_of_the_address() {
        let (fields, uri) = take(&"/api/v1/cis?filter=a%20b&fields=id&limit=3&fields=name".parse().unwrap()).unwrap();
        assert_eq!((fields.as_str(), uri.to_string().as_str()), ("id,name", "/api/v1/cis?filter=a+b&limit=3"));
        assert!(take(&"/api/v1/cis?filter=fields".parse().unwrap()).is_none());
    }
}
