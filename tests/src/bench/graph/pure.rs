//! What the core does alone: CPU time of one thread, since other work on the machine would count otherwise.

use std::{
    io::{BufReader, BufWriter, Write},
    path::Path,
    time::Duration,
};

use petgraph::{
    algo::{dominators, kosaraju_scc},
    graph::DiGraph,
    visit::{Bfs, Reversed},
};
use rollcall_core::{
    graph::{Components, Graph, service_chokes},
    impact::{Basis, Counts, FailureKind, Outage, Pretend, ServicesOn, Solver, Sweep, assess, pretend},
};
use rollcall_shared::{Timestamp, catalogue::Hardness};

use super::estate::{Estate, Random, id, number};

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was measured.
    pub what: &'static str,
    /// The figure, in the unit that the target has.
    pub figure: f64,
    /// The target's text; empty where it is only for comparison.
    pub target: &'static str,
    /// Whether the target is met; `None` without one.
    pub met: Option<bool>,
    /// The unit.
    pub unit: &'static str,
}

/// CPU time of this thread so far.
pub fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// How long something takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = cpu();
    let result = work();
    (result, cpu() - started)
}

/// How often what is short is measured. The least counts: what else runs on the machine takes caches and memory from it, and never gives any.
const TIMES: usize = 3;

/// The least of several times.
fn least<T>(mut work: impl FnMut() -> T) -> Duration {
    (0..TIMES).map(|_| timed(|| drop(work())).1).min().unwrap_or_default()
}

/// A figure with a limit.
pub fn at_most(what: &'static str, figure: f64, limit: f64, unit: &'static str, target: &'static str) -> Line {
    Line { what, figure, target, met: Some(figure <= limit), unit }
}

/// A figure to compare with.
pub fn only(what: &'static str, figure: f64, unit: &'static str) -> Line {
    Line { what, figure, target: "", met: None, unit }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// `p50`, `p95` and the longest.
pub fn percentiles(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default();
    [at(50), at(95), at(100)]
}

/// Whole assessments made: they are dear where much is affected.
const ASSESSED: usize = 20;

/// Figures so far, told as they come: a large estate takes minutes.
struct Lines(Vec<Line>);

impl Lines {
    fn push(&mut self, line: Line) {
        eprintln!("  {} {:.3} {}", line.what, line.figure, line.unit);
        self.0.push(line);
    }
}

/// What depends on a configuration item in any way, itself not counted: enough to tell one set from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// How many.
    pub count: u64,
    /// The sum of their numbers.
    pub sum: u64,
}

impl Reached {
    fn add(&mut self, ci: u32) {
        self.count += 1;
        self.sum += u64::from(ci);
    }
}

/// The same questions without redundancy and with every dependency hard, so that others answer the same: all that depends on a CI.
pub struct LikeForLike {
    /// How long the graph took for all questions.
    pub own: Duration,
    /// What was reached, by question.
    pub reached: Vec<Reached>,
}

/// Measures everything that needs no database and no collector.
pub fn measure(estate: &Estate, questions: &[u32], file: &Path) -> std::io::Result<(Vec<Line>, LikeForLike)> {
    let mut lines = Lines(Vec::new());
    let (graph, built) = timed(|| estate.graph());
    lines.push(only("graph made from lists of parts", built.as_secs_f64(), "s"));

    let (outages, reached) = outages(&graph, questions);
    let [p50, p95, max] = percentiles(outages);
    lines.push(at_most("outage of one CI, full semantics with causes, p50", p50.as_secs_f64() * 1e6, 5.0, "us", "<= 5 us"));
    lines.push(at_most("  p95", ms(p95), 10.0, "ms", "<= 10 ms"));
    lines.push(at_most("  max", ms(max), 40.0, "ms", "<= 40 ms"));
    lines.push(only("  CIs reached in all", reached as f64, ""));
    let like_for_like = like_for_like(estate, questions, &mut lines)?;
    let assessed: Vec<Duration> = questions
        .iter()
        .take(ASSESSED)
        .map(|&ci| timed(|| assess(&graph, &Outage::down([id(ci)]), Basis::new(Timestamp::default(), |_| None))).1)
        .collect();
    lines.push(only("  the same as an assessment with names, evidence and what absorbed it, p95", ms(percentiles(assessed)[1]), "ms"));

    lines.push(at_most("100 CIs failing at once, mean", ms(hundred(&graph, estate)), 1.0, "ms", "<= 1 ms"));
    let on = least(|| ServicesOn::of(&graph));
    lines.push(at_most("number of affected business services for every CI", on.as_secs_f64(), 0.5, "s", "<= 0.5 s"));
    let (sweep, swept) = timed(|| Sweep::of(&graph));
    lines.push(at_most("failure of every single CI in turn, redundancy and all", swept.as_secs_f64(), 6.0, "s", "<= 6 s"));
    let chokes = least(|| service_chokes(&graph));
    lines.push(at_most("dominators of all services", chokes.as_secs_f64(), 0.5, "s", "<= 0.5 s"));
    let found = least(|| Components::of(&graph));
    let components = Components::of(&graph);
    lines.push(only("components", found.as_secs_f64(), "s"));
    let condensed = least(|| components.condensation(&graph));
    lines.push(only("condensation", condensed.as_secs_f64(), "s"));
    let (kosaraju, simple_fast) = petgraphs(estate);
    lines.push(only("  petgraph's Kosaraju", kosaraju.as_secs_f64() / found.as_secs_f64(), "x"));
    lines.push(only("  petgraph's dominators", simple_fast.as_secs_f64() / chokes.as_secs_f64(), "x"));

    let (write, followed) = writes(&graph, &sweep, estate);
    lines.push(at_most("20 edge writes in the graph alone, longest", ms(write), 50.0, "ms", "<= 50 ms"));
    lines.push(only("the sweep brought up to date after one write, median", ms(followed), "ms"));

    let (written, time) = timed(|| write_file(&graph, file));
    written?;
    lines.push(only("snapshot file written", time.as_secs_f64(), "s"));
    lines.push(only("snapshot file", std::fs::metadata(file)?.len() as f64 / 1e6, "MB"));
    Ok((lines.0, like_for_like))
}

fn outages(graph: &Graph, questions: &[u32]) -> (Vec<Duration>, usize) {
    let mut solver = Solver::new(graph);
    let mut times = vec![Duration::MAX; questions.len()];
    let mut reached = 0;
    for _ in 0..TIMES {
        reached = 0;
        for (&ci, least) in questions.iter().zip(&mut times) {
            let (counts, time) = timed(|| down_with_causes(&mut solver, ci));
            reached += counts.harmed() + counts.at_risk;
            *least = time.min(*least);
        }
    }
    (times, reached)
}

fn down_with_causes(solver: &mut Solver<'_>, ci: u32) -> Counts {
    let counts = solver.solve([(id(ci), FailureKind::Down)]);
    solver.trace();
    counts
}

fn hundred(graph: &Graph, estate: &Estate) -> Duration {
    const ROUNDS: u32 = 50;
    let mut solver = Solver::new(graph);
    let mut rounds = || {
        let mut random = Random(5);
        let mut sum = Duration::ZERO;
        for _ in 0..ROUNDS {
            let failing: Vec<_> = (0..100).map(|_| (id(random.below(estate.cis) as u32), FailureKind::Down)).collect();
            sum += timed(|| solver.solve(failing)).1;
        }
        sum / ROUNDS
    };
    (0..TIMES).map(|_| rounds()).min().unwrap_or_default()
}

fn like_for_like(estate: &Estate, questions: &[u32], lines: &mut Lines) -> std::io::Result<LikeForLike> {
    let graph = estate.plain().graph();
    let mut solver = Solver::new(&graph);
    let other = petgraph_of(estate);
    let (mut own, mut petgraph, mut reached) = (Duration::MAX, Duration::MAX, Vec::new());
    let (mut traced, mut longest) = (Duration::MAX, Duration::MAX);
    // By turns, so that both have the same machine.
    for _ in 0..TIMES {
        let mut sum = Duration::ZERO;
        reached.clear();
        for &ci in questions {
            sum += timed(|| solver.solve([(id(ci), FailureKind::Down)])).1;
            let mut found = Reached::default();
            solver.affected().for_each(|(ci, _)| found.add(number(ci)));
            reached.push(found);
        }
        own = own.min(sum);
        petgraph = petgraph.min(petgraph_reaches(&other, questions, &reached)?);
        let with_causes = questions.iter().map(|&ci| timed(|| down_with_causes(&mut solver, ci)).1);
        let times: Vec<Duration> = with_causes.collect();
        traced = traced.min(times.iter().sum());
        longest = longest.min(times.into_iter().max().unwrap_or_default());
    }
    let ratio = petgraph.as_secs_f64() / own.as_secs_f64();
    lines.push(only("the same CIs, no redundancy, all hard: reached in all", reached.iter().map(|one| one.count as f64).sum(), ""));
    lines.push(only("  time for all of them", ms(own), "ms"));
    lines.push(only("  with causes, to without", traced.as_secs_f64() / own.as_secs_f64(), "x"));
    lines.push(only("  with causes, the longest", ms(longest), "ms"));
    lines.push(Line {
        what: "  petgraph::Graph + Bfs, the same set",
        figure: ratio,
        target: ">= 7x slower",
        met: Some(ratio >= 7.0),
        unit: "x",
    });
    Ok(LikeForLike { own, reached })
}

/// How long petgraph takes to reach the same.
fn petgraph_reaches(graph: &DiGraph<u32, ()>, questions: &[u32], reached: &[Reached]) -> std::io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for (&ci, expected) in questions.iter().zip(reached) {
        let (found, time) = timed(|| {
            let mut search = Bfs::new(Reversed(graph), ci.into());
            let mut found = Reached::default();
            search.next(Reversed(graph));
            while let Some(node) = search.next(Reversed(graph)) {
                found.add(node.index() as u32);
            }
            found
        });
        sum += time;
        if found != *expected {
            return Err(std::io::Error::other(format!("petgraph reaches {found:?} from {ci}, the graph {expected:?}")));
        }
    }
    Ok(sum)
}

fn petgraph_of(estate: &Estate) -> DiGraph<u32, ()> {
    let mut other = DiGraph::with_capacity(estate.cis, estate.edges.len());
    (0..estate.cis as u32).for_each(|ci| {
        other.add_node(ci);
    });
    estate.pairs().for_each(|(from, to)| {
        other.add_edge(from.into(), to.into(), ());
    });
    other
}

fn petgraphs(estate: &Estate) -> (Duration, Duration) {
    let mut other = petgraph_of(estate);
    let (_, kosaraju) = timed(|| kosaraju_scc(&other));
    let root = other.add_node(u32::MAX);
    for service in estate.cis - estate.cis / 100..estate.cis {
        other.add_edge(root, (service as u32).into(), ());
    }
    let (_, simple_fast) = timed(|| dominators::simple_fast(&other, root));
    (kosaraju, simple_fast)
}

/// The longest of many writes of 20 edges each, and how long the sweep takes to follow one edge.
fn writes(graph: &Graph, sweep: &Sweep, estate: &Estate) -> (Duration, Duration) {
    let mut random = Random(11);
    let mut graph = graph.clone();
    let mut longest = Duration::ZERO;
    let any = |random: &mut Random| id((estate.cis / 5 + random.below(estate.cis * 7 / 10)) as u32);
    for _ in 0..100 {
        let edges: Vec<Pretend> =
            (0..20).map(|_| Pretend::Needs { ci: any(&mut random), on: any(&mut random), hardness: Hardness::Soft }).collect();
        let (next, time) = timed(|| pretend(&graph, &edges));
        longest = longest.max(time);
        graph = next;
    }
    let mut followed = Vec::new();
    for _ in 0..5 {
        let ci = any(&mut random);
        let next = pretend(&graph, &[Pretend::Needs { ci, on: any(&mut random), hardness: Hardness::Soft }]);
        followed.push(timed(|| sweep.clone().after(&graph, &next)).1);
    }
    (longest, percentiles(followed)[0])
}

fn write_file(graph: &Graph, file: &Path) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(file)?);
    graph.write_snapshot(&mut out)?;
    out.flush()
}

/// Loads a snapshot file and answers once. For a process of its own, whose memory is looked at: time in seconds and resident
/// memory in megabytes.
///
/// # Errors
/// If the file cannot be read.
pub fn load(file: &Path) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let (graph, time) = timed(|| -> Result<Graph, Box<dyn std::error::Error>> {
        let graph = Graph::read_snapshot(&mut BufReader::new(std::fs::File::open(file)?))?;
        let first = graph.nodes().next().map(|node| node.id);
        let mut solver = Solver::new(&graph);
        solver.solve(first.map(|ci| (ci, FailureKind::Down)));
        Ok(graph)
    });
    let graph = graph?;
    let peak = resident_megabytes("VmHWM:")?;
    drop(graph);
    Ok((time.as_secs_f64(), peak))
}

/// Memory of this process that is resident, now (`VmRSS:`) or at most (`VmHWM:`).
///
/// # Errors
/// If the kernel does not say.
pub fn resident_megabytes(which: &str) -> std::io::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix(which)?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    Ok(kibibytes.ok_or(std::io::ErrorKind::InvalidData)? * 1_024.0 / 1e6)
}
