//! `rollcall relationship-type`: the words for how items depend on each other.

use clap::ValueEnum;
use reqwest::Method;
use serde_json::Map;

use super::{
    Context,
    class::name_in_path,
    error::CliError,
    output::{Rows, print, say},
};
use crate::api::{
    catalogue::{RelationshipTypeSpec, RelationshipTypeView},
    types::{Hardness, Page},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List every relationship type.
    List,
    /// Add a relationship type, or change one that was added. It counts at once.
    Define {
        /// Its name in data and API: a-z, 0-9 and _.
        name: String,
        /// How to read it from the dependent: "is brewed by".
        #[arg(long)]
        forward: String,
        /// How to read it from what is depended on: "brews".
        #[arg(long)]
        reverse: String,
        /// How an outage of what is depended on reaches the dependent.
        #[arg(long, value_enum)]
        hardness: Travels,
        /// What it means, in a sentence.
        #[arg(long, default_value = "")]
        meaning: String,
    },
    /// Delete a relationship type that was added and that no relationship is of.
    Delete {
        /// Its name.
        name: String,
    },
}

/// How an outage travels.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Travels {
    /// The dependent is down too.
    Hard,
    /// The dependent serves worse.
    Soft,
    /// Not at all.
    None,
}

pub(super) async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    let path = |name: &str| Ok::<_, CliError>(format!("/catalogue/relationship-types/{}", name_in_path(name)?));
    match command {
        Command::List => {
            let page: Page<RelationshipTypeView> = client.get("/relationship-types", &[]).await?;
            print(context.output, &page, || rows(&page.items))
        }
        Command::Define { name, forward, reverse, hardness, meaning } => {
            let hardness = match hardness {
                Travels::Hard => Hardness::Hard,
                Travels::Soft => Hardness::Soft,
                Travels::None => Hardness::None,
            };
            let spec = RelationshipTypeSpec { forward, reverse, hardness, meaning };
            let kind: RelationshipTypeView = client.send(Method::PUT, &path(&name)?, &spec).await?;
            print(context.output, &kind, || rows(std::slice::from_ref(&kind)))
        }
        Command::Delete { name } => {
            client.order(Method::DELETE, &path(&name)?, &Map::new()).await?;
            say(&format!("deleted {name}"))
        }
    }
}

fn rows(types: &[RelationshipTypeView]) -> Rows {
    let mut rows = Rows::new(&["Name", "Forward", "Reverse", "Hardness", "From", "Meaning"]);
    for kind in types {
        let hardness = match kind.hardness {
            Hardness::Hard => "hard",
            Hardness::Soft => "soft",
            Hardness::None => "none",
        };
        let from = if kind.built_in { "Rollcall" } else { "you" };
        rows.push([
            kind.name.clone(),
            kind.forward.clone(),
            kind.reverse.clone(),
            hardness.to_owned(),
            from.to_owned(),
            kind.meaning.clone(),
        ]);
    }
    rows
}
