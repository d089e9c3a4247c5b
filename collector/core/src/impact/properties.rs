//! Impact on 10,000 random estates with circles and redundancy groups, against a reference that knows nothing of work-lists, rows or
//! tallies: it looks at every need of every CI until nothing changes.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use rollcall_shared::{CiId, NeedGroupId, RelationshipId, catalogue::Hardness};
use uuid::Uuid;

use super::{testing::NOW, *};
use crate::{
    graph::{EdgePart, Graph, GraphChange, GraphParts, GroupPart, NodePart},
    model::MinUp,
};

const ESTATES: u64 = 10_000;
/// Brute force over all pairs is dear: every so many estates.
const PAIRS_EVERY: u64 = 10;

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

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// A small random estate, as lists.
#[derive(Clone, Debug)]
struct Estate {
    nodes: usize,
    /// Dependent, dependency, hardness.
    edges: Vec<(usize, usize, Hardness)>,
    /// Whose need, members, how many, hardness.
    groups: Vec<(usize, BTreeSet<usize>, MinUp, Hardness)>,
    failures: Vec<(usize, FailureKind)>,
    /// What does not run, whatever fails.
    stopped: BTreeSet<usize>,
    /// By CI, as [`Estate::read_needs`] finds them.
    needs: Vec<Vec<Need>>,
}

/// Providers, how many must serve, hardness.
type Need = (BTreeSet<usize>, usize, Hardness);

fn random_estate(random: &mut Random) -> Estate {
    let nodes = 1 + random.below(14);
    let hardness = |random: &mut Random| [Hardness::Hard, Hardness::Hard, Hardness::Hard, Hardness::Soft, Hardness::None][random.below(5)];
    // Some estates are all circles, some mostly layers.
    let layered = random.below(2) == 0;
    let mut edges = Vec::new();
    for _ in 0..random.below(2 * nodes + 1) {
        let (from, to) = (random.below(nodes), random.below(nodes));
        let (from, to) = if layered && random.below(8) > 0 { (from.max(to), from.min(to)) } else { (from, to) };
        edges.push((from, to, hardness(random)));
    }
    let mut groups = Vec::new();
    for _ in 0..random.below(nodes + 1) {
        let members = (0..1 + random.below(4)).map(|_| random.below(nodes)).collect();
        let min_up = if random.below(3) == 0 { MinUp::Percent(1 + random.below(100) as u8) } else { MinUp::Count(random.below(4) as u32) };
        groups.push((random.below(nodes), members, min_up, hardness(random)));
    }
    let failures = (0..1 + random.below(3)).map(|_| (random.below(nodes), FailureKind::ALL[random.below(3)])).collect();
    let stopped = (0..random.below(3).saturating_sub(random.below(2))).map(|_| random.below(nodes)).collect();
    let mut estate = Estate { nodes, edges, groups, failures, stopped, needs: Vec::new() };
    estate.needs = (0..nodes).map(|ci| estate.read_needs(ci)).collect();
    estate
}

fn id(node: usize) -> CiId {
    // Ids in another order than numbers, so that neither order can stand in for the other.
    CiId(Uuid::from_u128(((node as u128 * 7_919) % 101 + 1) << 64))
}

impl Estate {
    fn parts(&self) -> GraphParts<'static> {
        let edge = |(at, &(from, to, hardness)): (usize, &(usize, usize, Hardness))| EdgePart {
            relationship: RelationshipId(Uuid::from_u128(at as u128)),
            kind: ["connects_to", "runs_on"][at % 2],
            from: id(from),
            to: id(to),
            hardness,
            evidence: Vec::new(),
        };
        let group = |(at, (ci, members, min_up, hardness)): (usize, &(usize, BTreeSet<usize>, MinUp, Hardness))| GroupPart {
            id: NeedGroupId(Uuid::from_u128(at as u128)),
            ci: id(*ci),
            name: "providers",
            members: members.iter().map(|&member| id(member)).collect(),
            min_up: *min_up,
            hardness: *hardness,
        };
        let node = |node| NodePart {
            id: id(node),
            name: Cow::Owned(format!("ci{node}")),
            class: ["server", "server", "business_service"][node % 3],
            owner: None,
            agent: None,
            stopped: self.stopped.contains(&node),
        };
        GraphParts {
            nodes: (0..self.nodes).map(node).collect(),
            edges: self.edges.iter().enumerate().map(edge).collect(),
            groups: self.groups.iter().enumerate().map(group).collect(),
            ..GraphParts::default()
        }
    }

    fn outage(&self) -> Outage {
        Outage { failures: self.failures.iter().map(|&(ci, kind)| (id(ci), kind)).collect() }
    }

    /// Every need of a CI.
    fn read_needs(&self, ci: usize) -> Vec<Need> {
        let declared: Vec<_> = self.groups.iter().filter(|(of, ..)| *of == ci).collect();
        let covered: BTreeSet<usize> = declared.iter().flat_map(|(_, members, ..)| members).copied().collect();
        let grouped = declared.iter().map(|(_, members, min_up, hardness)| (members.clone(), min_up.of(members.len()), *hardness));
        let plain = self.edges.iter().filter(|(from, to, _)| *from == ci && !covered.contains(to));
        grouped.chain(plain.map(|&(_, to, hardness)| (BTreeSet::from([to]), 1, hardness))).filter(|need| need.2 != Hardness::None).collect()
    }

    /// What one need comes to.
    fn judge((providers, min_up, hardness): &Need, states: &[State]) -> State {
        let count = |wanted: fn(State) -> bool| providers.iter().filter(|&&provider| wanted(states[provider])).count();
        let serving = count(|state| state != State::Down);
        let unharmed = count(|state| state < State::Degraded);
        match hardness {
            Hardness::Hard if serving < *min_up => State::Down,
            Hardness::Soft if serving < *min_up => State::Degraded,
            Hardness::Hard if unharmed < *min_up => State::Degraded,
            _ if serving == *min_up && serving < providers.len() => State::AtRisk,
            _ => State::Ok,
        }
    }

    fn reference(&self, failures: &[(usize, FailureKind)]) -> Vec<State> {
        let mut states = vec![State::Ok; self.nodes];
        self.stopped.iter().for_each(|&ci| states[ci] = State::Down);
        failures.iter().for_each(|&(ci, kind)| states[ci] = states[ci].max(kind.state()));
        loop {
            let before = states.clone();
            for ci in 0..self.nodes {
                let worst = self.needs[ci].iter().map(|need| Self::judge(need, &states)).max().unwrap_or_default();
                states[ci] = states[ci].max(worst);
            }
            if states == before {
                return states;
            }
        }
    }

    /// How everybody fares before anything fails.
    fn today(&self) -> Vec<State> {
        self.reference(&[])
    }

    /// Whether a CI fails or fares worse than before.
    fn is_reached(&self, ci: usize, states: &[State]) -> bool {
        states[ci] > self.today()[ci] || self.failures.iter().any(|(failing, _)| *failing == ci)
    }

    /// The providers that are part of why a CI is in its state.
    fn reasons(&self, ci: usize, states: &[State]) -> BTreeSet<usize> {
        let deciding = self.needs[ci].iter().filter(|need| states[ci] != State::Ok && Self::judge(need, states) == states[ci]);
        let harmful = |need: &&Need, provider: usize| {
            let counts_degraded = need.2 == Hardness::Hard && states[ci] == State::Degraded;
            states[provider] == State::Down || counts_degraded && states[provider] == State::Degraded
        };
        deciding.flat_map(|need| need.0.iter().copied().filter(move |&provider| harmful(&need, provider))).collect()
    }

    /// Lengths of shortest chains of reasons to what fails, by relaxing until nothing changes.
    fn reference_hops(&self, states: &[State]) -> Vec<u32> {
        let today = self.today();
        let fails_so = |ci: usize| {
            self.failures.iter().any(|&(failing, kind)| failing == ci && (kind.state() == states[ci] || today[ci] == states[ci]))
        };
        let reached: Vec<bool> = (0..self.nodes).map(|ci| self.is_reached(ci, states)).collect();
        let mut hops: Vec<u32> = (0..self.nodes).map(|ci| if fails_so(ci) { 0 } else { u32::MAX }).collect();
        loop {
            let before = hops.clone();
            for ci in (0..self.nodes).filter(|&ci| reached[ci]) {
                let nearest = self.reasons(ci, states).iter().map(|&provider| hops[provider]).min().unwrap_or(u32::MAX);
                hops[ci] = hops[ci].min(nearest.saturating_add(1));
            }
            if hops == before {
                return hops;
            }
        }
    }
}

/// Runs a check on every estate and says which one broke it.
fn for_every_estate(check: impl Fn(u64, &Estate, &mut Random)) {
    for seed in 0..ESTATES {
        let mut random = Random(seed.wrapping_mul(0xd129_0b73_9d5f_4c1d));
        let estate = random_estate(&mut random);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(seed, &estate, &mut random)));
        assert!(outcome.is_ok(), "seed {seed}: {estate:#?}");
    }
}

fn solved(graph: &Graph, estate: &Estate, failures: &[(usize, FailureKind)]) -> Vec<State> {
    let mut solver = Solver::new(graph);
    solver.solve(failures.iter().map(|&(ci, kind)| (id(ci), kind)));
    (0..estate.nodes).map(|ci| solver.state(id(ci))).collect()
}

#[test]
fn equal_to_the_reference_and_monotone() {
    for_every_estate(|_, estate, random| {
        let graph = Graph::from_parts(estate.parts());
        let states = solved(&graph, estate, &estate.failures);
        assert_eq!(states, estate.reference(&estate.failures));

        let mut more = estate.failures.clone();
        more.push((random.below(estate.nodes), FailureKind::ALL[random.below(3)]));
        let worse = solved(&graph, estate, &more);
        assert_eq!(worse, estate.reference(&more));
        assert!(states.iter().zip(&worse).all(|(before, after)| before <= after), "{states:?} improves to {worse:?}");
    });
}

#[test]
fn the_order_of_parts_and_of_failures_changes_nothing() {
    for_every_estate(|_, estate, random| {
        let graph = Graph::from_parts(estate.parts());
        let (mut parts, mut outage) = (estate.parts(), estate.outage());
        random.shuffle(&mut parts.nodes);
        random.shuffle(&mut parts.edges);
        random.shuffle(&mut parts.groups);
        let shuffled = Graph::from_parts(parts);
        let answer = |graph: &Graph, outage: &Outage| {
            let mut assessment = assess(graph, outage, Basis::new(NOW, |_| None));
            // Failures are named in the order given.
            assessment.failures.sort_by_key(|failure| failure.ci.id);
            let witness = |one: &Affected<'_>| assessment.witness(one.ci.id).iter().map(|hop| hop.provider.id).collect::<Vec<_>>();
            let rows = assessment.affected.iter().map(|one| (one.ci.id, one.state, one.hops, witness(one), assessment.reason(one.ci.id)));
            (rows.collect::<Vec<_>>(), assessment.spared, assessment.verdict())
        };
        let expected = answer(&graph, &outage);
        random.shuffle(&mut outage.failures);
        assert_eq!(answer(&shuffled, &outage), expected);
    });
}

#[test]
fn witness_paths_are_real_and_shortest_and_what_holds_is_explained() {
    for_every_estate(|_, estate, _| {
        let graph = Graph::from_parts(estate.parts());
        let assessment = assess(&graph, &estate.outage(), Basis::new(NOW, |_| None));
        let states = estate.reference(&estate.failures);
        let hops = estate.reference_hops(&states);
        let number: BTreeMap<CiId, usize> = (0..estate.nodes).map(|ci| (id(ci), ci)).collect();
        let mut affected = BTreeSet::new();
        for one in &assessment.affected {
            let mut at = number[&one.ci.id];
            affected.insert(at);
            assert_eq!((one.state, one.hops), (states[at], hops[at]), "{}", one.ci.name);
            let path = assessment.witness(one.ci.id);
            assert_eq!(path.len(), one.hops as usize);
            for hop in &path {
                let provider = number[&hop.provider.id];
                assert_eq!(number[&hop.dependent.id], at);
                assert!(estate.reasons(at, &states).contains(&provider), "{} is no reason for {}", hop.provider.name, hop.dependent.name);
                assert!(hop.edges.iter().all(|edge| edge.from.id == id(at) && edge.to.id == id(provider)));
                assert!(!hop.edges.is_empty());
                at = provider;
            }
            assert_eq!(hops[at], 0, "ends at something that fails");
            assert!(!assessment.reason(one.ci.id).is_empty());
        }
        let failing: BTreeMap<usize, State> = estate.failures.iter().fold(BTreeMap::new(), |mut worst, &(ci, kind)| {
            let state: &mut State = worst.entry(ci).or_default();
            *state = (*state).max(kind.state());
            worst
        });
        let today = estate.today();
        let is_worse = |ci: &usize| states[*ci] > today[*ci] && states[*ci] > failing.get(ci).copied().unwrap_or_default();
        assert_eq!(affected, (0..estate.nodes).filter(is_worse).collect());
        for one in &assessment.already {
            let ci = number[&one.ci.id];
            assert!(one.state >= State::Degraded && one.state == today[ci] && one.state == states[ci], "{}", one.ci.name);
            assert!(!affected.contains(&ci));
        }
        // Said to fail, it is affected, as it should be, or no news.
        let no_news = |ci: &&usize| today[**ci] >= State::Degraded && today[**ci] == states[**ci];
        let told: BTreeSet<CiId> = assessment.already.iter().map(|one| one.ci.id).collect();
        assert!(failing.keys().filter(no_news).all(|&ci| told.contains(&id(ci))));
        check_absorbed(estate, &assessment, &states);
    });
}

fn check_absorbed(estate: &Estate, assessment: &Assessment<'_>, states: &[State]) {
    let harmed = |ci: usize| states[ci] >= State::Degraded;
    let touches =
        |ci: usize, by: &dyn Fn(usize) -> bool| estate.needs[ci].iter().any(|(providers, ..)| providers.iter().any(|&one| by(one)));
    let harmed_now: BTreeSet<usize> = (0..estate.nodes).filter(|&ci| harmed(ci) && estate.is_reached(ci, states)).collect();
    let boundary: BTreeSet<usize> =
        (0..estate.nodes).filter(|&ci| !harmed(ci) && touches(ci, &|provider| harmed_now.contains(&provider))).collect();
    let found: BTreeSet<CiId> = assessment.absorbed.iter().map(|absorbed| absorbed.ci.id).collect();
    assert_eq!(found, boundary.iter().map(|&ci| id(ci)).collect());
    for absorbed in &assessment.absorbed {
        assert!(!absorbed.by.is_empty() && absorbed.by.iter().all(|need| need.serving >= need.needed && need.outcome <= State::AtRisk));
    }
    let mut reached = boundary.clone();
    loop {
        let more = (0..estate.nodes).filter(|&ci| !harmed(ci) && touches(ci, &|provider| reached.contains(&provider)));
        let grown: BTreeSet<usize> = more.chain(reached.iter().copied()).collect();
        if grown == reached {
            break;
        }
        reached = grown;
    }
    assert_eq!(assessment.spared, reached.len() - boundary.len());
}

#[test]
fn single_points_and_pairs_are_what_brute_force_finds() {
    for_every_estate(|seed, estate, random| {
        if seed % PAIRS_EVERY != 0 {
            return;
        }
        let graph = Graph::from_parts(estate.parts());
        let service = random.below(estate.nodes);
        let fate = |cis: &[usize]| estate.reference(&cis.iter().map(|&ci| (ci, FailureKind::Down)).collect::<Vec<_>>())[service];
        let others = || (0..estate.nodes).filter(|&ci| ci != service);

        let points = single_points(&graph, id(service), usize::MAX).unwrap();
        let found: BTreeMap<CiId, State> = points.points.iter().map(|point| (point.ci.id, point.state)).collect();
        let expected =
            others().map(|ci| (id(ci), fate(&[ci]))).filter(|(_, state)| *state >= State::Degraded && *state > estate.today()[service]);
        assert_eq!(found, expected.collect());
        assert_eq!(points.tried, points.needed);

        let pairs = pairs(&graph, id(service), usize::MAX).unwrap();
        let found: BTreeSet<BTreeSet<CiId>> = pairs.pairs.iter().map(|pair| BTreeSet::from([pair.first.id, pair.second.id])).collect();
        let alone: Vec<usize> = others().filter(|&ci| fate(&[ci]) != State::Down).collect();
        let all_pairs = alone.iter().flat_map(|&a| alone.iter().filter(move |&&b| a < b).map(move |&b| (a, b)));
        let expected = all_pairs.filter(|&(a, b)| fate(&[a, b]) == State::Down).map(|(a, b)| BTreeSet::from([id(a), id(b)]));
        assert_eq!(found, expected.collect());
        assert!(pairs.complete);
    });
}

#[test]
fn the_sweep_is_every_failure_in_turn() {
    for_every_estate(|_, estate, _| {
        let graph = Graph::from_parts(estate.parts());
        check_sweep(&Sweep::of(&graph), &graph);
    });
}

#[test]
fn the_sweep_follows_what_is_changed() {
    for_every_estate(|_, estate, random| {
        let mut graph = Graph::from_parts(estate.parts());
        let mut sweep = Sweep::of(&graph);
        for _ in 0..3 {
            let (ci, on) = (id(random.below(estate.nodes)), id(random.below(estate.nodes)));
            let pretended = match random.below(4) {
                3 => {
                    let after = graph.clone().changed(&turned(&graph, on));
                    sweep = sweep.after(&graph, &after);
                    graph = after;
                    continue;
                }
                0 => Pretend::NeedsNot { ci, on },
                1 => Pretend::Needs { ci, on, hardness: [Hardness::Hard, Hardness::Soft][random.below(2)] },
                _ => {
                    Pretend::Group { ci, name: String::new(), members: vec![on, id(0)], min_up: MinUp::Count(1), hardness: Hardness::Hard }
                }
            };
            let after = pretend(&graph, &[pretended]);
            sweep = sweep.after(&graph, &after);
            graph = after;
        }
        check_sweep(&sweep, &graph);
    });
}

/// What ran stops, what did not starts.
fn turned(graph: &Graph, ci: CiId) -> GraphChange<'_> {
    let node = graph.node(ci).unwrap();
    let (name, class) = (Cow::Borrowed(&*node.name), graph.class_of(node));
    GraphChange { put: vec![NodePart { id: ci, name, class, owner: None, agent: None, stopped: !node.stopped }], ..GraphChange::default() }
}

/// Compares with one outage for each CI.
fn check_sweep(sweep: &Sweep, graph: &Graph) {
    let mut solver = Solver::new(graph);
    let mut points: BTreeMap<CiId, u32> = BTreeMap::new();
    for node in graph.nodes() {
        let blast = blast_radius(graph, &mut solver, node.id).unwrap();
        let toll = sweep.toll(graph, node.id);
        assert_eq!(Counts::from(toll.counts), blast.counts, "{}", node.name);
        assert_eq!(
            (toll.services_down as usize, toll.services_degraded as usize),
            (blast.services_down.len(), blast.services_degraded.len())
        );
        blast.services_down.iter().for_each(|service| *points.entry(service.id).or_default() += 1);
    }
    for service in graph.nodes().filter(|node| graph.is_business_service(node)) {
        assert_eq!(sweep.single_points(graph, service.id), points.get(&service.id).copied().unwrap_or(0), "{}", service.name);
    }
    let all: Vec<CiId> = rank(graph, graph.nodes().map(|node| node.id)).iter().map(|blast| blast.ci.id).collect();
    let standings = sweep.standings(graph);
    for (node, toll) in sweep.ranking(graph) {
        let worse = graph.nodes().filter(|other| sweep.toll(graph, other.id).rank() < toll.rank()).count();
        assert_eq!(standings.of(graph, node.id), Some(worse as u32 + 1), "{}", node.name);
    }
    assert_eq!(sweep.ranking(graph).iter().map(|(node, _)| node.id).collect::<Vec<_>>(), all);
}

#[test]
fn services_on_each_ci_are_those_that_reach_it() {
    for_every_estate(|_, estate, _| {
        let graph = Graph::from_parts(estate.parts());
        let on = ServicesOn::of(&graph);
        let services: Vec<CiId> = graph.nodes().filter(|node| graph.is_business_service(node)).map(|node| node.id).collect();
        for node in graph.nodes() {
            let reach = |service: &&CiId| graph.needs(**service).unwrap().items.iter().any(|item| item.ci.id == node.id);
            assert_eq!(on.on(&graph, node.id) as usize, services.iter().filter(reach).count(), "{}", node.name);
        }
    });
}

#[test]
fn components_and_dominators_are_petgraphs() {
    use petgraph::{algo, graph::DiGraph};
    for_every_estate(|_, estate, _| {
        let graph = Graph::from_parts(estate.parts());
        let mut other: DiGraph<usize, ()> = DiGraph::new();
        let nodes: Vec<_> = (0..estate.nodes).map(|node| other.add_node(node)).collect();
        let before_all = other.add_node(usize::MAX);
        for (ci, &node) in nodes.iter().enumerate() {
            let providers: BTreeSet<usize> = estate.needs[ci].iter().flat_map(|need| need.0.iter().copied()).collect();
            for &provider in &providers {
                other.add_edge(node, nodes[provider], ());
            }
            if ci % 3 == 2 {
                other.add_edge(before_all, node, ());
            }
        }
        let number = |ci: usize| graph.number_of(id(ci)).unwrap();
        let components = crate::graph::Components::of(&graph);
        let found: BTreeSet<BTreeSet<usize>> =
            algo::tarjan_scc(&other).into_iter().map(|one| one.into_iter().map(|at| other[at]).collect()).collect();
        for (a, b) in (0..estate.nodes).flat_map(|a| (0..estate.nodes).map(move |b| (a, b))) {
            let together = found.iter().any(|one| one.contains(&a) && one.contains(&b));
            assert_eq!(components.of_number(number(a)) == components.of_number(number(b)), together);
        }
        assert_eq!(components.count() + 1, found.len());
        let condensation = components.condensation(&graph);
        let below = |component: usize| condensation.providers(component as u32).iter().all(|&provider| (provider as usize) < component);
        assert!((0..components.count()).all(below), "what a component needs comes before it");

        let dominators = algo::dominators::simple_fast(&other, before_all);
        let chokes = crate::graph::service_chokes(&graph);
        for ci in 0..estate.nodes {
            let expected = dominators.immediate_dominator(nodes[ci]).map(|above| (above != before_all).then(|| id(other[above])));
            let guards = nodes
                .iter()
                .filter(|&&node| node != nodes[ci] && dominators.dominators(node).is_some_and(|mut all| all.any(|one| one == nodes[ci])));
            let expected = expected.map(|behind| (behind, guards.count()));
            assert_eq!(chokes.of(id(ci)).map(|choke| (choke.behind.map(|node| node.id), choke.guards)), expected, "ci{ci}");
        }
    });
}
