//! Making and revoking enrollment tokens.

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::Path, response::Response};
use rollcall_shared::TokenId;
use serde_json::Value;

use crate::{
    enrollment_token::{self, NewEnrollmentToken},
    realm,
    store::Role,
    web::{
        confirm::Confirmation,
        format::When,
        problem::{Problem, sentence},
        visitor::{Form, Part, Shell, done, refused},
    },
};

const PAGE: &str = "/enrollment";

/// Longest life of a token, hours.
const MOST_HOURS: i64 = 366 * 24;

#[derive(Template)]
#[template(path = "token_created.html")]
struct CreatedPage {
    shell: Shell,
    name: String,
    command: String,
    token: String,
    expires: When,
}

/// `POST /enrollment/tokens`. Answers with the page that shows the secret, once; it is never in an address.
pub(in crate::web) async fn create_token(form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::Admin)?;
    let name: String = form.fields.get("name").chars().take(100).collect();
    if name.is_empty() {
        return Ok(refused(PAGE, "Give the token a name, so that it can be told from others."));
    }
    let max_uses = match form.fields.get("uses") {
        "" => None,
        uses => match uses.parse::<u32>() {
            Ok(uses) if uses > 0 => Some(uses),
            _ => return Ok(refused(PAGE, "The number of machines is a whole number from 1, or empty for any number.")),
        },
    };
    let hours = match form.fields.get("hours").parse::<i64>() {
        Ok(hours) if (1..=MOST_HOURS).contains(&hours) => hours,
        _ => return Ok(refused(PAGE, "A token is valid for 1 hour to 1 year.")),
    };
    let named = Some(form.fields.get("realm")).filter(|name| !name.is_empty());
    let realm = match realm::checked(named) {
        Ok(realm) => realm,
        Err(problem) => return Ok(refused(PAGE, sentence(problem))),
    };
    let assigned: BTreeMap<String, Value> = ["owner", "location"]
        .into_iter()
        .map(|name| (name.to_owned(), form.fields.get(name)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name, Value::from(value)))
        .collect();
    let new = NewEnrollmentToken {
        name: name.clone(),
        max_uses,
        life_ms: hours * 3_600_000,
        needs_approval: form.fields.get("approval") == "yes",
        realm,
        assigned,
    };
    let (record, token) = enrollment_token::create(&visitor.app, &visitor.actor, new, visitor.now).await?;
    let page = CreatedPage {
        shell: visitor.shell(Part::Enrollment),
        name,
        command: visitor.app.enroll_command(&token),
        token: token.to_text(),
        expires: When::new(record.expires_at, visitor.now),
    };
    Ok(visitor.page(&page))
}

/// `POST /enrollment/tokens/{id}/revoke`
pub(in crate::web) async fn revoke_token(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::Admin)?;
    let no_token = || Problem::not_found("There is no such token.");
    let id: TokenId = id.parse().map_err(|_| no_token())?;
    if let Some(ask) = form.unless_confirmed(|| {
        let says = "No machine can join with it any more. Those that have joined stay.";
        Confirmation::new(Part::Enrollment, "Revoke this token?".to_owned(), says, "Revoke the token", PAGE)
    }) {
        return Ok(ask);
    }
    if !visitor.app.store.revoke_token(id, visitor.now, &visitor.audit("token.revoke", id, "")).await? {
        return Err(no_token());
    }
    Ok(done(PAGE, "The token is revoked. Machines that joined with it stay."))
}
