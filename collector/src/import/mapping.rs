//! Which column of a table says what.

use rollcall_core::{
    Catalogue, Lifecycle, Stage,
    catalogue::{AttributeDefinition, AttributeKind, ClassDefinition, expectation},
    reconcile::commands::{Link, Reference, Row},
};
use rollcall_shared::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::table::{self, Record};

/// What a column says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// Nothing that is imported.
    Ignore,
    /// The item's id here.
    Id,
    /// The id that the source knows it by.
    ExternalId,
    /// Its class, by name or label.
    Class,
    /// Its name.
    Name,
    /// Its lifecycle state.
    Lifecycle,
    /// An attribute.
    Attribute(String),
    /// Relationships of a type; reversed, those of the others with it.
    Relationship {
        /// The type.
        kind: String,
        /// Whether the others depend on the item.
        reverse: bool,
    },
}

/// Columns of exports that say what nobody imports.
const READ_ONLY: [&str; 9] =
    ["first_seen", "last_seen", "changed", "agent", "version", "merged_into", "software_count", "provenance", "identity_keys"];

impl Field {
    /// Reads `id`, `external_id`, `class`, `name`, `lifecycle`, `ignore`, `relationship:TYPE`, `relationship:^TYPE` or an attribute's name.
    pub(crate) fn parse(catalogue: &Catalogue, text: &str) -> Result<Self, String> {
        if let Some(kind) = text.strip_prefix("relationship:") {
            let (kind, reverse) = kind.strip_prefix('^').map_or((kind, false), |kind| (kind, true));
            return match catalogue.relationship_type(kind) {
                Some(kind) => Ok(Self::Relationship { kind: kind.name.clone(), reverse }),
                None => Err(format!("there is no relationship type {kind:?}; GET /api/v1/relationship-types lists them")),
            };
        }
        Ok(match text {
            "" | "ignore" => Self::Ignore,
            "id" => Self::Id,
            "external_id" => Self::ExternalId,
            "class" => Self::Class,
            "name" => Self::Name,
            "lifecycle" => Self::Lifecycle,
            name => {
                let name = name.strip_prefix("attributes.").unwrap_or(name);
                let known = catalogue.any_attribute(name);
                let known = known.ok_or_else(|| format!("there is no attribute {name:?}; GET /api/v1/classes lists them"))?;
                Self::Attribute(known.name.clone())
            }
        })
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ignore => f.write_str("ignore"),
            Self::Id => f.write_str("id"),
            Self::ExternalId => f.write_str("external_id"),
            Self::Class => f.write_str("class"),
            Self::Name => f.write_str("name"),
            Self::Lifecycle => f.write_str("lifecycle"),
            Self::Attribute(name) => f.write_str(name),
            Self::Relationship { kind, reverse } => write!(f, "relationship:{}{kind}", if *reverse { "^" } else { "" }),
        }
    }
}

/// A column and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ColumnMapping {
    /// Its heading in the file.
    pub(crate) heading: String,
    /// What it says: `name`, `class`, `lifecycle`, `id`, `external_id`, an attribute's name, `relationship:TYPE` for what the item depends
    /// on, `relationship:^TYPE` for what depends on it, or `ignore`.
    pub(crate) field: String,
}

/// Words that people head columns with, as [`plain`] makes them, and what they mean where no attribute has that name or label.
const ALIASES: &[(&str, &str)] = &[
    ("sn", "serial"),
    ("serialno", "serial"),
    ("serialnr", "serial"),
    ("serialnum", "serial"),
    ("servicetag", "serial"),
    ("seriennummer", "serial"),
    ("asset", "asset_tag"),
    ("assetno", "asset_tag"),
    ("assetnumber", "asset_tag"),
    ("assetid", "asset_tag"),
    ("inventorynumber", "asset_tag"),
    ("barcode", "asset_tag"),
    ("host", "hostname"),
    ("computername", "hostname"),
    ("machinename", "hostname"),
    ("computer", "hostname"),
    ("dnsname", "fqdn"),
    ("fullyqualifieddomainname", "fqdn"),
    ("make", "manufacturer"),
    ("vendor", "manufacturer"),
    ("brand", "manufacturer"),
    ("maker", "manufacturer"),
    ("hersteller", "manufacturer"),
    ("product", "model"),
    ("modelname", "model"),
    ("modell", "model"),
    ("uuid", "smbios_uuid"),
    ("biosuuid", "smbios_uuid"),
    ("os", "operating_system"),
    ("osname", "operating_system"),
    ("osversion", "operating_system_version"),
    ("cpu", "cpu_model"),
    ("ip", "ip_addresses"),
    ("ipaddress", "ip_addresses"),
    ("ips", "ip_addresses"),
    ("mac", "mac_addresses"),
    ("macaddress", "mac_addresses"),
    ("user", "owner"),
    ("assignedto", "owner"),
    ("assigneduser", "owner"),
    ("responsible", "owner"),
    ("custodian", "owner"),
    ("besitzer", "owner"),
    ("site", "location"),
    ("building", "location"),
    ("office", "location"),
    ("room", "location"),
    ("standort", "location"),
    ("notes", "description"),
    ("note", "description"),
    ("comment", "description"),
    ("comments", "description"),
    ("remarks", "description"),
    ("beschreibung", "description"),
    ("tag", "tags"),
    ("labels", "tags"),
    ("mail", "email"),
    ("emailaddress", "email"),
    ("address", "url"),
    ("type", "class"),
    ("category", "class"),
    ("citype", "class"),
    ("assettype", "class"),
    ("kind", "class"),
    ("status", "lifecycle"),
    ("state", "lifecycle"),
    ("title", "name"),
    ("displayname", "name"),
    ("itemname", "name"),
    ("assetname", "name"),
    ("ciname", "name"),
    ("bezeichnung", "name"),
    ("expires", "valid_until"),
    ("expirydate", "valid_until"),
    ("expirationdate", "valid_until"),
    ("enddate", "valid_until"),
    ("sourceid", "external_id"),
    ("foreignid", "external_id"),
    ("reference", "external_id"),
];

/// What each column says, as far as its heading tells. No two columns say the same: of several the first, an exact name before an alias.
///
/// `sample` is a first value of each column: an `id` that is none of ours is the source's own.
pub(crate) fn guess(
    catalogue: &Catalogue,
    headings: &[String],
    class: Option<&str>,
    sample: &dyn Fn(usize) -> Option<String>,
) -> Vec<ColumnMapping> {
    let mut taken: Vec<Field> = Vec::new();
    let mut fields = vec![Field::Ignore; headings.len()];
    for only_exact in [true, false] {
        for (number, heading) in headings.iter().enumerate().filter(|(_, heading)| !heading.is_empty()) {
            if fields[number] != Field::Ignore {
                continue;
            }
            let guessed = if only_exact { exact(catalogue, heading) } else { alias(catalogue, heading, class) };
            let guessed = match guessed {
                Some(Field::Id) if sample(number).is_some_and(|value| value.parse::<uuid::Uuid>().is_err()) => Some(Field::ExternalId),
                guessed => guessed,
            };
            if let Some(field) = guessed.filter(|field| !taken.contains(field)) {
                taken.push(field.clone());
                fields[number] = field;
            }
        }
    }
    headings.iter().zip(fields).map(|(heading, field)| ColumnMapping { heading: heading.clone(), field: field.to_string() }).collect()
}

fn exact(catalogue: &Catalogue, heading: &str) -> Option<Field> {
    (!READ_ONLY.contains(&heading)).then(|| Field::parse(catalogue, heading).ok()).flatten()
}

fn alias(catalogue: &Catalogue, heading: &str, class: Option<&str>) -> Option<Field> {
    let word = plain(heading);
    if READ_ONLY.iter().any(|name| plain(name) == word) {
        return None;
    }
    let fixed = ["id", "external_id", "class", "name", "lifecycle"].into_iter().find(|name| plain(name) == word);
    if let Some(name) = fixed {
        return Field::parse(catalogue, name).ok();
    }
    let is_called = |known: &&AttributeDefinition| plain(&known.name) == word || plain(&known.label) == word;
    // A reference's label may well head a column of mere words: "Assigned to" is one only where the table's class is known.
    let is_meant = |known: &&AttributeDefinition| known.kind != AttributeKind::Reference && is_called(known);
    let meant = |known: &AttributeDefinition| Field::Attribute(known.name.clone());
    let aliased = || ALIASES.iter().find(|(alias, _)| *alias == word).and_then(|(_, name)| Field::parse(catalogue, name).ok());
    // The table's own class first: other classes may call something else by the same word, and "Kind" is the class where rows are of many.
    let of_class = class.into_iter().flat_map(|class| catalogue.attributes(class)).map(|(_, known)| known).find(is_meant);
    let of_any = || catalogue.classes().flat_map(|class| &class.attributes).find(is_meant);
    of_class
        .map(meant)
        .or_else(|| aliased().filter(|field| class.is_none() && *field == Field::Class))
        .or_else(|| of_any().map(meant))
        .or_else(aliased)
}

/// Letters and digits in lower case: "Serial No." and "serial_no" are one.
fn plain(heading: &str) -> String {
    heading.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The attribute of that name: the class's, or else any class's.
fn attribute<'c>(catalogue: &'c Catalogue, class: Option<&str>, name: &str) -> Option<&'c AttributeDefinition> {
    class.and_then(|class| catalogue.attribute(class, name)).or_else(|| catalogue.any_attribute(name))
}

/// The class that a text names: by name, label or plural, however written.
pub(crate) fn class_named<'c>(catalogue: &'c Catalogue, text: &str) -> Option<&'c ClassDefinition> {
    let word = plain(text);
    let is = |class: &&ClassDefinition| [&class.name, &class.label, &class.plural].into_iter().any(|name| plain(name) == word);
    catalogue.class(text).or_else(|| catalogue.classes().find(is))
}

/// A row of a table as what it says, or what is wrong with its cells, by field.
pub(crate) fn row(
    catalogue: &Catalogue,
    record: &Record,
    fields: &[Field],
    default_class: Option<&str>,
) -> Result<Row, (Row, Vec<(String, String)>)> {
    let mut row = Row { number: record.number, ..Row::default() };
    let mut wrong = Vec::new();
    let cell = |column: u32| fields.get(column as usize).filter(|field| **field != Field::Ignore);
    let cells: Vec<(&Field, &Value)> = record.cells.iter().filter_map(|(column, value)| Some((cell(*column)?, value))).collect();
    let text = |value: &Value| table::text(value).trim().to_owned();
    for (field, value) in cells.iter().filter(|(_, value)| !text(value).is_empty()) {
        match field {
            Field::Id => match text(value).parse() {
                Ok(id) => row.id = Some(id),
                Err(_) => wrong.push(("id".to_owned(), format!("{:?} is not an id of this installation", short(&text(value))))),
            },
            Field::ExternalId => row.external_id = Some(text(value)),
            Field::Class => match class_named(catalogue, &text(value)) {
                Some(class) => row.class = Some(class.name.clone()),
                None => {
                    wrong
                        .push(("class".to_owned(), format!("there is no class {:?}; GET /api/v1/classes lists them", short(&text(value)))));
                }
            },
            Field::Name => row.name = Some(table::text(value).into_owned()),
            Field::Lifecycle => {
                let word = text(value).to_lowercase().replace([' ', '-'], "_");
                match (Lifecycle::parse(&word), Stage::parse(&word)) {
                    // "active" and "retired" are true of several stages.
                    (Some(lifecycle), _) => row.lifecycle = Some(lifecycle),
                    (None, Some(stage)) => (row.lifecycle, row.stage) = (Some(stage.lifecycle()), Some(stage)),
                    (None, None) => {
                        let stages = Stage::ALL.map(Stage::as_str).join(", ");
                        wrong.push(("lifecycle".to_owned(), format!("active, {stages} is needed, this is {:?}", short(&text(value)))));
                    }
                }
            }
            Field::Relationship { kind, reverse } => {
                let others = members(value).iter().map(|text| Reference::parse(text)).collect();
                row.links.push(Link { kind: kind.clone(), reverse: *reverse, others });
            }
            Field::Attribute(_) | Field::Ignore => {}
        }
    }
    let class = row.class.as_deref().or(default_class).map(str::to_owned);
    for (field, value) in cells {
        let Field::Attribute(name) = field else { continue };
        let Some(definition) = attribute(catalogue, class.as_deref(), name) else { continue };
        match read(definition, value) {
            Ok(Some(value)) => drop(row.attributes.insert(name.clone(), value)),
            Ok(None) => {}
            Err(needed) => {
                wrong.push((format!("attributes.{name}"), format!("{needed} is needed, this is {:?}", short(&table::text(value)))));
            }
        }
    }
    if wrong.is_empty() { Ok(row) } else { Err((row, wrong)) }
}

fn members(value: &Value) -> Vec<String> {
    match value {
        Value::Array(members) => members.iter().map(|member| table::text(member).into_owned()).collect(),
        other => table::members(&table::text(other)),
    }
}

/// A cell as a value of this kind; nothing for an empty one.
pub(crate) fn read(attribute: &AttributeDefinition, cell: &Value) -> Result<Option<Value>, String> {
    let text = table::text(cell);
    if text.is_empty() {
        return Ok(None);
    }
    let trimmed = text.trim();
    Ok(Some(match attribute.kind {
        AttributeKind::Text | AttributeKind::Url => match cell {
            Value::String(text) => Value::from(text.as_str()),
            _ => Value::from(trimmed),
        },
        AttributeKind::Integer => {
            let number = trimmed.parse::<u64>().map(Value::from).or_else(|_| trimmed.parse::<i64>().map(Value::from));
            number.map_err(|_| "a whole number, without unit or separators,")?
        }
        AttributeKind::Number => match trimmed.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::from(number),
            _ => return Err("a number, without unit, with a dot before the fraction,".to_owned()),
        },
        // However its case: people write lists of choices by hand.
        AttributeKind::Choice => match attribute.allowed.iter().find(|allowed| plain(allowed) == plain(trimmed)) {
            Some(allowed) => Value::from(allowed.as_str()),
            None => return Err(expectation(attribute)),
        },
        // An id, or a name that is looked up when all rows are read.
        AttributeKind::Reference => Value::from(trimmed),
        AttributeKind::Date => match trimmed.split_once('T') {
            Some((day, _)) if trimmed.parse::<Timestamp>().is_ok() => Value::from(day),
            _ => Value::from(trimmed),
        },
        AttributeKind::Boolean => match trimmed.to_lowercase().as_str() {
            "true" | "yes" | "y" | "1" | "x" | "ja" => Value::Bool(true),
            "false" | "no" | "n" | "0" | "nein" => Value::Bool(false),
            _ => return Err("yes or no".to_owned()),
        },
        AttributeKind::Instant => {
            let whole = |text: &str| text.parse::<Timestamp>().is_ok();
            let as_day = format!("{trimmed}T00:00:00Z");
            match (whole(trimmed), whole(&as_day)) {
                (true, _) => Value::from(trimmed),
                (_, true) => Value::from(as_day),
                _ => return Err("a day such as 2026-03-01, or a time such as 2026-03-01T12:00:00Z,".to_owned()),
            }
        }
        AttributeKind::TextList => match cell {
            Value::Array(members) => members.iter().map(|member| Value::from(table::text(member))).collect(),
            _ => table::members(&text).into(),
        },
    }))
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn guessed(headings: &[&str], class: Option<&str>) -> Vec<String> {
        let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
        guess(&Catalogue::built_in(), &headings, class, &|_| Some("4711".to_owned())).into_iter().map(|column| column.field).collect()
    }

    #[test]
    fn headings_are_understood_however_they_are_written() {
        assert_eq!(
            guessed(&["Name", "S/N", "Asset Tag", "Host-Name", "MAKE", "attributes.owner", "Favourite colour", "last_seen"], None),
            ["name", "serial", "asset_tag", "hostname", "manufacturer", "owner", "ignore", "ignore"]
        );
        assert_eq!(guessed(&["Assigned to", "manager"], Some("laptop")), ["owner", "manager"]);
        assert_eq!(guessed(&["Kind"], None), ["class"], "rows of many classes");
        assert_eq!(guessed(&["Kind"], Some("contract")), ["contract_kind"], "the contract's own");
        assert_eq!(guessed(&["Serial No", "Serial number"], None), ["serial", "ignore"], "one column says one thing");
        assert_eq!(guessed(&["Vendor", "manufacturer"], None), ["ignore", "manufacturer"], "an exact name comes first");
        assert_eq!(guessed(&["ID", "Phone"], Some("person")), ["external_id", "phone"], "numbers are ids of the source");
        assert_eq!(guessed(&["relationship:runs_on", "relationship:^part_of"], None), ["relationship:runs_on", "relationship:^part_of"]);
    }

    #[test]
    fn cells_become_values_of_their_attributes_kind_or_say_what_is_needed() {
        let catalogue = Catalogue::built_in();
        let fields: Vec<Field> =
            ["name", "class", "memory_bytes", "tags", "valid_until"].iter().map(|field| Field::parse(&catalogue, field).unwrap()).collect();
        let record =
            |values: &[Value]| Record { number: 7, cells: values.iter().enumerate().map(|(n, v)| (n as u32, v.clone())).collect() };
        let good =
            row(&catalogue, &record(&[json!("a"), json!("Notebook"), json!("16"), json!("p; q"), json!("2027-01-01")]), &fields, None)
                .unwrap();
        assert_eq!(good.class.as_deref(), Some("laptop"));
        assert_eq!(json!(good.attributes), json!({"memory_bytes": 16, "tags": ["p", "q"], "valid_until": "2027-01-01T00:00:00Z"}));
        let (_, wrong) =
            row(&catalogue, &record(&[json!("a"), json!("toaster"), json!("16 GB"), json!(["x"]), json!("soon")]), &fields, None)
                .unwrap_err();
        let fields: Vec<&str> = wrong.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["class", "attributes.memory_bytes", "attributes.valid_until"]);
    }
}
