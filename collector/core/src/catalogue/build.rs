//! A catalogue from its rows. It cannot fail: rows were checked before they were committed, and what another version of Rollcall
//! committed and this one cannot place (a parent that is gone) is left out rather than keeping a collector from starting.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use rollcall_shared::catalogue as built_in;

use super::{Catalogue, ClassDefinition, Definition, DefinitionBody, DefinitionKind, RelationshipTypeDefinition};
use crate::model::Lifecycle;

type Rows = BTreeMap<(DefinitionKind, String), Arc<Definition>>;

impl Catalogue {
    /// The catalogue after rows were put: a live one replaces the one of its id, a retired one leaves.
    #[must_use]
    pub fn with<'a>(&self, definitions: impl IntoIterator<Item = &'a Definition>) -> Self {
        let mut rows = self.rows.clone();
        for definition in definitions {
            rows.retain(|_, known| known.id != definition.id);
            if definition.lifecycle == Lifecycle::Active {
                rows.insert((definition.body.kind(), definition.body.name()), Arc::new(definition.clone()));
            }
        }
        Self::of_rows(rows)
    }

    pub(super) fn of_rows(rows: Rows) -> Self {
        let mut classes: Vec<ClassDefinition> = built_in::CLASSES.iter().map(ClassDefinition::from).collect();
        let mut types: Vec<RelationshipTypeDefinition> =
            built_in::RELATIONSHIP_TYPES.iter().map(RelationshipTypeDefinition::from).collect();
        let mut rules = HashMap::new();
        let mut added: Vec<&ClassDefinition> = Vec::new();
        for row in rows.values() {
            match &row.body {
                DefinitionBody::Class(class) => match classes.iter_mut().find(|known| known.name == class.name) {
                    Some(known) => known.attributes.extend(class.attributes.iter().cloned()),
                    None => added.push(class),
                },
                DefinitionBody::RelationshipType(kind) if !types.iter().any(|known| known.name == kind.name) => types.push(kind.clone()),
                DefinitionBody::RelationshipType(_) => {}
                DefinitionBody::Precedence(rule) => drop(rules.insert((rule.class.clone(), rule.attribute.clone()), rule.clone())),
            }
        }
        // Parents first; a circle never finds its turn.
        while let Some(next) =
            added.iter().position(|class| class.parent.as_ref().is_some_and(|parent| classes.iter().any(|known| known.name == *parent)))
        {
            classes.push(added.remove(next).clone());
        }
        let by_name = classes.iter().enumerate().map(|(at, class)| (class.name.clone(), at)).collect();
        let types_by_name = types.iter().enumerate().map(|(at, kind)| (kind.name.clone(), at)).collect();
        Self { classes, by_name, types, types_by_name, rules, rows }
    }
}
