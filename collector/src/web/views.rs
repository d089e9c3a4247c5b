//! Saved views: the list that is on the page, kept by name. Their lists are the inventory's pages.

use axum::{
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use rollcall_shared::ViewId;

use super::{
    confirm::Confirmation,
    fields::{Fields, link},
    problem::{Problem, sentence},
    visitor::{Form, Part, Visitor, done, refused},
};
use crate::{
    store::ViewRecord,
    views::{self, Wanted},
};

/// `GET /views/{id}`: the address that people give each other; the list itself has its whole state in its own.
pub(super) async fn open(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Problem> {
    let view = visitor.view(&id).ok_or_else(no_such_view)?;
    Ok(Redirect::to(&address(view)).into_response())
}

/// `POST /views`
pub(super) async fn save(form: Form) -> Result<Response, Problem> {
    let Form { visitor, fields, .. } = form;
    let wanted = wanted(&fields);
    let back = list(&wanted.filter, &wanted.sort, &wanted.columns, "");
    match views::create(&visitor.app, &visitor.actor, wanted, visitor.now).await {
        Ok(view) => Ok(done(&address(&view), format!("Saved as “{}”.", view.name))),
        Err(refusal) => Ok(refused(&back, sentence(&refusal.problem.detail))),
    }
}

/// `POST /views/{id}`: replaces a view by the list that was on the page.
pub(super) async fn change(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let Form { visitor, fields, .. } = form;
    let id: ViewId = id.parse().map_err(|_| no_such_view())?;
    let wanted = wanted(&fields);
    let back = list(&wanted.filter, &wanted.sort, &wanted.columns, &id.to_string());
    match views::replace(&visitor.app, &visitor.actor, id, wanted, visitor.now).await {
        Ok(view) => Ok(done(&address(&view), format!("Changed “{}”.", view.name))),
        Err(refusal) => Ok(refused(&back, sentence(&refusal.problem.detail))),
    }
}

/// `POST /views/{id}/delete`
pub(super) async fn delete(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let id: ViewId = id.parse().map_err(|_| no_such_view())?;
    // Who may not delete it is told so, and not asked.
    let known = views::visible(&form.visitor.app, &form.visitor.actor).await?.into_iter().find(|view| view.id == id);
    if let Some(view) = known.filter(|view| views::may_change(&form.visitor.actor, view))
        && let Some(ask) = form.unless_confirmed(|| {
            let says = if view.shared { "It goes for everybody. The items in it stay." } else { "The items in it stay." };
            Confirmation::new(Part::Inventory, format!("Delete the view “{}”?", view.name), says, "Delete the view", address(&view))
        })
    {
        return Ok(ask);
    }
    let visitor = form.visitor;
    let view = views::delete(&visitor.app, &visitor.actor, id, visitor.now).await?;
    Ok(done(&list(&view.filter, &view.sort, &view.columns, ""), format!("Deleted the view “{}”.", view.name)))
}

/// Where a view's list is.
fn address(view: &ViewRecord) -> String {
    list(&view.filter, &view.sort, &view.columns, &view.id.to_string())
}

/// Where a list is.
pub(super) fn list(filter: &str, sort: &str, columns: &[String], view: &str) -> String {
    link("/items", [("q", filter), ("sort", sort), ("columns", columns.join(",").as_str()), ("view", view)])
}

fn wanted(fields: &Fields) -> Wanted {
    Wanted {
        name: fields.get("name").to_owned(),
        filter: fields.get("q").to_owned(),
        sort: fields.get("sort").to_owned(),
        columns: fields.get("columns").split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        shared: fields.get("shared") == "yes",
    }
}

fn no_such_view() -> Problem {
    Problem::not_found("There is no view at this address, or nobody shares it with you.")
}
