//! The way from the store to an answer, and from a write to an answer, with a whole estate behind the graph.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rollcall::{
    graph_copy,
    store::{AttributedChange, Batch, SharedStore},
};
use rollcall_core::{
    Attribute, Change, Ci, Estate, Put, Relationship, Revision,
    graph::Graph,
    impact::{FailureKind, Solver},
};
use rollcall_shared::{RelationshipId, Timestamp, catalogue::Hardness};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    estate::{Estate as Generated, Random, id},
    pure::{Line, at_most, only, resident_megabytes},
};
use crate::contract::sample;

const BATCH: usize = 50_000;

/// Fills a store with an estate.
///
/// # Errors
/// If the store fails.
pub async fn fill(store: &SharedStore, generated: &Generated) -> anyhow::Result<()> {
    let mut revision = Revision::default();
    for puts in chunks(generated) {
        revision = store.commit(revision, &batch(puts)).await?;
    }
    Ok(())
}

/// Keeps a copy of the graph in the store, as a collector does, and writes a little more: a collector that was killed leaves an older copy.
///
/// # Errors
/// If the store fails.
pub async fn copy(store: &SharedStore, cis: usize) -> anyhow::Result<()> {
    let mut estate = Estate::default();
    store.load().await?.apply_to(&mut estate);
    graph_copy::to_store(store, Arc::new(Graph::from_estate(&estate))).await?;
    let mut random = Random(4);
    let puts: Vec<Put> = (0..1_000).map(|number| Put::Relationship(relationship(cis, &mut random, (1 << 29) | number))).collect();
    store.commit(estate.revision(), &batch(puts.into_iter())).await?;
    Ok(())
}

/// What a process found that loaded a store: seconds, megabytes and milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Loaded {
    answered: f64,
    answered_cpu: f64,
    answered_resident: f64,
    whole: f64,
    whole_cpu: f64,
    resident: f64,
    visible: f64,
    committed: f64,
    graphed: f64,
    waited: f64,
}

impl Loaded {
    /// As lines of the table, of which the first is named so.
    pub fn lines(&self, what: &'static str) -> Vec<Line> {
        vec![
            at_most(what, self.answered_cpu, 5.0, "s", "<= 5 s"),
            at_most("  wall time", self.answered, 5.0, "s", "<= 5 s"),
            at_most("  resident memory then", self.answered_resident, 400.0, "MB", "<= 400 MB"),
            only("  every item and relationship in memory, and the graph made of them: wall time", self.whole, "s"),
            only("    CPU of the process", self.whole_cpu, "s"),
            only("    resident memory, both graphs", self.resident, "MB"),
            at_most("a write durable and visible in answers, at 1,000 edge writes a second, longest", self.visible, 50.0, "ms", "<= 50 ms"),
            only("  of which made durable, longest", self.committed, "ms"),
            only("  of which taken into the estate and the graph, longest", self.graphed, "ms"),
            only("  of which behind the writes before, longest", self.waited, "ms"),
        ]
    }
}

/// Loads a store as a collector does, first what answers and then everything; then writes to what was loaded. For a process of its own, whose
/// memory and time are looked at.
///
/// # Errors
/// If the store fails, or has no copy of the graph.
pub async fn load(store: &SharedStore, directory: &Path, cis: usize) -> anyhow::Result<Loaded> {
    let begun = process_cpu();
    let started = Instant::now();
    let early = graph_copy::early(directory, store).await.context("there is no copy of the graph")?;
    let asked = id(cis as u32 / 2);
    let first = Solver::new(&early.graph).solve([(asked, FailureKind::Down)]);
    let (answered, answered_cpu) = (started.elapsed(), process_cpu() - begun);
    let answered_resident = resident_megabytes("VmRSS:")?;

    let begun = process_cpu();
    let started = Instant::now();
    let mut estate = Estate::default();
    store.load_in_pages(&mut |put| estate.take(put)).await?.apply_to(&mut estate);
    let mut graph = Graph::from_estate(&estate);
    let (whole, whole_cpu) = (started.elapsed(), process_cpu() - begun);
    let resident = resident_megabytes("VmRSS:")?;
    let later = Solver::new(&graph).solve([(asked, FailureKind::Down)]);
    ensure!(first == later && early.graph.edge_count() == graph.edge_count(), "the copy answers {first:?}, the estate {later:?}");
    drop(early);

    // A second of 1,000 edge writes, 20 at a time: how long until the graph that answers has them. What comes while others are taken in is
    // taken in together after them, as the collector's writer does.
    const WRITES: u32 = 50;
    let arrival = |write: u32| Duration::from_secs(1) / WRITES * write;
    let mut random = Random(3);
    let mut free = Duration::ZERO;
    let [mut longest, mut longest_commit, mut longest_graph, mut longest_wait] = [Duration::ZERO; 4];
    let mut revision = estate.revision();
    let mut next = 0;
    while next < WRITES {
        let (first, begun) = (arrival(next), free.max(arrival(next)));
        let mut puts = Vec::new();
        while next < WRITES && arrival(next) <= begun {
            puts.extend((0..20).map(|at| Put::Relationship(relationship(cis, &mut random, next * 20 + at))));
            next += 1;
        }
        let mark = estate.mark();
        let started = Instant::now();
        revision = store.commit(revision, &batch(puts.iter().cloned())).await?;
        let committed = started.elapsed();
        puts.iter().for_each(|put| estate.put(put));
        graph = match estate.touched_since(mark) {
            Some(touched) => graph.after(&estate, touched),
            None => Graph::from_estate(&estate),
        };
        let taken = started.elapsed();
        free = begun + taken;
        longest = longest.max(free - first);
        longest_commit = longest_commit.max(committed);
        longest_graph = longest_graph.max(taken - committed);
        longest_wait = longest_wait.max(begun - first);
    }
    Ok(Loaded {
        answered: answered.as_secs_f64(),
        answered_cpu: answered_cpu.as_secs_f64(),
        answered_resident,
        whole: whole.as_secs_f64(),
        whole_cpu: whole_cpu.as_secs_f64(),
        resident,
        visible: longest.as_secs_f64() * 1e3,
        committed: longest_commit.as_secs_f64() * 1e3,
        graphed: longest_graph.as_secs_f64() * 1e3,
        waited: longest_wait.as_secs_f64() * 1e3,
    })
}

/// CPU time of this process so far, all threads.
fn process_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn batch(puts: impl Iterator<Item = Put>) -> Batch {
    let changes = puts.map(|put| AttributedChange {
        actor: "bench".into(),
        change: Change { put, reason: "made for a benchmark".into(), differs: Vec::new() },
    });
    Batch { at: at(), changes: changes.collect(), ..Batch::default() }
}

fn chunks(generated: &Generated) -> impl Iterator<Item = std::vec::IntoIter<Put>> {
    let cis = (0..generated.cis as u32).map(|number| Put::Ci(ci(generated, number)));
    let edges = generated.edges.iter().zip(0_u32..).map(|(&(from, to, hard), number)| {
        let hardness = if hard { Hardness::Hard } else { Hardness::Soft };
        let mut made = edge(relationship_id(number), from, to, hardness);
        let seen = generated.evidence(from, to);
        for evidence in &mut made.evidence {
            (evidence.agent, evidence.last_seen) = (seen.agent, seen.last_seen);
            (evidence.samples_seen, evidence.samples_total) = (seen.samples_seen, seen.samples_total);
        }
        Put::Relationship(made)
    });
    let groups = generated.groups.iter().zip(0_u32..).map(|((of, members, least), number)| {
        let members: Vec<_> = members.iter().map(|&member| id(member)).collect();
        let mut group = sample::need_group(u128::from(number), id(*of), &members, at());
        (group.min_up, group.suggestion) = (rollcall_core::MinUp::Count(*least), None);
        // As in the estate that is measured without a store.
        group.name = "providers".into();
        Put::NeedGroup(group)
    });
    let mut all = cis.chain(edges).chain(groups);
    std::iter::from_fn(move || {
        let chunk: Vec<Put> = all.by_ref().take(BATCH).collect();
        (!chunk.is_empty()).then(|| chunk.into_iter())
    })
}

fn at() -> Timestamp {
    Timestamp::from_millis(1_763_000_000_000)
}

fn ci(generated: &Generated, number: u32) -> Ci {
    let mut ci = sample::ci(1, at());
    (ci.id, ci.name, ci.class) = (id(number), format!("ci-{number}"), generated.class(number).into());
    ci.agent = Some(generated.agent(number));
    ci.keys.clear();
    ci.attributes.retain(|name, _: &mut Attribute| name == "serial");
    ci
}

fn edge(relationship: RelationshipId, from: u32, to: u32, hardness: Hardness) -> Relationship {
    let mut made = sample::relationship(1, id(from), id(to), at());
    (made.id, made.hardness, made.judgement) = (relationship, Some(hardness), None);
    made.evidence.truncate(1);
    made
}

fn relationship_id(number: u32) -> RelationshipId {
    RelationshipId(Uuid::from_u128((1 << 120) | u128::from(number)))
}

fn relationship(cis: usize, random: &mut Random, number: u32) -> Relationship {
    let any = |random: &mut Random| (cis / 5 + random.below(cis * 7 / 10)) as u32;
    edge(relationship_id(0x8000_0000 | number), any(random), any(random), Hardness::Soft)
}
