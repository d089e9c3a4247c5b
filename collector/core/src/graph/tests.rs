use std::collections::{BTreeMap, BTreeSet};

use petgraph::{
    Direction,
    algo::{dijkstra, has_path_connecting, is_cyclic_directed, tarjan_scc, toposort},
    visit::{Bfs, EdgeRef, IntoEdgeReferences, IntoEdgesDirected, IntoNeighborsDirected, IntoNodeReferences, Reversed},
};
use rollcall_shared::{AgentId, CiId, NeedGroupId, RelationshipId, Timestamp, catalogue::Hardness};
use uuid::Uuid;

use super::*;
use crate::{
    Estate, Touched,
    impact::{
        FailureKind, Solver,
        testing::{ci, graph},
    },
    model::{Attribute, Ci, Claim, Evidence, Lifecycle, MinUp, NeedGroup, Put, RUNNING, Relationship, Source, Standing},
};

fn names<'g>(nodes: impl IntoIterator<Item = &'g Node>) -> String {
    nodes.into_iter().map(|node| &*node.name).collect::<Vec<_>>().join(" ")
}

fn sorted<'g>(nodes: impl IntoIterator<Item = &'g Node>) -> String {
    let mut names: Vec<&str> = nodes.into_iter().map(|node| &*node.name).collect();
    names.sort_unstable();
    names.join(" ")
}

#[test]
fn both_directions_agree() {
    let graph = graph("a -> b\na ~> b\nb -> c\na .. c\nd needs 1 of a c");
    assert_eq!((graph.node_count(), graph.edge_count()), (4, 6));
    assert_eq!(sorted(graph.dependencies(ci("a")).map(|edge| edge.to)), "b b c");
    assert_eq!(sorted(graph.dependents(ci("c")).map(|edge| edge.from)), "a b d");
    assert_eq!(graph.groups(ci("d")).next().unwrap().min_up, 1);
    let member = graph.dependencies(ci("d")).next().unwrap();
    assert_eq!((member.kind, member.relationship, member.in_group), ("need_group", None, true));
    assert!(graph.node(ci("x")).is_none() && graph.dependents(ci("x")).next().is_none() && graph.groups(ci("x")).next().is_none());
    let empty = Graph::default();
    assert_eq!((empty.node_count(), cycles(&empty).len()), (0, 0));
}

#[test]
fn needs_are_transitive_with_shortest_chains() {
    let graph = graph(
        "web -> app\napp ~> cache\napp -> db\nweb -> cache2\ncache2 -> db2\ndb2 -> web\nx -> web\nweb owned_by team\ndb needs 1 of d1 d2",
    );
    let needs = graph.needs(ci("web")).unwrap();
    let found: BTreeMap<&str, (u32, bool)> = needs.items.iter().map(|item| (&*item.ci.name, (item.hops, item.hard))).collect();
    let expected = [
        ("app", (1, true)),
        ("cache", (2, false)),
        ("cache2", (1, true)),
        ("d1", (3, true)),
        ("d2", (3, true)),
        ("db", (2, true)),
        ("db2", (2, true)),
    ];
    assert_eq!(found, expected.into());
    let path = needs.path(ci("d2"));
    assert_eq!(names(path.iter().map(|step| step[0].to)), "app db d2");
    assert_eq!(path[0][0].from.name.as_ref(), "web");
    assert!(needs.path(ci("x")).is_empty() && needs.path(ci("web")).is_empty());
}

#[test]
fn circles_are_found() {
    let graph = graph("a -> b\nb ~> c\nc -> a\nd -> a\ne -> f\nf -> e\ng .. h\nh -> g\ni -> i");
    let mut found: Vec<String> = cycles(&graph).into_iter().map(sorted).collect();
    found.sort_unstable();
    assert_eq!(found, ["a b c", "e f"]);
    assert_eq!(sorted(cycle_of(&graph, ci("b"))), "a b c");
    assert_eq!(sorted(cycle_of(&graph, ci("d"))), "");
    assert_eq!(sorted(cycle_of(&graph, ci("g"))), "", "a relationship that is shown only makes no circle");
}

#[test]
fn choke_points_are_what_every_chain_passes() {
    // Two ways to the switch, one way behind it.
    let graph = graph("shop -> a\nshop -> b\na -> switch\nb -> switch\nswitch -> router\nrouter -> power\nb -> disk");
    let points: BTreeMap<&str, (usize, String)> =
        choke_points(&graph, ci("shop")).iter().map(|point| (&*point.ci.name, (point.guards, names(point.behind)))).collect();
    let expected =
        [("a", (0, "")), ("b", (1, "")), ("disk", (0, "b")), ("switch", (2, "")), ("router", (1, "switch")), ("power", (0, "router"))];
    assert_eq!(points, expected.map(|(name, (guards, through))| (name, (guards, through.to_owned()))).into());
    assert!(choke_points(&graph, ci("nobody")).is_empty());
}

#[test]
fn petgraphs_algorithms_run_on_it() {
    let graph = graph("a -> b\nb -> c\nc -> d\na -> d\ne -> a");
    let at = |name: &str| graph.number_of(ci(name)).unwrap();
    assert!(!is_cyclic_directed(&graph));
    assert_eq!(tarjan_scc(&graph).len(), 5);
    let order: Vec<&Node> = toposort(&graph, None).unwrap().into_iter().map(|number| graph.node_at(number)).collect();
    assert_eq!(names(order), "e a b c d");
    assert_eq!(dijkstra(&graph, at("e"), Some(at("d")), |_| 1)[&at("d")], 2);
    assert!(has_path_connecting(Reversed(&graph), at("d"), at("e"), None));
    let mut search = Bfs::new(Reversed(&graph), at("c"));
    assert_eq!(std::iter::from_fn(|| search.next(Reversed(&graph))).count(), 4);
    assert_eq!((&graph).edge_references().count(), 5);
    let incoming = (&graph).edges_directed(at("d"), Direction::Incoming);
    assert_eq!(sorted(incoming.map(|edge| graph.node_at(edge.source()))), "a c");
    assert_eq!((&graph).neighbors_directed(at("a"), Direction::Incoming).count(), 1);
    assert_eq!((&graph).node_references().count(), 5);
}

#[test]
fn a_chain_longer_than_a_stack_is_no_trouble() {
    const LENGTH: u128 = 100_000;
    let id = |at: u128| CiId(Uuid::from_u128(at));
    let node = |at| NodePart { id: id(at), name: "link".into(), class: "server", owner: None, agent: None, stopped: false };
    let edge = |at| EdgePart {
        relationship: RelationshipId(Uuid::from_u128(at)),
        kind: "connects_to",
        from: id(at),
        to: id((at + 1) % LENGTH),
        hardness: Hardness::Hard,
        evidence: Vec::new(),
    };
    let graph = Graph::from_parts(GraphParts {
        nodes: (0..LENGTH).map(node).collect(),
        edges: (0..LENGTH).map(edge).collect(),
        ..Default::default()
    });
    assert_eq!(cycles(&graph)[0].len() as u128, LENGTH);
    assert_eq!(graph.needs(id(7)).unwrap().items.last().unwrap().hops as u128, LENGTH - 1);
    assert_eq!(choke_points(&graph, id(7))[0].guards as u128, LENGTH - 2);
}

fn estate(cis: &[(&str, Lifecycle, Option<&str>)], relationships: &[(&str, &str, &str, Option<Hardness>)], members: &[&str]) -> Estate {
    let at = Timestamp::from_millis(1);
    let mut estate = Estate::default();
    for &(name, lifecycle, merged_into) in cis {
        estate.put(&Put::Ci(Ci {
            id: ci(name),
            class: "server".into(),
            name: name.into(),
            lifecycle,
            stage: crate::model::Stage::InUse,
            sighting: None,
            attributes: BTreeMap::new(),
            keys: Vec::new(),
            agent: Some(AgentId(ci(name).0)),
            merged_into: merged_into.map(ci),
            first_seen: at,
            valid_from: at,
            version: 1,
        }));
    }
    for (number, &(from, kind, to, hardness)) in relationships.iter().enumerate() {
        let evidence = Evidence {
            method: Method::Connection,
            agent: Some(AgentId(ci(from).0)),
            source: Source::Agent,
            detail: "tcp".into(),
            endpoints: Default::default(),
            samples_seen: 1,
            samples_total: 2,
            first_seen: at,
            last_seen: at,
            longest_silence_ms: 0,
        };
        estate.put(&Put::Relationship(Relationship {
            id: RelationshipId(Uuid::from_u128(number as u128)),
            kind: kind.into(),
            from: ci(from),
            to: ci(to),
            hardness,
            judgement: None,
            lifecycle: Lifecycle::Active,
            evidence: vec![evidence],
            first_seen: at,
            valid_from: at,
            version: 1,
        }));
    }
    estate.put(&Put::NeedGroup(NeedGroup {
        id: NeedGroupId(Uuid::from_u128(1)),
        ci: ci("app"),
        name: "replicas".into(),
        members: members.iter().map(|member| ci(member)).collect(),
        min_up: MinUp::Count(2),
        hardness: Hardness::Hard,
        lifecycle: Lifecycle::Active,
        standing: crate::model::Standing::Accepted,
        suggestion: None,
        source: Source::User("ada".into()),
        valid_from: at,
        version: 1,
    }));
    estate
}

#[test]
fn an_estate_becomes_a_graph_of_what_exists() {
    use Lifecycle::{Active, Retired};
    let estate = estate(
        &[("app", Active, None), ("db1", Active, None), ("db2", Active, None), ("old", Retired, None), ("db1dup", Retired, Some("db1"))],
        &[
            ("app", "connects_to", "db1dup", None),
            ("app", "connects_to", "old", None),
            ("app", "uses", "db2", Some(Hardness::Hard)),
            ("db1", "made_up_here", "db2", None),
        ],
        &["db1dup", "db2", "old", "never"],
    );
    let graph = Graph::from_estate(&estate);
    assert_eq!((graph.node_count(), graph.edge_count()), (3, 3));
    let group = graph.groups(ci("app")).next().unwrap();
    assert_eq!((sorted(graph.members(group)), group.min_up, group.gone), ("db1 db2".into(), 2, 2));
    let edges: BTreeMap<(&str, &str), (Hardness, bool, u8)> = graph
        .nodes()
        .flat_map(|node| graph.dependencies(node.id))
        .map(|edge| ((&*edge.from.name, &*edge.to.name), (edge.hardness, edge.in_group, edge.ends_confirming)))
        .collect();
    let expected = [
        (("app", "db1"), (Hardness::Hard, true, 1)),
        (("app", "db2"), (Hardness::Hard, true, 1)),
        (("db1", "db2"), (Hardness::Soft, false, 1)),
    ];
    assert_eq!(edges, expected.into());
}

/// SplitMix64: the same numbers everywhere, for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// Everything that can be asked of a graph, without numbers.
fn written_out(graph: &Graph) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for node in graph.nodes() {
        all.push(format!(
            "{} {} {:?} {:?} {} {}",
            node.id,
            node.name,
            node.owner(),
            graph.agent_of(node),
            graph.class_of(node),
            node.stopped
        ));
        let edge = |edge: EdgeView<'_>| {
            let evidence: Vec<EdgeEvidence> = edge.evidence.iter().collect();
            let (from, to) = (edge.from.id, edge.to.id);
            format!(
                "{from} {to} {:?} {} {:?} {} {} {evidence:?}",
                edge.relationship, edge.kind, edge.hardness, edge.in_group, edge.ends_confirming
            )
        };
        all.extend(graph.dependencies(node.id).map(edge).map(|text| format!("needs {text}")));
        all.extend(graph.dependents(node.id).map(edge).map(|text| format!("needed {text}")));
        all.extend(graph.groups(node.id).map(|group| {
            let mut members: Vec<CiId> = graph.members(group).map(|member| member.id).collect();
            members.sort_unstable();
            format!("{} {} {} {:?} {} {} {members:?}", node.id, group.id, group.name, group.hardness, group.min_up, group.gone)
        }));
        let number = graph.number_of(node.id).unwrap();
        all.extend(graph.needed_by(number).map(|entry| {
            let need = match entry.need {
                Need::Group(group) => graph.group_at(group).id.to_string(),
                plain => format!("{plain:?}"),
            };
            format!("{} is needed by {} through {need}", node.id, graph.node_at(entry.dependent).id)
        }));
    }
    all.push(format!("{} {}", graph.node_count(), graph.edge_count()));
    let mut stopped: Vec<CiId> = graph.stopped().map(|number| graph.node_at(number).id).collect();
    stopped.sort_unstable();
    all.push(format!("stopped {stopped:?}"));
    all.sort_unstable();
    all
}

/// Compares and shows only what differs.
#[track_caller]
fn check_same(graph: &Graph, other: &Graph, when: &str) {
    let (one, two) = (written_out(graph), written_out(other));
    let difference = one.iter().zip(&two).find(|(a, b)| a != b);
    assert!(one == two, "{when}: {} and {} lines, first {difference:?}", one.len(), two.len());
}

/// The attributes of what does not run, or runs.
fn stopped(is_stopped: bool) -> BTreeMap<String, Attribute> {
    let at = Timestamp::from_millis(1);
    let claim = Claim { value: false.into(), source: Source::Agent, since: at, confirmed: at, pinned: false };
    let attribute = Attribute::from_claims(is_stopped.then_some(claim));
    attribute.map(|attribute| (RUNNING.to_owned(), attribute)).into_iter().collect()
}

/// A random write: CIs come, change, go, return, are merged and split; relationships and groups come, change and go.
fn random_put(random: &mut Random, cis: usize) -> Put {
    let name = |number: usize| ci(&format!("c{number}"));
    let at = Timestamp::from_millis(1);
    let alive = |random: &mut Random, often: usize| if random.below(often) > 0 { Lifecycle::Active } else { Lifecycle::Retired };
    let (this, other) = (random.below(cis), random.below(cis));
    match random.below(10) {
        0..3 => {
            let lifecycle = alive(random, 4);
            let merged = (lifecycle == Lifecycle::Retired && random.below(2) == 0 && this != other).then(|| name(other));
            Put::Ci(Ci {
                id: name(this),
                class: ["server", "business_service"][random.below(2)].into(),
                name: format!("name {}", random.below(100)),
                lifecycle,
                stage: if lifecycle == Lifecycle::Active { crate::model::Stage::InUse } else { crate::model::Stage::Retired },
                sighting: None,
                attributes: stopped(random.below(8) == 0),
                keys: Vec::new(),
                agent: (random.below(2) == 0).then(|| AgentId(name(random.below(cis)).0)),
                merged_into: merged,
                first_seen: at,
                valid_from: at,
                version: 1,
            })
        }
        3..8 => {
            // The id says which ends it has: they never change.
            let evidence = Evidence {
                method: Method::ALL[random.below(2)],
                agent: Some(AgentId(name([this, other][random.below(2)]).0)),
                source: Source::Agent,
                detail: String::new(),
                endpoints: Default::default(),
                samples_seen: random.below(9) as u64,
                samples_total: 9,
                first_seen: at,
                last_seen: Timestamp::from_millis(random.below(100) as i64),
                longest_silence_ms: 0,
            };
            Put::Relationship(Relationship {
                id: RelationshipId(Uuid::from_u128((this * cis + other) as u128 + (1 << 40))),
                kind: ["connects_to", "runs_on", "made_up"][random.below(3)].into(),
                from: name(this),
                to: name(other),
                hardness: [None, Some(Hardness::Hard), Some(Hardness::None)][random.below(3)],
                lifecycle: alive(random, 5),
                evidence: vec![evidence; 1 + random.below(2)],
                judgement: None,
                first_seen: at,
                valid_from: at,
                version: 1,
            })
        }
        _ => Put::NeedGroup(NeedGroup {
            id: NeedGroupId(Uuid::from_u128((this * 2 + random.below(2)) as u128 + (1 << 40))),
            ci: name(this),
            name: "replicas".into(),
            members: (0..1 + random.below(4)).map(|_| name(random.below(cis))).filter(|member| *member != name(this)).collect(),
            min_up: if random.below(2) == 0 {
                MinUp::Count(1 + random.below(3) as u32)
            } else {
                MinUp::Percent(1 + random.below(100) as u8)
            },
            hardness: [Hardness::Hard, Hardness::Soft, Hardness::None][random.below(3)],
            lifecycle: alive(random, 3),
            source: Source::User("ada".into()),
            standing: [Standing::Accepted, Standing::Accepted, Standing::Suggested][random.below(3)],
            suggestion: None,
            valid_from: at,
            version: 1,
        }),
    }
}

#[test]
fn ten_thousand_random_writes_give_the_graph_of_the_estate() {
    const WRITES: usize = 10_000;
    // More than a page, so that pages are shared and made anew.
    const CIS: usize = 600;
    let mut random = Random(5);
    let mut estate = Estate::default();
    let mut graph = Graph::from_estate(&estate);
    let mut written = 0;
    while written < WRITES {
        let puts: Vec<Put> = (0..1 + random.below(20)).map(|_| random_put(&mut random, CIS)).collect();
        let mark = estate.mark();
        puts.iter().for_each(|put| estate.put(put));
        written += puts.len();
        let before = (random.below(60) == 0).then(|| (graph.clone(), written_out(&graph)));
        let earlier = std::mem::take(&mut graph);
        graph = earlier.after(&estate, estate.touched_since(mark).unwrap());
        if let Some((snapshot, was)) = before {
            let of_parts = after_parts(&earlier, &estate, &puts);
            check_same(&of_parts, &graph, &format!("of what is asked of the estate after {written} writes"));
            assert!(written_out(&snapshot) == was, "an older snapshot stays as it was");
            let rebuilt = Graph::from_estate(&estate);
            check_same(&graph, &rebuilt, &format!("after {written} writes"));
            let mut solvers = (Solver::new(&graph), Solver::new(&rebuilt));
            for node in rebuilt.nodes() {
                let failure = || [(node.id, FailureKind::Down)];
                assert_eq!(solvers.0.solve(failure()), solvers.1.solve(failure()));
                assert!(rebuilt.nodes().all(|node| solvers.0.state(node.id) == solvers.1.state(node.id)));
            }
        }
    }
    check_same(&graph, &Graph::from_estate(&estate), "in the end");
    assert!(graph.node_count() > CIS / 2 && graph.edge_count() > CIS, "the test tests something");
}

/// The graph after writes, of an estate that has only what [`Graph::asked_after`] names.
fn after_parts(graph: &Graph, estate: &Estate, puts: &[Put]) -> Graph {
    let touched = || {
        puts.iter().map(|put| match put {
            Put::Ci(ci) => Touched::Ci(ci.id),
            Put::Relationship(relationship) => Touched::Needs(relationship.from),
            Put::NeedGroup(group) => Touched::Needs(group.ci),
            other => panic!("{other:?}"),
        })
    };
    let mut first = Estate::default();
    let written = |id: &CiId| puts.iter().any(|put| matches!(put, Put::Ci(ci) if ci.id == *id));
    let known: BTreeSet<CiId> = graph.merged_cis().chain(estate.cis().map(|ci| ci.id).filter(written)).collect();
    known.iter().filter_map(|id| estate.ci(*id)).for_each(|ci| first.put(&Put::Ci(ci.clone())));
    let asked = graph.asked_after(&first, touched());
    assert!(asked.len() < estate.cis().count(), "not everything");
    let mut parts = Estate::default();
    for &id in &asked {
        estate.ci(id).into_iter().for_each(|ci| parts.put(&Put::Ci(ci.clone())));
        estate.dependencies(id).for_each(|relationship| parts.put(&Put::Relationship(relationship.clone())));
        estate.need_groups_of(id).for_each(|group| parts.put(&Put::NeedGroup(group.clone())));
    }
    graph.after(&parts, touched())
}

#[test]
fn providers_come_before_their_dependents() {
    let graph = graph("a -> b\nb -> c\nc -> d\na -> d\ne -> a\nx needs 1 of a d");
    for node in graph.nodes() {
        let number = graph.number_of(node.id).unwrap();
        assert!(graph.needed_by(number).all(|entry| entry.dependent > number));
    }
}

#[test]
fn a_snapshot_file_is_the_graph_or_refused() {
    let mut estate = estate(
        &[
            ("app", Lifecycle::Active, None),
            ("db1", Lifecycle::Active, None),
            ("db2", Lifecycle::Active, None),
            ("old", Lifecycle::Retired, Some("db1")),
        ],
        &[("app", "connects_to", "old", None), ("app", "uses", "db2", Some(Hardness::Soft)), ("db1", "made_up_here", "never", None)],
        &["old", "db2", "never"],
    );
    let graph = Graph::from_estate(&estate);
    let mut file = Vec::new();
    graph.write_snapshot(&mut file).unwrap();
    let read = |file: &[u8]| Graph::read_snapshot(&mut &*file);
    let again = read(&file).unwrap();
    check_same(&again, &graph, "read");
    assert_eq!(again.revision(), graph.revision());
    let mut random = Random(9);
    let puts: Vec<Put> = (0..300).map(|_| random_put(&mut random, 40)).collect();
    let mark = estate.mark();
    puts.iter().for_each(|put| estate.put(put));
    let later = again.after(&estate, estate.touched_since(mark).unwrap());
    check_same(&later, &Graph::from_estate(&estate), "it goes on from a file");
    let mut larger = Vec::new();
    later.write_snapshot(&mut larger).unwrap();
    check_same(&read(&larger).unwrap(), &later, "read again");

    for length in 0..file.len() {
        assert!(read(&file[..length]).is_err(), "cut to {length}");
    }
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped).is_err(), "bit {bit}");
    }
    let mut longer = file.clone();
    longer.push(0);
    assert!(read(&longer).is_err());
    assert!(matches!(read(&[]), Err(SnapshotError::Damaged { .. })));
    let mut empty = Vec::new();
    Graph::default().write_snapshot(&mut empty).unwrap();
    assert_eq!(read(&empty).unwrap().node_count(), 0);
}
