//! `GET /people`: who signs in and what they may do. For administrators.

use askama::Template;
use axum::{extract::Path, response::Response};
use rollcall_shared::UserId;
use uuid::Uuid;

use super::{
    format::When,
    problem::{Problem, sentence},
    visitor::{Form, Part, Shell, Visitor, done, refused, role_label},
};
use crate::{
    auth,
    store::{Role, UserRecord},
};

const PAGE: &str = "/people";

#[derive(Template)]
#[template(path = "people.html")]
struct Page {
    shell: Shell,
    people: Vec<Person>,
    roles: Vec<(&'static str, &'static str)>,
}

struct Person {
    id: UserId,
    name: String,
    role: &'static str,
    role_label: &'static str,
    disabled: bool,
    is_self: bool,
    since: When,
}

/// `GET /people`
pub(super) async fn show(visitor: Visitor) -> Result<Response, Problem> {
    visitor.require(Role::Admin)?;
    let users = visitor.app.store.users().await?;
    let own = visitor.actor.user();
    let people = users.into_iter().map(|user| Person {
        id: user.id,
        role: user.role.as_str(),
        role_label: role_label(user.role),
        disabled: user.disabled,
        is_self: Some(user.id) == own,
        since: When::new(user.created_at, visitor.now),
        name: user.name,
    });
    let roles = Role::OF_PEOPLE.into_iter().map(|role| (role.as_str(), role_label(role)));
    let page = Page { shell: visitor.shell(Part::People), people: people.collect(), roles: roles.collect() };
    Ok(visitor.page(&page))
}

/// `POST /people`
pub(super) async fn add(form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::Admin)?;
    let name = form.fields.get("name").to_lowercase();
    let password = form.fields.raw("password");
    let Some(role) = Role::parse_of_person(form.fields.get("role")) else {
        return Err(Problem::invalid("There is no such role."));
    };
    if let Some(problem) = auth::name_problem(&name) {
        return Ok(refused(PAGE, sentence(problem)));
    }
    if let Err(problem) = auth::check_strength(&name, password) {
        return Ok(refused(PAGE, sentence(&problem.to_string())));
    }
    let password_hash = match visitor.app.auth.passwords.hash(password).await {
        Ok(hash) => hash,
        Err(problem) => return Ok(refused(PAGE, sentence(&problem.to_string()))),
    };
    let user = UserRecord { id: UserId(Uuid::now_v7()), name: name.clone(), password_hash, role, disabled: false, created_at: visitor.now };
    if !visitor.app.store.create_user(&user, &visitor.audit("user.create", &name, role.as_str())).await? {
        return Ok(refused(PAGE, format!("There is somebody called {name} already.")));
    }
    Ok(done(PAGE, format!("{name} may sign in now.")))
}

/// `POST /people/{id}`: role, and whether they may sign in.
pub(super) async fn change(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    visitor.require(Role::Admin)?;
    let nobody = || Problem::not_found("There is no such person.");
    let id: UserId = id.parse().map_err(|_| nobody())?;
    if visitor.actor.user() == Some(id) {
        return Ok(refused(PAGE, "You cannot change your own role: somebody has to stay an administrator."));
    }
    let user = visitor.app.store.user(id).await?.ok_or_else(nobody)?;
    let role = Role::parse_of_person(form.fields.get("role")).ok_or_else(|| Problem::invalid("There is no such role."))?;
    let disabled = form.fields.get("disabled") == "yes";
    let detail = format!("{}{}", role.as_str(), if disabled { ", disabled" } else { "" });
    let audit = visitor.audit("user.update", &user.name, detail);
    let name = user.name.clone();
    // Less than before takes effect at once, not when the session ends.
    let end_sessions = disabled || role < user.role;
    visitor.app.store.update_user(&UserRecord { role, disabled, ..user }, end_sessions, &audit).await?;
    Ok(done(PAGE, format!("{name} is changed.")))
}
