//! An answer as the pages show it: fresh ones and those that were kept look the same.

use rollcall_core::{Catalogue, Method, impact::State};
use rollcall_shared::Timestamp;

use super::super::{
    format::{count, counted, relative},
    problem::sentence,
    words,
};
use crate::api::{
    impact::{
        answer::{AffectedView, Answer, ContactView, EdgeViewBody, HopView, NeedView, SetView},
        compare::Comparison,
        paths::StepView,
    },
    types::CiReference,
};

/// Rows of the table; the sentence counts all.
const MOST_ROWS: usize = 500;
/// Items named in a list within a sentence.
const NAMED: usize = 6;

pub(in crate::web) struct Shown {
    pub(super) sentence: String,
    pub(super) basis: String,
    pub(super) unknown: bool,
    pub(super) tone: &'static str,
    pub(super) counts: Vec<(&'static str, String)>,
    pub(super) sets: Vec<SetRow>,
    pub(super) affected: Vec<AffectedRow>,
    pub(super) more: usize,
    pub(super) people: Vec<PersonRow>,
    pub(super) already: Vec<AbsorbedRow>,
    pub(super) absorbed: Vec<AbsorbedRow>,
    pub(super) spared: usize,
}

pub(super) struct SetRow {
    pub(super) set: String,
    pub(super) number: String,
    pub(super) items: Vec<ItemLink>,
    pub(super) more: usize,
    pub(super) worst: Option<ItemLink>,
}

/// A link to an item.
pub(in crate::web) struct ItemLink {
    pub(in crate::web) href: String,
    pub(in crate::web) name: String,
}

pub(super) struct AffectedRow {
    pub(super) item: ItemLink,
    pub(super) class: String,
    pub(super) state: &'static str,
    pub(super) state_label: &'static str,
    pub(super) hops: u32,
    pub(super) reason: String,
    pub(super) causes: Vec<String>,
    pub(super) path: Vec<StepRow>,
    pub(super) unknown: bool,
    pub(super) weak: String,
    pub(super) people: String,
}

/// One step of a path with what speaks for it.
pub(in crate::web) struct StepRow {
    pub(in crate::web) dependent: ItemLink,
    pub(in crate::web) verb: String,
    pub(in crate::web) provider: ItemLink,
    pub(in crate::web) state: String,
    pub(in crate::web) evidence: String,
}

pub(super) struct PersonRow {
    pub(super) href: Option<String>,
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) state_label: &'static str,
    pub(super) items: String,
}

/// Something beside what is affected, its state and the reason.
pub(super) struct AbsorbedRow {
    pub(super) item: ItemLink,
    pub(super) state: &'static str,
    pub(super) state_label: &'static str,
    pub(super) reason: String,
}

/// An item that fares differently in two answers.
pub(super) struct DifferenceRow {
    pub(super) item: ItemLink,
    pub(super) class: String,
    pub(super) before: (&'static str, &'static str),
    pub(super) after: (&'static str, &'static str),
}

impl Shown {
    /// `at` is what ages of evidence are counted from: now, or when the answer was kept.
    pub(super) fn of(catalogue: &Catalogue, answer: &Answer, at: Timestamp) -> Self {
        let worst = answer.affected.iter().map(|one| state(&one.state)).max().unwrap_or(State::Ok);
        let counts = &answer.counts;
        Self {
            sentence: answer.verdict.clone(),
            basis: basis(answer),
            unknown: answer.certainty == "unknown",
            tone: worst.as_str(),
            counts: [("down", counts.down, "down"), ("degraded", counts.degraded, "degraded"), ("at_risk", counts.at_risk, "at risk")]
                .into_iter()
                .filter(|(_, number, _)| *number > 0)
                .map(|(tone, number, words)| (tone, format!("{} {words}", count(number as u64))))
                .collect(),
            sets: answer.sets.iter().map(set_row).collect(),
            affected: answer.affected.iter().take(MOST_ROWS).map(|one| affected_row(catalogue, one, at)).collect(),
            more: answer.affected.len().saturating_sub(MOST_ROWS),
            people: answer.people.iter().map(person_row).collect(),
            already: answer
                .already
                .iter()
                .take(MOST_ROWS)
                .map(|one| AbsorbedRow {
                    item: full(&one.ci),
                    state: state(&one.state).as_str(),
                    state_label: state(&one.state).label(),
                    reason: sentence(&one.reason),
                })
                .collect(),
            absorbed: answer
                .absorbed
                .iter()
                .take(MOST_ROWS)
                .map(|one| AbsorbedRow {
                    item: item(&one.ci),
                    state: state(&one.state).as_str(),
                    state_label: if one.state == "ok" { "serves" } else { state(&one.state).label() },
                    reason: sentence(&one.reason),
                })
                .collect(),
            spared: answer.spared,
        }
    }
}

/// What differs between two answers.
pub(super) fn differences(catalogue: &Catalogue, comparison: &Comparison) -> Vec<DifferenceRow> {
    let label = |text: &Option<String>| match text.as_deref() {
        None => ("unknown", "not there"),
        Some("ok") => ("ok", "ok"),
        Some(text) => (state(text).as_str(), state(text).label()),
    };
    let row = |difference: &crate::api::impact::compare::DifferenceView| DifferenceRow {
        item: item(&difference.ci),
        class: words::class(catalogue, &difference.ci.class).to_owned(),
        before: label(&difference.before),
        after: label(&difference.after),
    };
    comparison.differences.iter().take(MOST_ROWS).map(row).collect()
}

/// One step of a chain of dependencies.
pub(in crate::web) fn step(catalogue: &Catalogue, step: &StepView, at: Timestamp) -> StepRow {
    StepRow {
        dependent: full(&step.dependent),
        verb: step.edges.first().map_or_else(|| "needs".to_owned(), |edge| words::forward(catalogue, &edge.kind).to_owned()),
        provider: full(&step.provider),
        state: String::new(),
        evidence: step.edges.iter().map(|edge| evidence(edge, at)).collect::<Vec<_>>().join("; "),
    }
}

fn state(text: &str) -> State {
    State::parse(text).unwrap_or_default()
}

fn item(ci: &CiReference) -> ItemLink {
    ItemLink { href: format!("/items/{}", ci.id), name: ci.name.clone() }
}

/// With the machine that it runs on.
pub(in crate::web) fn full(ci: &CiReference) -> ItemLink {
    let name = match &ci.on {
        Some(machine) => format!("{} on {machine}", ci.name),
        None => ci.name.clone(),
    };
    ItemLink { href: format!("/items/{}", ci.id), name }
}

fn class(catalogue: &Catalogue, ci: &CiReference) -> String {
    match &ci.on {
        Some(machine) => format!("{} on {machine}", words::class(catalogue, &ci.class)),
        None => words::class(catalogue, &ci.class).to_owned(),
    }
}

/// How much of the answer rests on weak evidence.
fn basis(answer: &Answer) -> String {
    let share = &answer.evidence;
    let parts = [(share.stale, "stale evidence"), (share.one_ended, "evidence that only one of two ends has seen")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, words)| format!("{} of {} rest on {words}", count(number as u64), count(share.harmed as u64)))
        .collect();
    if parts.is_empty() { String::new() } else { format!("Of what is down or degraded, {}.", parts.join(" and ")) }
}

fn set_row(set: &SetView) -> SetRow {
    SetRow {
        set: set.set.clone(),
        number: counted(set.total, "item", "items"),
        items: set.items.iter().map(full).collect(),
        more: set.total.saturating_sub(set.items.len()),
        worst: set.worst.as_ref().map(full),
    }
}

fn affected_row(catalogue: &Catalogue, one: &AffectedView, at: Timestamp) -> AffectedRow {
    let mut people: Vec<&str> = one.people.iter().map(String::as_str).collect();
    people.extend(one.owner.as_deref().filter(|owner| !one.people.iter().any(|known| known == owner)));
    AffectedRow {
        item: item(&one.ci),
        class: class(catalogue, &one.ci),
        state: state(&one.state).as_str(),
        state_label: state(&one.state).label(),
        hops: one.hops,
        reason: sentence(&one.reason),
        causes: one.causes.iter().filter(|need| need.group.is_some()).map(cause).collect(),
        path: one.path.iter().map(|hop| hop_row(catalogue, hop, at)).collect(),
        unknown: one.rests_on_stale,
        weak: match (one.rests_on_stale, one.rests_on_one_ended) {
            (true, _) => "Rests on stale evidence.".to_owned(),
            (false, true) => "Seen by one end only.".to_owned(),
            (false, false) => String::new(),
        },
        people: people.join(", "),
    }
}

/// A need group that failed, member by member.
fn cause(need: &NeedView) -> String {
    let providers: Vec<String> =
        need.providers.iter().take(20).map(|one| format!("{} {}", full(&one.ci).name, state(&one.state).label())).collect();
    let group = need.group.as_deref().unwrap_or_default();
    format!("{group}: {} of {} needed serve ({})", need.serving, need.needed, providers.join(", "))
}

fn hop_row(catalogue: &Catalogue, hop: &HopView, at: Timestamp) -> StepRow {
    StepRow {
        verb: match (&hop.group, hop.edges.first()) {
            (Some(group), _) => format!("needs {group} from"),
            (None, Some(edge)) => words::forward(catalogue, &edge.kind).to_owned(),
            (None, None) => "needs".to_owned(),
        },
        dependent: full(&hop.dependent),
        provider: full(&hop.provider),
        state: state(&hop.provider_state).label().to_owned(),
        evidence: hop.edges.iter().map(|edge| evidence(edge, at)).collect::<Vec<_>>().join("; "),
    }
}

/// A relationship's evidence: method, detail, and when it was last confirmed.
fn evidence(edge: &EdgeViewBody, at: Timestamp) -> String {
    if edge.evidence.is_empty() {
        return if edge.relationship.is_some() { "no evidence".to_owned() } else { "named by the declared group, or pretended".to_owned() };
    }
    let parts = edge.evidence.iter().map(|one| {
        let method: &str = match Method::parse(&one.method) {
            Some(method) => words::method(method),
            None => &one.method,
        };
        let detail = if one.detail.is_empty() { String::new() } else { format!(": {}", one.detail) };
        let samples =
            if one.samples_total > 0 { format!(", {} of {} samples", one.samples_seen, one.samples_total) } else { String::new() };
        let stale = if one.stale { ", stale" } else { "" };
        format!("{method}{detail}{samples}, {}{stale}", relative(one.last_seen.0, at))
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn person_row(contact: &ContactView) -> PersonRow {
    let names: Vec<&str> = contact.cis.iter().take(NAMED).map(|one| one.name.as_str()).collect();
    let more = contact.cis.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {} more", count(more as u64)) } else { String::new() };
    PersonRow {
        href: contact.ci.map(|id| format!("/items/{id}")),
        name: contact.name.clone(),
        state: state(&contact.worst).as_str(),
        state_label: state(&contact.worst).label(),
        items: format!("{}{more}", names.join(", ")),
    }
}
