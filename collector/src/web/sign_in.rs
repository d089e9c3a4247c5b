//! Signing in and out.

use askama::Template;
use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    fields::Fields,
    problem::{Problem, render, sentence},
    visitor::{Form, read_form},
};
use crate::{
    app::SharedApp,
    auth::{self, Actor, SignInError, client_address},
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page {
    problem: Option<String>,
    name: String,
    next: String,
    /// Whether a form came after its session had ended.
    ended: bool,
}

/// `GET /sign-in`
pub(super) async fn show(actor: Option<Actor>, request: Request) -> Response {
    let fields = Fields::parse(request.uri().query().unwrap_or_default().as_bytes());
    let (next, ended) = (local_path(fields.get("next")).to_owned(), fields.has("ended"));
    match actor {
        Some(_) => Redirect::to(&next).into_response(),
        None => render(&Page { problem: None, name: String::new(), next, ended }),
    }
}

/// `POST /sign-in`
pub(super) async fn submit(State(app): State<SharedApp>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // There is no session yet that could hold a secret against forged forms: the browser's own word on where the form was is
    // taken, so that no other site signs a visitor in as somebody else.
    let from_elsewhere = parts.headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if from_elsewhere {
        return Problem::stale_form().into_response();
    }
    let address = client_address(&app, &parts);
    let fields = match read_form(Request::from_parts(parts, body)).await {
        Ok(fields) => fields,
        Err(refused) => return refused,
    };
    let next = local_path(fields.get("next"));
    // Not trimmed: a password may begin or end with a space.
    let password = fields.raw("password");
    match auth::sign_in(&app, fields.get("name"), password, address).await {
        Ok(signed_in) => ([(header::SET_COOKIE, signed_in.cookie)], Redirect::to(next)).into_response(),
        Err(error) => {
            let status = match error {
                SignInError::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
                SignInError::Wrong => StatusCode::UNAUTHORIZED,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            let page = Page {
                problem: Some(sentence(&error.to_string())),
                name: fields.get("name").to_owned(),
                next: next.to_owned(),
                ended: false,
            };
            (status, render(&page)).into_response()
        }
    }
}

/// `POST /sign-out`
pub(super) async fn sign_out(form: Form) -> Result<Response, Problem> {
    let cookie = auth::sign_out(&form.visitor.app, &form.visitor.actor).await?;
    let mut response = Redirect::to("/sign-in").into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A path on this collector, never another site: `//host` and `/\host` are addresses of hosts to a browser.
fn local_path(next: &str) -> &str {
    let is_local = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\') && !next.chars().any(char::is_control);
    if is_local { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_never_leads_to_another_site() {
        for (next, path) in [
            ("/items?q=a", "/items?q=a"),
            ("", "/"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
        ] {
            assert_eq!(local_path(next), path, "{next:?}");
        }
    }
}
