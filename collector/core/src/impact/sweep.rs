//! Every single failure of the estate at once: what each CI would take with it if it went down alone, redundancy and all.
//!
//! For each CI the set of those failures is found that take it down, and of those that harm it, as the least fixpoint of the same rules
//! that [`super::Solver`] applies to one outage: what a hard need brings is the provider's set, what a group brings are the failures that are in
//! the sets of enough members. Sets are 512 failures wide; providers come before dependents in the graph's order, so that without circles
//! each CI is looked at once per block.

use std::cmp::Reverse;

use rollcall_shared::{CiId, catalogue::Hardness};

use super::{
    Counts,
    bits::{Agenda, BLOCK, Bits, Tallies},
};
use crate::graph::{Graph, GroupRule, Need, Node, NodeNumber};

/// What a CI takes with it if it goes down alone, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    /// Others in each state.
    pub counts: TollCounts,
    /// Business services that are down.
    pub services_down: u32,
    /// Business services that are degraded.
    pub services_degraded: u32,
}

/// How many others are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TollCounts {
    /// Down.
    pub down: u32,
    /// Degraded.
    pub degraded: u32,
    /// At risk.
    pub at_risk: u32,
}

impl From<TollCounts> for Counts {
    fn from(counts: TollCounts) -> Self {
        Self { down: counts.down as usize, degraded: counts.degraded as usize, at_risk: counts.at_risk as usize }
    }
}

impl Toll {
    /// Ranks tolls, the worst first: by services down, then degraded, then by CIs down, degraded and at risk.
    pub fn rank(&self) -> impl Ord + use<> {
        Reverse((self.services_down, self.services_degraded, self.counts))
    }
}

/// The toll of every CI in a graph.
#[derive(Clone, Debug)]
pub struct Sweep {
    by_number: Vec<Toll>,
    /// By number, how many single failures take it down, for business services.
    points: Vec<u32>,
}

impl Sweep {
    /// The toll of every CI. Takes seconds for a large estate: for the background.
    pub fn of(graph: &Graph) -> Self {
        let mut sweep = Self { by_number: vec![Toll::default(); graph.node_bound()], points: vec![0; graph.node_bound()] };
        let candidates: Vec<NodeNumber> = graph.numbers().filter(|&number| graph.needed_by(number).len() > 0).collect();
        let mut run = Run::new(graph);
        for block in candidates.chunks(BLOCK) {
            run.block(block, &mut sweep, 1);
        }
        sweep
    }

    /// The tolls after a write. `before` is the graph that this is of, `after` one made from it by [`Graph::after`], and
    /// `changed` names every CI that was put and every CI whose relationships or need groups were. Only what these need or needed can have
    /// another toll.
    #[must_use]
    pub fn after(mut self, before: &Graph, after: &Graph, changed: &[CiId]) -> Self {
        self.by_number.resize(after.node_bound(), Toll::default());
        self.points.resize(after.node_bound(), 0);
        let mut touched = needed_of(before, changed);
        touched.extend(needed_of(after, changed));
        touched.sort_unstable();
        touched.dedup();
        // What these failures did to services is counted off in the graph as it was and on in the graph as it is.
        for (graph, sign) in [(before, -1), (after, 1)] {
            let mut run = Run::new(graph);
            let there: Vec<NodeNumber> = touched.iter().copied().filter(|&number| graph.is_in_use(number)).collect();
            touched.iter().for_each(|number| self.by_number[number.index()] = Toll::default());
            for block in there.chunks(BLOCK) {
                run.block(block, &mut self, sign);
            }
        }
        self
    }

    /// A CI's toll; nothing for one that is not in the graph. The graph is the one that this is of.
    pub fn toll(&self, graph: &Graph, ci: CiId) -> Toll {
        graph.number_of(ci).and_then(|number| self.by_number.get(number.index()).copied()).unwrap_or_default()
    }

    /// How many other CIs take a business service down alone.
    pub fn single_points(&self, graph: &Graph, service: CiId) -> u32 {
        graph.number_of(service).and_then(|number| self.points.get(number.index()).copied()).unwrap_or(0)
    }

    /// The blast-radius rank of every CI, the worst first, then by name.
    pub fn ranking<'g>(&self, graph: &'g Graph) -> Vec<(&'g Node, Toll)> {
        let mut ranking: Vec<(&Node, Toll)> =
            graph.numbers().map(|number| (graph.node_at(number), self.by_number[number.index()])).collect();
        ranking.sort_unstable_by(|(a, a_toll), (b, b_toll)| {
            a_toll.rank().cmp(&b_toll.rank()).then_with(|| (&a.name, a.id).cmp(&(&b.name, b.id)))
        });
        ranking
    }
}

/// These CIs and everything that they need, ascending.
fn needed_of(graph: &Graph, cis: &[CiId]) -> Vec<NodeNumber> {
    let mut seen = vec![false; graph.node_bound()];
    let mut found: Vec<NodeNumber> = Vec::new();
    for number in cis.iter().filter_map(|&ci| graph.number_of(ci)) {
        if !std::mem::replace(&mut seen[number.index()], true) {
            found.push(number);
        }
    }
    let mut next = 0;
    while let Some(&number) = found.get(next) {
        next += 1;
        for provider in graph.providers(number) {
            if !std::mem::replace(&mut seen[provider.index()], true) {
                found.push(provider);
            }
        }
    }
    found.sort_unstable();
    found
}

/// The failures that take a CI down, and those that harm it: which take it down or degrade it.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    down: Bits,
    harmed: Bits,
    /// A member of one of its groups is harmed by some.
    groups_touched: bool,
    /// Worse than its dependents know.
    news: bool,
}

struct Run<'g> {
    graph: &'g Graph,
    /// By number, the place among `fates`.
    place: Vec<u32>,
    reached: Vec<NodeNumber>,
    fates: Vec<Fate>,
    agenda: Agenda,
    /// By how many members at least.
    levels: Vec<Bits>,
}

const NOWHERE: u32 = u32::MAX;

impl<'g> Run<'g> {
    fn new(graph: &'g Graph) -> Self {
        Self {
            graph,
            place: vec![NOWHERE; graph.node_bound()],
            reached: Vec::new(),
            fates: Vec::new(),
            agenda: Agenda::new(graph.node_bound()),
            levels: Vec::new(),
        }
    }

    /// The tolls of up to 512 failures; `sign` says whether the points of services are counted on or off.
    fn block(&mut self, failing: &[NodeNumber], sweep: &mut Sweep, sign: i32) {
        for (at, &number) in failing.iter().enumerate() {
            let one = Bits::one(at);
            let fate = self.fate(number);
            (fate.down, fate.harmed, fate.news) = (one, one, true);
            self.agenda.add(number.index());
        }
        let mut from = 0;
        while let Some(number) = self.agenda.take_lowest(from) {
            from = self.look_at(NodeNumber::at(number));
        }
        self.count(failing, sweep, sign);
        for number in self.reached.drain(..) {
            self.place[number.index()] = NOWHERE;
        }
        self.fates.clear();
    }

    fn fate(&mut self, number: NodeNumber) -> &mut Fate {
        let place = &mut self.place[number.index()];
        if *place == NOWHERE {
            *place = self.fates.len() as u32;
            self.reached.push(number);
            self.fates.push(Fate::default());
        }
        &mut self.fates[*place as usize]
    }

    /// Finishes what a CI has heard and tells its dependents. Returns a number that none on the agenda is below.
    fn look_at(&mut self, number: NodeNumber) -> usize {
        let place = self.place[number.index()] as usize;
        if self.fates[place].groups_touched {
            self.hear_groups(number, place);
        }
        let mut lowest = number.index();
        if !std::mem::take(&mut self.fates[place].news) {
            return lowest;
        }
        let Fate { down, harmed, .. } = self.fates[place];
        let graph = self.graph;
        for entry in graph.needed_by(number) {
            let fate = self.fate(entry.dependent);
            let changed = match entry.need {
                Need::Hard => {
                    let worse = fate.down.add(&down);
                    fate.harmed.add(&harmed) || worse
                }
                Need::Soft => fate.harmed.add(&down),
                Need::Group(_) => {
                    fate.groups_touched = true;
                    self.agenda.add(entry.dependent.index());
                    lowest = lowest.min(entry.dependent.index());
                    continue;
                }
            };
            if changed {
                fate.news = true;
                self.agenda.add(entry.dependent.index());
                lowest = lowest.min(entry.dependent.index());
            }
        }
        lowest
    }

    fn hear_groups(&mut self, number: NodeNumber, place: usize) {
        let graph = self.graph;
        for group in graph.group_numbers_of(number) {
            let rule = graph.rule_of(group);
            let short = rule.members - rule.min_up + 1;
            match graph.group_at(group).hardness {
                Hardness::None => {}
                Hardness::Soft => {
                    let degraded = self.at_least(group, short, |fate| fate.down);
                    self.fates[place].news |= self.fates[place].harmed.add(&degraded);
                }
                Hardness::Hard => {
                    let down = self.at_least(group, short, |fate| fate.down);
                    let harmed = self.at_least(group, short, |fate| fate.harmed);
                    let fate = &mut self.fates[place];
                    fate.news |= fate.down.add(&down);
                    fate.news |= fate.harmed.add(&harmed);
                    fate.harmed.add(&down);
                }
            }
        }
    }

    /// The failures that are in the sets of at least so many members.
    fn at_least(&mut self, group: u32, wanted: u32, set: impl Fn(&Fate) -> Bits) -> Bits {
        self.count_members(group, wanted, set);
        self.levels.get(wanted as usize - 1).copied().unwrap_or_default()
    }

    /// Fills `levels`: at `n`, the failures in the sets of more than `n` members, up to as many as wanted.
    fn count_members(&mut self, group: u32, wanted: u32, set: impl Fn(&Fate) -> Bits) {
        self.levels.clear();
        let graph = self.graph;
        for &member in &graph.group_at(group).members {
            let place = self.place[member.index()];
            if place == NOWHERE {
                continue;
            }
            let set = set(&self.fates[place as usize]);
            if set.is_empty() {
                continue;
            }
            if self.levels.len() < wanted as usize {
                self.levels.push(Bits::default());
            }
            for level in (1..self.levels.len()).rev() {
                let more = self.levels[level - 1].and(&set);
                self.levels[level].add(&more);
            }
            self.levels[0].add(&set);
        }
    }

    /// The failures that leave a CI without margin: exactly as many members of a group serve as must, and one was lost.
    fn at_risk(&mut self, number: NodeNumber) -> Bits {
        let graph = self.graph;
        let mut all = Bits::default();
        for group in graph.group_numbers_of(number) {
            let GroupRule { members, min_up, .. } = graph.rule_of(group);
            let spare = (members - min_up) as usize;
            if spare == 0 || graph.group_at(group).hardness == Hardness::None {
                continue;
            }
            self.count_members(group, spare as u32 + 1, |fate| fate.down);
            let enough = self.levels.get(spare - 1).copied().unwrap_or_default();
            let too_many = self.levels.get(spare).copied().unwrap_or_default();
            all.add(&enough.without(&too_many));
        }
        all
    }

    fn count(&mut self, failing: &[NodeNumber], sweep: &mut Sweep, sign: i32) {
        let [mut down, mut degraded, mut at_risk, mut services_down, mut services_degraded] = [(); 5].map(|()| Tallies::new());
        for at in 0..self.reached.len() {
            let number = self.reached[at];
            let Fate { down: mut is_down, harmed, groups_touched, .. } = self.fates[at];
            let mut is_degraded = harmed.without(&is_down);
            let mut is_at_risk = if groups_touched { self.at_risk(number).without(&harmed) } else { Bits::default() };
            // What fails itself was reached first, in order; it does not count.
            if at < failing.len() {
                let own = Bits::one(at);
                (is_down, is_degraded, is_at_risk) = (is_down.without(&own), is_degraded.without(&own), is_at_risk.without(&own));
            }
            down.count(is_down);
            degraded.count(is_degraded);
            at_risk.count(is_at_risk);
            if self.graph.is_service_at(number) {
                services_down.count(is_down);
                services_degraded.count(is_degraded);
                let points = &mut sweep.points[number.index()];
                *points = points.saturating_add_signed(sign * is_down.len() as i32);
            }
        }
        let [down, degraded, at_risk] = [down.take(), degraded.take(), at_risk.take()];
        let (services_down, services_degraded) = (services_down.take(), services_degraded.take());
        for (at, number) in failing.iter().enumerate() {
            sweep.by_number[number.index()] = Toll {
                counts: TollCounts { down: down[at], degraded: degraded[at], at_risk: at_risk[at] },
                services_down: services_down[at],
                services_degraded: services_degraded[at],
            };
        }
    }
}
