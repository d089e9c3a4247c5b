//! `rollcall ci explain`, `rollcall duplicates`, `rollcall diff`: who is who, and what changed.

use rollcall_shared::Timestamp;

use super::{
    Context, ci,
    client::Client,
    error::CliError,
    output::{Rows, plain, print_with, value},
};
use crate::api::{
    diff::DiffView,
    identity::{ComparisonView, DuplicateView, Explanation},
    types::Page,
};

/// Why an item is one, or beside another, why the two are one or are not.
pub(super) async fn explain(client: &Client, context: &Context, item: &str, with: Option<&str>) -> Result<(), CliError> {
    let id = ci::find(client, item).await?;
    if let Some(with) = with {
        let other = ci::find(client, with).await?;
        let (a, b) = (id.to_string(), other.to_string());
        let view: ComparisonView = client.get("/identity/compare", &[("a", &a), ("b", &b)]).await?;
        return print_with(context.output, &view, || compared(&view), |rows| comparison_text(&view, rows));
    }
    let view: Explanation = client.get(&format!("/cis/{id}/identity"), &[]).await?;
    print_with(context.output, &view, || decisions(&view), |rows| explanation_text(&view, rows))
}

fn decisions(view: &Explanation) -> Rows {
    let mut rows = Rows::new(&["When", "What", "Who", "Rule and evidence"]);
    for it in &view.decisions {
        rows.push([it.at.to_string(), it.kind.clone(), it.actor.clone(), it.reason.clone()]);
    }
    rows
}

fn explanation_text(view: &Explanation, decisions: &Rows) -> String {
    let mut keys = Rows::new(&["Recognised by", "Value", "Also carried by"]);
    for key in &view.keys {
        let also: Vec<&str> = key.also.iter().map(|item| item.name.as_str()).collect();
        keys.push([key.kind.replace('_', " "), key.value.clone(), also.join(", ")]);
    }
    let merged: Vec<String> = view.merged.iter().map(|it| format!("{} ({}) at {}", plain(&it.item.name), it.item.id, it.at)).collect();
    let merged = if merged.is_empty() { String::new() } else { format!("\nmerged into it: {}\n", merged.join("; ")) };
    format!("{} ({})\n{}\n{merged}\n{}", plain(&view.item.name), view.item.id, keys.to_text(), decisions.to_text())
}

fn compared(view: &ComparisonView) -> Rows {
    let mut rows = Rows::new(&["Rule", "Says", "Why"]);
    for it in &view.rules {
        rows.push([it.rule.clone(), it.verdict.replace('_', " "), it.why.clone()]);
    }
    rows
}

fn comparison_text(view: &ComparisonView, rules: &Rows) -> String {
    let mut keys = Rows::new(&["Key", "One", "Other", "Agree"]);
    for key in &view.keys {
        let agree = key.agree.map_or("", |agree| if agree { "yes" } else { "no" });
        keys.push([key.kind.replace('_', " "), key.a.join(", "), key.b.join(", "), agree.to_owned()]);
    }
    let against: String = view.against.iter().map(|it| format!("against: {it}\n")).collect();
    let standing = view.standing.replace('_', " ");
    format!("{} and {}: {standing}\n{}\n{}\n{against}", plain(&view.a.name), plain(&view.b.name), keys.to_text(), rules.to_text())
}

#[derive(clap::Args)]
pub(super) struct DuplicatesOptions {
    /// Only these.
    #[arg(long, value_parser = ["strong", "fair", "weak"])]
    strength: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

pub(super) async fn duplicates(options: DuplicatesOptions, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    let limit = options.limit.clamp(1, 1_000).to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(options.strength.as_deref().map(|strength| ("strength", strength)));
    let page: Page<DuplicateView> = client.get("/duplicates", &query).await?;
    let table = || {
        let mut rows = Rows::new(&["Strength", "One", "Other", "In common", "Against", "Ids"]);
        for it in &page.items {
            let ids = format!("{} {}", it.one.id, it.other.id);
            rows.push([it.strength.clone(), it.one.name.clone(), it.other.name.clone(), it.reasons.join("; "), it.against.join("; "), ids]);
        }
        rows
    };
    print_with(context.output, &page, table, |rows| match page.total {
        Some(0) | None => "no two items look like one".to_owned(),
        Some(total) => {
            format!("{}\n{} of {total} pairs; see one with `rollcall ci explain ID --with ID`", rows.to_text(), page.items.len())
        }
    })
}

#[derive(clap::Args)]
pub(super) struct DiffOptions {
    /// The earlier instant: 2026-03-02T08:00:00Z, 2026-03-02, or an age such as 3d or 12h.
    #[arg(long, value_name = "INSTANT")]
    from: String,
    /// The later one.  [default: now]
    #[arg(long, value_name = "INSTANT")]
    to: Option<String>,
    /// Only ci, relationship, need_group or software.
    #[arg(long, value_parser = ["ci", "relationship", "need_group", "software"])]
    kind: Option<String>,
    /// At most so many changes.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Only items that these words find now, as for `rollcall ci list`.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
}

pub(super) async fn diff(options: DiffOptions, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    let now = Timestamp::now();
    let from = instant(&options.from, now)?.to_string();
    let to = options.to.as_deref().map(|to| instant(to, now)).transpose()?.unwrap_or(now).to_string();
    let (filter, limit) = (options.filter.join(" "), options.limit.clamp(1, 1_000).to_string());
    let mut query = vec![("from", from.as_str()), ("to", to.as_str()), ("filter", filter.as_str()), ("limit", limit.as_str())];
    query.extend(options.kind.as_deref().map(|kind| ("kind", kind)));
    let view: DiffView = client.get("/diff", &query).await?;
    let table = || {
        let mut rows = Rows::new(&["When", "Who", "Change", "Kind", "Class", "Item", "Differs"]);
        for it in &view.items {
            let item = it.other.as_ref().map_or_else(|| it.item.name.clone(), |other| format!("{} to {}", it.item.name, other.name));
            let when = it.at.as_ref().map(ToString::to_string).unwrap_or_default();
            let who = it.actor.clone().unwrap_or_default();
            rows.push([when, who, it.change.clone(), it.kind.clone(), it.class.clone(), item, differs(&it.fields)]);
        }
        rows
    };
    print_with(context.output, &view, table, |rows| {
        if rows.is_empty() {
            return format!("nothing changed from {from} to {to}");
        }
        let groups: Vec<String> = view.groups.iter().map(|it| format!("{} {} {}", it.count, it.class, it.change)).collect();
        let more = if view.next.is_some() { "; there is more, --limit shows it" } else { "" };
        format!("{}\n{}{more}", rows.to_text(), groups.join(", "))
    })
}

fn differs(fields: &[crate::api::diff::FieldView]) -> String {
    const SHOWN: usize = 5;
    let shown = fields.iter().take(SHOWN).map(|it| {
        let side = |side: &Option<serde_json::Value>| side.as_ref().map_or_else(|| "-".to_owned(), value);
        format!("{}: {} → {}", it.name.trim_start_matches("attributes."), side(&it.before), side(&it.after))
    });
    let mut text = shown.collect::<Vec<_>>().join("; ");
    if fields.len() > SHOWN {
        text.push_str(&format!("; and {} more", fields.len() - SHOWN));
    }
    text
}

/// An instant as people say it.
fn instant(text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    if let Some(at) = parse_instant(text, now) {
        return Ok(at);
    }
    Err(CliError::Usage(format!("{text:?} is no instant; say 2026-03-02T08:00:00Z, 2026-03-02, or an age such as 3d or 12h")))
}

/// An RFC 3339 instant, a day in UTC, or an age before `now`.
pub(crate) fn parse_instant(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(at) = format!("{text}T00:00:00Z").parse::<Timestamp>() {
        return Some(at);
    }
    let unit = match text.chars().last()? {
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        'w' => 7 * 86_400_000,
        _ => return None,
    };
    let number: i64 = text[..text.len() - 1].parse().ok().filter(|number| (0..=1_000_000).contains(number))?;
    Some(now.plus_millis(-number * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_said_in_three_ways() {
        let now: Timestamp = "2026-03-05T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-03-02T08:00:00Z", Some("2026-03-02T08:00:00Z")),
            ("2026-03-02", Some("2026-03-02T00:00:00Z")),
            ("3d", Some("2026-03-02T12:00:00Z")),
            ("12h", Some("2026-03-05T00:00:00Z")),
            ("Monday", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(parse_instant(text, now), expected.map(|at| at.parse().unwrap()), "{text}");
        }
    }
}
