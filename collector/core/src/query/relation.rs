//! The words for relationships: from an item to those that it is related to.

use std::fmt;

use rollcall_shared::catalogue::Hardness;

use crate::{
    catalogue::{Catalogue, RelationshipTypeDefinition},
    model::Relationship,
};

/// A relationship as one word of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The word.
    pub word: String,
    /// What it follows.
    pub hop: Hop,
}

/// What a relation follows, from the item to the related one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// One relationship of one of these types; `true`: the item is the dependent.
    Step(Vec<(String, bool)>),
    /// Any number of relationships along which outages travel: the item needs the related one.
    Needs,
    /// The same: the related one needs the item.
    NeededBy,
    /// One relationship of any type, in any direction.
    Any,
}

impl Relation {
    /// The relation that a word means, `_` in it for spaces and `-`.
    pub fn parse(catalogue: &Catalogue, word: &str) -> Option<Self> {
        let hop = match word {
            "needs" => Hop::Needs,
            "needed_by" => Hop::NeededBy,
            "related" => Hop::Any,
            other => {
                let meant = words(catalogue).into_iter().filter(|(known, ..)| known == other);
                let mut types: Vec<(String, bool)> = meant.map(|(_, kind, forward)| (kind, forward)).collect();
                types.sort();
                types.dedup();
                if types.is_empty() {
                    return None;
                }
                Hop::Step(types)
            }
        };
        Some(Self { word: word.to_owned(), hop })
    }

    /// Every word that means a relation.
    pub(super) fn known_words(catalogue: &Catalogue) -> Vec<String> {
        let fixed = ["needs", "needed_by", "related"].map(str::to_owned);
        fixed.into_iter().chain(words(catalogue).into_iter().map(|(word, ..)| word)).collect()
    }
}

impl Hop {
    /// Whether one step follows a relationship of this type, seen from the dependent (`true`) or from what it depends on.
    pub(super) fn follows(&self, kind: &str, from_dependent: bool) -> bool {
        match self {
            Self::Step(types) => types.iter().any(|(known, forward)| known == kind && *forward == from_dependent),
            Self::Needs | Self::NeededBy | Self::Any => true,
        }
    }
}

/// Whether an outage travels along a relationship. One of a type that the catalogue does not have counts, as it does in the graph.
pub(super) fn carries_outage(catalogue: &Catalogue, relationship: &Relationship) -> bool {
    let of_type = || catalogue.hardness(&relationship.kind).unwrap_or(Hardness::Soft);
    relationship.hardness.unwrap_or_else(of_type) != Hardness::None
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)
    }
}

/// Word, type, and whether the item is the dependent.
fn words(catalogue: &Catalogue) -> Vec<(String, String, bool)> {
    let of = |kind: &RelationshipTypeDefinition| {
        let name = kind.name.to_string();
        [(name.clone(), name.clone(), true), (slug(&kind.forward), name.clone(), true), (slug(&kind.reverse), name, false)]
    };
    catalogue.relationship_types().flat_map(of).collect()
}

/// "is used by" → `used_by`
fn slug(words: &str) -> String {
    words.strip_prefix("is ").unwrap_or(words).to_lowercase().replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relationships_have_words_for_both_directions() {
        let step = |types: &[(&str, bool)]| Hop::Step(types.iter().map(|(kind, forward)| ((*kind).to_owned(), *forward)).collect());
        for (word, hop) in [
            ("runs_on", step(&[("runs_on", true)])),
            ("hosts", step(&[("runs_on", false)])),
            ("used_by", step(&[("connects_to", false), ("uses", false)])),
            ("provided_by", step(&[("part_of", true)])),
            ("provides", step(&[("part_of", false)])),
            ("needed_by", Hop::NeededBy),
            ("needs", Hop::Needs),
        ] {
            assert_eq!(Relation::parse(&Catalogue::built_in(), word).map(|relation| relation.hop), Some(hop), "{word}");
        }
        assert_eq!(Relation::parse(&Catalogue::built_in(), "owner"), None);
    }

    #[test]
    fn every_word_of_the_catalogue_can_be_written_in_a_filter() {
        for word in Relation::known_words(&Catalogue::built_in()) {
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{word}");
            assert!(Relation::parse(&Catalogue::built_in(), &word).is_some(), "{word}");
        }
    }
}
