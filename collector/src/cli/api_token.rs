//! `rollcall api-token`: tokens for the API.

use reqwest::Method;
use serde_json::Map;
use uuid::Uuid;

use super::{
    Context,
    error::CliError,
    output::{Rows, print, print_with, say},
};
use crate::api::{
    api_tokens::{ApiTokenView, CreatedApiToken, NewApiToken},
    types::Page,
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a token, and print it this once.
    Create {
        /// What it is for.
        name: String,
        /// What it may do: viewer, change_reviewer, asset_manager or admin; as its owner if absent. inventory_source: only send the inventories
        /// of GLPI Agent, FusionInventory Agent and OCS Inventory Agent to /foreign/TOKEN.
        #[arg(long)]
        role: Option<String>,
        /// Days that it works.
        #[arg(long, default_value_t = 90)]
        days: u32,
        /// Whose it is to be; on the collector's host it must be said.
        #[arg(long)]
        owner: Option<String>,
        /// The network realm of the machines whose inventories an inventory_source sends.
        #[arg(long)]
        realm: Option<String>,
    },
    /// List your tokens; as an admin everybody's.
    List,
    /// Make a token useless.
    Revoke {
        /// The token's id.
        id: Uuid,
    },
}

pub(super) async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    match command {
        Command::Create { name, role, days, owner, realm } => {
            let new = NewApiToken { name, role, days: Some(days), owner, realm };
            let created: CreatedApiToken = client.send(Method::POST, "/api-tokens", &new).await?;
            let rows = || list(std::slice::from_ref(&created.view));
            print_with(context.output, &created, rows, |rows| {
                format!("{}\n\nThe token (a secret, shown this once):\n\n{}\n", rows.to_text(), created.token)
            })
        }
        Command::List => {
            let page: Page<ApiTokenView> = client.get("/api-tokens", &[]).await?;
            print(context.output, &page, || list(&page.items))
        }
        Command::Revoke { id } => {
            client.order(Method::DELETE, &format!("/api-tokens/{id}"), &Map::new()).await?;
            say(&format!("revoked {id}"))
        }
    }
}

fn list(tokens: &[ApiTokenView]) -> Rows {
    let mut rows = Rows::new(&["Id", "Name", "Owner", "Role", "State", "Works until"]);
    for token in tokens {
        let state = token.state.clone();
        rows.push([token.id.to_string(), token.name.clone(), token.owner.clone(), token.role.clone(), state, token.expires_at.to_string()]);
    }
    rows
}
