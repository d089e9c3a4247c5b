use std::fmt;

use rollcall_shared::{
    Timestamp,
    catalogue::{self as built_in, AttributeKind, Hardness},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::PrecedenceRule;
use crate::model::{Lifecycle, Source};

/// The id of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionId(pub Uuid);

/// One row that people have added to the catalogue, current version.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Its id.
    pub id: DefinitionId,
    /// What it defines.
    pub body: DefinitionBody,
    /// Who said so last. What a code base has defined, it deletes when it no longer declares it.
    pub source: Source,
    /// Retired: deleted, kept for history.
    pub lifecycle: Lifecycle,
    /// When this version came to be, the collector's clock.
    pub valid_from: Timestamp,
    /// Counts this definition's versions from 1.
    pub version: u32,
}

/// What a definition defines. It is stored as it is here, as JSON: new fields are optional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefinitionBody {
    /// A class, or (under the name of a built-in one) attributes that are added to it.
    Class(ClassDefinition),
    /// A relationship type.
    RelationshipType(RelationshipTypeDefinition),
    /// Whose word stands.
    Precedence(PrecedenceRule),
}

/// Kinds of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DefinitionKind {
    /// See [`DefinitionBody::Class`].
    Class,
    /// See [`DefinitionBody::RelationshipType`].
    RelationshipType,
    /// See [`DefinitionBody::Precedence`].
    Precedence,
}

impl DefinitionKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Class, Self::RelationshipType, Self::Precedence];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::RelationshipType => "relationship_type",
            Self::Precedence => "precedence",
        }
    }

    /// The reverse of [`DefinitionKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl DefinitionBody {
    /// What kind of definition it is.
    pub const fn kind(&self) -> DefinitionKind {
        match self {
            Self::Class(_) => DefinitionKind::Class,
            Self::RelationshipType(_) => DefinitionKind::RelationshipType,
            Self::Precedence(_) => DefinitionKind::Precedence,
        }
    }

    /// Its name, unique among those of its kind.
    pub fn name(&self) -> String {
        match self {
            Self::Class(class) => class.name.clone(),
            Self::RelationshipType(kind) => kind.name.clone(),
            Self::Precedence(rule) => rule.name(),
        }
    }
}

/// A class of configuration items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassDefinition {
    /// Name in data and API.
    pub name: String,
    /// Name for people, singular.
    pub label: String,
    /// Name for people, plural.
    pub plural: String,
    /// The class it specialises; absent for `item` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// A short word that stands for it in pictures and lists.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// The attributes it adds to its parent's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AttributeDefinition>,
    /// What one of it is recognised by: sets of attributes; one whole set that is equal is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identity: Vec<Vec<String>>,
    /// Whether it comes with Rollcall.
    #[serde(skip)]
    pub built_in: bool,
}

/// One attribute of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttributeDefinition {
    /// Name in data and API.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// What its value may be.
    pub kind: AttributeKind,
    /// The unit of a number; empty for a plain count and for what is no number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// The texts that a choice is one of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// The class that a reference must be of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<String>,
    /// What a text must match as a whole: a regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// Whether people and API clients must give it when they make an item, and cannot take it away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Whether it comes with Rollcall.
    #[serde(skip)]
    pub built_in: bool,
}

/// A regular expression that a whole text must match. Linear in the text, and bounded in size.
#[derive(Clone)]
pub struct Pattern(regex::Regex);

impl Pattern {
    /// Longest expression, in bytes.
    pub const MOST_BYTES: usize = 500;

    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > Self::MOST_BYTES {
            return Err(format!("a pattern has 1 to {} bytes, this has {}", Self::MOST_BYTES, text.len()));
        }
        let whole = format!("^(?:{text})$");
        // The part alone first: an unbalanced bracket must not reach into the frame around it.
        let of = |text: &str| regex::RegexBuilder::new(text).size_limit(1 << 20).dfa_size_limit(1 << 20).build();
        of(text).and_then(|_| of(&whole)).map(Self).map_err(|error| {
            let told = error.to_string();
            let last = told.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
            format!("not a regular expression: {}", last.trim_start_matches("error: "))
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        let whole = self.0.as_str();
        whole.strip_prefix("^(?:").and_then(|text| text.strip_suffix(")$")).unwrap_or(whole)
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A relationship type, with the words that people use for each direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RelationshipTypeDefinition {
    /// Name in data and API.
    pub name: String,
    /// Read from the dependent: "app01 **runs on** host7".
    pub forward: String,
    /// Read from the dependency: "host7 **hosts** app01".
    pub reverse: String,
    /// How failure travels from the dependency to the dependent, unless a declared group says otherwise.
    pub hardness: Hardness,
    /// What it means, in a sentence.
    #[serde(default)]
    pub meaning: String,
    /// Whether it comes with Rollcall.
    #[serde(skip)]
    pub built_in: bool,
}

impl From<&built_in::ClassDefinition> for ClassDefinition {
    fn from(class: &built_in::ClassDefinition) -> Self {
        Self {
            name: class.name.to_owned(),
            label: class.label.to_owned(),
            plural: class.plural.to_owned(),
            parent: class.parent.map(str::to_owned),
            icon: class.icon.to_owned(),
            attributes: class.attributes.iter().map(AttributeDefinition::from).collect(),
            identity: class.identity.iter().map(|set| set.iter().map(|name| (*name).to_owned()).collect()).collect(),
            built_in: true,
        }
    }
}

impl From<&built_in::AttributeDefinition> for AttributeDefinition {
    fn from(attribute: &built_in::AttributeDefinition) -> Self {
        Self {
            name: attribute.name.to_owned(),
            label: attribute.label.to_owned(),
            kind: attribute.kind,
            unit: attribute.unit.to_owned(),
            allowed: attribute.allowed.iter().map(|text| (*text).to_owned()).collect(),
            references: attribute.references.map(str::to_owned),
            pattern: None,
            required: false,
            built_in: true,
        }
    }
}

impl From<&built_in::RelationshipTypeDefinition> for RelationshipTypeDefinition {
    fn from(kind: &built_in::RelationshipTypeDefinition) -> Self {
        Self {
            name: kind.name.to_owned(),
            forward: kind.forward.to_owned(),
            reverse: kind.reverse.to_owned(),
            hardness: kind.hardness,
            meaning: kind.meaning.to_owned(),
            built_in: true,
        }
    }
}
