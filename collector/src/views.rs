//! Saved views: lists of items that people keep by name, their own and those that others share.

use rollcall_core::Catalogue;
use rollcall_shared::{Timestamp, UserId, ViewId};
use uuid::Uuid;

use crate::{
    app::App,
    auth::{Actor, Refusal},
    query::{CiQuery, Column},
    store::{AuditEntry, Role, StoreError, ViewRecord},
};

/// Most columns of a list.
pub(crate) const MAX_COLUMNS: usize = 24;

/// Most views of one person.
const MAX_VIEWS: usize = 200;

/// Longest name, in characters.
const MAX_NAME: usize = 100;

/// A view as somebody wants it.
pub(crate) struct Wanted {
    /// What it is called.
    pub(crate) name: String,
    /// Which items.
    pub(crate) filter: String,
    /// In which order; empty: the usual one.
    pub(crate) sort: String,
    /// Which columns; empty: the usual ones.
    pub(crate) columns: Vec<String>,
    /// Whether everybody sees it.
    pub(crate) shared: bool,
}

/// The views that somebody sees: their own and shared ones, by name.
pub(crate) async fn visible(app: &App, actor: &Actor) -> Result<Vec<ViewRecord>, StoreError> {
    let mut views = app.store.views().await?;
    views.retain(|view| view.shared || actor.user() == Some(view.owner));
    Ok(views)
}

/// A view that somebody sees.
///
/// # Errors
/// Not found, somebody else's own one too, so that ids cannot be probed.
pub(crate) async fn find(app: &App, actor: &Actor, id: ViewId) -> Result<ViewRecord, Refusal> {
    visible(app, actor).await?.into_iter().find(|view| view.id == id).ok_or_else(|| no_view(id))
}

/// Whether somebody may change or delete a view: its owner, and an admin a shared one.
pub(crate) fn may_change(actor: &Actor, view: &ViewRecord) -> bool {
    actor.user() == Some(view.owner) || (view.shared && actor.may(Role::Admin))
}

/// Makes a view.
///
/// # Errors
/// Says which part of it cannot be, or that the name is taken.
pub(crate) async fn create(app: &App, actor: &Actor, wanted: Wanted, now: Timestamp) -> Result<ViewRecord, Refusal> {
    let owner = actor.user().ok_or_else(|| {
        Refusal::invalid("the console has no views of its own").next("sign in, or use an API token, as the person whose view it is to be")
    })?;
    if app.store.views().await?.iter().filter(|view| view.owner == owner).count() >= MAX_VIEWS {
        return Err(Refusal::conflict(format!("there are {MAX_VIEWS} views of yours already")).next("delete one that is not used any more"));
    }
    let record = record(app.estate().catalogue(), wanted, ViewId(Uuid::now_v7()), owner, now, now)?;
    save(app, actor, record, "view.create").await
}

/// Replaces a view; its owner stays.
///
/// # Errors
/// As [`create`], and if it is not theirs to change.
pub(crate) async fn replace(app: &App, actor: &Actor, id: ViewId, wanted: Wanted, now: Timestamp) -> Result<ViewRecord, Refusal> {
    let known = changeable(app, actor, id).await?;
    let record = record(app.estate().catalogue(), wanted, id, known.owner, known.created_at, now)?;
    save(app, actor, record, "view.update").await
}

/// Deletes a view.
///
/// # Errors
/// If there is none, or it is not theirs to delete.
pub(crate) async fn delete(app: &App, actor: &Actor, id: ViewId, now: Timestamp) -> Result<ViewRecord, Refusal> {
    let known = changeable(app, actor, id).await?;
    if app.store.delete_view(id, &audit(actor, "view.delete", &known, now)).await? { Ok(known) } else { Err(no_view(id)) }
}

async fn changeable(app: &App, actor: &Actor, id: ViewId) -> Result<ViewRecord, Refusal> {
    let known = find(app, actor, id).await?;
    if may_change(actor, &known) {
        return Ok(known);
    }
    Err(Refusal::forbidden(format!("the view {:?} is somebody else's", known.name)).next("save a view of your own with the same filter"))
}

async fn save(app: &App, actor: &Actor, view: ViewRecord, action: &str) -> Result<ViewRecord, Refusal> {
    if app.store.save_view(&view, &audit(actor, action, &view, view.changed_at)).await? {
        return Ok(view);
    }
    Err(Refusal::conflict(format!("there is a view {:?} already", view.name)).next("choose another name, or change that one").at("$.name"))
}

fn audit(actor: &Actor, action: &str, view: &ViewRecord, at: Timestamp) -> AuditEntry {
    let detail = format!("{}: {}", view.name, view.filter);
    AuditEntry { at, actor: actor.audit_name(), action: action.to_owned(), subject: view.id.to_string(), detail }
}

/// A view that can be: named, with a filter, order and columns that are understood.
fn record(
    catalogue: &Catalogue,
    wanted: Wanted,
    id: ViewId,
    owner: UserId,
    created_at: Timestamp,
    changed_at: Timestamp,
) -> Result<ViewRecord, Refusal> {
    let name = wanted.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Refusal::invalid(format!("a view's name has 1 to {MAX_NAME} characters")).at("$.name"));
    }
    let place = |error: &crate::query::QueryError| match error {
        crate::query::QueryError::Filter(_) => "$.filter",
        _ => "$.sort",
    };
    CiQuery::parse(catalogue, &wanted.filter, &wanted.sort, None, None)
        .map_err(|error| Refusal::invalid(error.to_string()).at(place(&error)))?;
    let columns =
        columns(catalogue, wanted.columns.iter().map(String::as_str)).map_err(|problem| Refusal::invalid(problem).at("$.columns"))?;
    Ok(ViewRecord {
        id,
        owner,
        name: name.to_owned(),
        filter: wanted.filter.trim().to_owned(),
        sort: wanted.sort,
        columns: columns.iter().map(ToString::to_string).collect(),
        shared: wanted.shared,
        created_at,
        changed_at,
    })
}

/// Columns by their names, each once, in the order they were named.
///
/// # Errors
/// A sentence that says which is none, or that they are too many.
pub(crate) fn columns<'a>(catalogue: &Catalogue, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Column>, String> {
    let mut columns: Vec<Column> = Vec::new();
    for name in names {
        let known = Column::parse(catalogue, name).filter(|column| *column != Column::Relevance);
        let column = known.ok_or_else(|| {
            let shown: String = name.chars().take(60).collect();
            format!("there is no column {shown:?}: use name, class, lifecycle, first_seen, last_seen, changed, rank or an attribute")
        })?;
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    if columns.len() > MAX_COLUMNS {
        return Err(format!("a list has at most {MAX_COLUMNS} columns"));
    }
    Ok(columns)
}

fn no_view(id: ViewId) -> Refusal {
    Refusal::not_found("view", id).next("see `rollcall view list` for yours and shared ones")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_understood_can_be_kept() {
        let at = Timestamp::from_millis(1);
        let make = |name: &str, filter: &str, sort: &str, columns: &[&str]| {
            let columns = columns.iter().map(|name| (*name).to_owned()).collect();
            let wanted = Wanted { name: name.into(), filter: filter.into(), sort: sort.into(), columns, shared: false };
            record(&Catalogue::built_in(), wanted, ViewId(Uuid::nil()), UserId(Uuid::nil()), at, at).map(|view| view.columns)
        };
        assert_eq!(
            make("a", " class:server ", "-name", &["name", "owner", "serial", "owner"]).ok(),
            Some(vec!["name".into(), "owner".into(), "serial".into()])
        );
        let many: Vec<String> = Catalogue::built_in().attribute_names().map(str::to_owned).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (name, filter, sort, columns, place) in [
            ("", "", "", &[][..], "$.name"),
            ("a\nb", "", "", &[], "$.name"),
            ("a", "class:nonsense", "", &[], "$.filter"),
            ("a", "", "nonsense", &[], "$.sort"),
            ("a", "", "", &["nonsense"], "$.columns"),
            ("a", "", "", &["relevance"], "$.columns"),
            ("a", "", "", &many, "$.columns"),
        ] {
            let refusal = make(name, filter, sort, columns).unwrap_err();
            assert_eq!(refusal.problem.path.as_deref(), Some(place), "{name:?} {filter:?} {sort:?}");
        }
    }
}
