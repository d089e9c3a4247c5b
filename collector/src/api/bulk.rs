//! Many writes in one call and one commit: all of them, or none.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Json, extract::State};
use rollcall_core::{
    ChangeSet, Put,
    reconcile::commands::{self, CommandError},
};
use rollcall_shared::{CiId, RelationshipId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    cis::{CiPatch, NewCi, at_version, made},
    extract::{Body, Manager},
    identity::with_reason,
    types::Hardness,
    write::{OrderError, What, command, refusal},
};
use crate::{
    app::SharedApp,
    auth::{Actor, Refusal},
    writer::{Command, Committed, WriteError},
};

/// Writes in one call at most.
const MAX_WRITES: usize = 1_000;

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(write))
}

/// Writes to be done together.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Writes {
    /// In the order in which they are done: a later one may use what an earlier one makes.
    #[schema(min_items = 1, max_items = 1000)]
    writes: Vec<Write>,
    /// Why, in a few words, for the audit log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
}

/// One write.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Write {
    /// Makes an item that no agent reports.
    CreateItem(CreateItem),
    /// Changes an item.
    UpdateItem(UpdateItem),
    /// Retires an item.
    RetireItem(ItemAt),
    /// Brings a retired item back.
    RestoreItem(ItemAt),
    /// Declares that one item depends on another.
    DeclareRelationship(Declare),
    /// Sets how badly the dependent needs it.
    SetHardness(SetHardness),
    /// Takes a declared relationship back.
    RetireRelationship(RelationshipAt),
}

/// An item to make.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateItem {
    /// A name for it within this call: later writes may say `@name` for its id.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-z0-9_-]{1,40}$")]
    known_as: Option<String>,
    /// What it is.
    item: NewCi,
}

/// An item to change.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateItem {
    /// The item's id, or `@name`.
    #[schema(value_type = String)]
    id: Item,
    /// Only if the item is still at this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    /// What to change.
    change: CiPatch,
}

/// An item.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ItemAt {
    /// The item's id, or `@name`.
    #[schema(value_type = String)]
    id: Item,
    /// Only if the item is still at this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
}

/// A relationship to declare.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Declare {
    /// Its type, a name of `GET /api/v1/relationship-types`.
    #[serde(rename = "type")]
    kind: String,
    /// The dependent's id, or `@name`.
    #[schema(value_type = String)]
    from: Item,
    /// The id of what it depends on, or `@name`.
    #[schema(value_type = String)]
    to: Item,
    /// How badly, if not as the type says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hardness: Option<Hardness>,
    /// How it is known, in a few words; shown as evidence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
}

/// How hard a relationship is to be.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetHardness {
    /// The relationship's id.
    id: Uuid,
    /// How badly the dependent needs it; `null` goes back to what the evidence says.
    hardness: Option<Hardness>,
}

/// A relationship.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RelationshipAt {
    /// The relationship's id.
    id: Uuid,
}

/// What was written.
#[derive(Deserialize, Serialize, ToSchema)]
struct Written {
    /// The estate's revision with it.
    revision: u64,
    /// What came of each write, in their order.
    writes: Vec<Outcome>,
}

/// What came of one write.
#[derive(Deserialize, Serialize, ToSchema)]
struct Outcome {
    /// Whether it changed anything.
    changed: bool,
    /// The item that it made or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    item: Option<Uuid>,
    /// The relationship that it made or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    relationship: Option<Uuid>,
    /// The version of item or relationship after it, for `If-Match` and `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
}

impl From<&ChangeSet> for Outcome {
    fn from(changes: &ChangeSet) -> Self {
        let relationship = changes.changes.iter().find_map(|change| match &change.put {
            Put::Relationship(one) => Some((one.id.0, one.version)),
            _ => None,
        });
        let item = changes.changes.iter().find_map(|change| match &change.put {
            Put::Ci(ci) => Some((ci.id.0, ci.version)),
            _ => None,
        });
        Self {
            changed: !changes.is_empty(),
            item: item.map(|(id, _)| id),
            relationship: relationship.filter(|_| item.is_none()).map(|(id, _)| id),
            version: item.or(relationship).map(|(_, version)| version),
        }
    }
}

/// Does many writes in one commit, all of them or none: what is refused names its place in `writes`, and nothing of the call is done.
/// Role: asset_manager.
#[utoipa::path(post, path = "/writes", tag = "items", request_body(content = Writes, example = json!({
        "reason": "the shop goes live",
        "writes": [
            { "create_item": { "as": "database", "item": { "class": "database", "name": "orders" } } },
            { "create_item": { "as": "shop", "item": { "class": "business_service", "name": "shop" } } },
            { "declare_relationship": { "type": "depends_on", "from": "@shop", "to": "@database" } },
        ],
    })), responses((status = 200, description = "All of it is done", body = Written)))]
async fn write(State(app): State<SharedApp>, Manager(actor): Manager, Body(writes): Body<Writes>) -> Result<Json<Written>, Refusal> {
    if !(1..=MAX_WRITES).contains(&writes.writes.len()) {
        return Err(Refusal::invalid(format!("there are {} writes; a call takes 1 to {MAX_WRITES}", writes.writes.len())).at("$.writes"));
    }
    let mut call = Call { actor: &actor, reason: &writes.reason, announced: HashSet::new(), made: Made::default() };
    let (places, commands): (Vec<_>, Vec<_>) = (0..)
        .zip(writes.writes)
        .map(|(index, write)| {
            let place = format!("$.writes[{index}].{}", write.place());
            call.command(write, &place).map(|command| (place, command))
        })
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .unzip();
    let committed = app.writer.commands(commands).await.map_err(|error| match &error {
        WriteError::OneRefused { index, .. } => {
            let place = places.get(*index).map_or("$.writes", String::as_str).to_owned();
            refusal(error, &place)
        }
        _ => error.into(),
    })?;
    let revision = committed.last().map_or(0, |last: &Committed| last.revision.0);
    Ok(Json(Written { revision, writes: committed.iter().map(|one| Outcome::from(&one.changes)).collect() }))
}

impl Write {
    /// Where what it says stands.
    fn place(&self) -> &'static str {
        match self {
            Self::CreateItem(_) => "create_item.item",
            Self::UpdateItem(_) => "update_item.change",
            Self::RetireItem(_) => "retire_item",
            Self::RestoreItem(_) => "restore_item",
            Self::DeclareRelationship(_) => "declare_relationship",
            Self::SetHardness(_) => "set_hardness",
            Self::RetireRelationship(_) => "retire_relationship",
        }
    }
}

/// An item by its id, or by the name that an earlier write of the call gave it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
enum Item {
    Id(CiId),
    Named(String),
}

impl TryFrom<String> for Item {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix('@') {
            return Ok(Self::Named(name.to_owned()));
        }
        Uuid::parse_str(&text).map(|id| Self::Id(CiId(id))).map_err(|_| {
            let text: String = text.chars().take(60).collect();
            format!("{text:?} is neither an item's id nor \"@\" and a name that an earlier write gives with \"as\"")
        })
    }
}

impl From<Item> for String {
    fn from(item: Item) -> Self {
        item.to_string()
    }
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Named(name) => write!(f, "@{name}"),
        }
    }
}

/// The ids of what the writes of a call have made, by name.
#[derive(Clone, Default)]
struct Made(Arc<Mutex<HashMap<String, CiId>>>);

impl Made {
    fn id(&self, item: &Item) -> Result<CiId, OrderError> {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match item {
            Item::Id(id) => Ok(*id),
            // Which names there are was looked at before.
            Item::Named(name) => made.get(name).copied().ok_or_else(|| CommandError::NoCi(CiId(Uuid::nil())).into()),
        }
    }

    fn note(&self, name: &str, id: CiId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), id);
    }
}

/// A call on its way to commands.
struct Call<'a> {
    actor: &'a Actor,
    reason: &'a str,
    /// Names that the writes so far give.
    announced: HashSet<String>,
    made: Made,
}

impl Call<'_> {
    fn command(&mut self, write: Write, place: &str) -> Result<Command, Refusal> {
        let made = self.made.clone();
        Ok(match write {
            Write::CreateItem(CreateItem { known_as, item }) => {
                self.announce(known_as.as_deref(), place)?;
                let what = self.what(item.what());
                let new = item.into_command(place)?;
                command(self.actor, what, move |estate, order| {
                    let changes = commands::create_ci(estate, &new, order)?;
                    if let (Some(name), Some(id)) = (&known_as, self::made(&changes)) {
                        made.note(name, id);
                    }
                    Ok(changes)
                })
            }
            Write::UpdateItem(UpdateItem { id, version, change }) => {
                self.knows(&id, place)?;
                let update = change.into_update().map_err(|refusal| below(refusal, place))?;
                let names: Vec<&str> = update.attributes.keys().map(String::as_str).collect();
                let what = self.what(What { action: "ci.update", subject: id.to_string(), detail: names.join(", ") });
                command(self.actor, what, move |estate, order| {
                    let id = made.id(&id)?;
                    at_version(estate, id, version)?;
                    Ok(commands::update_ci(estate, id, &update, order)?)
                })
            }
            Write::RetireItem(ItemAt { id, version }) => {
                self.knows(&id, place)?;
                let what = self.what(What { action: "ci.retire", subject: id.to_string(), detail: String::new() });
                let reason = self.reason.to_owned();
                command(self.actor, what, move |estate, order| {
                    let id = made.id(&id)?;
                    at_version(estate, id, version)?;
                    Ok(commands::retire_ci(estate, id, &reason, order)?)
                })
            }
            Write::RestoreItem(ItemAt { id, version }) => {
                self.knows(&id, place)?;
                let what = self.what(What { action: "ci.restore", subject: id.to_string(), detail: String::new() });
                command(self.actor, what, move |estate, order| {
                    let id = made.id(&id)?;
                    at_version(estate, id, version)?;
                    Ok(commands::restore_ci(estate, id, order)?)
                })
            }
            Write::DeclareRelationship(Declare { kind, from, to, hardness, note }) => {
                self.knows(&from, place)?;
                self.knows(&to, place)?;
                let subject = format!("{from} -> {to}");
                let what = self.what(What { action: "relationship.declare", subject, detail: format!("{kind} {note}") });
                command(self.actor, what, move |estate, order| {
                    let (from, to) = (made.id(&from)?, made.id(&to)?);
                    Ok(commands::declare_relationship(estate, &kind, from, to, hardness.map(Into::into), &note, order)?)
                })
            }
            Write::SetHardness(SetHardness { id, hardness }) => {
                let detail = hardness.map_or("as its type", Hardness::as_str).to_owned();
                let what = self.what(What { action: "relationship.hardness", subject: id.to_string(), detail });
                command(self.actor, what, move |estate, order| {
                    Ok(commands::set_hardness(estate, RelationshipId(id), hardness.map(Into::into), order)?)
                })
            }
            Write::RetireRelationship(RelationshipAt { id }) => {
                let what = self.what(What { action: "relationship.retire", subject: id.to_string(), detail: String::new() });
                command(self.actor, what, move |estate, order| Ok(commands::retire_relationship(estate, RelationshipId(id), order)?))
            }
        })
    }

    fn what(&self, what: What) -> What {
        What { detail: with_reason(what.detail, self.reason), ..what }
    }

    fn announce(&mut self, name: Option<&str>, place: &str) -> Result<(), Refusal> {
        let Some(name) = name else { return Ok(()) };
        let place = place.replace(".item", ".as");
        let is_name = (1..=40).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if !is_name {
            return Err(Refusal::bad_request("a name has 1 to 40 of a-z, 0-9, \"_\" and \"-\"").at(place));
        }
        match self.announced.insert(name.to_owned()) {
            true => Ok(()),
            false => Err(Refusal::invalid(format!("an earlier write has the name {name:?} too; give each its own")).at(place)),
        }
    }

    fn knows(&self, item: &Item, place: &str) -> Result<(), Refusal> {
        match item {
            Item::Named(name) if !self.announced.contains(name) => {
                let name: String = name.chars().take(40).collect();
                Err(Refusal::invalid(format!("no write before this one makes an item \"as\": {name:?}")).at(place))
            }
            _ => Ok(()),
        }
    }
}

/// A refusal of a part, with the place in the whole.
fn below(refusal: Refusal, place: &str) -> Refusal {
    let path = refusal.problem.path.as_deref().map_or_else(|| place.to_owned(), |path| path.replacen('$', place, 1));
    refusal.at(path)
}
