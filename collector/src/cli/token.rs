//! `rollcall token`: enrollment tokens.

use reqwest::Method;
use rollcall_shared::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Context,
    error::CliError,
    output::{Rows, age, print, print_with, say},
};
use crate::api::{
    tokens::{CreatedToken, NewToken, TokenView},
    types::Page,
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a token, and print it with the one command that enrolls the next machine.
    Create {
        /// What it is for.
        #[arg(long, default_value = "")]
        name: String,
        /// How many machines may join with it; 0: any number.
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// Days that it works.
        #[arg(long, default_value_t = 1)]
        days: u32,
        /// Whether a person approves each machine.
        #[arg(long)]
        approve: bool,
        /// The network realm of its machines.
        #[arg(long)]
        realm: Option<String>,
        /// An attribute to give to its machines, such as owner="Team A"; may be repeated.
        #[arg(long = "set", value_name = "ATTRIBUTE=VALUE")]
        set: Vec<String>,
    },
    /// List tokens.
    List,
    /// Make a token useless. Machines that have joined with it stay.
    Revoke {
        /// The token's id.
        id: Uuid,
    },
}

pub(super) async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    match command {
        Command::Create { name, uses, days, approve, realm, set } => {
            let attributes = super::ci::values(&super::ci::kinds(&client).await?, &set)?.into_iter().collect::<Map<String, Value>>();
            let new = NewToken { name, uses: Some(uses), days: Some(days), needs_approval: approve, realm, attributes };
            let created: CreatedToken = client.send(Method::POST, "/tokens", &new).await?;
            let rows = || {
                let mut rows = Rows::new(&["Id", "Token", "Uses", "Works until", "Command"]);
                let view = &created.view;
                rows.push([
                    view.id.to_string(),
                    created.token.clone(),
                    uses_of(view),
                    view.expires_at.to_string(),
                    created.command.clone(),
                ]);
                rows
            };
            print_with(context.output, &created, rows, |_| {
                format!(
                    "Token (a secret, shown this once; works for {} until {}):\n\n{}\n\nOn the next machine (Linux, as root) run:\n\n{}\n",
                    uses_of(&created.view),
                    created.view.expires_at,
                    created.token,
                    created.command
                )
            })
        }
        Command::List => {
            let page: Page<TokenView> = client.get("/tokens", &[]).await?;
            let now = Timestamp::now();
            print(context.output, &page, || {
                let mut rows = Rows::new(&["Id", "Name", "State", "Used", "Works until", "Approval", "Realm", "Made by", "Made"]);
                for token in &page.items {
                    rows.push([
                        token.id.to_string(),
                        token.name.clone(),
                        token.state.clone(),
                        format!("{} of {}", token.uses, token.max_uses.map_or("any number".to_owned(), |most| most.to_string())),
                        token.expires_at.to_string(),
                        if token.needs_approval { "by a person" } else { "automatic" }.to_owned(),
                        token.realm.clone(),
                        token.created_by.clone(),
                        age(token.created_at.0, now),
                    ]);
                }
                rows
            })
        }
        Command::Revoke { id } => {
            client.order(Method::DELETE, &format!("/tokens/{id}"), &Map::new()).await?;
            say(&format!("revoked {id}"))
        }
    }
}

fn uses_of(token: &TokenView) -> String {
    match token.max_uses {
        None => "any number of machines".to_owned(),
        Some(1) => "1 machine".to_owned(),
        Some(uses) => format!("{uses} machines"),
    }
}
