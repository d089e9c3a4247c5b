//! `rollcall report`: where evidence, the register and people do not agree.

use rollcall_shared::Timestamp;

use super::{
    Context,
    client::Client,
    error::CliError,
    output::{Rows, age, print_with},
};
use crate::api::{
    relationships::RelationshipView,
    types::{CiSummary, Page},
};

#[derive(clap::Args)]
pub(super) struct Options {
    /// Which.
    #[arg(value_enum)]
    report: Report,
    /// At most so many rows.
    #[arg(long, default_value_t = 1_000)]
    limit: usize,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Report {
    /// Nothing elsewhere needs them, no service is made of them, nobody owns them.
    Orphans,
    /// Not known to work together with anything elsewhere.
    Isolated,
    /// Relationships that people or imports say and no agent has ever seen.
    Declared,
    /// Connections that agents see and nobody has declared.
    Observed,
}

pub(super) async fn run(options: Options, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    let limit = options.limit.clamp(1, 1_000).to_string();
    match options.report {
        Report::Orphans | Report::Isolated => {
            let path = if matches!(options.report, Report::Orphans) { "/reports/orphans" } else { "/reports/isolated" };
            let page: Page<CiSummary> = client.get(path, &[("limit", limit.as_str())]).await?;
            print_with(context.output, &page, || items(&page.items), |rows| counted(rows, page.items.len(), page.total))
        }
        Report::Declared | Report::Observed => {
            let declared = matches!(options.report, Report::Declared);
            let report = if declared { "declared_never_observed" } else { "observed_never_declared" };
            let found = pages(&client, report, options.limit.max(1)).await?;
            print_with(context.output, &found, || edges(&found), |rows| counted(rows, found.len(), None))
        }
    }
}

async fn pages(client: &Client, report: &str, limit: usize) -> Result<Vec<RelationshipView>, CliError> {
    let mut found: Vec<RelationshipView> = Vec::new();
    let mut after = None;
    loop {
        let wanted = (limit - found.len()).min(1_000).to_string();
        let mut query = vec![("report", report), ("limit", wanted.as_str())];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page<RelationshipView> = client.get("/relationships", &query).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() || found.len() >= limit {
            return Ok(found);
        }
    }
}

fn counted(rows: &Rows, shown: usize, total: Option<usize>) -> String {
    match total.unwrap_or(shown) {
        0 => "none".to_owned(),
        total if shown < total => format!("{}\n{shown} of {total}; --limit for more", rows.to_text()),
        total => format!("{}\n{total}", rows.to_text()),
    }
}

fn items(items: &[CiSummary]) -> Rows {
    let now = Timestamp::now();
    let mut rows = Rows::new(&["Name", "Class", "First seen", "Id"]);
    for item in items {
        rows.push([item.name.clone(), item.class.clone(), age(item.first_seen.0, now), item.id.to_string()]);
    }
    rows
}

fn edges(edges: &[RelationshipView]) -> Rows {
    let now = Timestamp::now();
    let mut rows = Rows::new(&["Item", "How", "On what", "Known by", "Confirmed"]);
    for edge in edges {
        let mut methods: Vec<&str> = edge.evidence.iter().map(|evidence| evidence.method.as_str()).collect();
        methods.dedup();
        rows.push([edge.from.name.clone(), edge.reads.clone(), edge.to.name.clone(), methods.join(", "), age(edge.last_seen.0, now)]);
    }
    rows
}
