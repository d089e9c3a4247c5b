//! Many failures, each alone, of which most are not worked out from the beginning.
//!
//! A CI that fails takes down whoever needs it hard, with no other to turn to. Its outage is therefore that dependent's outage and whatever
//! more it does itself: the least fixpoint of both is reached by going on from the dependent's. So the failures form a forest, each below
//! the dependent of its own that is likely to do most; it is walked depth first, every step adds to the states of the one above, and what it
//! added is taken back when all below it are done.

use super::{
    solver::{group_outcome, plain_outcome},
    state::State,
};
use crate::graph::{BATCH, Graph, GroupRule, Need, NeededByAll, NodeNumber};

/// How many CIs are in each state, best first.
pub(super) type InState = [u32; 4];

/// Works out single failures of one graph.
pub(super) struct Descent {
    /// Laid out for going over it often.
    needed_by: NeededByAll,
    states: States,
}

struct States {
    cells: Vec<Cell>,
    groups: Vec<GroupCell>,
    queue: Vec<NodeNumber>,
    log: Log,
    counts: InState,
    services: InState,
}

/// A CI's state, above it that which its dependents were told, and what does not change: the state that it is in before anything fails
/// highest.
type Cell = u8;

const TOLD: u32 = 2;
const STATES: u8 = 0b1111;
const SERVICE: u8 = 0b1_0000;
/// Somebody needs it. Whoever nobody needs has nobody to tell.
const NEEDED: u8 = 0b10_0000;
const ALREADY: u32 = 6;

/// What a group asks for, and beside it how it fares.
#[derive(Clone, Copy)]
struct GroupCell {
    rule: GroupRule,
    tally: Tally,
}

/// How many members of a group are down and degraded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    down: u32,
    degraded: u32,
}

/// What was so before it got worse, to be taken back from the end.
#[derive(Default)]
struct Log {
    states: Vec<(NodeNumber, State)>,
    tallies: Vec<(u32, Tally)>,
}

/// What is told of each failure.
pub(super) trait Witness {
    /// A failure was worked out: how many CIs and how many business services it has put in each state, itself included unless it was down already.
    fn outage(&mut self, failing: NodeNumber, was_down: bool, counts: &InState, services: &InState);

    /// A business service is down in so many failures more, its own not counted; less, where that was counted before.
    fn service_down(&mut self, service: NodeNumber, failures: i32);
}

/// Who is told of what is so before anything fails.
struct Nobody;

impl Witness for Nobody {
    fn outage(&mut self, _: NodeNumber, _: bool, _: &InState, _: &InState) {}

    fn service_down(&mut self, _: NodeNumber, _: i32) {}
}

/// Failures of a walk, each with the one above it.
struct Forest {
    failing: Vec<NodeNumber>,
    /// By place among `failing`, children's places: where they start, and which.
    starts: Vec<u32>,
    children: Vec<u32>,
    roots: Vec<u32>,
    /// By place: it and all below.
    sizes: Vec<i32>,
}

impl Descent {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut cells = vec![0; graph.node_bound()];
        let (mut counts, mut services) = (InState::default(), InState::default());
        for number in graph.numbers() {
            counts[0] += 1;
            if graph.is_service_at(number) {
                services[0] += 1;
                cells[number.index()] |= SERVICE;
            }
            if graph.needed_by(number).len() > 0 {
                cells[number.index()] |= NEEDED;
            }
        }
        let groups = graph.rules().iter().map(|&rule| GroupCell { rule, tally: Tally::default() }).collect();
        let needed_by = NeededByAll::of(graph);
        let mut states = States { cells, groups, queue: Vec::new(), log: Log::default(), counts, services };
        for stopped in graph.stopped() {
            states.fail(stopped, &needed_by, 0, &mut Nobody);
        }
        states.take_for_granted();
        Self { needed_by, states }
    }

    /// Works out each of these failures alone. Ascending, each once.
    pub(super) fn each(&mut self, failing: Vec<NodeNumber>, witness: &mut impl Witness) {
        let forest = Forest::of(failing, &self.needed_by, &self.states);
        // Where the walk stands: the place, the next of its children, and how long the logs were before it.
        let mut path: Vec<(u32, u32, (usize, usize))> = Vec::new();
        for &root in &forest.roots {
            let mut enter = Some(root);
            loop {
                if let Some(place) = enter.take() {
                    let before = self.states.log.len();
                    let failing = forest.failing[place as usize];
                    self.states.fail(failing, &self.needed_by, forest.sizes[place as usize], witness);
                    witness.outage(failing, self.states.is_down_already(failing), &self.states.counts, &self.states.services);
                    path.push((place, forest.starts[place as usize], before));
                }
                let Some((place, next, before)) = path.last_mut() else { break };
                if *next < forest.starts[*place as usize + 1] {
                    enter = Some(forest.children[*next as usize]);
                    *next += 1;
                } else {
                    self.states.take_back(*before);
                    path.pop();
                }
            }
        }
    }
}

impl Forest {
    /// Each failure below that one of the others which it takes down and whose outage promises to be the largest.
    fn of(failing: Vec<NodeNumber>, needed_by: &NeededByAll, states: &States) -> Self {
        const NONE: u32 = u32::MAX;
        let mut place = vec![NONE; states.cells.len()];
        (0..).zip(&failing).for_each(|(at, number)| place[number.index()] = at);
        // How many chains of hard needs lead away from it: more than CIs, but larger where those are more.
        let mut promise = vec![1.0_f32; failing.len()];
        let mut above = vec![NONE; failing.len()];
        for at in (0..failing.len()).rev() {
            let number = failing[at];
            let (mut sum, mut most) = (1.0_f32, 0.0_f32);
            for entry in needed_by.entries(needed_by.row(number)) {
                let takes_down = match entry.need {
                    Need::Hard => true,
                    Need::Soft => false,
                    Need::Group(group) => {
                        let rule = states.groups[group as usize].rule;
                        rule.hard() && rule.min_up() >= rule.members()
                    }
                };
                let dependent = place[entry.dependent.index()];
                // Only upwards in the graph's order: circles have no end.
                if !takes_down || entry.dependent <= number {
                    continue;
                }
                let promised = if dependent == NONE { 1.0 } else { promise[dependent as usize] };
                sum += promised;
                if dependent != NONE && promised > most {
                    most = promised;
                    above[at] = dependent;
                }
            }
            promise[at] = sum.min(1e30);
        }
        let mut starts = vec![0_u32; failing.len() + 1];
        above.iter().filter(|&&above| above != NONE).for_each(|&above| starts[above as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut children = vec![0; starts[failing.len()] as usize];
        let mut roots = Vec::new();
        let mut sizes = vec![1_i32; failing.len()];
        // What is above another comes after it, so that every size is complete when it is added.
        for at in 0..failing.len() {
            match above[at] {
                NONE => roots.push(at as u32),
                above => {
                    sizes[above as usize] += sizes[at];
                    children[next[above as usize] as usize] = at as u32;
                    next[above as usize] += 1;
                }
            }
        }
        Self { failing, starts, children, roots, sizes }
    }
}

impl States {
    /// Takes a CI down in addition to all that is. That stays so for so many failures in all.
    fn fail(&mut self, failing: NodeNumber, needed_by: &NeededByAll, failures: i32, witness: &mut impl Witness) {
        let known = self.cells[failing.index()];
        if self.is_down_already(failing) {
            return;
        }
        if known & 3 == State::Down as u8 && known & SERVICE != 0 {
            // In a circle it was down already, and its own failure counted.
            witness.service_down(failing, -1);
        }
        self.raise(failing, State::Down, failures - 1, witness);
        while let Some(&last) = self.queue.last() {
            let mut batch = [last; BATCH];
            let count = self.queue.len().min(BATCH);
            let rest = self.queue.len() - count;
            batch[..count].copy_from_slice(&self.queue[rest..]);
            self.queue.truncate(rest);
            // All at once: what lies far away comes in the time of one.
            let rows = batch.map(|provider| needed_by.row(provider));
            std::hint::black_box(rows.iter().fold(0, |near, &row| near ^ needed_by.peek(row)));
            let near = rows[..count].iter().flat_map(|&row| needed_by.ahead(row)).fold(0, |near, (dependent, group)| {
                let group = self.groups.get(group as usize).map_or(0, |group| group.tally.down);
                near ^ u32::from(self.cells[dependent.index()]) ^ group
            });
            std::hint::black_box(near);
            for (provider, row) in batch.into_iter().zip(rows).take(count) {
                let cell = &mut self.cells[provider.index()];
                let (before, now) = (State::ALL[usize::from(*cell >> TOLD & 3)], State::ALL[usize::from(*cell & 3)]);
                if before == now {
                    continue;
                }
                *cell = *cell & !(3 << TOLD) | (now as u8) << TOLD;
                for entry in needed_by.entries(row) {
                    let outcome = match entry.need {
                        Need::Group(group) => self.tell_group(group, before, now),
                        plain => plain_outcome(plain, now),
                    };
                    self.raise(entry.dependent, outcome, failures, witness);
                }
            }
        }
    }

    #[inline]
    fn tell_group(&mut self, group: u32, before: State, now: State) -> State {
        let GroupCell { rule, tally } = &mut self.groups[group as usize];
        self.log.tallies.push((group, *tally));
        tally.degraded -= u32::from(before == State::Degraded);
        tally.degraded += u32::from(now == State::Degraded);
        tally.down += u32::from(now == State::Down);
        group_outcome(*rule, tally.down, tally.degraded)
    }

    #[inline]
    fn raise(&mut self, number: NodeNumber, to: State, failures: i32, witness: &mut impl Witness) {
        let cell = &mut self.cells[number.index()];
        let from = State::ALL[usize::from(*cell & 3)];
        if to <= from {
            return;
        }
        *cell = *cell & !3 | to as u8;
        self.log.states.push((number, from));
        // What fares no worse than before counts with those that are ok.
        let counted = if from as u8 == *cell >> ALREADY { State::Ok } else { from };
        self.counts[counted as usize] -= 1;
        self.counts[to as usize] += 1;
        if *cell & SERVICE != 0 {
            self.services[counted as usize] -= 1;
            self.services[to as usize] += 1;
            if to == State::Down {
                witness.service_down(number, failures);
            }
        }
        if to >= State::Degraded && *cell & NEEDED != 0 {
            self.queue.push(number);
        }
    }

    fn is_down_already(&self, number: NodeNumber) -> bool {
        self.cells[number.index()] >> ALREADY == State::Down as u8
    }

    /// Takes everything as it is for what is so before anything fails.
    fn take_for_granted(&mut self) {
        for &(number, _) in &self.log.states {
            let cell = &mut self.cells[number.index()];
            *cell = *cell & !(3 << ALREADY) | (*cell & 3) << ALREADY;
        }
        self.log = Log::default();
        for counts in [&mut self.counts, &mut self.services] {
            *counts = [counts.iter().sum(), 0, 0, 0];
        }
    }

    /// Makes everything as it was when the logs were so long.
    fn take_back(&mut self, (states, tallies): (usize, usize)) {
        for (number, before) in self.log.states.drain(states..).rev() {
            let cell = &mut self.cells[number.index()];
            let now = usize::from(*cell & 3);
            // Whoever has nothing to hear was told nothing.
            let told = if before >= State::Degraded { before } else { State::Ok };
            *cell = *cell & !STATES | before as u8 | (told as u8) << TOLD;
            let counted = if before as u8 == *cell >> ALREADY { State::Ok } else { before };
            self.counts[now] -= 1;
            self.counts[counted as usize] += 1;
            if *cell & SERVICE != 0 {
                self.services[now] -= 1;
                self.services[counted as usize] += 1;
            }
        }
        for (group, before) in self.log.tallies.drain(tallies..).rev() {
            self.groups[group as usize].tally = before;
        }
    }
}

impl Log {
    fn len(&self) -> (usize, usize) {
        (self.states.len(), self.tallies.len())
    }
}
