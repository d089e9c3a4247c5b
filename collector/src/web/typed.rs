//! What was typed into a form that was refused: the page that the form stands on is shown once more, filled in with it.
//!
//! A handler only says [`refused`](super::visitor::refused) and where the form stands. [`show_again`] asks that page for itself, with what
//! the form said beside the request, so that no page has a second way of being made.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use askama::filters::HtmlSafe;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use tower::ServiceExt as _;

use super::fields::Fields;

/// What a form said that was refused.
#[derive(Debug)]
pub(super) struct Typed {
    /// Where it was sent: a page may have several forms.
    action: String,
    fields: Fields,
    /// Why it was refused.
    pub(super) why: String,
}

impl Typed {
    /// Whether somebody typed or chose something, beside the button.
    pub(super) fn has_words(&self) -> bool {
        const OF_BUTTONS: [&str; 6] = ["csrf", "confirmed", "delete", "decision", "one", "other"];
        self.fields.iter().any(|(name, _)| !OF_BUTTONS.contains(&name))
    }
}

/// Where whoever reads a form leaves what it said; beside every request.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot(Arc<OnceLock<Fields>>);

impl Slot {
    /// Remembers what a form says while it is handled.
    pub(super) fn keep(&self, fields: &Fields) {
        let _ = self.0.set(fields.clone());
    }
}

/// Beside an answer: nothing was done, and the page that the form stands on says why.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// Where the form stands.
    pub(super) at: String,
    pub(super) why: String,
}

/// Shows the page that a refused form stands on, with what was typed and what is wrong with it, as 422. An answer whose form nobody has kept
/// stays the way back to that page.
pub(super) async fn show_again(State(pages): State<Router>, mut request: Request, next: Next) -> Response {
    if *request.method() != Method::POST {
        return next.run(request).await;
    }
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let (action, mut headers) = (request.uri().path().to_owned(), request.headers().clone());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().copied();
    let mut answer = next.run(request).await;
    let Some(Refused { at, why }) = answer.extensions_mut().remove::<Refused>() else { return answer };
    let Some(fields) = slot.0.get().cloned() else { return answer };
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let Ok(mut page) = Request::get(at.as_str()).body(Body::empty()) else { return answer };
    *page.headers_mut() = headers;
    page.extensions_mut().insert(Arc::new(Typed { action, fields, why }));
    peer.map(|peer| page.extensions_mut().insert(peer));
    match pages.oneshot(page).await {
        Ok(mut shown) if shown.status() == StatusCode::OK => {
            *shown.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            shown
        }
        _ => answer,
    }
}

/// What a page fills a form in with: what was typed into it, if it was refused just now, else what usually stands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a>(Option<&'a Fields>);

impl<'a> Said<'a> {
    /// What was typed into the form that is sent to `action`.
    pub(super) fn of(typed: Option<&'a Typed>, action: impl fmt::Display) -> Self {
        Self(typed.filter(|typed| typed.action == action.to_string()).map(|typed| &typed.fields))
    }

    /// What the message of a refused form leads to, in the form's tag.
    pub(super) fn anchor(&self) -> Anchor {
        Anchor(self.any())
    }

    /// Whether the form was refused just now.
    pub(super) fn any(&self) -> bool {
        self.0.is_some()
    }

    /// All that was typed.
    pub(super) fn fields(&self) -> Option<&'a Fields> {
        self.0
    }

    /// What was typed into a field that is empty otherwise.
    pub(super) fn text(&self, name: &str) -> &'a str {
        self.0.map_or("", |fields| fields.raw(name))
    }

    /// What was typed into a field where `usual` stands otherwise.
    pub(super) fn or<'b>(&self, name: &str, usual: &'b str) -> &'b str
    where
        'a: 'b,
    {
        self.0.filter(|fields| fields.has(name)).map_or(usual, |fields| fields.raw(name))
    }

    /// Whether this value of a list, or this mark, was chosen; `usually` where nothing was.
    pub(super) fn chose(&self, name: &str, value: impl fmt::Display, usually: bool) -> bool {
        let value = value.to_string();
        self.0.map_or(usually, |fields| fields.all(name).any(|chosen| chosen == value))
    }
}

/// An attribute of a form's tag, or nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor(bool);

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { r#" id="typed""# } else { "" })
    }
}

// Our own words only.
impl HtmlSafe for Anchor {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_that_was_refused_is_filled_in_with_what_was_typed() {
        let typed = Typed { action: "/classes".into(), fields: Fields::parse(b"name=a%20b&kind=x&empty="), why: String::new() };
        let (mine, other) = (Said::of(Some(&typed), "/classes"), Said::of(Some(&typed), "/people"));
        assert_eq!([mine.text("name"), other.text("name")], ["a b", ""]);
        assert_eq!([mine.or("empty", "1"), mine.or("absent", "1"), other.or("empty", "1")], ["", "1", "1"]);
        assert_eq!([mine.chose("kind", "x", false), mine.chose("kind", "y", true), other.chose("kind", "y", true)], [true, false, true]);
        assert_eq!([mine.any(), other.any(), Said::of(None, "/classes").any()], [true, false, false]);
    }
}
