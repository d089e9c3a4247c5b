//! `GET /impact`: what breaks if this fails, why, what holds, and who must know. The address holds the question.

use askama::Template;
use axum::{Json, response::Response};
use rollcall_core::{
    Ci, Estate,
    graph::EdgeView,
    impact::{self, Assessment, Basis, FailureKind, Outage, State, Who},
};
use rollcall_shared::{CiId, catalogue::Hardness};
use serde::Serialize;

use super::{
    fields::link,
    format::{count, counted, relative},
    problem::sentence,
    visitor::{Part, Shell, Visitor},
    words,
};
use crate::query::CiQuery;

/// Most items in one question.
const MOST_FAILURES: usize = 200;
/// Rows of the table; the sentence counts all.
const MOST_ROWS: usize = 500;
/// Rows with their path and evidence written out.
const MOST_PATHS: usize = 100;
/// Items offered for a search.
const CHOICES: usize = 12;

#[derive(Template)]
#[template(path = "impact.html")]
struct Page {
    shell: Shell,
    chosen: Vec<Chosen>,
    kind: &'static str,
    kinds: [(&'static str, &'static str); 3],
    find: String,
    find_problem: Option<String>,
    choices: Vec<Choice>,
    suggestions: Vec<Choice>,
    answer: Option<Answer>,
    graph: Option<String>,
}

struct Chosen {
    id: CiId,
    name: String,
    class: String,
    without: String,
}

struct Choice {
    id: CiId,
    name: String,
    detail: String,
}

struct Answer {
    sentence: String,
    basis: String,
    tone: &'static str,
    counts: Vec<(&'static str, String)>,
    affected: Vec<AffectedRow>,
    more: usize,
    people: Vec<PersonRow>,
    absorbed: Vec<AbsorbedRow>,
    spared: usize,
}

struct AffectedRow {
    id: CiId,
    name: String,
    class: String,
    state: &'static str,
    state_label: &'static str,
    hops: u32,
    reason: String,
    path: Vec<HopRow>,
    weak: String,
    owner: String,
}

struct HopRow {
    dependent: (CiId, String),
    verb: String,
    provider: (CiId, String),
    provider_state: &'static str,
    evidence: String,
}

struct PersonRow {
    id: Option<CiId>,
    name: String,
    state: &'static str,
    state_label: &'static str,
    items: String,
}

struct AbsorbedRow {
    id: CiId,
    name: String,
    state: &'static str,
    state_label: &'static str,
    reason: String,
}

/// `GET /impact?ci=…&ci=…&kind=…&find=…`
pub(super) async fn show(visitor: Visitor) -> Response {
    let question = Question::of(&visitor);
    let shell = visitor.shell(Part::Impact);
    let graph = visitor.app.graph().await;
    let find = visitor.query.get("find").to_owned();
    let page = {
        let estate = visitor.app.estate();
        let chosen: Vec<&Ci> = question.cis.iter().filter_map(|id| estate.ci(*id)).collect();
        let (choices, find_problem) = choices(&estate, &visitor, &find, &question.cis);
        let answer = (!chosen.is_empty()).then(|| {
            let assessment = impact::assess(&graph, &question.outage(), Basis::of(&estate, visitor.now));
            answer(&estate, &assessment, &visitor)
        });
        Page {
            shell,
            kind: question.kind.as_str(),
            kinds: [("down", "It fails"), ("maintenance", "Planned downtime"), ("degraded", "It serves worse")],
            suggestions: if chosen.is_empty() && find.is_empty() { suggestions(&estate) } else { Vec::new() },
            chosen: chosen
                .iter()
                .map(|ci| Chosen {
                    id: ci.id,
                    name: ci.name.clone(),
                    class: words::class_and_host(&estate, &ci.class, ci.id),
                    without: question.without(ci.id).address("/impact"),
                })
                .collect(),
            graph: answer
                .as_ref()
                .filter(|answer| !answer.affected.is_empty() || !answer.absorbed.is_empty())
                .map(|_| question.address("/impact/picture")),
            answer,
            find,
            find_problem,
            choices,
        }
    };
    visitor.page(&page)
}

/// What is asked.
struct Question {
    cis: Vec<CiId>,
    kind: FailureKind,
}

impl Question {
    fn of(visitor: &Visitor) -> Self {
        let mut cis = visitor.query.cis("ci");
        cis.truncate(MOST_FAILURES);
        Self { cis, kind: FailureKind::parse(visitor.query.get("kind")).unwrap_or(FailureKind::Down) }
    }

    fn outage(&self) -> Outage {
        Outage::all(self.cis.iter().copied(), self.kind)
    }

    fn without(&self, id: CiId) -> Self {
        Self { cis: self.cis.iter().copied().filter(|known| *known != id).collect(), kind: self.kind }
    }

    fn address(&self, path: &str) -> String {
        let ids: Vec<String> = self.cis.iter().map(ToString::to_string).collect();
        let kind = if self.kind == FailureKind::Down { "" } else { self.kind.as_str() };
        link(path, ids.iter().map(|id| ("ci", id.as_str())).chain([("kind", kind)]))
    }
}

fn choices(estate: &Estate, visitor: &Visitor, find: &str, chosen: &[CiId]) -> (Vec<Choice>, Option<String>) {
    if find.is_empty() {
        return (Vec::new(), None);
    }
    let asked = match CiQuery::parse(find, "", None, Some(CHOICES + chosen.len())) {
        Ok(asked) => asked,
        Err(error) => return (Vec::new(), Some(sentence(&error.to_string()))),
    };
    match visitor.app.search.list(estate, &asked, visitor.now) {
        Ok(page) => {
            let choices = page.items.into_iter().filter(|ci| !chosen.contains(&ci.id)).take(CHOICES).map(|ci| Choice {
                id: ci.id,
                name: ci.name.clone(),
                detail: words::class_and_host(estate, &ci.class, ci.id),
            });
            (choices.collect(), None)
        }
        Err(error) => (Vec::new(), Some(sentence(&error.to_string()))),
    }
}

/// The items that most others depend on directly.
fn suggestions(estate: &Estate) -> Vec<Choice> {
    let live = estate.active_cis().map(|ci| (estate.dependents(ci.id).filter(|one| words::hardness(one) != Hardness::None).count(), ci));
    let mut ranked: Vec<(usize, &Ci)> = live.filter(|(dependents, _)| *dependents > 0).collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let suggest = |(dependents, ci): (usize, &Ci)| Choice {
        id: ci.id,
        name: ci.name.clone(),
        detail: format!("{}, {} directly", words::class_and_host(estate, &ci.class, ci.id), counted(dependents, "dependent", "dependents")),
    };
    ranked.into_iter().take(CHOICES).map(suggest).collect()
}

fn answer(estate: &Estate, assessment: &Assessment<'_>, visitor: &Visitor) -> Answer {
    let graph = assessment.graph();
    let worst = assessment.affected.iter().map(|affected| affected.state).max().unwrap_or(State::Ok);
    let counts = assessment.counts;
    let rows = assessment.affected.iter().take(MOST_ROWS).enumerate().map(|(at, affected)| AffectedRow {
        id: affected.ci.id,
        name: affected.ci.name.to_string(),
        class: words::class_and_host(estate, graph.class_of(affected.ci), affected.ci.id),
        state: affected.state.as_str(),
        state_label: affected.state.label(),
        hops: affected.hops,
        reason: sentence(&assessment.reason(affected.ci.id)),
        path: if at < MOST_PATHS { path(estate, assessment, affected.ci.id, visitor) } else { Vec::new() },
        weak: match (affected.rests_on_stale, affected.rests_on_one_ended) {
            (true, _) => "Rests on stale evidence.".to_owned(),
            (false, true) => "Seen by one end only.".to_owned(),
            (false, false) => String::new(),
        },
        owner: affected.ci.owner.as_deref().unwrap_or_default().to_owned(),
    });
    Answer {
        sentence: assessment.verdict(),
        basis: basis(assessment),
        tone: worst.as_str(),
        counts: [("down", counts.down, "down"), ("degraded", counts.degraded, "degraded"), ("at_risk", counts.at_risk, "at risk")]
            .into_iter()
            .filter(|(_, number, _)| *number > 0)
            .map(|(tone, number, words)| (tone, format!("{} {words}", count(number as u64))))
            .collect(),
        affected: rows.collect(),
        more: assessment.affected.len().saturating_sub(MOST_ROWS),
        people: people(assessment),
        absorbed: absorbed(assessment),
        spared: assessment.spared,
    }
}

/// How much of the answer rests on weak evidence.
fn basis(assessment: &Assessment<'_>) -> String {
    let share = assessment.evidence;
    let parts = [(share.stale, "stale evidence"), (share.one_ended, "evidence that only one of two ends has seen")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, words)| format!("{} of {} rest on {words}", count(number as u64), count(share.harmed as u64)))
        .collect();
    if parts.is_empty() { String::new() } else { format!("Of what is down or degraded, {}.", parts.join(" and ")) }
}

fn path(estate: &Estate, assessment: &Assessment<'_>, id: CiId, visitor: &Visitor) -> Vec<HopRow> {
    let hops = assessment.witness(id).into_iter().map(|hop| HopRow {
        verb: match (hop.group, hop.edges.first()) {
            (Some(group), _) => format!("needs {} ({}) from", group.name, words_of_group(group.min_up)),
            (None, Some(edge)) => words::forward(edge.kind).to_owned(),
            (None, None) => "needs".to_owned(),
        },
        dependent: (hop.dependent.id, words::name_and_host(estate, hop.dependent.id)),
        provider: (hop.provider.id, words::name_and_host(estate, hop.provider.id)),
        provider_state: hop.provider_state.label(),
        evidence: hop.edges.iter().map(|edge| evidence(estate, edge, visitor)).collect::<Vec<_>>().join("; "),
    });
    hops.collect()
}

fn words_of_group(min_up: u32) -> String {
    format!("at least {min_up}")
}

/// An edge's evidence: method, detail, and when it was last confirmed.
fn evidence(estate: &Estate, edge: &EdgeView<'_>, visitor: &Visitor) -> String {
    let Some(relationship) = edge.relationship.and_then(|id| estate.relationship(id)) else {
        return "named by the declared group".to_owned();
    };
    let parts = relationship.evidence.iter().map(|evidence| {
        let confirmed = relative(words::confirmed(estate, evidence), visitor.now);
        let detail = if evidence.detail.is_empty() { String::new() } else { format!(": {}", evidence.detail) };
        format!("{}{detail}, {confirmed}", words::method(evidence.method))
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn people(assessment: &Assessment<'_>) -> Vec<PersonRow> {
    const NAMED: usize = 6;
    let row = |contact: impact::Contact<'_>| {
        let (id, name) = match contact.who {
            Who::Ci(id, name) => (Some(id), name),
            Who::Name(name) => (None, name),
        };
        let names: Vec<&str> = contact.cis.iter().take(NAMED).map(|node| &*node.name).collect();
        let more = contact.cis.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {} more", count(more as u64)) } else { String::new() };
        PersonRow {
            id,
            name: name.to_owned(),
            state: contact.worst.as_str(),
            state_label: contact.worst.label(),
            items: format!("{}{more}", names.join(", ")),
        }
    };
    assessment.people().into_iter().map(row).collect()
}

fn absorbed(assessment: &Assessment<'_>) -> Vec<AbsorbedRow> {
    let row = |absorbed: &impact::Absorbed<'_>| AbsorbedRow {
        id: absorbed.ci.id,
        name: absorbed.ci.name.to_string(),
        state: absorbed.state.as_str(),
        state_label: if absorbed.state == State::Ok { "serves" } else { absorbed.state.label() },
        reason: sentence(&assessment.reason(absorbed.ci.id)),
    };
    assessment.absorbed.iter().take(MOST_ROWS).map(row).collect()
}

/// What the script draws. Positions are pixels of the unzoomed picture.
#[derive(Serialize)]
pub(super) struct Drawing {
    nodes: Vec<DrawnNode>,
    edges: Vec<DrawnEdge>,
}

#[derive(Serialize)]
struct DrawnNode {
    id: CiId,
    name: String,
    detail: String,
    state: &'static str,
    subject: bool,
    x: f64,
    y: f64,
    href: String,
}

#[derive(Serialize)]
struct DrawnEdge {
    from: CiId,
    to: CiId,
    hard: bool,
    carries: bool,
}

/// Between the middles of two neighbours in a layer.
const NODE_SPACING: f64 = 184.0;
/// Between two layers.
const LAYER_SPACING: f64 = 104.0;

/// Nodes side by side; a wider layer takes several rows, or it would be too small to read.
const ROW: usize = 7;
/// Between two rows of a layer.
const ROW_SPACING: f64 = 62.0;

/// Where each node of a picture is drawn, what fails at the bottom: things stand on what they depend on.
fn places(picture: &impact::view::Picture<'_>) -> Vec<(f64, f64)> {
    let mut places = Vec::with_capacity(picture.nodes.len());
    let mut y = 0.0;
    for layer in picture.nodes.chunk_by(|a, b| a.layer == b.layer) {
        let rows = layer.len().div_ceil(ROW);
        // As even as they come: 8 nodes are 4 and 4, not 7 and 1.
        let in_row = layer.len().div_ceil(rows);
        for row in layer.chunks(in_row) {
            let middle = (row.len() as f64 - 1.0) / 2.0;
            places.extend((0..row.len()).map(|at| ((at as f64 - middle) * NODE_SPACING, y)));
            y -= ROW_SPACING;
        }
        y -= LAYER_SPACING - ROW_SPACING;
    }
    places
}

/// `GET /impact/picture?ci=…`: the picture's data, laid out.
pub(super) async fn picture(visitor: Visitor) -> Json<Drawing> {
    let graph = visitor.app.graph().await;
    let estate = visitor.app.estate();
    let assessment = impact::assess(&graph, &Question::of(&visitor).outage(), Basis::of(&estate, visitor.now));
    let picture = impact::view::outage(&assessment, impact::view::Limits::default());
    let nodes = picture.nodes.iter().zip(places(&picture)).map(|(node, (x, y))| DrawnNode {
        id: node.ci.id,
        name: node.ci.name.to_string(),
        detail: match words::host(&estate, node.ci.id) {
            "" => words::class(graph.class_of(node.ci)).to_owned(),
            host => format!("on {host}"),
        },
        state: node.state.as_str(),
        subject: matches!(node.role, impact::view::Role::Failing(_)),
        x,
        y,
        href: format!("/items/{}", node.ci.id),
    });
    let edges = picture.edges.iter().map(|edge| DrawnEdge {
        from: edge.from,
        to: edge.to,
        hard: edge.relationships.iter().filter_map(|id| estate.relationship(*id)).any(|one| words::hardness(one) == Hardness::Hard),
        carries: edge.is_reason,
    });
    Json(Drawing { nodes: nodes.collect(), edges: edges.collect() })
}
