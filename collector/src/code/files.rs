//! The files of a code base: what they look like, and where each thing in them stands.

use std::collections::{BTreeMap, HashMap};

use rollcall_core::{
    MinUp,
    catalogue::{DefinitionBody, RelationshipTypeDefinition},
    reconcile::commands::{Declared, DeclaredDefinition, DeclaredGroup, DeclaredItem, DeclaredRelationship, Match, Named},
};
use rollcall_shared::catalogue::Hardness;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::CodeFile;
use crate::api::{
    catalogue::{AttributeSpec, ClassSpec},
    precedence::{RankView, RuleView},
};

/// One file. Every list may be left out.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct FileText {
    classes: Vec<Spanned<ClassText>>,
    relationship_types: Vec<Spanned<TypeText>>,
    precedence: Vec<Spanned<RuleText>>,
    items: Vec<Spanned<ItemText>>,
    relationships: Vec<Spanned<RelationshipText>>,
    need_groups: Vec<Spanned<GroupText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemText {
    /// How the files refer to it.
    key: String,
    /// Which existing item is meant; without it, the files make the item.
    #[serde(default, rename = "match")]
    matched: Option<MatchText>,
    #[serde(default)]
    class: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchText {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    class: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelationshipText {
    #[serde(rename = "type")]
    kind: String,
    from: String,
    to: String,
    #[serde(default)]
    hardness: Option<HardnessText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupText {
    of: String,
    name: String,
    members: Vec<String>,
    #[serde(default)]
    min_up: Option<Value>,
    #[serde(default)]
    hardness: Option<HardnessText>,
}

/// A class, or attributes of one that comes with Rollcall.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassText {
    name: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    plural: String,
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    icon: String,
    #[serde(default)]
    attributes: Vec<AttributeSpec>,
    #[serde(default)]
    identity: Vec<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeText {
    name: String,
    forward: String,
    reverse: String,
    hardness: HardnessText,
    #[serde(default)]
    meaning: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    class: String,
    #[serde(default)]
    attribute: Option<String>,
    order: Vec<RankText>,
}

/// A source, or one with how long its word stands.
#[derive(Deserialize)]
#[serde(untagged)]
enum RankText {
    Source(String),
    Rank(RankView),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HardnessText {
    Hard,
    Soft,
    None,
}

impl From<HardnessText> for Hardness {
    fn from(hardness: HardnessText) -> Self {
        match hardness {
            HardnessText::Hard => Self::Hard,
            HardnessText::Soft => Self::Soft,
            HardnessText::None => Self::None,
        }
    }
}

/// What all files declare.
pub(crate) struct Files {
    pub(super) declared: Declared,
    names: Vec<String>,
    places: Vec<Place>,
}

struct Place {
    file: usize,
    line: u64,
    /// `items.shop`
    path: String,
    /// Lines of what stands within.
    lines: HashMap<String, u64>,
}

impl Files {
    /// Reads all files.
    ///
    /// # Errors
    /// A line for each problem, with file, line and path.
    pub(crate) fn read(files: &[CodeFile]) -> Result<Self, String> {
        let mut all = Self { declared: Declared::default(), names: Vec::new(), places: Vec::new() };
        let mut problems = Vec::new();
        for file in files {
            all.names.push(file.name.chars().map(|it| if it.is_control() { ' ' } else { it }).take(200).collect());
            match parse(&file.text) {
                Ok(text) => all.add(text, &mut problems),
                Err((line, problem)) => problems.push(format!("{}:{line}: {problem}", file.name)),
            }
        }
        if problems.is_empty() { Ok(all) } else { Err(problems.join("\n")) }
    }

    /// File and line of a place, or of what stands within it.
    pub(super) fn place(&self, place: usize, path: &str) -> Option<(&str, u64)> {
        let place = self.places.get(place)?;
        Some((self.names.get(place.file)?, place.lines.get(path).copied().unwrap_or(place.line)))
    }

    /// The path of what stands within a place.
    pub(super) fn path(&self, place: usize, within: &str) -> String {
        let path = self.places.get(place).map_or("", |place| place.path.as_str());
        if within.is_empty() { path.to_owned() } else { format!("{path}.{within}") }
    }

    fn add(&mut self, text: FileText, problems: &mut Vec<String>) {
        self.add_definitions(text.classes, text.relationship_types, text.precedence, problems);
        for (number, item) in text.items.into_iter().enumerate() {
            let line = item.referenced.line();
            let item = item.value;
            let shown: String = item.key.chars().take(80).collect();
            let lines = item.attributes.iter().map(|(name, value)| (format!("attributes.{name}"), value.referenced.line())).collect();
            let place = self.note(line, if shown.is_empty() { format!("items[{number}]") } else { format!("items.{shown}") }, lines);
            let mut wrong = |path: &str, message: &str| {
                let (file, line) = self.place(place, path).unwrap_or_default();
                problems.push(format!("{file}:{line}: {}: {message}", self.path(place, path)));
            };
            if item.key.trim().is_empty() || item.key.len() > 200 || item.key.starts_with("id:") {
                wrong("key", "a key of 1 to 200 characters, not beginning with \"id:\", is needed");
            }
            for (name, _) in item.attributes.iter().filter(|(_, value)| value.value.is_null()) {
                wrong(&format!("attributes.{name}"), "a value is needed; leave the line out to say nothing about it");
            }
            let matched = match item.matched.map(MatchText::read).transpose() {
                Ok(matched) => matched,
                Err(message) => {
                    wrong("match", message);
                    continue;
                }
            };
            self.declared.items.push(DeclaredItem {
                key: item.key,
                matched,
                class: item.class,
                name: item.name,
                attributes: item.attributes.into_iter().map(|(name, value)| (name, value.value)).collect(),
                place,
            });
        }
        for (number, relationship) in text.relationships.into_iter().enumerate() {
            let place = self.note(relationship.referenced.line(), format!("relationships[{number}]"), HashMap::new());
            let it = relationship.value;
            self.declared.relationships.push(DeclaredRelationship {
                kind: it.kind,
                from: named(&it.from),
                to: named(&it.to),
                hardness: it.hardness.map(Hardness::from),
                place,
            });
        }
        for (number, group) in text.need_groups.into_iter().enumerate() {
            let place = self.note(group.referenced.line(), format!("need_groups[{number}]"), HashMap::new());
            let it = group.value;
            let min_up = match min_up(it.min_up.as_ref()) {
                Ok(min_up) => min_up,
                Err(message) => {
                    let (file, line) = self.place(place, "min_up").unwrap_or_default();
                    problems.push(format!("{file}:{line}: {}: {message}", self.path(place, "min_up")));
                    continue;
                }
            };
            self.declared.groups.push(DeclaredGroup {
                of: named(&it.of),
                name: it.name,
                members: it.members.iter().map(|member| named(member)).collect(),
                min_up,
                hardness: it.hardness.map_or(Hardness::Hard, Hardness::from),
                place,
            });
        }
    }

    fn add_definitions(
        &mut self,
        classes: Vec<Spanned<ClassText>>,
        types: Vec<Spanned<TypeText>>,
        rules: Vec<Spanned<RuleText>>,
        problems: &mut Vec<String>,
    ) {
        let shown = |text: &str| -> String { text.chars().take(80).collect() };
        let classes = classes.into_iter().map(|it| {
            let (line, class) = (it.referenced.line(), it.value);
            let path = format!("classes.{}", shown(&class.name));
            let ClassText { name, label, plural, parent, icon, attributes, identity } = class;
            (line, path, ClassSpec { label, plural, parent, icon, attributes, identity }.into_body(name))
        });
        let types = types.into_iter().map(|it| {
            let (line, kind) = (it.referenced.line(), it.value);
            let path = format!("relationship_types.{}", shown(&kind.name));
            let (forward, reverse) = (kind.forward.trim().to_owned(), kind.reverse.trim().to_owned());
            let hardness = kind.hardness.into();
            let definition =
                RelationshipTypeDefinition { name: kind.name, forward, reverse, hardness, meaning: kind.meaning, built_in: false };
            (line, path, Ok(DefinitionBody::RelationshipType(definition)))
        });
        let rules = rules.into_iter().map(|it| {
            let (line, rule) = (it.referenced.line(), it.value);
            let path = format!("precedence.{}.{}", shown(&rule.class), shown(rule.attribute.as_deref().unwrap_or("*")));
            let rank = |rank| match rank {
                RankText::Source(source) => RankView { source, fresh_for_seconds: None },
                RankText::Rank(rank) => rank,
            };
            let view = RuleView { class: rule.class, attribute: rule.attribute, order: rule.order.into_iter().map(rank).collect() };
            (line, path, view.into_rule().map(DefinitionBody::Precedence))
        });
        let all: Vec<_> = classes.chain(types).chain(rules).collect();
        for (line, path, body) in all {
            let place = self.note(line, path, HashMap::new());
            match body {
                Ok(body) => self.declared.definitions.push(DeclaredDefinition { body, place }),
                Err(refusal) => {
                    let (file, line) = self.place(place, "").unwrap_or_default();
                    let within = refusal.problem.path.as_deref().and_then(|path| path.strip_prefix("$.")).unwrap_or_default();
                    problems.push(format!("{file}:{line}: {}: {}", self.path(place, within), refusal.problem.detail));
                }
            }
        }
    }

    fn note(&mut self, line: u64, path: String, lines: HashMap<String, u64>) -> usize {
        self.places.push(Place { file: self.names.len().saturating_sub(1), line, path, lines });
        self.places.len() - 1
    }
}

impl MatchText {
    fn read(self) -> Result<Match, &'static str> {
        match (self.id, self.name, self.class) {
            (Some(id), None, None) => id.parse().map(Match::Id).map_err(|_| "an id looks like 0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a11"),
            (None, Some(name), class) => Ok(Match::Name { name, class }),
            _ => Err("either an id, or a name with or without a class is needed"),
        }
    }
}

/// `id:UUID`, or the key of an item.
fn named(text: &str) -> Named {
    text.strip_prefix("id:").and_then(|id| id.trim().parse().ok()).map_or_else(|| Named::Key(text.to_owned()), Named::Id)
}

fn min_up(value: Option<&Value>) -> Result<MinUp, &'static str> {
    const NEEDED: &str = "a number of members such as 2, or a share such as \"50%\", is needed";
    match value {
        None => Ok(MinUp::Count(1)),
        Some(Value::Number(count)) => count.as_u64().and_then(|count| u32::try_from(count).ok()).map(MinUp::Count).ok_or(NEEDED),
        Some(Value::String(text)) => {
            text.trim().strip_suffix('%').and_then(|share| share.trim().parse().ok()).map(MinUp::Percent).ok_or(NEEDED)
        }
        Some(_) => Err(NEEDED),
    }
}

/// Reads one file; its line and what is wrong if it cannot be read. An empty file declares nothing.
fn parse(text: &str) -> Result<FileText, (u64, String)> {
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#') || line.trim() == "---";
    if text.lines().all(is_blank) {
        return Ok(FileText::default());
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_total_scalar_bytes: 16 << 20, max_aliases: 1_000, max_anchors: 1_000, max_documents: 1, max_depth: 16 },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        (line, error.without_snippet().to_string())
    })
}
