use std::collections::HashMap;

use rollcall_shared::CiId;

use super::{
    state::{Counts, FailureKind, State},
    waiting::{List, Waiting},
};
use crate::graph::{BATCH, Graph, GroupRule, Need, NeededByRow, NodeNumber};

/// Finds the state of every CI in an outage. Made once for a graph and used for many outages: each costs in proportion to what it
/// affects, as it begins with taking back what the one before left behind. One byte for each CI, so that those of a whole estate stay near the
/// processor.
///
/// What was seen not to run is down before anything else fails, and has done to others what it does: an outage begins from there, so that
/// no group counts on it, and affects whoever fares worse than that.
#[derive(Clone, Debug)]
pub struct Solver<'g> {
    graph: &'g Graph,
    cells: Vec<Cell>,
    /// By group, how many members are down, and above that how many are degraded.
    tallies: Vec<u64>,
    /// Groups with a tally that is not zero.
    tallied: Vec<u32>,
    /// Every CI that is not ok, what fails first.
    reached: List,
    failing: usize,
    /// What is not ok before anything fails, because of what does not run; and what that makes of tallies that are then not zero.
    already: Vec<NodeNumber>,
    tallies_already: HashMap<u32, u64>,
    /// Who has not told its dependents yet.
    waiting: Waiting,
    /// Whose paths are measured.
    queue: List,
    /// By node, its witness. Empty until paths are measured, as sweeps do without.
    witness: Vec<Witness>,
    /// By node, whether it has one: a byte each stays near the processor where a witness does not.
    witnessed: Vec<Witnessed>,
}

/// Four states of a CI, two bits each: its own now, that which dependents were told, that which it fails with by itself, and that which it is
/// in before anything fails. Zero, so that fresh ones cost nothing, is ok in all of them.
type Cell = u8;

/// A CI's shortest witness paths: one more than their length, 0 where it is not measured; and how weak the best of them is. One look for both.
#[derive(Clone, Copy, Debug, Default)]
struct Witness {
    distance: u32,
    weakness: u32,
}

/// Whether a path to a CI was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Witnessed {
    #[default]
    Not,
    /// In this level: others of it may be better.
    Now,
    Before,
}

const STATE: u32 = 0;
const TOLD: u32 = 2;
const OWN: u32 = 4;
const ALREADY: u32 = 6;

fn read(cell: Cell, which: u32) -> State {
    State::ALL[usize::from(cell >> which & 3)]
}

fn write(cell: &mut Cell, which: u32, state: State) {
    *cell = *cell & !(3 << which) | (state as u8) << which;
}

const ONE_DEGRADED: u64 = 1 << 32;

/// Which part of the graph outage may travel in, and along which plain needs.
pub(super) trait Scope {
    /// Whether a dependent is looked at.
    fn has(&self, _dependent: NodeNumber) -> bool {
        true
    }

    /// What a plain need counts as; `None`: not at all.
    fn plain(&self, _dependent: NodeNumber, _provider: NodeNumber, need: Need) -> Option<Need> {
        Some(need)
    }
}

/// All of the graph.
pub(super) struct Everything;

impl Scope for Everything {}

impl<'g> Solver<'g> {
    /// A solver for this graph.
    pub fn new(graph: &'g Graph) -> Self {
        let mut solver = Self::if_all_ran(graph);
        if graph.stopped().len() > 0 {
            solver.run(graph.stopped().map(|number| (number, State::Down)), &Everything);
            solver.take_for_granted();
        }
        solver
    }

    /// A solver for this graph if everything ran that does not.
    pub(super) fn if_all_ran(graph: &'g Graph) -> Self {
        Self {
            graph,
            cells: vec![0; graph.node_bound()],
            tallies: vec![0; graph.group_bound()],
            tallied: Vec::new(),
            reached: List::default(),
            failing: 0,
            already: Vec::new(),
            tallies_already: HashMap::new(),
            waiting: Waiting::of(graph.node_bound()),
            queue: List::default(),
            witness: Vec::new(),
            witnessed: Vec::new(),
        }
    }

    /// Finds the states if these CIs fail at once; those that are not in the graph are passed over.
    pub fn solve(&mut self, failures: impl IntoIterator<Item = (CiId, FailureKind)>) -> Counts {
        let graph = self.graph;
        self.run(failures.into_iter().filter_map(|(ci, kind)| Some((graph.number_of(ci)?, kind.state()))), &Everything);
        self.counts()
    }

    /// Finds what is behind each state of the outage solved last: from then on [`Self::hops_of`] and [`Self::cause_of`] answer.
    pub fn trace(&mut self) {
        self.measure(|_, _, _| 0);
    }

    /// Length of a shortest witness path, once traced; 0 for what fails itself and for what is ok.
    pub fn hops_of(&self, ci: CiId) -> u32 {
        self.graph.number_of(ci).map_or(0, |number| self.hops(number))
    }

    /// The next step of a shortest witness path, once traced: a provider whose state is part of why this CI is in its own.
    pub fn cause_of(&self, ci: CiId) -> Option<CiId> {
        let number = self.graph.number_of(ci)?;
        let hops = self.hops(number).checked_sub(1)?;
        let is_cause = |&(need, provider): &(Need, NodeNumber)| self.is_cause(need, provider, number) && self.hops(provider) == hops;
        super::explain::needs(self.graph, number).find(is_cause).map(|(_, provider)| self.graph.node_at(provider).id)
    }

    /// A CI's state in the outage solved last; ok for one that is not in the graph.
    pub fn state(&self, ci: CiId) -> State {
        self.graph.number_of(ci).map_or(State::Ok, |number| self.state_at(number))
    }

    /// Every CI that fares worse in the outage solved last than before it, what fails itself left out, in no particular order.
    pub fn affected(&self) -> impl Iterator<Item = (CiId, State)> {
        self.reached().iter().map(|&number| (self.graph.node_at(number).id, self.state_at(number)))
    }

    /// How many CIs the outage solved last has put in each state.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for &number in self.reached() {
            counts.add(self.state_at(number));
        }
        counts
    }

    pub(super) fn state_at(&self, number: NodeNumber) -> State {
        read(self.cells[number.index()], STATE)
    }

    /// The state that a CI fails with by itself; ok if it does not.
    pub(super) fn own_state(&self, number: NodeNumber) -> State {
        read(self.cells[number.index()], OWN)
    }

    /// The state that a CI is in before anything fails.
    pub(super) fn already_at(&self, number: NodeNumber) -> State {
        read(self.cells[number.index()], ALREADY)
    }

    /// What is not ok before anything fails, in no particular order.
    pub(super) fn already(&self) -> &[NodeNumber] {
        &self.already
    }

    /// Whether a CI fails or fares worse than before: all that the outage has anything to do with.
    pub(super) fn is_reached(&self, number: NodeNumber) -> bool {
        self.own_state(number) != State::Ok || self.state_at(number) != self.already_at(number)
    }

    /// Length of a shortest witness path, once [`Self::measure`] has run; 0 for what fails itself and for what is ok.
    pub(super) fn hops(&self, number: NodeNumber) -> u32 {
        self.witness.get(number.index()).map_or(0, |witness| witness.distance.saturating_sub(1))
    }

    /// What fails itself.
    pub(super) fn failing(&self) -> &[NodeNumber] {
        &self.reached.all()[..self.failing]
    }

    /// Every CI that fares worse than before, what fails itself left out.
    pub(super) fn reached(&self) -> &[NodeNumber] {
        &self.reached.all()[self.failing..]
    }

    pub(super) fn run(&mut self, failures: impl IntoIterator<Item = (NodeNumber, State)>, scope: &impl Scope) {
        self.begin();
        for (number, own) in failures {
            let cell = &mut self.cells[number.index()];
            let known = read(*cell, OWN);
            if known == State::Ok {
                self.reached.push_if(true, number);
            }
            write(cell, OWN, own.max(known));
            self.raise(number, own);
        }
        self.failing = self.reached.len();
        let mut batch = [NodeNumber::at(0); BATCH];
        loop {
            let count = self.waiting.take(&mut batch);
            if count == 0 {
                break;
            }
            let graph = self.graph;
            let rows = graph.needed_by_each(&batch);
            self.bring_near(&rows[..count]);
            for (provider, row) in batch.into_iter().zip(&rows).take(count) {
                let cell = &mut self.cells[provider.index()];
                let (before, now) = (read(*cell, TOLD), read(*cell, STATE));
                if before != now {
                    write(cell, TOLD, now);
                    self.tell_dependents(provider, row, before, now, scope);
                }
            }
        }
    }

    /// Looks at all that rows lead to at once: what is guessed wrongly on the way then costs little.
    fn bring_near(&self, rows: &[NeededByRow<'g>]) {
        let rules = self.graph.rules();
        let near = rows.iter().flat_map(NeededByRow::ahead).fold(0, |near, (dependent, group)| {
            let tally = self.tallies.get(group as usize).map_or(0, |tally| *tally as u32);
            let rule = rules.get(group as usize).map_or(0, |rule| rule.members());
            near ^ u32::from(self.cells[dependent.index()]) ^ tally ^ rule
        });
        std::hint::black_box(near);
    }

    fn begin(&mut self) {
        let measured = !self.witness.is_empty();
        for &number in self.reached.all() {
            let cell = &mut self.cells[number.index()];
            let already = read(*cell, ALREADY);
            *cell = 0;
            for which in [STATE, ALREADY] {
                write(cell, which, already);
            }
            write(cell, TOLD, told(already));
            if measured {
                (self.witness[number.index()], self.witnessed[number.index()]) = (Witness::default(), Witnessed::Not);
            }
        }
        self.reached.truncate(0);
        for group in self.tallied.drain(..) {
            self.tallies[group as usize] = self.tallies_already.get(&group).copied().unwrap_or(0);
        }
        self.queue.truncate(0);
    }

    /// Takes the outage solved last for what is so already, before anything fails.
    fn take_for_granted(&mut self) {
        for &number in self.reached.all() {
            let cell = &mut self.cells[number.index()];
            let state = read(*cell, STATE);
            write(cell, ALREADY, state);
            write(cell, OWN, State::Ok);
        }
        self.tallies_already = self.tallied.drain(..).map(|group| (group, self.tallies[group as usize])).collect();
        self.already = std::mem::take(&mut self.reached).all().to_vec();
        self.failing = 0;
    }

    fn tell_dependents(&mut self, provider: NodeNumber, row: &NeededByRow<'g>, before: State, now: State, scope: &impl Scope) {
        for entry in row.iter() {
            if !scope.has(entry.dependent) {
                continue;
            }
            let outcome = match entry.need {
                Need::Group(number) => {
                    let tally = &mut self.tallies[number as usize];
                    if *tally == 0 || !self.tallies_already.is_empty() {
                        self.tallied.push(number);
                    }
                    if before == State::Degraded {
                        *tally -= ONE_DEGRADED;
                    }
                    *tally += if now == State::Degraded { ONE_DEGRADED } else { 1 };
                    let (down, degraded) = both(*tally);
                    group_outcome(self.graph.rule_of(number), down, degraded)
                }
                plain => scope.plain(entry.dependent, provider, plain).map_or(State::Ok, |need| plain_outcome(need, now)),
            };
            self.raise(entry.dependent, outcome);
        }
    }

    /// Worsens a CI's state; states never improve within a run. Without a branch: whether somebody was reached before is as good as chance,
    /// and a wrong guess costs more than what it would save.
    #[inline]
    fn raise(&mut self, number: NodeNumber, to: State) {
        let cell = &mut self.cells[number.index()];
        let (before, own, already) = (*cell & 3, *cell >> OWN & 3, *cell >> ALREADY);
        let now = before.max(to as u8);
        *cell = *cell & !3 | now;
        let worse = now > before;
        // The first time in this run; what fails itself is there already.
        self.reached.push_if(worse & (before == already) & (own == State::Ok as u8), number);
        // At risk serves fully: its dependents have nothing to hear.
        self.waiting.push_if(worse & (now >= State::Degraded as u8), number);
    }

    /// Measures shortest witness paths: breadth first from what fails, along those needs that decide a state. Of several of one length the one
    /// whose steps are less weak in sum counts.
    pub(super) fn measure(&mut self, step_weakness: impl Fn(NodeNumber, Need, NodeNumber) -> u32) {
        self.witness.resize(self.cells.len(), Witness::default());
        self.witnessed.resize(self.cells.len(), Witnessed::Not);
        let mut level = std::mem::take(&mut self.queue);
        level.truncate(0);
        for &number in self.reached.all() {
            let cell = self.cells[number.index()];
            // What fails mildly and is made worse by others has them as its reason; nothing here makes worse what fares so already.
            let is_first = read(cell, OWN) == read(cell, STATE) || read(cell, ALREADY) == read(cell, STATE);
            self.witness[number.index()] = Witness { distance: u32::from(is_first), weakness: 0 };
            self.witnessed[number.index()] = if is_first { Witnessed::Before } else { Witnessed::Not };
            level.push_if(is_first, number);
        }
        let mut next = List::default();
        let mut distance = 1;
        while level.len() > 0 {
            distance += 1;
            self.waiting.sort(&mut level);
            for &provider in level.all() {
                self.witness_for_dependents(provider, distance, &mut next, &step_weakness);
            }
            next.all().iter().for_each(|number| self.witnessed[number.index()] = Witnessed::Before);
            std::mem::swap(&mut level, &mut next);
            next.truncate(0);
        }
        self.queue = level;
    }

    /// Tells those whose state a provider is a reason of that there is a path through it.
    #[inline]
    fn witness_for_dependents(
        &mut self,
        provider: NodeNumber,
        distance: u32,
        next: &mut List,
        step_weakness: impl Fn(NodeNumber, Need, NodeNumber) -> u32,
    ) {
        let (state, so_far) = (self.state_at(provider), self.weakness(provider));
        for entry in self.graph.needed_by(provider) {
            let dependent = entry.dependent;
            let known = self.witnessed[dependent.index()];
            if known == Witnessed::Before || !self.is_reached(dependent) || !self.is_reason(entry.need, state, self.state_at(dependent)) {
                continue;
            }
            let weakness = so_far.saturating_add(step_weakness(dependent, entry.need, provider));
            let witness = &mut self.witness[dependent.index()];
            if known == Witnessed::Not {
                self.witnessed[dependent.index()] = Witnessed::Now;
                *witness = Witness { distance, weakness };
                next.push_if(true, dependent);
            } else {
                witness.weakness = weakness.min(witness.weakness);
            }
        }
    }

    /// How weak the best of a CI's shortest witness paths is, once measured.
    pub(super) fn weakness(&self, number: NodeNumber) -> u32 {
        self.witness.get(number.index()).map_or(0, |witness| witness.weakness)
    }

    /// Whether a provider is part of why the outage has put the dependent in its state: it fails or fares worse than before, and that
    /// matters.
    pub(super) fn is_cause(&self, need: Need, provider: NodeNumber, dependent: NodeNumber) -> bool {
        self.is_reached(provider) && self.is_reason(need, self.state_at(provider), self.state_at(dependent))
    }

    /// Whether a provider in `provider` state, through this need, is part of why the dependent is in `dependent` state.
    pub(super) fn is_reason(&self, need: Need, provider: State, dependent: State) -> bool {
        if dependent == State::Ok || provider < State::Degraded || self.outcome(need, provider) != dependent {
            return false;
        }
        match need {
            Need::Hard | Need::Soft => true,
            // A group that is short lacks those that are down; one that is met by degraded members is degraded by those too.
            Need::Group(number) => provider == State::Down || dependent == State::Degraded && self.graph.rule_of(number).hard(),
        }
    }

    /// What a need comes to, given a provider's state (of a declared group: whatever its members' states are).
    pub(super) fn outcome(&self, need: Need, provider: State) -> State {
        match need {
            Need::Group(number) => {
                let (down, degraded) = self.tally(number);
                group_outcome(self.graph.rule_of(number), down, degraded)
            }
            plain => plain_outcome(plain, provider),
        }
    }

    /// How many members of a declared group are down before anything fails.
    pub(super) fn down_already(&self, group: u32) -> u32 {
        self.tallies_already.get(&group).map_or(0, |&tally| both(tally).0)
    }

    /// How many members of a declared group are down and degraded.
    pub(super) fn tally(&self, group: u32) -> (u32, u32) {
        both(self.tallies[group as usize])
    }
}

/// Of a state, what dependents are told: at risk serves fully.
fn told(state: State) -> State {
    if state >= State::Degraded { state } else { State::Ok }
}

/// Down and degraded of a tally.
fn both(tally: u64) -> (u32, u32) {
    (tally as u32, (tally >> 32) as u32)
}

/// A group of one.
#[inline]
pub(super) fn plain_outcome(need: Need, provider: State) -> State {
    match (need, provider) {
        (Need::Hard, State::Degraded | State::Down) => provider,
        (Need::Soft, State::Down) => State::Degraded,
        _ => State::Ok,
    }
}

#[inline]
pub(super) fn group_outcome(group: GroupRule, down: u32, degraded: u32) -> State {
    let serving = group.members() - down;
    let (hard, min_up) = (group.hard(), group.min_up());
    if serving < min_up {
        if hard { State::Down } else { State::Degraded }
    } else if hard && serving - degraded < min_up && degraded > 0 {
        State::Degraded
    } else if down > 0 && serving == min_up {
        State::AtRisk
    } else {
        State::Ok
    }
}
