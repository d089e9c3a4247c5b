//! `rollcall application`: applications and business services, assembled from where they begin.

use reqwest::Method;
use uuid::Uuid;

use super::{
    Context, ci,
    client::Client,
    error::CliError,
    output::{Rows, print, print_with},
};
use crate::api::{
    applications::{ApplicationBody, ConfirmationBody, DriftView, MemberView, ProposalBody, ProposalView, Start},
    ci_details::Relationships,
    types::{CiReference, CiSummary, Page},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List applications and business services.
    List,
    /// Show what one would be made of, and change nothing.
    Propose(Beginning),
    /// Assemble one.
    Create {
        /// What people call it.
        name: String,
        #[command(flatten)]
        beginning: Beginning,
        /// It is a business service.
        #[arg(long)]
        business_service: bool,
    },
    /// Show its parts and its drift.
    Show {
        /// Its id or name.
        application: String,
    },
    /// Confirm what it is made of now.
    Confirm {
        /// Its id or name.
        application: String,
        /// What does not belong to it; may be repeated. All that is to be left out: what is not named belongs to it again.
        #[arg(long, value_name = "ITEM")]
        prune: Vec<String>,
    },
}

/// Where an application begins.
#[derive(clap::Args)]
pub(super) struct Beginning {
    /// A service or process: id, name, or filter words that only it has; may be repeated.
    #[arg(long, value_name = "ITEM")]
    item: Vec<String>,
    /// An entry address, such as "tcp 10.0.0.5:443"; may be repeated.
    #[arg(long, value_name = "ADDRESS")]
    entry: Vec<String>,
    /// The network realm of the entries.
    #[arg(long)]
    realm: Option<String>,
    /// Everything that this filter finds.
    #[arg(long, value_name = "FILTER")]
    select: Option<String>,
    /// What does not belong to it; may be repeated.
    #[arg(long, value_name = "ITEM")]
    prune: Vec<String>,
}

impl Beginning {
    async fn read(self, client: &Client) -> Result<(Start, Vec<Uuid>), CliError> {
        let items = found(client, &self.item).await?;
        let pruned = found(client, &self.prune).await?;
        Ok((Start { items, entries: self.entry, realm: self.realm, select: self.select }, pruned))
    }
}

async fn found(client: &Client, said: &[String]) -> Result<Vec<Uuid>, CliError> {
    let mut ids = Vec::new();
    for text in said {
        ids.push(ci::find(client, text).await?);
    }
    Ok(ids)
}

pub(super) async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    match command {
        Command::List => {
            let mut items: Vec<CiSummary> = Vec::new();
            for class in ["application_service", "business_service"] {
                let filter = format!("class:{class}");
                let page: Page<CiSummary> = client.get("/cis", &[("filter", filter.as_str()), ("limit", "1000")]).await?;
                items.extend(page.items);
            }
            items.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
            let rows = || {
                let mut rows = Rows::new(&["Name", "Class", "Id"]);
                items.iter().for_each(|item| rows.push([item.name.clone(), item.class.clone(), item.id.to_string()]));
                rows
            };
            print(context.output, &items, rows)
        }
        Command::Propose(beginning) => {
            let (start, pruned) = beginning.read(&client).await?;
            let proposal: ProposalView = client.send(Method::POST, "/applications/proposal", &ProposalBody { start, pruned }).await?;
            print_with(
                context.output,
                &proposal,
                || members(&proposal.members),
                |rows| {
                    let mut out = Rows::new(&["Used, and not a part", "Why"]);
                    proposal.boundary.iter().for_each(|one| out.push([named(&one.ci), one.why.clone()]));
                    let boundary = if out.is_empty() { String::new() } else { format!("\n\n{}", out.to_text()) };
                    let more = if proposal.truncated { "\nthere is more than is shown" } else { "" };
                    format!("{}{boundary}{more}", rows.to_text())
                },
            )
        }
        Command::Create { name, beginning, business_service } => {
            let (start, pruned) = beginning.read(&client).await?;
            let class = business_service.then(|| "business_service".to_owned());
            let made: CiReference = client.send(Method::POST, "/applications", &ApplicationBody { name, class, start, pruned }).await?;
            print(context.output, &made, || {
                let mut rows = Rows::new(&["Name", "Class", "Id"]);
                rows.push([made.name.clone(), made.class.clone(), made.id.to_string()]);
                rows
            })
        }
        Command::Show { application } => {
            let id = ci::find(&client, &application).await?;
            let relationships: Relationships = client.get(&format!("/cis/{id}/relationships"), &[]).await?;
            let drift: DriftView = client.get(&format!("/applications/{id}/drift"), &[]).await?;
            let parts: Vec<&CiReference> =
                relationships.dependencies.iter().filter(|edge| edge.kind == "part_of").map(|edge| &edge.to).collect();
            let answer = serde_json::json!({ "parts": parts, "drift": drift });
            print_with(
                context.output,
                &answer,
                || {
                    let mut rows = Rows::new(&["Part", "Class", "Confirmed"]);
                    for part in &parts {
                        let confirmed = !drift.appeared.iter().any(|one| one.ci.id == part.id);
                        rows.push([named(part), part.class.clone(), if confirmed { "yes" } else { "no" }.to_owned()]);
                    }
                    rows
                },
                |rows| format!("{}{}", rows.to_text(), drifted(&drift)),
            )
        }
        Command::Confirm { application, prune } => {
            let id = ci::find(&client, &application).await?;
            let pruned = found(&client, &prune).await?;
            let body = ConfirmationBody { start: Start::default(), pruned };
            let drift: DriftView = client.send(Method::POST, &format!("/applications/{id}/confirm"), &body).await?;
            print_with(context.output, &drift, || members(&drift.appeared), |_| format!("confirmed{}", drifted(&drift)))
        }
    }
}

/// An item's name, with the machine that it runs on.
pub(super) fn named(ci: &CiReference) -> String {
    match &ci.on {
        Some(machine) => format!("{} on {machine}", ci.name),
        None => ci.name.clone(),
    }
}

fn members(members: &[MemberView]) -> Rows {
    let mut rows = Rows::new(&["Part", "Class", "Steps", "Id"]);
    for one in members {
        rows.push([named(&one.ci), one.ci.class.clone(), one.hops.to_string(), one.ci.id.to_string()]);
    }
    rows
}

fn drifted(drift: &DriftView) -> String {
    let mut text = String::new();
    let mut rows = Rows::new(&["Drift", "Item"]);
    drift.appeared.iter().for_each(|one| rows.push(["appeared".to_owned(), named(&one.ci)]));
    drift.not_reached.iter().for_each(|one| rows.push(["not reached any more".to_owned(), named(one)]));
    if !rows.is_empty() {
        text.push_str(&format!("\n\n{}", rows.to_text()));
    }
    text
}
