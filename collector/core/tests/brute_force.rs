//! Impact against an evaluator that was written from the design's words alone ("Impact: the semantics") and shares nothing with the
//! core, neither types nor code: it knows needs as lists of providers and looks at all of them until nothing gets worse.
//!
//! `cargo test -p rollcall-core --test brute_force` tries some thousands of random estates, with `-- --include-ignored` 100,000 more.

use rollcall_core::{
    MinUp,
    graph::{EdgePart, Graph, GraphParts, GroupPart, NodePart},
    impact::{FailureKind, Solver, Sweep},
};
use rollcall_shared::{CiId, NeedGroupId, RelationshipId, catalogue::Hardness};
use uuid::Uuid;

/// How a configuration item fares, by the design's order.
const OK: u8 = 0;
const AT_RISK: u8 = 1;
const DEGRADED: u8 = 2;
const DOWN: u8 = 3;

/// One need as somebody would write it on paper.
struct Need {
    providers: Vec<usize>,
    /// How many must serve.
    least: usize,
    hard: bool,
}

#[derive(Debug)]
struct Case {
    size: usize,
    /// Dependent, provider, hardness: 0 hard, 1 soft, 2 shown only.
    plain: Vec<(usize, usize, u8)>,
    /// Dependent, members, minimum (in percent if the flag says so), hardness.
    groups: Vec<(usize, Vec<usize>, usize, bool, u8)>,
    /// What fails, and as what.
    failing: Vec<(usize, u8)>,
    /// What does not run today, whatever fails.
    stopped: Vec<usize>,
}

/// The states of all: each item as bad as it fails or as its worst need makes it, worse and worse until it stays.
fn evaluate(case: &Case, failing: &[(usize, u8)]) -> Vec<u8> {
    let needs: Vec<Vec<Need>> = (0..case.size).map(|item| needs_of(case, item)).collect();
    let mut states = vec![OK; case.size];
    // Nobody can count on what does not run.
    case.stopped.iter().for_each(|&item| states[item] = DOWN);
    for &(item, state) in failing {
        states[item] = states[item].max(state);
    }
    loop {
        let mut stays = true;
        for item in 0..case.size {
            for need in &needs[item] {
                let verdict = judge(need, &states);
                if verdict > states[item] {
                    states[item] = verdict;
                    stays = false;
                }
            }
        }
        if stays {
            return states;
        }
    }
}

/// Declared groups decide about their members; every other dependency is a group of one.
fn needs_of(case: &Case, item: usize) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut in_groups = Vec::new();
    for (of, members, least, percent, hardness) in &case.groups {
        if *of != item {
            continue;
        }
        let mut providers = members.clone();
        providers.sort_unstable();
        providers.dedup();
        in_groups.extend(providers.iter().copied());
        if *hardness == 2 {
            continue;
        }
        let count = providers.len();
        let mut wanted = *least;
        if *percent {
            // The smallest number of providers that is at least this share of all.
            wanted = (0..=count).find(|&some| some * 100 >= least * count).unwrap_or(count);
        }
        wanted = wanted.max(1).min(count);
        needs.push(Need { providers, least: wanted, hard: *hardness == 0 });
    }
    for &(of, provider, hardness) in &case.plain {
        if of == item && hardness != 2 && !in_groups.contains(&provider) {
            needs.push(Need { providers: vec![provider], least: 1, hard: hardness == 0 });
        }
    }
    needs
}

fn judge(need: &Need, states: &[u8]) -> u8 {
    let mut serving = 0;
    let mut serving_well = 0;
    for &provider in &need.providers {
        if states[provider] != DOWN {
            serving += 1;
        }
        if states[provider] == OK || states[provider] == AT_RISK {
            serving_well += 1;
        }
    }
    if serving < need.least {
        return if need.hard { DOWN } else { DEGRADED };
    }
    if need.hard && serving_well < need.least {
        return DEGRADED;
    }
    let lost = need.providers.len() - serving;
    if lost > 0 && serving == need.least { AT_RISK } else { OK }
}

/// Xorshift: the same cases everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }
}

fn random_case(dice: &mut Dice) -> Case {
    let size = 2 + dice.roll(11);
    random_case_of(size, usize::MAX, dice)
}

/// Several hundred items, most of which need a few that fail: hundreds have something to tell at a time.
fn random_wide_case(dice: &mut Dice) -> Case {
    let size = 200 + dice.roll(200);
    let mut case = random_case_of(size, 1 + dice.roll(6), dice);
    case.failing.extend((0..1 + dice.roll(3)).map(|item| (item, DOWN)));
    case
}

/// Of two providers one is among the first `popular` items.
fn random_case_of(size: usize, popular: usize, dice: &mut Dice) -> Case {
    let provider = |dice: &mut Dice| if dice.roll(2) == 0 { dice.roll(size) } else { dice.roll(size.min(popular)) };
    let hardness = |dice: &mut Dice| [0, 0, 0, 1, 1, 2][dice.roll(6)];
    let plain = (0..dice.roll(2 * size)).map(|_| (dice.roll(size), provider(dice), hardness(dice))).collect();
    let groups = (0..dice.roll(size))
        .map(|_| {
            let members = (0..1 + dice.roll(5)).map(|_| provider(dice)).collect();
            let percent = dice.roll(2) == 0;
            let least = if percent { 1 + dice.roll(100) } else { dice.roll(5) };
            (dice.roll(size), members, least, percent, hardness(dice))
        })
        .collect();
    let failing = (0..1 + dice.roll(3)).map(|_| (dice.roll(size), if dice.roll(4) == 0 { DEGRADED } else { DOWN })).collect();
    let stopped = (0..dice.roll(3).saturating_sub(dice.roll(2))).map(|_| dice.roll(size)).collect();
    Case { size, plain, groups, failing, stopped }
}

fn id(item: usize) -> CiId {
    CiId(Uuid::from_u128(1 + (item as u128 * 5) % 401))
}

fn graph_of(case: &Case) -> Graph {
    let word = |hardness: u8| [Hardness::Hard, Hardness::Soft, Hardness::None][usize::from(hardness)];
    let node = |item: usize| NodePart {
        id: id(item),
        name: format!("item {item}").into(),
        class: "server",
        owner: None,
        agent: None,
        stopped: case.stopped.contains(&item),
    };
    let edge = |(at, &(from, to, hardness)): (usize, &(usize, usize, u8))| EdgePart {
        relationship: RelationshipId(Uuid::from_u128(at as u128)),
        kind: "uses",
        from: id(from),
        to: id(to),
        hardness: word(hardness),
        evidence: Vec::new(),
    };
    let group = |(at, (ci, members, least, percent, hardness)): (usize, &(usize, Vec<usize>, usize, bool, u8))| GroupPart {
        id: NeedGroupId(Uuid::from_u128(at as u128)),
        ci: id(*ci),
        name: "providers",
        members: members.iter().map(|&member| id(member)).collect(),
        min_up: if *percent { MinUp::Percent(*least as u8) } else { MinUp::Count(*least as u32) },
        hardness: word(*hardness),
    };
    Graph::from_parts(GraphParts {
        nodes: (0..case.size).map(node).collect(),
        edges: case.plain.iter().enumerate().map(edge).collect(),
        groups: case.groups.iter().enumerate().map(group).collect(),
        ..GraphParts::default()
    })
}

fn try_cases(cases: u64, seed: u64) {
    let mut dice = Dice(seed);
    for number in 0..cases {
        let case = random_case(&mut dice);
        let told = || format!("case {number} of seed {seed}: {case:?}");
        let graph = graph_of(&case);
        check_outage(&case, &mut Solver::new(&graph), &told);
        let sweep = Sweep::of(&graph);
        (0..case.size).for_each(|item| check_single_failure(&case, item, &graph, &sweep, &told));
    }
}

fn try_wide_cases(cases: u64, seed: u64) {
    let mut dice = Dice(seed);
    for number in 0..cases {
        let case = random_wide_case(&mut dice);
        let told = || format!("wide case {number} of seed {seed}: {case:?}");
        let graph = graph_of(&case);
        let mut solver = Solver::new(&graph);
        // Twice: the second begins with what the first has left behind.
        check_outage(&case, &mut solver, &told);
        check_outage(&case, &mut solver, &told);
        let sweep = Sweep::of(&graph);
        (0..4).for_each(|item| check_single_failure(&case, item, &graph, &sweep, &told));
    }
}

fn check_outage(case: &Case, solver: &mut Solver<'_>, told: &dyn Fn() -> String) {
    let kind = |state: u8| if state == DOWN { FailureKind::Down } else { FailureKind::Degraded };
    solver.solve(case.failing.iter().map(|&(item, state)| (id(item), kind(state))));
    let found: Vec<u8> = (0..case.size).map(|item| solver.state(id(item)) as u8).collect();
    let expected = evaluate(case, &case.failing);
    assert_eq!(found, expected, "{}", told());
    // Affected is who is worse off than today.
    let today = evaluate(case, &[]);
    let named = |item: &usize| case.failing.iter().any(|(failing, _)| failing == item);
    let mut affected: Vec<CiId> = solver.affected().map(|(item, _)| item).collect();
    affected.sort_unstable();
    let mut worse: Vec<CiId> = (0..case.size).filter(|item| !named(item) && expected[*item] > today[*item]).map(id).collect();
    worse.sort_unstable();
    assert_eq!(affected, worse, "{}", told());
}

fn check_single_failure(case: &Case, item: usize, graph: &Graph, sweep: &Sweep, told: &dyn Fn() -> String) {
    let today = evaluate(case, &[]);
    let states = evaluate(case, &[(item, DOWN)]);
    let is_new = |other: usize| other != item && states[other] > today[other];
    let others = |wanted: u8| (0..case.size).filter(|&other| is_new(other) && states[other] == wanted).count();
    let toll = sweep.toll(graph, id(item)).counts;
    let found = [toll.down as usize, toll.degraded as usize, toll.at_risk as usize];
    assert_eq!(found, [DOWN, DEGRADED, AT_RISK].map(others), "{item}, {}", told());
}

#[test]
fn impact_is_what_the_design_says() {
    try_cases(4_000, 0x5eed);
    try_wide_cases(60, 0x5eed);
}

#[test]
#[ignore = "a command of its own: tests/run does it"]
fn impact_is_what_the_design_says_100_000_times() {
    try_cases(100_000, 0xdecade);
    try_wide_cases(2_000, 0xdecade);
}
