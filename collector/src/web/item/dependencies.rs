//! What an item needs and what needs it, with the evidence; and what people declare.

use askama::Template;
use axum::response::Response;
use rollcall_core::{
    Ci, Estate, Judge, Method, NeedGroup, Relationship, Standing,
    graph::{Graph, Node},
    impact,
};
use rollcall_shared::{CiId, NeedGroupId, RelationshipId, Timestamp, catalogue::Hardness};

use super::{Head, no_such_item};
use crate::{
    api::impact::single_points::is_critical,
    auth::Refusal,
    web::{
        format::{self, When},
        problem::Problem,
        visitor::{Part, Shell, Visitor},
        words,
    },
};

mod declare;

pub(in crate::web) use declare::{declare_group, declare_relationship, retire_group, retire_relationship, set_hardness};

/// Items that a search for single points of failure may visit: a page's worth.
const MOST_TRIED: usize = 1_000_000;
/// Single points, and pairs, that a page shows.
const MOST_POINTS: usize = 200;
/// Observed evidence that nothing confirmed for so long is stale.
const STALE_AFTER_MS: i64 = 7 * 86_400_000;

#[derive(Template)]
#[template(path = "item_dependencies.html")]
struct Page {
    shell: Shell,
    head: Head,
    needs: Vec<Row>,
    needed_by: Vec<Row>,
    groups: Vec<GroupRow>,
    single_points: Option<SinglePoints>,
    kinds: Vec<(String, String)>,
    providers: Vec<(CiId, String)>,
    open: String,
}

struct Row {
    id: RelationshipId,
    other: CiId,
    name: String,
    class: String,
    on: String,
    verb: String,
    hardness: &'static str,
    evidence: Vec<EvidenceRow>,
    confirmed: When,
    stale: bool,
    declared: bool,
    /// A person has said how badly it is needed.
    judged: bool,
}

/// What takes a service down, alone or two together.
struct SinglePoints {
    points: Vec<PointRow>,
    pairs: Option<Vec<(Link, Link)>>,
    /// Not everything could be tried.
    unfinished: bool,
}

struct PointRow {
    item: Link,
    class: String,
    state: &'static str,
    state_label: &'static str,
    why: String,
}

struct Link {
    id: CiId,
    name: String,
}

struct EvidenceRow {
    method: String,
    detail: String,
}

struct GroupRow {
    id: NeedGroupId,
    name: String,
    rule: String,
    members: Vec<(CiId, String)>,
    by: String,
    own: bool,
}

pub(super) async fn show(visitor: Visitor, id: CiId) -> Result<Response, Problem> {
    let graph = visitor.app.graph().await;
    // Failing one thing after another takes its time where a service needs many.
    let made = tokio::task::spawn_blocking(move || page(&visitor, &graph, id).map(|page| visitor.page(&page)));
    made.await.map_err(|error| {
        tracing::error!(%error, "a page's work ended badly");
        Problem::from(Refusal::internal())
    })?
}

fn page(visitor: &Visitor, graph: &Graph, id: CiId) -> Result<Page, Problem> {
    let shell = visitor.shell(Part::Inventory);
    let single_points = single_points(visitor, graph, id);
    Ok({
        let estate = visitor.app.estate();
        let ci = estate.ci(id).ok_or_else(no_such_item)?;
        // Whom a machine has met stands with those that were met.
        let needs = estate.dependencies(id).filter(|one| one.kind != "meets");
        let mut needs: Vec<Row> = needs.filter_map(|one| row(&estate, one, true, visitor.now)).collect();
        let mut needed_by: Vec<Row> = estate.dependents(id).filter_map(|one| row(&estate, one, false, visitor.now)).collect();
        for rows in [&mut needs, &mut needed_by] {
            rows.sort_by(|a, b| (&a.verb, &a.name, &a.on, a.id).cmp(&(&b.verb, &b.name, &b.on, b.id)));
        }
        let mut providers: Vec<(CiId, String)> = needs.iter().map(|row| (row.other, words::name_and_host(&estate, row.other))).collect();
        providers.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
        providers.dedup();
        Page {
            shell,
            head: Head::new(&estate, ci, "dependencies", visitor.now),
            groups: groups(&estate, ci),
            single_points,
            needs,
            needed_by,
            kinds: kinds(&estate),
            providers,
            open: visitor.query.get("declare").to_owned(),
        }
    })
}

/// A relationship from one of its ends; `None` if the other end is unknown.
fn row(estate: &Estate, relationship: &Relationship, from_dependent: bool, now: Timestamp) -> Option<Row> {
    let other = estate.ci(if from_dependent { relationship.to } else { relationship.from })?;
    let verb = if from_dependent {
        words::forward(estate.catalogue(), &relationship.kind)
    } else {
        words::reverse(estate.catalogue(), &relationship.kind)
    };
    let confirmed =
        relationship.evidence.iter().map(|evidence| words::confirmed(estate, evidence)).max().unwrap_or(relationship.valid_from);
    let declared = relationship.evidence.iter().all(|evidence| evidence.method == Method::Declared);
    let evidence = relationship.evidence.iter().map(|evidence| EvidenceRow {
        method: match evidence.agent.and_then(|agent| estate.machine_of(agent)) {
            Some(machine) => format!("{}, seen by {}", words::method(evidence.method), machine.name),
            None => format!("{} by {}", words::method(evidence.method), words::source(&evidence.source)),
        },
        detail: match evidence.samples_total {
            0 => evidence.detail.clone(),
            _ if evidence.method == Method::Neighbour => evidence.detail.clone(),
            total => format!("{} ({} of {total} samples)", evidence.detail, evidence.samples_seen),
        },
    });
    let judgement = relationship.judgement.as_ref().map(|judgement| EvidenceRow {
        method: match &judgement.by {
            Judge::Person(source) => format!("judged by {}", words::source(source)),
            Judge::Signature | Judge::Pattern => format!("taken for {}", judgement.purpose.as_str().replace('_', " ")),
        },
        detail: judgement.reason.clone(),
    });
    let evidence = evidence.chain(judgement);
    Some(Row {
        id: relationship.id,
        other: other.id,
        name: other.name.clone(),
        class: words::class(estate.catalogue(), &other.class).to_owned(),
        on: words::host(estate, other.id).to_owned(),
        verb: verb.to_owned(),
        hardness: match words::hardness(estate, relationship) {
            Hardness::Hard => "down",
            Hardness::Soft => "degraded",
            Hardness::None => "nothing",
        },
        evidence: evidence.collect(),
        confirmed: When::new(confirmed, now),
        stale: !declared && now.millis_since(confirmed) > STALE_AFTER_MS,
        declared,
        judged: relationship.judgement.as_ref().is_some_and(|judgement| judgement.by.is_person()),
    })
}

/// What a service stands and falls with; `None` for what is no service.
fn single_points(visitor: &Visitor, graph: &Graph, id: CiId) -> Option<SinglePoints> {
    let node = graph.node(id)?;
    let estate = visitor.app.estate();
    let ci = estate.ci(id)?;
    let is_critical = is_critical(ci);
    if !graph.is_business_service(node) && !is_critical {
        return None;
    }
    let link = |node: &Node| Link { id: node.id, name: words::name_and_host(&estate, node.id) };
    let found = impact::single_points(graph, id, MOST_TRIED)?;
    let pairs = if is_critical { impact::pairs(graph, id, MOST_TRIED) } else { None };
    let unfinished = found.tried < found.needed || pairs.as_ref().is_some_and(|pairs| !pairs.complete);
    let row = |point: &impact::SinglePoint<'_>| PointRow {
        item: link(point.ci),
        class: words::class(estate.catalogue(), graph.class_of(point.ci)).to_owned(),
        state: point.state.as_str(),
        state_label: point.state.label(),
        why: match (point.behind, point.guards) {
            (Some(behind), _) => format!("Everything that leads to it passes {}.", words::name_and_host(&estate, behind.id)),
            (None, 0) => String::new(),
            (None, guards) => format!("The only way to {}.", format::counted(guards, "other item", "other items")),
        },
    };
    let points = found.points.iter().take(MOST_POINTS).map(row).collect();
    let pairs = pairs.map(|pairs| pairs.pairs.iter().take(MOST_POINTS).map(|pair| (link(pair.first), link(pair.second))).collect());
    Some(SinglePoints { points, pairs, unfinished })
}

/// The item's own groups, then those that it is a member of.
fn groups(estate: &Estate, ci: &Ci) -> Vec<GroupRow> {
    let own = estate.need_groups_of(ci.id).map(|group| group_row(estate, group, true));
    let member = estate.need_groups().filter(|group| group.ci != ci.id && group.members.contains(&ci.id));
    let member = member.map(|group| group_row(estate, group, false));
    let suggested = estate.suggestions().filter(|group| group.ci == ci.id && group.standing == Standing::Suggested).map(|group| {
        let because = group.suggestion.as_ref().map(|it| it.evidence.join("; ")).unwrap_or_default();
        GroupRow { by: format!("suggested, does not count until somebody accepts it: {because}"), ..group_row(estate, group, false) }
    });
    let mut groups: Vec<GroupRow> = own.chain(member).chain(suggested).collect();
    groups.sort_by(|a, b| (!a.own, &a.name).cmp(&(!b.own, &b.name)));
    groups
}

fn group_row(estate: &Estate, group: &NeedGroup, own: bool) -> GroupRow {
    let otherwise = match group.hardness {
        Hardness::Hard => "otherwise it is down",
        Hardness::Soft => "otherwise it is degraded",
        Hardness::None => "shown only",
    };
    let rule = words::rule(group.min_up, group.members.len());
    let by = format!("declared by {}", words::source(&group.source));
    GroupRow {
        id: group.id,
        name: group.name.clone(),
        rule: format!("{rule}, {otherwise}"),
        members: group.members.iter().map(|member| (*member, words::name_and_host(estate, *member))).collect(),
        by: if own { by } else { format!("need of {} · {by}", words::name(estate, group.ci)) },
        own,
    }
}

/// What can be declared, both ways: `depends_on` and the reverse of it.
fn kinds(estate: &Estate) -> Vec<(String, String)> {
    let types = estate.catalogue().relationship_types();
    let both = types.flat_map(|kind| [(kind.name.clone(), kind.forward.clone()), (format!("{}:reverse", kind.name), kind.reverse.clone())]);
    let mut kinds: Vec<(String, String)> = both.collect();
    // The plain word first; two types may read alike from one end.
    kinds.sort_by_key(|(name, _)| !name.starts_with("depends_on"));
    kinds.dedup_by_key(|(_, words)| words.clone());
    kinds
}
