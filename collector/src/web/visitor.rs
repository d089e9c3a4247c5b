//! Who looks at a page or sends a form, and the frame around every page.

use std::{fmt, sync::Arc};

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use rollcall_core::{
    ChangeSet, Estate, Standing,
    reconcile::commands::{CommandError, Order},
};
use rollcall_shared::Timestamp;

use super::{
    fields::{Fields, link},
    problem::{Problem, render, sentence},
    typed::{Refused, Said, Slot, Typed},
};
use crate::{
    app::SharedApp,
    auth::Actor,
    store::{AuditEntry, Role, ViewRecord},
    views,
    writer::{Audit, Command, CommandRefused, Committed, Plan, WriteError},
};

/// The message that the page after a change shows once.
const FLASH_COOKIE: &str = "rollcall-flash";

/// Longest message that the cookie carries, characters.
const MAX_FLASH: usize = 300;

/// Longest form, bytes.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// A signed-in person at a page. Others are sent to the sign-in page and come back after it.
pub(super) struct Visitor {
    /// The collector.
    pub(super) app: SharedApp,
    /// Who.
    pub(super) actor: Actor,
    /// The query of the address.
    pub(super) query: Fields,
    /// The collector's clock when the request came.
    pub(super) now: Timestamp,
    flash: Option<Flash>,
    /// What a form of this page said, that was refused just now.
    typed: Option<Arc<Typed>>,
    /// Where what a form says is kept while it is handled.
    slot: Slot,
    views: Vec<ViewRecord>,
}

/// A message about what was just done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flash {
    /// The message.
    pub(super) text: String,
    /// Whether it says that something did not work.
    pub(super) problem: bool,
}

impl FromRequestParts<SharedApp> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Response> {
        let actor = Option::<Actor>::from_request_parts(parts, app)
            .await
            .map_err(|refusal| Problem::from_refusal(refusal.problem).into_response())?;
        let Some(actor) = actor else {
            // A form that was sent after the session ended cannot be repeated; the page it stood on can.
            let (back, ended) = match parts.method {
                Method::GET => (parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(), ""),
                _ => (page_before(&parts.headers), "yes"),
            };
            let next = if back == "/" { "" } else { back.as_str() };
            return Err(Redirect::to(&link("/sign-in", [("next", next), ("ended", ended)])).into_response());
        };
        let query = Fields::parse(parts.uri.query().unwrap_or_default().as_bytes());
        // They are in the frame of every page; a form's answer has none.
        let views = if parts.method == Method::GET {
            views::visible(app, &actor).await.map_err(|error| Problem::from(error).into_response())?
        } else {
            Vec::new()
        };
        let typed = parts.extensions.get::<Arc<Typed>>().cloned();
        let flash = match &typed {
            Some(typed) => Some(Flash { text: typed.why.clone(), problem: true }),
            None => read_flash(&parts.headers),
        };
        let slot = parts.extensions.get::<Slot>().cloned().unwrap_or_default();
        Ok(Self { app: app.clone(), actor, query, now: Timestamp::now(), flash, typed, slot, views })
    }
}

impl Visitor {
    /// The frame of a page in this part of the UI.
    pub(super) fn shell(&self, current: Part) -> Shell {
        let estate = self.app.estate();
        Shell {
            current,
            user: self.actor.name.clone(),
            role: self.actor.role,
            csrf: self.actor.csrf().unwrap_or_default().to_owned(),
            flash: self.flash.clone(),
            typed: self.typed.clone(),
            open_conflicts: estate.open_conflicts().count(),
            open_suggestions: estate.suggestions().filter(|group| group.standing == Standing::Suggested).count(),
            views: self.views.iter().map(|view| ViewLink::new(view, self.query.get("view"))).collect(),
        }
    }

    /// The saved view of that id, if this person sees it.
    pub(super) fn view(&self, id: &str) -> Option<&ViewRecord> {
        let id = id.parse().ok()?;
        self.views.iter().find(|view| view.id == id)
    }

    /// The page as a response; forgets the message that it has shown.
    pub(super) fn page(&self, page: &impl askama::Template) -> Response {
        let mut response = render(page);
        if self.flash.is_some() {
            response.headers_mut().append(header::SET_COOKIE, flash_cookie("", 0));
        }
        response
    }

    /// What was typed into the form that is sent to `action`, if it was refused just now.
    pub(super) fn typed(&self, action: impl fmt::Display) -> Said<'_> {
        Said::of(self.typed.as_deref(), action)
    }

    /// Remembers what a form says, so that it stands there again if the form is refused.
    pub(super) fn keep(&self, fields: &Fields) {
        self.slot.keep(fields);
    }

    /// Refuses who may not do what `role` may.
    pub(super) fn require(&self, role: Role) -> Result<(), Problem> {
        self.actor.require(role).map_err(|refusal| Problem::from_refusal(refusal.problem))
    }

    /// An audit entry by this person.
    pub(super) fn audit(&self, action: &str, subject: impl ToString, detail: impl Into<String>) -> AuditEntry {
        AuditEntry {
            at: self.now,
            actor: self.actor.audit_name(),
            action: action.to_owned(),
            subject: subject.to_string(),
            detail: detail.into(),
        }
    }

    /// Makes a change to the estate in this person's name.
    pub(super) async fn order(
        &self,
        action: &'static str,
        subject: impl ToString,
        detail: impl Into<String>,
        mut make: impl FnMut(&Estate, Order<'_>) -> Result<ChangeSet, CommandError> + Send + 'static,
    ) -> Result<Committed, WriteError> {
        let source = self.actor.source();
        let plan: Plan = Box::new(move |estate, now, ids| {
            let order = Order { source: source.clone(), now, ids };
            make(estate, order).map_err(|error| CommandRefused {
                status: if error.is_not_found() {
                    404
                } else if error.is_conflict() {
                    409
                } else {
                    422
                },
                message: error.to_string(),
            })
        });
        let audit = Some(Audit { action, subject: subject.to_string(), detail: detail.into() });
        let command = Command { actor: self.actor.audit_name(), audit, plan };
        self.app.writer.command(command).await
    }
}

/// Path and query of the page that a form stood on, as the browser says; of its address nothing else counts.
fn page_before(headers: &HeaderMap) -> String {
    let address = headers.get(header::REFERER).and_then(|value| value.to_str().ok()).and_then(|value| url::Url::parse(value).ok());
    address.map_or_else(|| "/".to_owned(), |it| it[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
}

/// After a change to the estate: on to `to` with a word of success, or back to `from` with what is wrong.
pub(super) fn settled(result: Result<Committed, WriteError>, to: &str, text: &str, from: &str) -> Result<Response, Problem> {
    match result {
        Ok(_) => Ok(done(to, text)),
        Err(WriteError::Refused(refused_by)) if refused_by.status != 404 => Ok(refused(from, sentence(&refused_by.message))),
        Err(error) => Err(error.into()),
    }
}

/// A form that a signed-in person sent from a page of ours.
pub(super) struct Form {
    /// Who.
    pub(super) visitor: Visitor,
    /// What it carried.
    pub(super) fields: Fields,
    /// Where it was sent.
    pub(super) action: String,
}

impl FromRequest<SharedApp> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, app: &SharedApp) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let action = parts.uri.path().to_owned();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let fields = read_form(Request::from_parts(parts, body)).await?;
        if !visitor.actor.csrf_holds(Some(fields.get("csrf"))) {
            return Err(Problem::stale_form().into_response());
        }
        visitor.keep(&fields);
        Ok(Self { visitor, fields, action })
    }
}

/// The fields of a form, whoever sent it.
pub(super) async fn read_form(request: Request) -> Result<Fields, Response> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    if !is_form {
        return Err(Problem::invalid("What was sent is not a form.").into_response());
    }
    let bytes = axum::body::to_bytes(request.into_body(), MAX_FORM_BYTES)
        .await
        .map_err(|_| Problem::invalid(format!("The form is larger than {} KiB.", MAX_FORM_BYTES / 1024)).into_response())?;
    Ok(Fields::parse(&bytes))
}

/// Goes to a page that shows `text` once.
pub(super) fn done(to: &str, text: impl Into<String>) -> Response {
    go(to, &Flash { text: text.into(), problem: false })
}

/// Back to the page that the form stands on, which shows what did not work, and in the form what was typed.
pub(super) fn refused(to: &str, text: impl Into<String>) -> Response {
    let why = text.into();
    let mut response = outdated(to, why.clone());
    response.extensions_mut().insert(Refused { at: to.to_owned(), why });
    response
}

/// Back to a page that shows what did not work, and how things stand now instead of what was typed.
pub(super) fn outdated(to: &str, text: impl Into<String>) -> Response {
    go(to, &Flash { text: text.into(), problem: true })
}

fn go(to: &str, flash: &Flash) -> Response {
    let kind = if flash.problem { "problem" } else { "done" };
    let text: String = flash.text.chars().take(MAX_FLASH).collect();
    let value = url::form_urlencoded::Serializer::new(String::new()).append_pair(kind, &text).finish();
    let mut response = Redirect::to(to).into_response();
    response.headers_mut().append(header::SET_COOKIE, flash_cookie(&value, 60));
    response
}

fn flash_cookie(value: &str, seconds: u32) -> HeaderValue {
    // The value is percent-encoded, so that this cannot fail.
    HeaderValue::from_str(&format!("{FLASH_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict"))
        .unwrap_or(HeaderValue::from_static("rollcall-flash=; Path=/; Max-Age=0"))
}

fn read_flash(headers: &HeaderMap) -> Option<Flash> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let value =
        cookies.filter_map(|cookie| cookie.trim().split_once('=')).find_map(|(name, value)| (name == FLASH_COOKIE).then_some(value))?;
    let fields = Fields::parse(value.as_bytes());
    [("done", false), ("problem", true)]
        .into_iter()
        .map(|(kind, problem)| Flash { text: fields.get(kind).to_owned(), problem })
        .find(|flash| !flash.text.is_empty())
}

/// The parts of the UI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What is there and what needs attention.
    Overview,
    /// Lists and single items.
    Inventory,
    /// What breaks if something fails.
    Impact,
    /// Services that people know by name.
    Applications,
    /// Suggestions and reports.
    Review,
    /// Tokens, agents, conflicts.
    Enrollment,
    /// Classes, attributes, relationship types, whose word stands.
    Classes,
    /// Who did what.
    Audit,
    /// Who signs in.
    People,
}

/// The frame of every page.
#[derive(Clone, Debug)]
pub(super) struct Shell {
    current: Part,
    /// Who looks.
    pub(super) user: String,
    role: Role,
    /// What forms must carry.
    pub(super) csrf: String,
    /// A message to show once.
    pub(super) flash: Option<Flash>,
    /// What a form of this page said, that was refused just now.
    typed: Option<Arc<Typed>>,
    open_conflicts: usize,
    open_suggestions: usize,
    /// Saved views that this person sees.
    pub(super) views: Vec<ViewLink>,
}

/// A link to a saved view.
#[derive(Clone, Debug)]
pub(super) struct ViewLink {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) current: bool,
}

impl ViewLink {
    fn new(view: &ViewRecord, current: &str) -> Self {
        Self { href: format!("/views/{}", view.id), name: view.name.clone(), current: view.id.to_string() == current }
    }
}

/// A link of the main navigation.
pub(super) struct NavigationEntry {
    pub(super) href: &'static str,
    pub(super) label: &'static str,
    pub(super) current: bool,
    pub(super) count: usize,
}

impl Shell {
    /// The main navigation as this person sees it.
    pub(super) fn navigation(&self) -> Vec<NavigationEntry> {
        const PARTS: [(Part, &str, &str, Role); 9] = [
            (Part::Overview, "/", "Overview", Role::Viewer),
            (Part::Inventory, "/items?q=class:machine", "Inventory", Role::Viewer),
            (Part::Impact, "/impact", "Impact", Role::Viewer),
            (Part::Applications, "/applications", "Applications", Role::Viewer),
            (Part::Review, "/suggestions", "Review", Role::Viewer),
            (Part::Enrollment, "/enrollment", "Enrollment", Role::Viewer),
            (Part::Classes, "/classes", "Classes", Role::Viewer),
            (Part::People, "/people", "People", Role::Admin),
            (Part::Audit, "/audit", "Audit log", Role::Admin),
        ];
        let allowed = PARTS.into_iter().filter(|(.., role)| self.role >= *role);
        allowed
            .map(|(part, href, label, _)| NavigationEntry {
                href,
                label,
                current: part == self.current,
                count: match part {
                    Part::Enrollment => self.open_conflicts,
                    Part::Review => self.open_suggestions,
                    _ => 0,
                },
            })
            .collect()
    }

    /// Whether a form of this page was refused just now that holds what was typed.
    pub(super) fn has_typed(&self) -> bool {
        self.typed.as_deref().is_some_and(Typed::has_words)
    }

    /// What the form that is sent to `action` is filled in with.
    pub(super) fn typed(&self, action: impl fmt::Display) -> Said<'_> {
        Said::of(self.typed.as_deref(), action)
    }

    /// Whether this person may change items.
    pub(super) fn may_write(&self) -> bool {
        self.role >= Role::AssetManager
    }

    /// Whether this person may do everything.
    pub(super) fn is_admin(&self) -> bool {
        self.role >= Role::Admin
    }

    /// The person's role in words.
    pub(super) fn role_label(&self) -> &'static str {
        role_label(self.role)
    }
}

/// A role in words.
pub(super) fn role_label(role: Role) -> &'static str {
    match role {
        Role::InventorySource => "Inventory source",
        Role::Viewer => "Viewer",
        Role::ChangeReviewer => "Change reviewer",
        Role::AssetManager => "Asset manager",
        Role::Admin => "Administrator",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_way_through_the_cookie() {
        let flash = Flash { text: "Token “a; b=c” <b>created".into(), problem: true };
        let response = go("/x", &flash);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; {cookie}").parse().unwrap());
        assert_eq!(read_flash(&headers), Some(flash));
        assert_eq!(read_flash(&HeaderMap::new()), None);
    }

    #[test]
    fn only_admins_are_shown_what_only_admins_may() {
        let labels = |role| {
            let shell = Shell {
                current: Part::Overview,
                user: String::new(),
                role,
                csrf: String::new(),
                flash: None,
                typed: None,
                open_conflicts: 0,
                views: Vec::new(),
                open_suggestions: 0,
            };
            shell.navigation().iter().map(|entry| entry.label).collect::<Vec<_>>()
        };
        assert_eq!(labels(Role::AssetManager), ["Overview", "Inventory", "Impact", "Applications", "Review", "Enrollment", "Classes"]);
        assert!(labels(Role::Admin).contains(&"Audit log"));
    }
}
