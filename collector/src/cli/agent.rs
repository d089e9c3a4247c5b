//! `rollcall agent`: who reports, and decisions about them.

use reqwest::Method;
use rollcall_shared::Timestamp;
use uuid::Uuid;

use super::{
    Context,
    error::CliError,
    output::{Rows, age, print, print_with},
};
use crate::api::{
    agents::{AgentDetail, AgentView},
    cis::Reason,
    types::Page,
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List agents, newest first.
    List {
        /// Only those in this state: pending, active, held, revoked, denied.
        #[arg(long)]
        state: Option<String>,
        /// Only those whose host name has this in it.
        #[arg(default_value = "")]
        name: String,
    },
    /// Show an agent and what it has sent.
    Show {
        /// The agent's id.
        id: Uuid,
    },
    /// Let a machine in that waits for approval.
    Approve(Decision),
    /// Refuse a machine that waits for approval.
    Deny(Decision),
    /// End an agent's right to report, from its next request on.
    Revoke(Decision),
    /// Let a held agent (copied or rolled back) go on: the copy that reports first after this does. Stop the other one before.
    Release(Decision),
}

#[derive(clap::Args)]
pub(super) struct Decision {
    /// The agent's id.
    id: Uuid,
    /// Why, for the audit log.
    #[arg(long, default_value = "")]
    reason: String,
}

pub(super) async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    let (verb, decision) = match command {
        Command::List { state, name } => {
            let mut query = vec![("name", name.as_str()), ("limit", "1000")];
            query.extend(state.as_deref().map(|state| ("state", state)));
            let page: Page<AgentView> = client.get("/agents", &query).await?;
            print(context.output, &page, || list(&page.items))?;
            return more(&page);
        }
        Command::Show { id } => {
            let agent: AgentDetail = client.get(&format!("/agents/{id}"), &[]).await?;
            return print_with(context.output, &agent, || list(std::slice::from_ref(&agent.agent)), |rows| show(&agent, rows));
        }
        Command::Approve(decision) => ("approve", decision),
        Command::Deny(decision) => ("deny", decision),
        Command::Revoke(decision) => ("revoke", decision),
        Command::Release(decision) => ("release", decision),
    };
    let path = format!("/agents/{}/{verb}", decision.id);
    let agent: AgentDetail = client.send(Method::POST, &path, &Reason { reason: decision.reason }).await?;
    print(context.output, &agent, || list(std::slice::from_ref(&agent.agent)))
}

fn more<T>(page: &Page<T>) -> Result<(), CliError> {
    if page.next.is_some() {
        eprintln!("rollcall: there are more ({} in all); narrow the list, or page through the API", page.total.unwrap_or_default());
    }
    Ok(())
}

fn list(agents: &[AgentView]) -> Rows {
    let now = Timestamp::now();
    let mut rows = Rows::new(&["Id", "Host name", "State", "Machine", "Last seen", "Version", "Certificate until"]);
    for agent in agents {
        rows.push([
            agent.id.to_string(),
            agent.hostname.clone(),
            agent.state.clone(),
            agent.machine.as_ref().map(|machine| machine.name.clone()).unwrap_or_default(),
            agent.last_seen.map_or("never".to_owned(), |seen| age(seen.0, now)),
            agent.agent_version.clone(),
            agent.certificate_not_after.map(|until| until.to_string()).unwrap_or_default(),
        ]);
    }
    rows
}

fn show(agent: &AgentDetail, rows: &Rows) -> String {
    let mut text = rows.to_text();
    if !agent.agent.state_reason.is_empty() {
        text.push_str(&format!("\n{}\n", super::output::plain(&agent.agent.state_reason)));
    }
    if let Some(skew) = agent.clock_skew_ms {
        let (dropped, superseded) = (agent.dropped_documents.unwrap_or_default(), agent.superseded_inventories.unwrap_or_default());
        text.push_str(&format!(
            "\nClock skew: {skew} ms. Documents dropped: {dropped}. Inventories that newer ones replaced before they were sent: {superseded}.\n"
        ));
    }
    if !agent.sections.is_empty() {
        let now = Timestamp::now();
        let mut sections = Rows::new(&["Section", "Status", "Collected", "Why"]);
        for section in &agent.sections {
            let why = section.refused.clone().or(section.status_reason.clone()).unwrap_or_default();
            let status = if section.refused.is_some() { "refused".to_owned() } else { section.status.clone() };
            sections.push([section.name.clone(), status, age(section.collected_at.0, now), why]);
        }
        text.push('\n');
        text.push_str(&sections.to_text());
    }
    text
}
