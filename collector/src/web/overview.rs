//! `GET /`: what is there, what needs attention, what changed.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use rollcall_core::{Ci, Estate};
use rollcall_shared::{CiId, Timestamp};

use super::{
    fields::link,
    format::{When, count, counted},
    problem::Problem,
    visitor::{Part, Shell, Visitor},
    words,
};
use crate::store::{AgentRecord, AgentState, CiVersion};

/// An agent that was not heard for so many check-ins is silent.
const MISSED_CHECK_INS: i64 = 3;
/// Rows of each list of bars.
const BARS: usize = 10;
/// Rows of recent changes.
const CHANGES: usize = 10;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    shell: Shell,
    summary: String,
    figures: Vec<Figure>,
    attention: Vec<Attention>,
    agents: Vec<AgentsPart>,
    agents_total: String,
    classes: Vec<Bar>,
    systems: Vec<Bar>,
    changes: Vec<Change>,
}

struct Figure {
    number: String,
    label: &'static str,
    href: String,
}

struct Attention {
    text: String,
    detail: String,
    word: &'static str,
    tone: &'static str,
    href: String,
}

/// One kind of agents, as a part of a bar that is 1000 wide.
struct AgentsPart {
    label: &'static str,
    tone: &'static str,
    number: String,
    offset: usize,
    width: usize,
}

struct Bar {
    label: String,
    number: String,
    percent: usize,
    href: String,
}

struct Change {
    name: String,
    class: String,
    what: String,
    when: When,
    href: String,
}

/// `GET /`
pub(super) async fn show(visitor: Visitor) -> Result<Response, Problem> {
    let app = visitor.app.clone();
    let agents = app.store.agents().await?;
    let silent_after_ms = i64::from(app.config.agents.check_in_seconds) * 1_000 * MISSED_CHECK_INS;
    let health = Health::of(&agents, &app.estate(), visitor.now, silent_after_ms);

    let recent: Vec<CiId> = recently_changed(&app.estate());
    let mut changes = Vec::new();
    for id in recent {
        if let Some(version) = app.store.ci_history(id, 1).await?.into_iter().next() {
            changes.push(change(&app.estate(), version, visitor.now));
        }
    }

    let shell = visitor.shell(Part::Overview);
    let page = {
        let estate = app.estate();
        let machines = estate.active_cis().filter(|ci| is_machine(&estate, ci)).count();
        let items = estate.active_cis().count();
        let classes = tally(estate.active_cis().map(|ci| ci.class.as_str()));
        let systems = tally(estate.active_cis().filter(|ci| is_machine(&estate, ci)).filter_map(|ci| ci.text("operating_system")));
        let software = estate.software().entries().filter(|(_, machines)| *machines > 0).count();
        Page {
            shell,
            summary: format!(
                "{} and {} between them, as of now.",
                counted(items, "configuration item", "configuration items"),
                counted(estate.relationships().count(), "dependency", "dependencies")
            ),
            figures: vec![
                figure(machines, "Machines", "class:machine"),
                figure(estate.active_cis().filter(|ci| estate.is_a(ci, "service_instance")).count(), "Services", "class:service_instance"),
                figure(
                    estate.active_cis().filter(|ci| ci.class == "business_service").count(),
                    "Business services",
                    "class:business_service",
                ),
                figure(estate.active_cis().filter(|ci| ci.class == "unmanaged_host").count(), "Unmanaged hosts", "class:unmanaged_host"),
                Figure {
                    number: count(software as u64),
                    label: "Software versions",
                    href: "/items?q=class:machine&sort=-package_count".to_owned(),
                },
            ],
            attention: attention(&health, &agents, &estate, silent_after_ms),
            agents: health.parts(),
            agents_total: count(agents.len() as u64),
            classes: bars(&classes, |name| (words::classes(estate.catalogue(), name).to_owned(), format!("class:{name}"))),
            systems: bars(&systems, |name| (name.to_owned(), format!("operating_system={}", quoted(name)))),
            changes,
        }
    };
    Ok(visitor.page(&page))
}

/// How the agents fare.
#[derive(Default)]
struct Health {
    reporting: usize,
    silent: usize,
    pending: usize,
    held: usize,
}

impl Health {
    fn of(agents: &[AgentRecord], estate: &Estate, now: Timestamp, silent_after_ms: i64) -> Self {
        let mut health = Self::default();
        for agent in agents {
            match agent.state {
                AgentState::Active if is_silent(agent, estate, now, silent_after_ms) => health.silent += 1,
                AgentState::Active => health.reporting += 1,
                AgentState::Pending => health.pending += 1,
                AgentState::Held => health.held += 1,
                AgentState::Revoked | AgentState::Denied => {}
            }
        }
        health
    }

    fn parts(&self) -> Vec<AgentsPart> {
        let all = self.reporting + self.silent + self.pending + self.held;
        let kinds = [
            ("reporting", "ok", self.reporting),
            ("silent", "degraded", self.silent),
            ("pending", "unknown", self.pending),
            ("held", "down", self.held),
        ];
        let mut offset = 0;
        let mut parts = Vec::new();
        for (label, tone, number) in kinds.into_iter().filter(|(.., number)| *number > 0) {
            let width = number * 1_000 / all;
            parts.push(AgentsPart { label, tone, number: count(number as u64), offset, width });
            offset += width;
        }
        parts
    }
}

/// When the agent was last heard, by the newer of estate and record.
pub(super) fn last_heard(agent: &AgentRecord, estate: &Estate) -> Option<Timestamp> {
    estate.agent_last_seen(agent.id).max(agent.last_seen)
}

fn is_silent(agent: &AgentRecord, estate: &Estate, now: Timestamp, silent_after_ms: i64) -> bool {
    let since = last_heard(agent, estate).unwrap_or(agent.enrolled_at);
    now.millis_since(since) > silent_after_ms
}

fn attention(health: &Health, agents: &[AgentRecord], estate: &Estate, silent_after_ms: i64) -> Vec<Attention> {
    let names = |state: AgentState| list(agents.iter().filter(|agent| agent.state == state).map(|agent| agent.hostname.as_str()));
    let conflicts: Vec<_> = estate.open_conflicts().collect();
    let unowned = estate.active_cis().filter(|ci| ci.class == "business_service" && ci.value("owner").is_none()).count();
    let silent_minutes = silent_after_ms / 60_000;
    [
        (
            health.pending,
            "machine waits for approval",
            "machines wait for approval",
            names(AgentState::Pending),
            ("approve", "accent"),
            "/enrollment#pending".to_owned(),
        ),
        (
            health.held,
            "agent is held: its identity is in use twice",
            "agents are held: their identity is in use twice",
            names(AgentState::Held),
            ("decide", "down"),
            "/enrollment#conflicts".to_owned(),
        ),
        (
            conflicts.len(),
            "open question about identity",
            "open questions about identity",
            list(conflicts.iter().map(|conflict| words::conflict(conflict.kind))),
            ("decide", "degraded"),
            "/enrollment#conflicts".to_owned(),
        ),
        (
            health.silent,
            "agent is silent",
            "agents are silent",
            format!("Not heard for more than {silent_minutes} minutes."),
            ("look", "degraded"),
            link("/items", [("q", format!("class:machine quiet:{silent_minutes}m").as_str()), ("sort", "last_seen")]),
        ),
        (
            unowned,
            "business service has no owner",
            "business services have no owner",
            "Nobody would be told if it fails.".to_owned(),
            ("fill in", "unknown"),
            link("/items", [("q", r#"class:business_service owner="""#)]),
        ),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, one, many, detail, (word, tone), href)| Attention { text: counted(number, one, many), detail, word, tone, href })
    .collect()
}

/// The first few of these, and how many more.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 4;
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", count((names.len() - SHOWN) as u64)) } else { shown }
}

fn figure(number: usize, label: &'static str, filter: &str) -> Figure {
    Figure { number: count(number as u64), label, href: link("/items", [("q", filter)]) }
}

fn tally<'a>(values: impl Iterator<Item = &'a str>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().map(|(name, number)| (name.to_owned(), number)).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

fn bars(counts: &[(String, usize)], words: impl Fn(&str) -> (String, String)) -> Vec<Bar> {
    let most = counts.first().map_or(1, |(_, number)| *number).max(1);
    let bar = |(name, number): &(String, usize)| {
        let (label, filter) = words(name);
        Bar { label, number: count(*number as u64), percent: (number * 100 / most).max(1), href: link("/items", [("q", filter.as_str())]) }
    };
    counts.iter().take(BARS).map(bar).collect()
}

fn recently_changed(estate: &Estate) -> Vec<CiId> {
    let mut newest: Vec<(Timestamp, CiId)> = estate.cis().map(|ci| (ci.valid_from, ci.id)).collect();
    newest.sort_unstable_by(|a, b| b.cmp(a));
    newest.into_iter().take(CHANGES).map(|(_, id)| id).collect()
}

fn change(estate: &Estate, version: CiVersion, now: Timestamp) -> Change {
    let ci = version.ci;
    Change {
        class: words::class_and_host(estate, &ci.class, ci.id),
        what: super::problem::sentence(&version.reason),
        when: When::new(ci.valid_from, now),
        href: format!("/items/{}?view=history", ci.id),
        name: ci.name,
    }
}

fn is_machine(estate: &Estate, ci: &Ci) -> bool {
    estate.is_a(ci, "machine")
}

/// A value as the filter language quotes it.
pub(super) fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_agents_bar_follow_each_other() {
        let parts = Health { reporting: 3, silent: 0, pending: 1, held: 0 }.parts();
        let shape: Vec<_> = parts.iter().map(|part| (part.label, part.offset, part.width)).collect();
        assert_eq!(shape, [("reporting", 0, 750), ("pending", 750, 250)]);
    }

    #[test]
    fn long_lists_are_cut_with_a_count() {
        assert_eq!(list(["a", "b"].into_iter()), "a, b");
        assert_eq!(list(["a", "b", "c", "d", "e", "f"].into_iter()), "a, b, c, d and 2 more");
    }

    #[test]
    fn values_are_quoted_as_the_filter_language_reads_them() {
        let filter =
            crate::query::Filter::parse(&rollcall_core::Catalogue::built_in(), &format!("operating_system={}", quoted(r#"a "b" \c"#)))
                .unwrap();
        assert_eq!(filter.to_string(), r#"operating_system="a \"b\" \\c""#);
    }
}
