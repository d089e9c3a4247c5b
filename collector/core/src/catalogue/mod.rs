//! The catalogue: what comes with Rollcall (`rollcall_shared::catalogue`) and what people have added, as one value.
//!
//! It is part of the [`crate::Estate`] and changes as everything else does, by [`crate::Put::Definition`], so that every collector has the
//! same one at the same revision. Names are owned, not interned in a table of the process: two catalogues of different collectors, or of
//! different instants, do not meet, and nothing has to be given back when a class is deleted.

mod build;
mod checks;
mod definition;
mod precedence;
mod value;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock},
};

pub use checks::{DefinitionError, MOST_ATTRIBUTES, MOST_CLASSES, MOST_RELATIONSHIP_TYPES, MOST_RULES};
pub use definition::{
    AttributeDefinition, ClassDefinition, Definition, DefinitionBody, DefinitionId, DefinitionKind, Pattern, RelationshipTypeDefinition,
};
pub use precedence::{Decision, Governing, PrecedenceRule, SourcePattern, SourceRank, Standing, decide};
pub use rollcall_shared::catalogue::{AttributeKind, Hardness};
pub use value::{Misfit, expectation, fits};

/// Every class, relationship type and rule of precedence, as of one revision.
#[derive(Clone, Debug)]
pub struct Catalogue {
    classes: Vec<ClassDefinition>,
    by_name: HashMap<String, usize>,
    types: Vec<RelationshipTypeDefinition>,
    types_by_name: HashMap<String, usize>,
    /// By class and attribute; no attribute: every one that has no rule of its own.
    rules: HashMap<(String, Option<String>), PrecedenceRule>,
    /// What people have added, live, by kind and name.
    rows: BTreeMap<(DefinitionKind, String), Arc<Definition>>,
}

impl Catalogue {
    /// What comes with Rollcall.
    pub fn built_in() -> Arc<Self> {
        static BUILT_IN: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::of_rows(BTreeMap::new())));
        Arc::clone(&BUILT_IN)
    }

    /// Every class, a parent before its children.
    pub fn classes(&self) -> impl Iterator<Item = &ClassDefinition> {
        self.classes.iter()
    }

    /// The class of that name.
    pub fn class(&self, name: &str) -> Option<&ClassDefinition> {
        self.by_name.get(name).map(|at| &self.classes[*at])
    }

    /// The class of that name and those it specialises, nearest first; empty if there is none.
    pub fn lineage(&self, name: &str) -> impl Iterator<Item = &ClassDefinition> {
        std::iter::successors(self.class(name), |class| class.parent.as_deref().and_then(|parent| self.class(parent)))
    }

    /// Whether a class is `ancestor` or specialises it.
    pub fn is_a(&self, class: &str, ancestor: &str) -> bool {
        self.lineage(class).any(|class| class.name == ancestor)
    }

    /// The attribute of that name, the class's own or inherited.
    pub fn attribute(&self, class: &str, name: &str) -> Option<&AttributeDefinition> {
        self.lineage(class).flat_map(|class| &class.attributes).find(|attribute| attribute.name == name)
    }

    /// The attributes of a class, its own first, each with the class that defines it.
    pub fn attributes(&self, class: &str) -> impl Iterator<Item = (&ClassDefinition, &AttributeDefinition)> {
        self.lineage(class).flat_map(|class| class.attributes.iter().map(move |attribute| (class, attribute)))
    }

    /// The first definition of an attribute of that name in any class.
    pub fn any_attribute(&self, name: &str) -> Option<&AttributeDefinition> {
        self.classes.iter().flat_map(|class| &class.attributes).find(|attribute| attribute.name == name)
    }

    /// The names of all attributes of all classes, some more than once.
    pub fn attribute_names(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().flat_map(|class| &class.attributes).map(|attribute| attribute.name.as_str())
    }

    /// Every relationship type.
    pub fn relationship_types(&self) -> impl Iterator<Item = &RelationshipTypeDefinition> {
        self.types.iter()
    }

    /// The relationship type of that name.
    pub fn relationship_type(&self, name: &str) -> Option<&RelationshipTypeDefinition> {
        self.types_by_name.get(name).map(|at| &self.types[*at])
    }

    /// How hard a relationship type says that the dependency is needed.
    pub fn hardness(&self, relationship_type: &str) -> Option<Hardness> {
        self.relationship_type(relationship_type).map(|kind| kind.hardness)
    }

    /// What people have added, by kind and name.
    pub fn rows(&self) -> impl Iterator<Item = &Definition> {
        self.rows.values().map(AsRef::as_ref)
    }

    /// What people have added under that kind and name.
    pub fn row(&self, kind: DefinitionKind, name: &str) -> Option<&Definition> {
        self.rows.get(&(kind, name.to_owned())).map(AsRef::as_ref)
    }

    /// The rules of precedence, by class and attribute.
    pub fn rules(&self) -> impl Iterator<Item = &PrecedenceRule> {
        self.rows().filter_map(|row| match &row.body {
            DefinitionBody::Precedence(rule) => Some(rule),
            _ => None,
        })
    }

    /// The rule that decides an attribute of a class: one that names the attribute before one that does not, and of these that of the
    /// nearest class; `None`: the order that comes with Rollcall.
    pub fn rule(&self, class: &str, attribute: &str) -> Option<&PrecedenceRule> {
        if self.rules.is_empty() {
            return None;
        }
        let of = |attribute: Option<&str>| {
            self.lineage(class).find_map(|class| self.rules.get(&(class.name.clone(), attribute.map(str::to_owned))))
        };
        of(Some(attribute)).or_else(|| of(None))
    }

    /// Whether any rule has a freshness window, so that time alone may change who is believed.
    pub fn has_windows(&self) -> bool {
        self.rules.values().any(|rule| rule.order.iter().any(|rank| rank.fresh_for_ms.is_some()))
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::built_in().as_ref().clone()
    }
}
