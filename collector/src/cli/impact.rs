//! `rollcall impact`: what breaks if these fail.

use reqwest::Method;
use rollcall_shared::Timestamp;

use super::{
    Context, ci,
    error::CliError,
    output::{Rows, plain, print_with},
};
use crate::api::{
    impact::{AffectedView, Answer, FailureBody, Question},
    types::Instant,
};

#[derive(clap::Args)]
pub(super) struct Options {
    /// What fails, all at once: ids, or filter words that only one item has.
    #[arg(required = true, value_name = "CI")]
    cis: Vec<String>,
    /// How: down, maintenance or degraded.
    #[arg(long, default_value = "down")]
    kind: String,
    /// A past instant to ask about: 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    as_of: Option<Timestamp>,
    /// Rows of the table; 0: all.
    #[arg(long, default_value_t = 50)]
    rows: usize,
}

pub(super) async fn run(options: Options, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    let mut failures = Vec::new();
    for said in &options.cis {
        failures.push(FailureBody { ci: ci::find(&client, said).await?, kind: Some(options.kind.clone()) });
    }
    let question = Question { failures, as_of: options.as_of.map(Instant), paths: Some(1_000), picture: false };
    let answer: Answer = client.send(Method::POST, "/impact", &question).await?;
    let most = if options.rows == 0 { usize::MAX } else { options.rows };
    print_with(context.output, &answer, || table(&answer), |_| words(&answer, most))
}

fn table(answer: &Answer) -> Rows {
    rows(&answer.affected)
}

fn rows(affected: &[AffectedView]) -> Rows {
    let mut rows = Rows::new(&["State", "Item", "Class", "Why", "Hops", "Owner", "Evidence"]);
    for one in affected {
        let mut evidence = Vec::new();
        if one.rests_on_stale {
            evidence.push("stale");
        }
        if one.rests_on_one_ended {
            evidence.push("one-ended");
        }
        rows.push([
            one.state.replace('_', " "),
            one.ci.name.clone(),
            one.ci.class.clone(),
            one.reason.clone(),
            one.hops.to_string(),
            one.owner.clone().unwrap_or_default(),
            evidence.join(", "),
        ]);
    }
    rows
}

fn words(answer: &Answer, most: usize) -> String {
    let mut text = format!("{}\n", plain(&answer.verdict));
    let shown = &answer.affected[..answer.affected.len().min(most)];
    if !shown.is_empty() {
        text.push_str(&format!("\n{}\n", rows(shown).to_text()));
    }
    if shown.len() < answer.affected.len() {
        text.push_str(&format!("{} more; --rows 0 shows all\n", answer.affected.len() - shown.len()));
    }
    let holds = answer.absorbed.iter().filter_map(|one| {
        let need = one.by.iter().find(|need| need.group.is_some())?;
        let group = need.group.as_deref().unwrap_or_default();
        Some([one.ci.name.clone(), one.state.replace('_', " "), format!("{group}: {} of {} needed still serve", need.serving, need.needed)])
    });
    let mut absorbed = Rows::new(&["Holds", "State", "Because"]);
    holds.for_each(|row| absorbed.push(row));
    let mut people = Rows::new(&["Tell", "Worst", "About"]);
    for contact in &answer.people {
        let names: Vec<&str> = contact.cis.iter().take(5).map(|item| item.name.as_str()).collect();
        let more = if contact.cis.len() > 5 { format!(" and {} more", contact.cis.len() - 5) } else { String::new() };
        people.push([contact.name.clone(), contact.worst.replace('_', " "), format!("{}{more}", names.join(", "))]);
    }
    for rows in [absorbed, people] {
        if !rows.is_empty() {
            text.push_str(&format!("\n{}\n", rows.to_text()));
        }
    }
    text
}
