//! `rollcall ci`: configuration items.

use std::collections::HashMap;

use reqwest::Method;
use rollcall_core::catalogue::AttributeKind;
use rollcall_shared::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Context,
    client::Client,
    error::CliError,
    output::{Rows, age, plain, print, print_with, value},
};
use crate::api::{
    catalogue::ClassView,
    ci_details::Relationships,
    cis::{CiPatch, CiView, Reason},
    identity::OtherBody,
    life::{SightingSpec, Step, WayView},
    types::{CiSummary, Page},
};

/// The filter language, for `--help`.
pub(super) const FILTER_HELP: &str = r#"Filter words; all must hold:
  web                       in the name, an attribute, an address or a software name
  class:server,laptop       of one of these classes or of one that specialises it
  os:debian serial:ABC      in that attribute (os, address, mac, tag and every attribute's name)
  owner="Team A"            exactly that, ignoring case; owner="" without one, owner:* with one, owner!=X the reverse
  memory_bytes>=16GiB       a number compared; cpu_cores:4..8 is a range
  valid_until<2026-12-31    a time compared: day, month, year, instant, now, +30d and -30d from now
  first_seen:7d changed>7d  at most, more than so long ago (or ahead); also last_seen and every attribute that is a time
  software:openssl<3.0.7    exactly that software in such a version; without one: in the software's name
  source:import:sap         that source says something of it; owner.source:user, pinned:yes, owner.pinned:yes
  hosts:(class:database)    in that relationship to such an item; needs:(…) and needed_by:(…) over any number of steps
  lifecycle:retired         active (without this word), retired, any, or a stage: planned, ordered, in_stock, in_use, in_repair, disposed
  sighted:90d unsighted:1y  somebody stood before it within so long, or has not
  agent:yes  seen:7d  quiet:7d  id:UUID
  (a OR b) -c               groups; a - before anything turns it round (after `--` on the command line)"#;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List items.
    #[command(after_help = FILTER_HELP)]
    List {
        /// Words that must all hold.
        #[arg(value_name = "FILTER")]
        filter: Vec<String>,
        /// relevance (usual for a search), name (usual otherwise), class, first_seen, last_seen, changed or an attribute; with - in front
        /// largest first.
        #[arg(long, default_value = "", allow_hyphen_values = true, hide_default_value = true)]
        sort: String,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show an item: facts with source and age, services, dependencies.
    Show {
        /// Its id, or filter words that only it has.
        ci: String,
    },
    /// Set attributes of an item; an empty value takes yours back.
    Set {
        /// Its id, or filter words that only it has.
        ci: String,
        /// name=…, class=… or an attribute.
        #[arg(required = true, value_name = "ATTRIBUTE=VALUE")]
        set: Vec<String>,
        /// Let these values stand against what machines report.
        #[arg(long)]
        pin: bool,
    },
    /// Why is this one item? Or with --with: why are these two one, or not?
    Explain {
        /// Its id, or filter words that only it has.
        ci: String,
        /// Another item, to compare them.
        #[arg(long, value_name = "CI")]
        with: Option<String>,
    },
    /// Make another item part of this one; `split` takes it back exactly.
    Merge {
        /// The item that stays.
        ci: String,
        /// The one that becomes part of it.
        other: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Take a merge back: the item is as it was before.
    Split {
        /// The id of the item that was merged into another.
        ci: String,
    },
    /// Say that two items are not the same; it is not asked again.
    KeepApart {
        /// One item.
        ci: String,
        /// The other.
        other: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Retire an item: it leaves lists, graph and impact, and stays in the history.
    Retire {
        /// Its id, or filter words that only it has.
        ci: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Take an item to another stage of its life; without one, show where it can go and what each way asks for.
    Lifecycle {
        /// Its id, or filter words that only it has.
        ci: String,
        /// planned, ordered, in_stock, in_use, in_repair, retired or disposed.
        to: Option<String>,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        /// What becomes known with it, such as disposed_on=2026-03-01.
        #[arg(long, value_name = "ATTRIBUTE=VALUE")]
        set: Vec<String>,
    },
    /// Write down that somebody stood before an item.
    Sighted {
        /// Its id, or filter words that only it has.
        ci: String,
        /// Where.
        #[arg(long, default_value = "")]
        place: String,
        /// Who saw it; you, if not given.
        #[arg(long, default_value = "")]
        by: String,
        /// When, such as 2026-03-01T12:00:00Z; now, if not given.
        #[arg(long)]
        at: Option<String>,
    },
}

pub(super) async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    match command {
        Command::List { filter, sort, limit } => {
            let filter = joined(&filter);
            let page = pages(&client, &filter, &sort, limit).await?;
            print_with(
                context.output,
                &page,
                || list(&page.items),
                |rows| {
                    let shown = page.items.len();
                    let total = page.total.unwrap_or(shown);
                    let count =
                        if shown < total { format!("{shown} of {total} items; --limit for more") } else { format!("{total} items") };
                    if rows.is_empty() {
                        format!("no items{}", if filter.is_empty() { "" } else { " for this filter" })
                    } else {
                        format!("{}\n{count}", rows.to_text())
                    }
                },
            )
        }
        Command::Show { ci } => {
            let id = find(&client, &ci).await?;
            let item: CiView = client.get(&format!("/cis/{id}"), &[]).await?;
            let relationships: Relationships = client.get(&format!("/cis/{id}/relationships"), &[]).await?;
            let answer = serde_json::json!({ "item": item, "relationships": relationships });
            print_with(context.output, &answer, || facts(&item), |rows| show(&item, &relationships, rows))
        }
        Command::Set { ci, set, pin } => {
            let id = find(&client, &ci).await?;
            let patch = patch(&kinds(&client).await?, &set, pin)?;
            let item: CiView = client.send(Method::PATCH, &format!("/cis/{id}"), &patch).await?;
            print(context.output, &item, || facts(&item))
        }
        Command::Explain { ci, with } => super::identity::explain(&client, context, &ci, with.as_deref()).await,
        Command::Merge { ci, other, reason } => {
            let (id, other) = (find(&client, &ci).await?, find(&client, &other).await?);
            client.order(Method::POST, &format!("/cis/{id}/merge"), &OtherBody { other, reason }).await?;
            super::output::say(&format!("{other} is part of {id} now; take it back with: rollcall ci split {other}"))
        }
        Command::Split { ci } => {
            let id = find(&client, &ci).await?;
            let item: CiView = client.send(Method::POST, &format!("/cis/{id}/restore"), &serde_json::json!({})).await?;
            print(context.output, &item, || list(std::slice::from_ref(&item.summary)))
        }
        Command::KeepApart { ci, other, reason } => {
            let (id, other) = (find(&client, &ci).await?, find(&client, &other).await?);
            client.order(Method::POST, &format!("/cis/{id}/keep-apart"), &OtherBody { other, reason }).await?;
            super::output::say("they stay two items; this is not asked again")
        }
        Command::Lifecycle { ci, to: None, .. } => {
            let id = find(&client, &ci).await?;
            let ways: Page<WayView> = client.get(&format!("/cis/{id}/lifecycle"), &[]).await?;
            print(context.output, &ways, || {
                let mut rows = Rows::new(&["To", "What it means", "Needs"]);
                for way in &ways.items {
                    rows.push([way.to.clone(), way.label.clone(), way.needs.join(", ")]);
                }
                rows
            })
        }
        Command::Lifecycle { ci, to: Some(to), reason, set } => {
            let id = find(&client, &ci).await?;
            let attributes = values(&kinds(&client).await?, &set)?.into_iter().collect();
            let item: CiView = client.send(Method::POST, &format!("/cis/{id}/lifecycle"), &Step { to, reason, attributes }).await?;
            print(context.output, &item, || facts(&item))
        }
        Command::Sighted { ci, place, by, at } => {
            let id = find(&client, &ci).await?;
            let item: CiView = client.send(Method::POST, &format!("/cis/{id}/sightings"), &SightingSpec { at, place, by }).await?;
            print(context.output, &item, || facts(&item))
        }
        Command::Retire { ci, reason } => {
            let id = find(&client, &ci).await?;
            let item: CiView = client.send(Method::POST, &format!("/cis/{id}/retire"), &Reason { reason }).await?;
            print(context.output, &item, || list(std::slice::from_ref(&item.summary)))
        }
    }
}

/// Arguments as one filter. The shell took the quotes away: an argument with spaces after `:` or `=` is one word again, unless more
/// of the language follows in it.
pub(super) fn joined(words: &[String]) -> String {
    let quoted = |word: &String| {
        let one_word = |at: &usize| {
            let (key, value) = word.split_at(*at);
            value.contains(' ') && !key.contains(' ') && !value[1..].contains([':', '=', '<', '>', '(', '"'])
        };
        let Some(at) = word.find([':', '=']).filter(one_word) else {
            return word.clone();
        };
        format!("{}\"{}\"", &word[..=at], word[at + 1..].replace('\\', "\\\\"))
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

pub(super) async fn pages(client: &Client, filter: &str, sort: &str, limit: usize) -> Result<Page<CiSummary>, CliError> {
    let mut all = Page { items: Vec::new(), next: None, total: None };
    loop {
        let wanted = (limit - all.items.len()).min(1_000).to_string();
        let mut query = vec![("filter", filter), ("sort", sort), ("limit", wanted.as_str())];
        query.extend(all.next.as_deref().map(|next| ("after", next)));
        let page: Page<CiSummary> = client.get("/cis", &query).await?;
        all.items.extend(page.items);
        (all.next, all.total) = (page.next, page.total);
        if all.next.is_none() || all.items.len() >= limit.max(1) {
            return Ok(all);
        }
    }
}

/// The one item that somebody means: an id, an exact name, or filter words.
pub(super) async fn find(client: &Client, said: &str) -> Result<Uuid, CliError> {
    if let Ok(id) = said.parse() {
        return Ok(id);
    }
    if let Some((name, machine)) = said.rsplit_once(" on ")
        && let Some(id) = service_on(client, name.trim(), machine.trim()).await?
    {
        return Ok(id);
    }
    let exact = format!("name=\"{}\"", said.replace('\\', "\\\\").replace('"', "\\\""));
    let by_name: Page<CiSummary> = client.get("/cis", &[("filter", &exact), ("limit", "10")]).await?;
    let page = match by_name.items.len() {
        0 => client.get("/cis", &[("filter", said), ("limit", "10")]).await?,
        _ => by_name,
    };
    match &page.items[..] {
        [one] => Ok(one.id),
        [] => Err(CliError::NotFound(format!("no item is meant by {said:?}\nnext: search with `rollcall ci list WORD`"))),
        several => Err(CliError::Usage(format!(
            "{} items are meant by {said:?}; name one by its id:\n{}",
            page.total.unwrap_or(several.len()),
            list(several).to_text()
        ))),
    }
}

/// `nginx on web01`: the only service of that name on the only machine of that name; `None` if there is none such.
async fn service_on(client: &Client, name: &str, machine: &str) -> Result<Option<Uuid>, CliError> {
    let exact = format!("name=\"{}\"", machine.replace('\\', "\\\\").replace('"', "\\\""));
    let machines: Page<CiSummary> = client.get("/cis", &[("filter", &exact), ("limit", "2")]).await?;
    let [machine] = &machines.items[..] else { return Ok(None) };
    let relationships: Relationships = client.get(&format!("/cis/{}/relationships", machine.id), &[]).await?;
    let is_it = |name_there: &str| name_there.eq_ignore_ascii_case(name);
    let mut there = relationships.dependents.iter().filter(|edge| edge.kind == "runs_on" && is_it(&edge.from.name));
    Ok(there.next().filter(|_| there.next().is_none()).map(|edge| edge.from.id))
}

/// What the values of attributes are, by name; those that people added among them.
pub(super) type Kinds = HashMap<String, AttributeKind>;

/// Asks the collector for its catalogue.
pub(super) async fn kinds(client: &Client) -> Result<Kinds, CliError> {
    let classes: Page<ClassView> = client.get("/classes", &[]).await?;
    let attributes = classes.items.into_iter().flat_map(|class| class.attributes);
    Ok(attributes.filter_map(|attribute| Some((attribute.name, AttributeKind::parse(&attribute.kind)?))).collect())
}

/// `attribute=value` arguments: text, or what the attribute's kind in the catalogue asks for.
pub(super) fn values(kinds: &Kinds, set: &[String]) -> Result<Vec<(String, Value)>, CliError> {
    let one = |argument: &String| {
        let (name, text) =
            argument.split_once('=').ok_or_else(|| CliError::Usage(format!("{argument:?} is not of the form ATTRIBUTE=VALUE")))?;
        let wrong = |what: &str| CliError::Usage(format!("{name} is {what}, {text:?} is not"));
        let value = match kinds.get(name) {
            _ if text.is_empty() => Value::Null,
            Some(AttributeKind::Integer) => Value::from(text.parse::<i64>().map_err(|_| wrong("a whole number"))?),
            Some(AttributeKind::Number) => Value::from(text.parse::<f64>().map_err(|_| wrong("a number"))?),
            Some(AttributeKind::Boolean) => Value::from(text.parse::<bool>().map_err(|_| wrong("true or false"))?),
            Some(AttributeKind::TextList) => text.split(',').map(|member| Value::from(member.trim())).collect(),
            _ => Value::from(text),
        };
        Ok((name.to_owned(), value))
    };
    set.iter().map(one).collect()
}

fn patch(kinds: &Kinds, set: &[String], pin: bool) -> Result<CiPatch, CliError> {
    let mut patch = CiPatch::default();
    let mut attributes = Map::new();
    for (name, value) in values(kinds, set)? {
        match (name.as_str(), &value) {
            ("name", Value::String(text)) => patch.name = Some(text.clone()),
            ("class", Value::String(text)) => patch.class = Some(text.clone()),
            _ => drop(attributes.insert(name, value)),
        }
    }
    if pin {
        patch.pin = attributes.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.clone()).collect();
    }
    patch.attributes = attributes;
    Ok(patch)
}

pub(super) fn list(items: &[CiSummary]) -> Rows {
    let now = Timestamp::now();
    let mut rows = Rows::new(&["Name", "Class", "Owner", "Operating system", "Addresses", "Last seen", "Id"]);
    for item in items {
        let attribute = |name: &str| item.attributes.get(name).map(value).unwrap_or_default();
        rows.push([
            item.name.clone(),
            item.class.clone(),
            attribute("owner"),
            attribute("operating_system"),
            attribute("ip_addresses"),
            item.last_seen.map(|seen| age(seen.0, now)).unwrap_or_default(),
            item.id.to_string(),
        ]);
    }
    rows
}

fn facts(item: &CiView) -> Rows {
    let now = Timestamp::now();
    let mut rows = Rows::new(&["Fact", "Value", "Says", "Since"]);
    for (name, claims) in &item.provenance {
        let Some(stands) = claims.first() else { continue };
        let disagree = claims.iter().filter(|claim| claim.value != stands.value).count();
        let pinned = if stands.pinned { ", pinned" } else { "" };
        let others = if disagree > 0 { format!(", {disagree} disagree") } else { String::new() };
        rows.push([name.clone(), shown(name, &stands.value), format!("{}{pinned}{others}", stands.source), age(stands.since.0, now)]);
    }
    rows
}

/// Bytes as people say them; everything else as it is.
fn shown(name: &str, value: &Value) -> String {
    match value.as_u64() {
        Some(bytes) if name.ends_with("_bytes") && bytes >= 1 << 20 => {
            let (unit, size) = if bytes >= 1 << 40 {
                ("TiB", 1_u64 << 40)
            } else if bytes >= 1 << 30 {
                ("GiB", 1 << 30)
            } else {
                ("MiB", 1 << 20)
            };
            format!("{:.1} {unit}", bytes as f64 / size as f64)
        }
        _ => super::output::value(value),
    }
}

fn show(item: &CiView, relationships: &Relationships, facts: &Rows) -> String {
    let now = Timestamp::now();
    let summary = &item.summary;
    let seen = summary.last_seen.map(|seen| format!(", heard {}", age(seen.0, now))).unwrap_or_default();
    let retired = if summary.stage == "in_use" { String::new() } else { format!(", {}", summary.stage.replace('_', " ")) };
    let mut text = format!(
        "{} ({}{retired}{seen})\n{}, version {}, first seen {}, {} pieces of software\n",
        plain(&summary.name),
        summary.class,
        summary.id,
        summary.version,
        age(summary.first_seen.0, now),
        item.software_count
    );
    if !facts.is_empty() {
        text.push_str(&format!("\n{}\n", facts.to_text()));
    }
    let on_it = relationships.dependents.iter().filter(|one| one.kind == "runs_on");
    let mut services = Rows::new(&["Runs on it", "Class", "Confirmed", "Id"]);
    for one in on_it {
        services.push([one.from.name.clone(), one.from.class.clone(), age(one.last_seen.0, now), one.from.id.to_string()]);
    }
    let mut edges = Rows::new(&["Dependency", "Hardness", "Known by", "Confirmed"]);
    let mut edge = |text: String, one: &crate::api::relationships::RelationshipView| {
        let mut methods: Vec<&str> = one.evidence.iter().map(|evidence| evidence.method.as_str()).collect();
        methods.sort_unstable();
        methods.dedup();
        edges.push([text, one.hardness.as_str().to_owned(), methods.join(", "), age(one.last_seen.0, now)]);
    };
    for one in &relationships.dependencies {
        edge(format!("{} {}", one.reads, one.to.name), one);
    }
    for one in relationships.dependents.iter().filter(|one| one.kind != "runs_on") {
        edge(format!("{} {} this", one.from.name, one.reads), one);
    }
    for rows in [services, edges] {
        if !rows.is_empty() {
            text.push_str(&format!("\n{}\n", rows.to_text()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> Kinds {
        let catalogue = rollcall_core::Catalogue::built_in();
        catalogue.classes().flat_map(|class| &class.attributes).map(|attribute| (attribute.name.clone(), attribute.kind)).collect()
    }

    #[test]
    fn arguments_are_one_filter_whatever_the_shell_took_away() {
        for (words, filter) in [
            (vec!["class:server", "web"], "class:server web"),
            (vec!["owner:Team A"], "owner:\"Team A\""),
            (vec!["owner=\"Team A\" web"], "owner=\"Team A\" web"),
            (vec!["two words"], "two words"),
            (vec!["class:server memory_bytes>=16GiB"], "class:server memory_bytes>=16GiB"),
            (vec!["class:server", "hosts:(class:database needs:db01)"], "class:server hosts:(class:database needs:db01)"),
        ] {
            let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            assert_eq!(joined(&words), filter);
        }
    }

    #[test]
    fn values_are_of_their_attributes_kind() {
        let set: Vec<String> = ["owner=7", "memory_bytes=7", "tags=a, b", "location="].map(str::to_owned).to_vec();
        let patch = patch(&kinds(), &set, true).unwrap();
        assert_eq!(
            serde_json::to_value(&patch.attributes).unwrap(),
            serde_json::json!({"owner": "7", "memory_bytes": 7, "tags": ["a", "b"], "location": null})
        );
        assert!(!patch.pin.contains(&"location".to_owned()));
        assert!(values(&kinds(), &["memory_bytes=lots".to_owned()]).is_err());
    }
}
