//! `rollcall impact`: what breaks if these fail; `rollcall path`, and the answers that people keep.

use reqwest::Method;
use rollcall_shared::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Context,
    application::named,
    client::Client,
    error::CliError,
    output::{Rows, age, plain, print, print_with, say},
};
use crate::api::{
    impact::{
        answer::{AffectedView, Answer, EdgeViewBody},
        ask::{FailureBody, Question},
        compare::{CompareBody, Comparison, DifferenceView, WhatIfBody},
        frozen::{FreezeBody, FrozenSummary, FrozenView},
        paths::{PathsView, StepView},
        picture::Language,
    },
    types::{Instant, Page},
};

/// What can fail and be pretended, for `--help`.
const HELP: &str = r#"What fails (the same words as in the API and on the page):
  db01                      the item of that name, an id, "nginx on web01", or filter words that only one has
  location:"Room 4"         the place and all that is in it; site:Berlin, rack:R12
  subnet:10.1.0.0/16        everything with an address in it; subnet:10.1.0.0/16@REALM
  hypervisor:host7          the machine and its guests
  power:"PDU 3"             the power source and all that has no other
  one-of:"db replicas"      one member of a need group: the one that does the most harm
  filter:"class:server …"   everything that the filter finds
What can be pretended:
  "app01 needs db02"  "app01 uses cache02"  "app01 needs-not db01"  "app01 needs 1 of db01 db02"
  "app01 without 'group'"  "vm1 moves host7 to host8"       (names with spaces in double quotes)
Output: -o table, json, yaml, csv; and as a picture -o svg, dot, mermaid, graphml."#;

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Options {
    /// What fails, all at once, as --kind says.
    #[arg(required_unless_present_any = ["down", "maintenance", "degraded"], value_name = "ITEM or SET")]
    cis: Vec<String>,
    /// How: down, maintenance or degraded.
    #[arg(long, default_value = "down")]
    kind: String,
    /// What is down; may be repeated.
    #[arg(long, value_name = "ITEM or SET")]
    down: Vec<String>,
    /// What is down as planned; may be repeated.
    #[arg(long, value_name = "ITEM or SET")]
    maintenance: Vec<String>,
    /// What serves worse; may be repeated.
    #[arg(long, value_name = "ITEM or SET")]
    degraded: Vec<String>,
    /// A past instant to ask about: 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    as_of: Option<Timestamp>,
    /// An earlier instant to compare the answer with.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["pretend", "keep"])]
    compare_with: Option<Timestamp>,
    /// What to pretend; may be repeated. Shows what differs from how it is.
    #[arg(long, value_name = "TEXT")]
    pretend: Vec<String>,
    /// Keep the answer as it is, for this reason, and print its id.
    #[arg(long, value_name = "REASON")]
    keep: Option<String>,
    /// Rows of the table; 0: all.
    #[arg(long, default_value_t = 50)]
    rows: usize,
}

/// What is done with answers that people keep.
#[derive(clap::Subcommand)]
pub(super) enum AnswerCommand {
    /// List them, newest first.
    List,
    /// Show one as it was.
    Show {
        /// Its id.
        id: Uuid,
        /// Rows of the table; 0: all.
        #[arg(long, default_value_t = 50)]
        rows: usize,
    },
    /// Delete one.
    Delete {
        /// Its id.
        id: Uuid,
    },
}

/// Between which items.
#[derive(clap::Args)]
pub(super) struct PathOptions {
    /// One item: its id, its name, or filter words that only it has.
    from: String,
    /// The other.
    to: String,
    /// At most so many paths each way.
    #[arg(long, default_value_t = 10)]
    most: usize,
}

impl Options {
    fn question(&self) -> Question {
        let named =
            [(&self.cis, self.kind.as_str()), (&self.down, "down"), (&self.maintenance, "maintenance"), (&self.degraded, "degraded")];
        let failure = |set: &String, kind: &str| FailureBody { ci: None, set: Some(set.clone()), kind: Some(kind.to_owned()) };
        let failures = named.into_iter().flat_map(|(sets, kind)| sets.iter().map(move |set| failure(set, kind)));
        Question { failures: failures.collect(), as_of: self.as_of.map(Instant), paths: Some(1_000), picture: false }
    }
}

pub(super) async fn run(options: Options, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    let question = options.question();
    let most = most(options.rows);
    if let Some(reason) = options.keep {
        let body = FreezeBody { question, pretend: options.pretend, reason };
        let kept: FrozenSummary = client.send(Method::POST, "/impact/answers", &body).await?;
        return print_with(
            context.output,
            &kept,
            || kept_rows(std::slice::from_ref(&kept)),
            |_| format!("{}\nkept as {}", plain(&kept.verdict), kept.id),
        );
    }
    if !options.pretend.is_empty() {
        let body = WhatIfBody { question, pretend: options.pretend };
        let comparison: Comparison = client.send(Method::POST, "/impact/what-if", &body).await?;
        return show_comparison(&comparison, context, "as it is", "as it would be");
    }
    if let Some(before) = options.compare_with {
        let body = CompareBody { question, before: Instant(before) };
        let comparison: Comparison = client.send(Method::POST, "/impact/compare", &body).await?;
        return show_comparison(&comparison, context, "before", "after");
    }
    if let Some(language) = context.output.language() {
        return draw(&client, &question, language).await;
    }
    let answer: Answer = client.send(Method::POST, "/impact", &question).await?;
    print_with(context.output, &answer, || table(&answer), |_| words(&answer, most))
}

fn most(rows: usize) -> usize {
    if rows == 0 { usize::MAX } else { rows }
}

/// The picture, as the collector draws it.
async fn draw(client: &Client, question: &impl Serialize, language: Language) -> Result<(), CliError> {
    let (_, _, bytes) = client.call(Method::POST, "/impact/export", &[("format", language.as_str())], Some(question)).await?;
    // Its texts are escaped for the language; only what steers a terminal must not get through.
    say(&plain(&String::from_utf8_lossy(&bytes)))
}

fn show_comparison(comparison: &Comparison, context: &Context, before: &str, after: &str) -> Result<(), CliError> {
    let rows = || {
        let mut rows = Rows::new(&["Item", "Class", "Before", "After"]);
        let state = |state: &Option<String>| state.as_deref().unwrap_or("not there").replace('_', " ");
        for DifferenceView { ci, before, after } in &comparison.differences {
            rows.push([named(ci), ci.class.clone(), state(before), state(after)]);
        }
        rows
    };
    print_with(context.output, comparison, rows, |rows| {
        let mut text = format!("{before}: {}\n{after}: {}\n", plain(&comparison.before.verdict), plain(&comparison.after.verdict));
        match rows.is_empty() {
            true => text.push_str("\nevery item fares the same\n"),
            false => text.push_str(&format!("\n{}\n", rows.to_text())),
        }
        text
    })
}

pub(super) async fn run_answer(command: AnswerCommand, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    match command {
        AnswerCommand::List => {
            let page: Page<FrozenSummary> = client.get("/impact/answers", &[]).await?;
            print(context.output, &page, || kept_rows(&page.items))
        }
        AnswerCommand::Show { id, rows } => {
            let kept: FrozenView = client.get(&format!("/impact/answers/{id}"), &[]).await?;
            let answer = kept.content.answer.as_ref().or(kept.content.comparison.as_ref().map(|two| &two.after));
            let Some(answer) = answer else { return Err(CliError::NotFound("this kept answer is empty".to_owned())) };
            if let (Some(language), Some(picture)) = (context.output.language(), &answer.picture) {
                return say(&plain(&language.write(&rollcall_core::Catalogue::built_in(), &answer.verdict, picture)));
            }
            let revision = kept.summary.revision.map(|revision| format!(", revision {revision}")).unwrap_or_default();
            let head =
                format!("as it was at {}{revision}, kept by {}: {}", kept.summary.frozen_at, kept.summary.frozen_by, kept.summary.reason);
            print_with(context.output, &kept, || table(answer), |_| format!("{}\n{}", plain(&head), words(answer, most(rows))))
        }
        AnswerCommand::Delete { id } => {
            client.order(Method::DELETE, &format!("/impact/answers/{id}"), &Value::Object(serde_json::Map::new())).await?;
            say(&format!("{id} is deleted"))
        }
    }
}

fn kept_rows(kept: &[FrozenSummary]) -> Rows {
    let now = Timestamp::now();
    let mut rows = Rows::new(&["Id", "Answer", "What for", "Kept by", "When"]);
    for one in kept {
        rows.push([one.id.to_string(), one.verdict.clone(), one.reason.clone(), one.frozen_by.clone(), age(one.frozen_at.0, now)]);
    }
    rows
}

pub(super) async fn run_path(options: PathOptions, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    let most = options.most.to_string();
    let found: PathsView =
        client.get("/impact/paths", &[("from", options.from.as_str()), ("to", options.to.as_str()), ("most", most.as_str())]).await?;
    let rows = || {
        let mut rows = Rows::new(&["Path", "Step", "Item", "How", "On what", "Evidence"]);
        for (at, path) in (1..).zip(found.forward.iter().chain(&found.backward)) {
            for (step, StepView { dependent, provider, edges }) in (1..).zip(path) {
                let how = edges.first().map(|edge| edge.kind.replace('_', " ")).unwrap_or_default();
                rows.push([format!("{at}"), format!("{step}"), named(dependent), how, named(provider), evidence(edges)]);
            }
        }
        rows
    };
    print_with(context.output, &found, rows, |rows| {
        if rows.is_empty() {
            return format!("neither {} depends on {}, nor the other way round", plain(&named(&found.from)), plain(&named(&found.to)));
        }
        let more = if found.complete { "" } else { "\nthere are more, longer ones" };
        format!("{}{more}", rows.to_text())
    })
}

fn evidence(edges: &[EdgeViewBody]) -> String {
    let now = Timestamp::now();
    let one = |edge: &EdgeViewBody| {
        let said = edge
            .evidence
            .iter()
            .map(|one| format!("{}, {}{}", one.method, age(one.last_seen.0, now), if one.stale { ", stale" } else { "" }));
        said.collect::<Vec<_>>()
    };
    edges.iter().flat_map(one).collect::<Vec<_>>().join("; ")
}

fn table(answer: &Answer) -> Rows {
    rows(&answer.affected)
}

fn rows(affected: &[AffectedView]) -> Rows {
    let mut rows = Rows::new(&["State", "Item", "Class", "Why", "Hops", "Tell", "Evidence"]);
    for one in affected {
        let mut evidence = Vec::new();
        if one.rests_on_stale {
            evidence.push("unknown: stale");
        }
        if one.rests_on_one_ended {
            evidence.push("one-ended");
        }
        rows.push([
            one.state.replace('_', " "),
            named(&one.ci),
            one.ci.class.clone(),
            one.reason.clone(),
            one.hops.to_string(),
            if one.people.is_empty() { one.owner.clone().unwrap_or_default() } else { one.people.join(", ") },
            evidence.join(", "),
        ]);
    }
    rows
}

fn words(answer: &Answer, most: usize) -> String {
    let mut text = format!("{}\n", plain(&answer.verdict));
    for set in &answer.sets {
        let names: Vec<String> = set.items.iter().take(5).map(named).collect();
        let more = if set.total > names.len() { format!(" and {} more", set.total - names.len()) } else { String::new() };
        let worst = set.worst.as_ref().map(|ci| format!("; {} does the most harm and is taken", named(ci))).unwrap_or_default();
        text.push_str(&plain(&format!("{} means {}{more}{worst}\n", set.set, names.join(", "))));
    }
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
    let mut already = Rows::new(&["Already", "State", "Because"]);
    answer.already.iter().for_each(|one| already.push([named(&one.ci), one.state.clone(), one.reason.clone()]));
    let mut people = Rows::new(&["Tell", "Worst", "About"]);
    for contact in &answer.people {
        let names: Vec<&str> = contact.cis.iter().take(5).map(|item| item.name.as_str()).collect();
        let more = if contact.cis.len() > 5 { format!(" and {} more", contact.cis.len() - 5) } else { String::new() };
        people.push([contact.name.clone(), contact.worst.replace('_', " "), format!("{}{more}", names.join(", "))]);
    }
    for rows in [already, absorbed, people] {
        if !rows.is_empty() {
            text.push_str(&format!("\n{}\n", rows.to_text()));
        }
    }
    text
}
