//! Revoking enrollment tokens.

use axum::{extract::Path, response::Response};
use rollcall_shared::TokenId;

use crate::{
    store::Role,
    web::{
        problem::Problem,
        visitor::{Form, done},
    },
};

const PAGE: &str = "/enrollment";

/// `POST /enrollment/tokens/{id}/revoke`
pub(in crate::web) async fn revoke_token(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::Admin)?;
    let no_token = || Problem::not_found("There is no such token.");
    let id: TokenId = id.parse().map_err(|_| no_token())?;
    if !visitor.app.store.revoke_token(id, visitor.now, &visitor.audit("token.revoke", id, "")).await? {
        return Err(no_token());
    }
    Ok(done(PAGE, "The token is revoked. Machines that joined with it stay."))
}
