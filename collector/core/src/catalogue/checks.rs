//! What may be written into the catalogue.

use std::collections::BTreeSet;

use super::{
    AttributeDefinition, AttributeKind, Catalogue, ClassDefinition, DefinitionBody, DefinitionKind, PrecedenceRule,
    RelationshipTypeDefinition,
};

/// Most classes, those that come with Rollcall included.
pub const MOST_CLASSES: usize = 1_000;
/// Most attributes of all classes together.
pub const MOST_ATTRIBUTES: usize = 10_000;
/// Most relationship types.
pub const MOST_RELATIONSHIP_TYPES: usize = 500;
/// Most rules of precedence.
pub const MOST_RULES: usize = 1_000;
/// Most sources that one rule names.
const MOST_RANKS: usize = 50;
/// Most texts that a choice allows.
const MOST_ALLOWED: usize = 500;
/// Most classes above one another.
const MOST_GENERATIONS: usize = 32;
/// Longest freshness window, milliseconds: a hundred years.
const LONGEST_WINDOW_MS: i64 = 100 * 365 * 86_400_000;

/// Words that mean something else in filters and lists.
const RESERVED: &[&str] = &[
    "address",
    "agent",
    "attributes",
    "changed",
    "class",
    "first_seen",
    "id",
    "key",
    "keys",
    "last_seen",
    "lifecycle",
    "mac",
    "name",
    "os",
    "place",
    "quiet",
    "relation",
    "seen",
    "sighted",
    "software",
    "source",
    "tag",
    "type",
    "unsighted",
    "version",
];

/// A definition that cannot be taken on: where in it, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct DefinitionError {
    /// Where, as a path in the definition: `attributes.imei.pattern`.
    pub at: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

fn wrong(at: impl Into<String>, problem: impl Into<String>) -> DefinitionError {
    DefinitionError { at: at.into(), problem: problem.into() }
}

impl Catalogue {
    /// Checks a definition against the rest of the catalogue, `self` being what it is written into.
    ///
    /// # Errors
    /// [`DefinitionError`] for bad names, texts that are too long, circles, names that are taken or would hide an inherited attribute, classes
    /// and attributes that do not exist, and more definitions than a catalogue holds.
    pub fn check(&self, body: &DefinitionBody) -> Result<(), DefinitionError> {
        match body {
            DefinitionBody::Class(class) => self.check_class(class),
            DefinitionBody::RelationshipType(kind) => self.check_type(kind),
            DefinitionBody::Precedence(rule) => self.check_rule(rule),
        }
    }

    fn check_class(&self, class: &ClassDefinition) -> Result<(), DefinitionError> {
        check_name("name", &class.name)?;
        let known = self.class(&class.name);
        if known.is_some_and(|known| known.built_in) {
            if class.parent.is_some() || !class.identity.is_empty() {
                let problem = "this class comes with Rollcall: attributes can be added to it, its parent and identity stay as they are";
                return Err(wrong("name", problem));
            }
        } else {
            check_text("label", &class.label)?;
            check_text("plural", &class.plural)?;
            if class.icon.chars().count() > 32 {
                return Err(wrong("icon", "at most 32 characters"));
            }
            self.check_parent(class)?;
            if known.is_none() && self.classes.len() >= MOST_CLASSES {
                return Err(wrong("name", format!("a catalogue holds at most {MOST_CLASSES} classes; delete one that is not used")));
            }
        }
        self.check_attributes(class)?;
        self.check_identity(class)
    }

    fn check_parent(&self, class: &ClassDefinition) -> Result<(), DefinitionError> {
        let Some(parent) = &class.parent else {
            return Err(wrong("parent", "name the class that it specialises, \"item\" if no other fits"));
        };
        if self.class(parent).is_none() {
            return Err(wrong("parent", format!("there is no class {:?}; see GET /api/v1/classes", short(parent))));
        }
        if self.is_a(parent, &class.name) {
            return Err(wrong("parent", format!("{parent:?} is {:?} itself or specialises it already; a circle is no family", class.name)));
        }
        if self.lineage(parent).count() >= MOST_GENERATIONS {
            return Err(wrong("parent", format!("at most {MOST_GENERATIONS} classes stand above one another")));
        }
        Ok(())
    }

    fn check_attributes(&self, class: &ClassDefinition) -> Result<(), DefinitionError> {
        let own = self.row(DefinitionKind::Class, &class.name).map_or(0, |row| match &row.body {
            DefinitionBody::Class(class) => class.attributes.len(),
            _ => 0,
        });
        let all: usize = self.classes.iter().map(|class| class.attributes.len()).sum();
        if all - own + class.attributes.len() > MOST_ATTRIBUTES {
            let problem = format!("all classes together have at most {MOST_ATTRIBUTES} attributes; delete some that are not used");
            return Err(wrong("attributes", problem));
        }
        let mut names = BTreeSet::new();
        for attribute in &class.attributes {
            let at = format!("attributes.{}", short(&attribute.name));
            check_name(&at, &attribute.name)?;
            if !names.insert(&attribute.name) {
                return Err(wrong(at, "this attribute is there twice"));
            }
            if RESERVED.contains(&attribute.name.as_str()) {
                return Err(wrong(at, "this word means something else in filters and lists; choose another name"));
            }
            self.check_shadowing(class, attribute, &at)?;
            self.check_attribute(class, attribute, &at)?;
        }
        Ok(())
    }

    /// An attribute is defined once in every line of descent, and an attribute's name means the same kind of thing everywhere.
    fn check_shadowing(&self, class: &ClassDefinition, attribute: &AttributeDefinition, at: &str) -> Result<(), DefinitionError> {
        let is_own = |of: &ClassDefinition, known: &AttributeDefinition| of.name == class.name && !known.built_in;
        let above = class.parent.as_deref().unwrap_or(&class.name);
        let below = self.classes.iter().filter(|other| self.is_a(&other.name, &class.name)).map(|other| other.name.as_str());
        for other in std::iter::once(above).chain(below) {
            let hidden = self.attributes(other).find(|(of, known)| known.name == attribute.name && !is_own(of, known));
            if let Some((of, _)) = hidden {
                return Err(wrong(at, format!("the class {:?} has an attribute of this name already; choose another name", of.name)));
            }
        }
        let elsewhere = self.classes.iter().flat_map(|of| of.attributes.iter().map(move |known| (of, known)));
        let clash = elsewhere
            .filter(|(of, known)| known.name == attribute.name && !is_own(of, known))
            .find(|(_, known)| (known.kind, &known.unit) != (attribute.kind, &attribute.unit));
        match clash {
            Some((of, known)) => {
                let unit = if known.unit.is_empty() { String::new() } else { format!(" in {}", known.unit) };
                let problem = format!(
                    "the class {:?} has an attribute of this name that is {}{unit}: filters and lists need one meaning; make it the same, or choose another name",
                    of.name,
                    known.kind.as_str()
                );
                Err(wrong(at, problem))
            }
            None => Ok(()),
        }
    }

    fn check_attribute(&self, class: &ClassDefinition, attribute: &AttributeDefinition, at: &str) -> Result<(), DefinitionError> {
        check_text(&format!("{at}.label"), &attribute.label)?;
        let number = matches!(attribute.kind, AttributeKind::Integer | AttributeKind::Number);
        if !attribute.unit.is_empty() && (!number || attribute.unit.chars().count() > 32) {
            return Err(wrong(format!("{at}.unit"), "only numbers have a unit, of at most 32 characters"));
        }
        let choice = attribute.kind == AttributeKind::Choice;
        let distinct: BTreeSet<&String> = attribute.allowed.iter().collect();
        let readable = attribute.allowed.iter().all(|text| !text.is_empty() && text.chars().count() <= 255);
        let sound = distinct.len() == attribute.allowed.len() && readable && attribute.allowed.len() <= MOST_ALLOWED;
        if choice == attribute.allowed.is_empty() || !sound {
            let problem = format!("a choice, and nothing else, has 1 to {MOST_ALLOWED} different texts of 1 to 255 characters");
            return Err(wrong(format!("{at}.allowed"), problem));
        }
        match (&attribute.references, attribute.kind) {
            (Some(of), AttributeKind::Reference) if self.class(of).is_some() || *of == class.name => {}
            (Some(of), AttributeKind::Reference) => {
                return Err(wrong(format!("{at}.references"), format!("there is no class {:?}; see GET /api/v1/classes", short(of))));
            }
            (None, AttributeKind::Reference) => return Err(wrong(format!("{at}.references"), "name the class that is referred to")),
            (Some(_), _) => return Err(wrong(format!("{at}.references"), "only a reference refers to a class")),
            (None, _) => {}
        }
        if attribute.pattern.is_some() && !matches!(attribute.kind, AttributeKind::Text | AttributeKind::TextList | AttributeKind::Url) {
            return Err(wrong(format!("{at}.pattern"), "only a text, a list of texts or a URL has a pattern"));
        }
        Ok(())
    }

    fn check_identity(&self, class: &ClassDefinition) -> Result<(), DefinitionError> {
        if class.identity.len() > 8 || class.identity.iter().any(|set| !(1..=8).contains(&set.len())) {
            return Err(wrong("identity", "at most 8 sets of 1 to 8 attributes"));
        }
        let inherited: BTreeSet<&str> =
            class.parent.iter().flat_map(|parent| self.attributes(parent)).map(|(_, attribute)| attribute.name.as_str()).collect();
        let own: BTreeSet<&str> = class.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
        match class.identity.iter().flatten().find(|name| !inherited.contains(name.as_str()) && !own.contains(name.as_str())) {
            Some(name) => Err(wrong("identity", format!("the class has no attribute {:?}", short(name)))),
            None => Ok(()),
        }
    }

    fn check_type(&self, kind: &RelationshipTypeDefinition) -> Result<(), DefinitionError> {
        check_name("name", &kind.name)?;
        check_text("forward", &kind.forward)?;
        check_text("reverse", &kind.reverse)?;
        if kind.meaning.chars().count() > 1_000 {
            return Err(wrong("meaning", "at most 1,000 characters"));
        }
        let known = self.relationship_type(&kind.name);
        if known.is_some_and(|known| known.built_in) {
            return Err(wrong("name", "this relationship type comes with Rollcall; choose another name"));
        }
        if known.is_none() && self.types.len() >= MOST_RELATIONSHIP_TYPES {
            let problem = format!("a catalogue holds at most {MOST_RELATIONSHIP_TYPES} relationship types; delete one that is not used");
            return Err(wrong("name", problem));
        }
        Ok(())
    }

    fn check_rule(&self, rule: &PrecedenceRule) -> Result<(), DefinitionError> {
        if self.class(&rule.class).is_none() {
            return Err(wrong("class", format!("there is no class {:?}; see GET /api/v1/classes", short(&rule.class))));
        }
        if let Some(name) = &rule.attribute {
            let known = self.classes.iter().filter(|class| self.is_a(&class.name, &rule.class));
            if !known.into_iter().any(|class| self.attribute(&class.name, name).is_some()) {
                return Err(wrong("attribute", format!("the class {:?} has no attribute {:?}", rule.class, short(name))));
            }
        }
        if !(1..=MOST_RANKS).contains(&rule.order.len()) {
            return Err(wrong("order", format!("1 to {MOST_RANKS} sources are needed")));
        }
        let mut named = BTreeSet::new();
        for rank in &rule.order {
            let source = rank.source.to_string();
            if rank.fresh_for_ms.is_some_and(|window| !(60_000..=LONGEST_WINDOW_MS).contains(&window)) {
                return Err(wrong(format!("order.{source}"), "a freshness window is between a minute and a hundred years"));
            }
            if !named.insert(source.clone()) {
                return Err(wrong(format!("order.{source}"), "this source is there twice"));
            }
        }
        if self.row(DefinitionKind::Precedence, &rule.name()).is_none() && self.rules.len() >= MOST_RULES {
            return Err(wrong("class", format!("a catalogue holds at most {MOST_RULES} rules of precedence; delete one that is not used")));
        }
        Ok(())
    }
}

fn check_name(at: &str, name: &str) -> Result<(), DefinitionError> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if first && rest && name.len() <= 63 {
        return Ok(());
    }
    let problem = format!("{:?} is no name: 1 to 63 of a-z, 0-9 and _, beginning with a letter", short(name));
    Err(wrong(at, problem))
}

fn check_text(at: &str, text: &str) -> Result<(), DefinitionError> {
    let length = text.trim().chars().count();
    if (1..=100).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(wrong(at, format!("1 to 100 characters are needed, without control characters; this has {length}")))
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
