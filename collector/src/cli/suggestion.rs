//! `rollcall suggestion`: redundancy that evidence suggests.

use reqwest::Method;
use uuid::Uuid;

use super::{
    Context,
    application::named,
    error::CliError,
    output::{Rows, print, print_with},
};
use crate::api::{
    need_groups::{MinUpView, NeedGroupView},
    suggestions::{Acceptance, Rejection, SuggestionView},
    types::Page,
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List what is suggested, with what speaks for it.
    List {
        /// What was rejected instead.
        #[arg(long)]
        rejected: bool,
    },
    /// Accept a suggestion: it counts from now on.
    Accept {
        /// Its id.
        id: Uuid,
        /// How many must serve, if not as suggested.
        #[arg(long, value_name = "NUMBER")]
        min_up: Option<u32>,
        /// Why; for the audit log.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Reject a suggestion: it is not made again unless there are other members.
    Reject {
        /// Its id.
        id: Uuid,
        /// Why; for the audit log.
        #[arg(long, default_value = "")]
        reason: String,
    },
}

pub(super) async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    match command {
        Command::List { rejected } => {
            let standing = if rejected { "rejected" } else { "suggested" };
            let page: Page<SuggestionView> = client.get("/suggestions", &[("standing", standing)]).await?;
            print_with(
                context.output,
                &page,
                || list(&page.items),
                |rows| if rows.is_empty() { "nothing is suggested".to_owned() } else { rows.to_text() },
            )
        }
        Command::Accept { id, min_up, reason } => {
            let body = Acceptance { min_up: min_up.map(|count| MinUpView { count: Some(count), percent: None }), reason };
            let group: NeedGroupView = client.send(Method::POST, &format!("/suggestions/{id}/accept"), &body).await?;
            print(context.output, &group, || groups(std::slice::from_ref(&group)))
        }
        Command::Reject { id, reason } => {
            let suggestion: SuggestionView = client.send(Method::POST, &format!("/suggestions/{id}/reject"), &Rejection { reason }).await?;
            print(context.output, &suggestion, || list(std::slice::from_ref(&suggestion)))
        }
    }
}

fn list(suggestions: &[SuggestionView]) -> Rows {
    let mut rows = Rows::new(&["Item", "Members", "Pattern", "Because", "Id"]);
    for one in suggestions {
        let members: Vec<String> = one.group.members.iter().map(named).collect();
        rows.push([named(&one.group.ci), members.join(", "), one.pattern.clone(), one.evidence.join("; "), one.group.id.to_string()]);
    }
    rows
}

fn groups(groups: &[NeedGroupView]) -> Rows {
    let mut rows = Rows::new(&["Item", "Group", "Members", "Id"]);
    for one in groups {
        let members: Vec<String> = one.members.iter().map(named).collect();
        rows.push([named(&one.ci), one.name.clone(), members.join(", "), one.id.to_string()]);
    }
    rows
}
