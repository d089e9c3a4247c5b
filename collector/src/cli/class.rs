//! `rollcall class`: the classes of items, those that come with Rollcall and people's own.

use std::{io::Read as _, path::PathBuf};

use anyhow::Context as _;
use reqwest::Method;
use serde_json::Map;

use super::{
    Context,
    client::Client,
    error::CliError,
    output::{Rows, print, say},
};
use crate::api::{
    catalogue::{AttributeSpec, ClassSpec, ClassView},
    types::Page,
};

/// What `--help` says of attributes.
const ATTRIBUTE_HELP: &str = r#"Attributes, as NAME:KIND[:MORE][!], with ! at the end where whoever makes an item must give it:
  boiler_bar:number:bar        number or integer, with its unit
  cups_a_day:integer!          without one; must be given
  milk:choice:none|manual|auto one of these texts
  barista:reference:person     another item, of this class
  colour:text  manual:url  bought:date  descaled:instant  in_service:boolean  blends:text_list

A file (YAML or JSON, - for standard input) says the same and more (label, pattern):
  label: Espresso machine
  plural: Espresso machines
  parent: hardware
  identity: [[machine_number]]
  attributes:
    - {name: boiler_bar, label: Boiler pressure, kind: number, unit: bar}
    - {name: machine_number, label: Machine number, kind: text, pattern: "EM-[0-9]{4}", required: true}"#;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List every class.
    List {
        /// Only those that people have added or added attributes to.
        #[arg(long)]
        own: bool,
    },
    /// Show a class with its attributes, inherited ones included.
    Show {
        /// The class's name.
        name: String,
    },
    /// Add a class, change one that was added, or add attributes to one that comes with Rollcall. It counts at once.
    #[command(after_help = ATTRIBUTE_HELP)]
    Define(Box<Define>),
    /// Delete a class that was added, or what was added to one that comes with Rollcall.
    Delete {
        /// The class's name.
        name: String,
    },
}

#[derive(clap::Args)]
pub(super) struct Define {
    /// The class's name in data and API: a-z, 0-9 and _.
    name: String,
    /// The whole definition, in the place of what was there; the other options change what is there.
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["label", "plural", "parent", "icon", "attribute", "remove", "identity"])]
    file: Option<PathBuf>,
    /// The name for people, singular.
    #[arg(long)]
    label: Option<String>,
    /// The name for people, plural.
    #[arg(long)]
    plural: Option<String>,
    /// The class that it specialises.  [default: item]
    #[arg(long)]
    parent: Option<String>,
    /// A short word that stands for it in pictures.
    #[arg(long)]
    icon: Option<String>,
    /// An attribute to add or change.
    #[arg(long, value_name = "ATTRIBUTE")]
    attribute: Vec<String>,
    /// An attribute to take away.
    #[arg(long, value_name = "NAME")]
    remove: Vec<String>,
    /// Attributes, separated by commas, that together tell which one it is; several times for several ways.
    #[arg(long, value_name = "ATTRIBUTES")]
    identity: Vec<String>,
}

pub(super) async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    match command {
        Command::List { own } => {
            let mut page: Page<ClassView> = client.get("/classes", &[]).await?;
            page.items
                .retain(|class| !own || !class.built_in || class.attributes.iter().any(|it| it.of_class == class.name && !it.built_in));
            page.total = Some(page.items.len());
            print(context.output, &page, || classes(&page.items))
        }
        Command::Show { name } => {
            let class = known(&client, &name).await?.ok_or_else(|| no_class(&name))?;
            print(context.output, &class, || attributes(&class))
        }
        Command::Define(options) => {
            let spec = match &options.file {
                Some(file) => read(file)?,
                None => changed(known(&client, &options.name).await?, &options)?,
            };
            let class: ClassView = client.send(Method::PUT, &path(&options.name)?, &spec).await?;
            print(context.output, &class, || attributes(&class))
        }
        Command::Delete { name } => {
            client.order(Method::DELETE, &path(&name)?, &Map::new()).await?;
            say(&format!("deleted {name}"))
        }
    }
}

async fn known(client: &Client, name: &str) -> Result<Option<ClassView>, CliError> {
    let page: Page<ClassView> = client.get("/classes", &[]).await?;
    Ok(page.items.into_iter().find(|class| class.name == name))
}

fn no_class(name: &str) -> CliError {
    CliError::NotFound(format!("there is no class {name:?}\nnext: see `rollcall class list`"))
}

/// The path of a class; names have no other letters, and nothing else may become another path.
fn path(name: &str) -> Result<String, CliError> {
    Ok(format!("/catalogue/classes/{}", name_in_path(name)?))
}

/// A name of the catalogue as a part of a path.
pub(super) fn name_in_path(name: &str) -> Result<&str, CliError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !name.is_empty() && name.bytes().all(fits) {
        return Ok(name);
    }
    Err(CliError::Usage(format!("{name:?} is no name of the catalogue: a-z, 0-9 and _ are allowed")))
}

fn read(file: &std::path::Path) -> Result<ClassSpec, CliError> {
    let mut text = String::new();
    let shown = file.display();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    }
    // JSON is YAML.
    serde_saphyr::from_str(&text).map_err(|error| CliError::Usage(format!("{shown}: {error}")))
}

/// What is there, changed as the options say.
fn changed(known: Option<ClassView>, options: &Define) -> Result<ClassSpec, CliError> {
    let mut spec = known.map_or_else(ClassSpec::default, |class| {
        let own = class.attributes.into_iter().filter(|it| it.of_class == class.name && !it.built_in).map(AttributeSpec::from).collect();
        match class.built_in {
            true => ClassSpec { attributes: own, ..ClassSpec::default() },
            false => ClassSpec {
                label: class.label,
                plural: class.plural,
                parent: class.parent,
                icon: class.icon,
                attributes: own,
                identity: class.identity,
            },
        }
    });
    let is_new = spec.label.is_empty() && options.label.is_some();
    if let Some(label) = &options.label {
        spec.label.clone_from(label);
    }
    if let Some(plural) = options.plural.clone().or_else(|| is_new.then(|| format!("{}s", spec.label))) {
        spec.plural = plural;
    }
    if let Some(parent) = options.parent.clone().or_else(|| is_new.then(|| "item".to_owned())) {
        spec.parent = Some(parent);
    }
    if let Some(icon) = &options.icon {
        spec.icon.clone_from(icon);
    }
    for text in &options.attribute {
        let attribute = attribute(text).ok_or_else(|| {
            CliError::Usage(format!("{text:?} is no attribute: NAME:KIND, with a unit, choices or a class behind a third colon"))
        })?;
        match spec.attributes.iter_mut().find(|known| known.name == attribute.name) {
            Some(known) => *known = AttributeSpec { label: known.label.clone(), pattern: known.pattern.clone(), ..attribute },
            None => spec.attributes.push(attribute),
        }
    }
    for name in &options.remove {
        let before = spec.attributes.len();
        spec.attributes.retain(|attribute| attribute.name != *name);
        if spec.attributes.len() == before {
            return Err(CliError::Usage(format!("nobody has added an attribute {name:?} to {:?}", options.name)));
        }
    }
    if !options.identity.is_empty() {
        spec.identity = options.identity.iter().map(|set| set.split(',').map(|name| name.trim().to_owned()).collect()).collect();
    }
    Ok(spec)
}

/// `boiler_bar:number:bar!`
fn attribute(text: &str) -> Option<AttributeSpec> {
    let (text, required) = text.strip_suffix('!').map_or((text, false), |text| (text, true));
    let mut parts = text.splitn(3, ':').map(str::trim);
    let (name, kind) = (parts.next().filter(|name| !name.is_empty())?, parts.next().filter(|kind| !kind.is_empty())?);
    let more = parts.next().filter(|more| !more.is_empty());
    let mut label = name.replace('_', " ");
    if let Some(first) = label.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let mut spec = AttributeSpec {
        name: name.to_owned(),
        label,
        kind: kind.to_owned(),
        unit: None,
        allowed: Vec::new(),
        references: None,
        pattern: None,
        required,
    };
    match (kind, more) {
        ("choice", Some(more)) => spec.allowed = more.split('|').map(|text| text.trim().to_owned()).collect(),
        ("reference", Some(more)) => spec.references = Some(more.to_owned()),
        ("number" | "integer", Some(more)) => spec.unit = Some(more.to_owned()),
        (_, Some(_)) => return None,
        (_, None) => {}
    }
    Some(spec)
}

fn classes(classes: &[ClassView]) -> Rows {
    let mut rows = Rows::new(&["Name", "Label", "Specialises", "Attributes", "Recognised by", "From"]);
    for class in classes {
        let own = class.attributes.iter().filter(|it| it.of_class == class.name && !it.built_in).count();
        let from = match (class.built_in, own) {
            (true, 0) => "Rollcall".to_owned(),
            (true, own) => format!("Rollcall, {own} attributes added"),
            (false, _) => "you".to_owned(),
        };
        let identity: Vec<String> = class.identity.iter().map(|set| set.join(" + ")).collect();
        rows.push([
            class.name.clone(),
            class.label.clone(),
            class.parent.clone().unwrap_or_default(),
            class.attributes.len().to_string(),
            identity.join(", or "),
            from,
        ]);
    }
    rows
}

fn attributes(class: &ClassView) -> Rows {
    let mut rows = Rows::new(&["Attribute", "Label", "Kind", "Allowed", "Required", "Of class"]);
    for spec in &class.attributes {
        let references = spec.references.iter().map(|class| format!("of class {class}"));
        let pattern = spec.pattern.iter().map(|pattern| format!("matches {pattern}"));
        let unit = spec.unit.iter().map(|unit| format!("in {unit}"));
        let allowed: Vec<String> = spec.allowed.iter().cloned().chain(references).chain(pattern).chain(unit).collect();
        rows.push([
            spec.name.clone(),
            spec.label.clone(),
            spec.kind.clone(),
            allowed.join(", "),
            if spec.required { "yes" } else { "" }.to_owned(),
            spec.of_class.clone(),
        ]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_from_short_texts() {
        let shown = |text: &str| {
            attribute(text)
                .map(|it| (it.name, it.label, it.kind, it.unit.unwrap_or_default(), it.allowed.join("/"), it.references, it.required))
        };
        let spec = |name: &str, label: &str, kind: &str, unit: &str, allowed: &str, references: Option<&str>, required| {
            Some((name.into(), label.into(), kind.into(), unit.into(), allowed.into(), references.map(str::to_owned), required))
        };
        for (text, expected) in [
            ("boiler_bar:number:bar", spec("boiler_bar", "Boiler bar", "number", "bar", "", None, false)),
            ("cups:integer!", spec("cups", "Cups", "integer", "", "", None, true)),
            ("milk:choice:none|manual|auto", spec("milk", "Milk", "choice", "", "none/manual/auto", None, false)),
            ("barista:reference:person", spec("barista", "Barista", "reference", "", "", Some("person"), false)),
            ("colour", None),
            (":text", None),
            ("colour:text:red", None),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_path() {
        assert!(path("till").is_ok());
        for name in ["", "a/b", "..", "a?b", "ä"] {
            assert!(path(name).is_err(), "{name}");
        }
    }
}
