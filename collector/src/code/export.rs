//! The first files of a code base, from what is there: what people, imports and API clients have said. What agents report stays theirs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rollcall_core::{
    Ci, Estate, MinUp, NeedGroup, Relationship, Source,
    catalogue::{AttributeKind, DefinitionBody},
};
use rollcall_shared::{CiId, catalogue::Hardness};
use serde::Serialize;
use serde_json::Value;

use super::CodeFile;
use crate::api::{catalogue::AttributeSpec, precedence::RuleView};

/// Attributes in which the collector keeps what it has worked out.
const OWN: [&str; 3] = ["assembled_from", "pruned", "inventory_incomplete"];

#[derive(Serialize)]
struct ItemText {
    key: String,
    #[serde(rename = "match")]
    matched: MatchText,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, Value>,
}

#[derive(Serialize)]
struct MatchText {
    id: String,
}

#[derive(Serialize)]
struct RelationshipText {
    #[serde(rename = "type")]
    kind: String,
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hardness: Option<&'static str>,
}

#[derive(Serialize)]
struct GroupText {
    of: String,
    name: String,
    members: Vec<String>,
    min_up: Value,
    hardness: &'static str,
}

#[derive(Serialize)]
struct ClassText {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    label: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    plural: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<AttributeSpec>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    identity: Vec<Vec<String>>,
}

#[derive(Serialize)]
struct TypeText {
    name: String,
    forward: String,
    reverse: String,
    hardness: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    meaning: String,
}

/// Writes the files.
///
/// # Errors
/// If something cannot be written as YAML.
pub(crate) fn export(estate: &Estate) -> Result<Vec<CodeFile>, serde_saphyr::SerializeError> {
    let mut relationships: Vec<&Relationship> = estate.relationships().filter(|it| is_said(it) && ends(estate, it)).collect();
    relationships.sort_by(|a, b| (&a.kind, a.id).cmp(&(&b.kind, b.id)));
    let active = |id: &CiId| estate.ci(*id).is_some_and(|ci| ci.lifecycle == rollcall_core::Lifecycle::Active);
    let mut groups: Vec<&NeedGroup> = estate.need_groups().filter(|it| active(&it.ci) && it.members.iter().all(active)).collect();
    groups.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let named: BTreeSet<CiId> = relationships
        .iter()
        .flat_map(|it| [it.from, it.to])
        .chain(groups.iter().flat_map(|group| group.members.iter().copied().chain([group.ci])))
        .collect();
    let mut items: Vec<(&Ci, BTreeMap<String, Value>)> = estate.active_cis().map(|ci| (ci, said_of(estate, ci))).collect();
    items.retain(|(ci, said)| !said.is_empty() || is_made_by_hand(ci) || named.contains(&ci.id));
    items.sort_by(|(a, _), (b, _)| (&a.class, a.name.to_lowercase(), a.id).cmp(&(&b.class, b.name.to_lowercase(), b.id)));
    let keys = keys(items.iter().map(|(ci, _)| *ci));
    let key = |id: CiId| keys.get(&id).cloned().unwrap_or_else(|| format!("id:{id}"));

    let mut by_class: BTreeMap<String, Vec<ItemText>> = BTreeMap::new();
    for (ci, mut attributes) in items {
        for (name, value) in &mut attributes {
            let attribute = estate.catalogue().attribute(&ci.class, name);
            let is_reference = attribute.is_some_and(|attribute| attribute.kind == AttributeKind::Reference);
            if let Some(id) = value.as_str().filter(|_| is_reference).and_then(|id| id.parse().ok()) {
                *value = key(id).into();
            }
        }
        let by_hand = is_made_by_hand(ci);
        by_class.entry(ci.class.clone()).or_default().push(ItemText {
            key: key(ci.id),
            matched: MatchText { id: ci.id.to_string() },
            class: by_hand.then(|| ci.class.clone()),
            name: by_hand.then(|| ci.name.clone()),
            attributes,
        });
    }
    let mut files = definitions(estate)?;
    for (class, items) in by_class {
        files.push(file(&class, "items", &items)?);
    }
    let relationships: Vec<RelationshipText> = relationships
        .into_iter()
        .map(|it| RelationshipText {
            kind: it.kind.clone(),
            from: key(it.from),
            to: key(it.to),
            // What a person has set; what evidence or the type says need not be said.
            hardness: it
                .judgement
                .as_ref()
                .filter(|judgement| matches!(judgement.by, rollcall_core::Judge::Person(_)))
                .and(it.hardness)
                .map(hardness),
        })
        .collect();
    if !relationships.is_empty() {
        files.push(file("relationships", "relationships", &relationships)?);
    }
    let groups: Vec<GroupText> = groups
        .into_iter()
        .map(|group| GroupText {
            of: key(group.ci),
            name: group.name.clone(),
            members: group.members.iter().map(|member| key(*member)).collect(),
            min_up: match group.min_up {
                MinUp::Count(count) => count.into(),
                MinUp::Percent(percent) => format!("{percent}%").into(),
            },
            hardness: hardness(group.hardness),
        })
        .collect();
    if !groups.is_empty() {
        files.push(file("need-groups", "need_groups", &groups)?);
    }
    Ok(files)
}

/// What people have added to the catalogue. No class has a hyphen in its name, so that no file of items is called so.
fn definitions(estate: &Estate) -> Result<Vec<CodeFile>, serde_saphyr::SerializeError> {
    let (mut classes, mut types, mut rules) = (Vec::new(), Vec::new(), Vec::new());
    for row in estate.catalogue().rows() {
        match &row.body {
            DefinitionBody::Class(class) => classes.push(ClassText {
                name: class.name.clone(),
                label: class.label.clone(),
                plural: class.plural.clone(),
                parent: class.parent.clone(),
                icon: class.icon.clone(),
                attributes: class.attributes.iter().map(AttributeSpec::from).collect(),
                identity: class.identity.clone(),
            }),
            DefinitionBody::RelationshipType(kind) => types.push(TypeText {
                name: kind.name.clone(),
                forward: kind.forward.clone(),
                reverse: kind.reverse.clone(),
                hardness: hardness(kind.hardness),
                meaning: kind.meaning.clone(),
            }),
            DefinitionBody::Precedence(rule) => rules.push(RuleView::from(rule)),
        }
    }
    let mut files = Vec::new();
    if !classes.is_empty() {
        files.push(file("catalogue-classes", "classes", &classes)?);
    }
    if !types.is_empty() {
        files.push(file("catalogue-relationship-types", "relationship_types", &types)?);
    }
    if !rules.is_empty() {
        files.push(file("catalogue-precedence", "precedence", &rules)?);
    }
    Ok(files)
}

fn file<T: Serialize>(name: &str, list: &str, members: &[T]) -> Result<CodeFile, serde_saphyr::SerializeError> {
    let text = serde_saphyr::to_string(&BTreeMap::from([(list, members)]))?;
    Ok(CodeFile { name: format!("{name}.yaml"), text })
}

/// Values that stand by somebody's word, not by an agent's.
fn said_of(estate: &Estate, ci: &Ci) -> BTreeMap<String, Value> {
    let said = ci.attributes.iter().filter(|(name, attribute)| {
        attribute.winner().source != Source::Agent && !OWN.contains(&name.as_str()) && ci_has(estate, ci, name)
    });
    said.map(|(name, attribute)| (name.clone(), attribute.value().clone())).collect()
}

/// A class that was changed later may lack what the one before had.
fn ci_has(estate: &Estate, ci: &Ci, attribute: &str) -> bool {
    estate.catalogue().attribute(&ci.class, attribute).is_some()
}

/// Made by a person, an import or an API client: no agent reports it, and no address alone is all that is known of it.
fn is_made_by_hand(ci: &Ci) -> bool {
    let discovered = ci.class == "unmanaged_host" || ci.class == "certificate";
    ci.agent.is_none() && !(discovered && ci.attributes.values().all(|it| it.claims().iter().all(|claim| claim.source == Source::Agent)))
}

fn is_said(relationship: &Relationship) -> bool {
    relationship.evidence.iter().any(|it| it.method.is_said())
}

fn ends(estate: &Estate, relationship: &Relationship) -> bool {
    let active = |id| estate.ci(id).is_some_and(|ci| ci.lifecycle == rollcall_core::Lifecycle::Active);
    active(relationship.from) && active(relationship.to)
}

/// A key for each: its name in lower case, with a number where several have it.
fn keys<'a>(items: impl Iterator<Item = &'a Ci>) -> HashMap<CiId, String> {
    let (mut taken, mut numbers) = (HashSet::new(), HashMap::new());
    let mut keys = HashMap::new();
    for ci in items {
        let mut slug: String = ci
            .name
            .chars()
            .flat_map(char::to_lowercase)
            .map(|it| if it.is_alphanumeric() || "._".contains(it) { it } else { '-' })
            .collect();
        slug.truncate(slug.char_indices().nth(80).map_or(slug.len(), |(end, _)| end));
        let slug = slug.trim_matches('-').to_owned();
        let slug = if slug.is_empty() { ci.class.clone() } else { slug };
        let number = numbers.entry(slug.clone()).or_insert(0_usize);
        let key = loop {
            *number += 1;
            let key = if *number == 1 { slug.clone() } else { format!("{slug}-{number}") };
            if taken.insert(key.clone()) {
                break key;
            }
        };
        keys.insert(ci.id, key);
    }
    keys
}

fn hardness(hardness: Hardness) -> &'static str {
    match hardness {
        Hardness::Hard => "hard",
        Hardness::Soft => "soft",
        Hardness::None => "none",
    }
}
