//! What changed between two instants: the whole estate, or one item.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use rollcall_core::{Attribute, Ci, Estate, Lifecycle, Put};
use rollcall_shared::{CiId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Params, Viewer},
    types::{CiReference, Instant},
};
use crate::{
    app::{App, SharedApp},
    auth::Refusal,
    cli::identity::parse_instant,
    query::{self, CiQuery, Filter},
    store::{Differing, Event, Kept},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(difference))
}

/// Things that one request reads at most; a page that finds too few that match ends here and says where to go on.
const MOST_READ: usize = 20_000;
/// Things that are read at once.
const BATCH: u32 = 1_000;

/// From when to when, and what.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiffParams {
    /// The earlier instant: RFC 3339, a day in UTC such as `2026-03-02`, or an age such as `3d` or `12h`.
    #[param(example = "2026-03-02T08:00:00Z")]
    from: String,
    /// The later one; now if absent.
    to: Option<String>,
    /// Only items that this filter finds now, as in `GET /cis`; `id:UUID` for one item.
    #[serde(default)]
    filter: String,
    /// Only this kind of thing: `ci`, `relationship`, `need_group` or `software`.
    kind: Option<KindName>,
    /// `next` of the page before.
    after: Option<String>,
    /// On a page, 1 to 1000; 100 if absent.
    limit: Option<usize>,
}

/// Kinds of things whose history is kept.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KindName {
    /// Configuration items.
    Ci,
    /// Relationships.
    Relationship,
    /// Need groups.
    NeedGroup,
    /// Each machine's software.
    Software,
}

impl From<KindName> for Kept {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Ci => Self::Ci,
            KindName::Relationship => Self::Relationship,
            KindName::NeedGroup => Self::NeedGroup,
            KindName::Software => Self::Software,
        }
    }
}

/// What changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DiffView {
    /// The earlier instant.
    pub(crate) from: Instant,
    /// The later one.
    pub(crate) to: Instant,
    /// How many on this page, by class (or type) and kind of change.
    pub(crate) groups: Vec<GroupView>,
    /// Items, then relationships, need groups and software, each in the order of ids.
    pub(crate) items: Vec<ChangeView>,
    /// Send it as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// How many of one class changed in one way.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GroupView {
    /// `ci`, `relationship`, `need_group` or `software`.
    pub(crate) kind: String,
    /// The class, or the type of the relationship; that of the machine for software.
    pub(crate) class: String,
    /// `appeared`, `changed` or `gone`.
    pub(crate) change: String,
    /// How many.
    pub(crate) count: usize,
}

/// One thing that is not as it was.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangeView {
    /// `ci`, `relationship`, `need_group` or `software`.
    pub(crate) kind: String,
    /// `appeared`, `changed` or `gone`.
    pub(crate) change: String,
    /// The item; the dependent of a relationship, the machine for software.
    pub(crate) item: CiReference,
    /// What the relationship leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) other: Option<CiReference>,
    /// The class, or the type of the relationship.
    pub(crate) class: String,
    /// What differs.
    pub(crate) fields: Vec<FieldView>,
    /// When it last changed, up to the later instant. This and what follows is absent where the change feed no longer goes back so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Instant>,
    /// Who changed it then: `user:NAME`, `api:OWNER/TOKEN`, `agent:ID`, `collector`, `console`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The thing's own id.
    #[serde(skip)]
    id: Uuid,
}

/// One field at both instants.
#[derive(Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = DifferingField)]
pub(crate) struct FieldView {
    /// `name`, `lifecycle`, `attributes.owner`, …
    pub(crate) name: String,
    /// As it was; absent if there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    pub(crate) before: Option<Value>,
    /// As it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    pub(crate) after: Option<Value>,
}

/// What is asked for.
pub(crate) struct Question {
    /// The earlier instant.
    pub(crate) from: Timestamp,
    /// The later one.
    pub(crate) to: Timestamp,
    /// Items that count; all if empty.
    pub(crate) filter: Filter,
    /// Only this kind.
    pub(crate) kind: Option<Kept>,
    /// The kind and id after which to go on.
    pub(crate) after: Option<(Kept, Uuid)>,
    /// On a page.
    pub(crate) limit: usize,
}

/// Reads `KIND:ID`.
pub(crate) fn cursor(text: &str) -> Option<(Kept, Uuid)> {
    let (kind, id) = text.split_once(':')?;
    Some((Kept::parse(kind)?, id.parse().ok()?))
}

/// Answers it, for API and pages.
pub(crate) async fn answer(app: &App, question: &Question) -> Result<DiffView, Refusal> {
    let mut items: Vec<ChangeView> = Vec::new();
    let mut next = None;
    let mut read = 0;
    let begin = question.after.map_or(Kept::Ci, |(kind, _)| kind);
    let kinds = Kept::ALL.into_iter().filter(|kind| *kind >= begin && question.kind.is_none_or(|only| only == *kind));
    'kinds: for kind in kinds {
        let mut after = question.after.filter(|(at, _)| *at == kind).map_or(Uuid::nil(), |(_, id)| id);
        loop {
            let page = app.store.differing(kind, question.from, question.to, after, BATCH).await?;
            let estate = app.estate();
            let wanted = wanted(&estate, question);
            for thing in page.things {
                if items.len() >= question.limit || read >= MOST_READ {
                    next = Some(format!("{}:{after}", kind.as_str()));
                    break 'kinds;
                }
                read += 1;
                after = thing.id;
                items.extend(describe(&estate, kind, thing).filter(|change| wanted(change)));
            }
            match page.next {
                Some(id) => after = id,
                None => break,
            }
        }
    }
    say_who(app, &mut items, question.to).await?;
    let mut groups: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for item in &items {
        *groups.entry((item.kind.clone(), item.class.clone(), item.change.clone())).or_default() += 1;
    }
    let groups = groups.into_iter().map(|((kind, class, change), count)| GroupView { kind, class, change, count }).collect();
    Ok(DiffView { from: question.from.into(), to: question.to.into(), groups, items, next })
}

/// Says of each change when it was, who made it and why.
async fn say_who(app: &App, items: &mut [ChangeView], until: Timestamp) -> Result<(), Refusal> {
    if items.is_empty() {
        return Ok(());
    }
    let about: std::collections::BTreeSet<CiId> = items.iter().map(|item| CiId(item.item.id)).collect();
    let about: Vec<CiId> = about.into_iter().collect();
    let events = app.store.newest_events(&about, until).await?;
    let newest: std::collections::HashMap<(&str, Uuid), &Event> =
        events.iter().map(|event| ((event.kind.as_str(), event.subject), event)).collect();
    for item in items {
        if let Some(event) = newest.get(&(item.kind.as_str(), item.id)) {
            (item.at, item.actor, item.reason) = (Some(event.at.into()), Some(event.actor.clone()), Some(event.reason.clone()));
        }
    }
    Ok(())
}

/// Whether a change is about an item that the filter finds.
fn wanted(estate: &Estate, question: &Question) -> impl Fn(&ChangeView) -> bool {
    let all = question.filter == Filter::default();
    let query = CiQuery { filter: question.filter.clone(), ..CiQuery::default() };
    let found: std::collections::HashSet<CiId> = match all {
        true => Default::default(),
        false => query::matching(estate, &query, Timestamp::now()).map(|ci| ci.id).collect(),
    };
    move |change| all || found.contains(&CiId(change.item.id)) || change.other.as_ref().is_some_and(|other| found.contains(&CiId(other.id)))
}

fn describe(estate: &Estate, kind: Kept, thing: Differing) -> Option<ChangeView> {
    let active = |lifecycle: Lifecycle| lifecycle == Lifecycle::Active;
    let is_there = |put: &Option<Put>| match put {
        None => false,
        Some(Put::Ci(ci)) => active(ci.lifecycle),
        Some(Put::Relationship(it)) => active(it.lifecycle),
        Some(Put::NeedGroup(it)) => active(it.lifecycle),
        Some(_) => true,
    };
    let change = match (is_there(&thing.before), is_there(&thing.after)) {
        (false, false) => return None,
        (false, true) => "appeared",
        (true, false) => "gone",
        (true, true) => "changed",
    };
    let (item, other, class) = match thing.after.as_ref().or(thing.before.as_ref())? {
        Put::Ci(ci) => (ci.id, None, ci.class.clone()),
        Put::Relationship(it) => (it.from, Some(it.to), it.kind.clone()),
        Put::NeedGroup(it) => (it.ci, None, class_of(estate, it.ci)),
        Put::Software { ci, .. } => (*ci, None, class_of(estate, *ci)),
        _ => return None,
    };
    let fields = fields(estate, thing.before.as_ref(), thing.after.as_ref());
    if change == "changed" && fields.is_empty() {
        return None;
    }
    let item = CiReference::of(estate, item);
    Some(ChangeView {
        kind: kind.as_str().to_owned(),
        change: change.to_owned(),
        item,
        other: other.map(|other| CiReference::of(estate, other)),
        class,
        fields,
        at: None,
        actor: None,
        reason: None,
        id: thing.id,
    })
}

fn class_of(estate: &Estate, id: CiId) -> String {
    estate.ci(id).map(|ci| ci.class.clone()).unwrap_or_default()
}

fn fields(estate: &Estate, before: Option<&Put>, after: Option<&Put>) -> Vec<FieldView> {
    let (before, after) =
        (before.map(|put| values(estate, put)).unwrap_or_default(), after.map(|put| values(estate, put)).unwrap_or_default());
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let field = |name: &String| {
        let (before, after) = (before.get(name).cloned(), after.get(name).cloned());
        (before != after).then(|| FieldView { name: name.clone(), before, after })
    };
    names.into_iter().filter_map(field).collect()
}

/// What is compared of a thing, by name.
fn values(estate: &Estate, put: &Put) -> BTreeMap<String, Value> {
    let name_of = |id: CiId| Value::from(estate.ci(id).map_or_else(|| id.to_string(), |ci| ci.name.clone()));
    let mut values = BTreeMap::new();
    let mut say = |name: &str, value: Value| drop(values.insert(name.to_owned(), value));
    match put {
        Put::Definition(it) => say("name", it.body.name().into()),
        Put::Ci(ci) => return ci_values(ci),
        Put::Relationship(it) => {
            say("from", name_of(it.from));
            say("to", name_of(it.to));
            say("lifecycle", it.lifecycle.as_str().into());
            it.hardness.into_iter().for_each(|hardness| say("hardness", format!("{hardness:?}").to_lowercase().into()));
            let methods: std::collections::BTreeSet<&str> = it.evidence.iter().map(|evidence| evidence.method.as_str()).collect();
            say("known_by", methods.into_iter().collect::<Vec<_>>().into());
        }
        Put::NeedGroup(it) => {
            say("name", it.name.clone().into());
            say("members", it.members.iter().map(|id| name_of(*id)).collect());
            say("lifecycle", it.lifecycle.as_str().into());
            say("standing", it.standing.as_str().into());
        }
        Put::Software { software, .. } => {
            for entry in software {
                let key = format!("{}:{}", entry.kind, entry.name);
                let known = values.get(&key).and_then(Value::as_str).map(|known| format!("{known}, {}", entry.version));
                values.insert(key, known.unwrap_or_else(|| entry.version.clone()).into());
            }
        }
        Put::Conflict(_) | Put::Merge(_) | Put::AgentBinding { .. } => {}
    }
    values
}

fn ci_values(ci: &Ci) -> BTreeMap<String, Value> {
    let attributes =
        ci.attributes.iter().map(|(name, attribute): (&String, &Attribute)| (format!("attributes.{name}"), attribute.value().clone()));
    let pins =
        ci.attributes.iter().filter(|(_, attribute)| attribute.winner().pinned).map(|(name, _)| (format!("pinned.{name}"), true.into()));
    let own = [
        ("class".to_owned(), Value::from(ci.class.clone())),
        ("name".to_owned(), ci.name.clone().into()),
        ("lifecycle".to_owned(), ci.lifecycle.as_str().into()),
    ];
    let agent = ci.agent.map(|agent| ("agent".to_owned(), Value::from(agent.to_string())));
    let merged = ci.merged_into.map(|into| ("merged_into".to_owned(), Value::from(into.to_string())));
    own.into_iter().chain(agent).chain(merged).chain(attributes).chain(pins).collect()
}

/// What changed between two instants, grouped by class and kind of change: items, relationships, need groups and software. Reads only what was
/// replaced in between. Role: viewer.
#[utoipa::path(get, path = "/diff", tag = "changes", params(DiffParams),
    responses((status = 200, description = "What is not as it was", body = DiffView)))]
async fn difference(State(app): State<SharedApp>, _: Viewer, Params(params): Params<DiffParams>) -> Result<Json<DiffView>, Refusal> {
    let now = Timestamp::now();
    let instant = |text: &str| {
        parse_instant(text, now)
            .ok_or_else(|| Refusal::invalid("this is no instant").next("say 2026-03-02T08:00:00Z, 2026-03-02, or an age such as 3d or 12h"))
    };
    let from = instant(&params.from)?;
    let to = params.to.as_deref().map(instant).transpose()?.unwrap_or(now);
    if from > to {
        return Err(Refusal::invalid("from is later than to; name the earlier instant first"));
    }
    let filter = Filter::parse(app.estate().catalogue(), &params.filter).map_err(|error| Refusal::invalid(error.to_string()))?;
    let kind = params.kind.map(Kept::from);
    let after = match params.after.as_deref() {
        None => None,
        Some(text) => Some(cursor(text).ok_or_else(|| Refusal::invalid("after is not the `next` of a page of this list"))?),
    };
    let limit = params.limit.unwrap_or(100).clamp(1, 1_000);
    Ok(Json(answer(&app, &Question { from, to, filter, kind, after, limit }).await?))
}
