//! The way from the store to an answer, and from a write to an answer, with a whole estate behind the graph.

use std::time::{Duration, Instant};

use rollcall::store::{AttributedChange, Batch, SharedStore};
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

/// What a process found that loaded a store: seconds, megabytes and milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Loaded {
    answered: f64,
    cpu: f64,
    read: f64,
    estate: f64,
    graph: f64,
    resident: f64,
    visible: f64,
    committed: f64,
}

impl Loaded {
    /// As lines of the table, of which those of the time are named so.
    pub fn lines(&self, time: &'static str, wall: &'static str) -> Vec<Line> {
        vec![
            at_most(time, self.cpu, 5.0, "s", "<= 5 s"),
            only(wall, self.answered, "s"),
            only("  of which reading rows", self.read, "s"),
            only("  the estate made of them", self.estate, "s"),
            only("  the graph made of that", self.graph, "s"),
            only("  resident memory, with every item and relationship", self.resident, "MB"),
            at_most("a write durable and visible in answers, at 1,000 edge writes a second, longest", self.visible, 50.0, "ms", "<= 50 ms"),
            only("  of which made durable, longest", self.committed, "ms"),
        ]
    }
}

/// Loads a store as a collector does, and answers; then writes to what was loaded. For a process of its own, whose memory and time are looked at.
///
/// # Errors
/// If the store fails.
pub async fn load(store: &SharedStore, cis: usize) -> anyhow::Result<Loaded> {
    let cpu = process_cpu();
    let started = Instant::now();
    let snapshot = store.load().await?;
    let read = started.elapsed();
    let mut estate = Estate::default();
    snapshot.apply_to(&mut estate);
    let applied = started.elapsed();
    let mut graph = Graph::from_estate(&estate);
    let made = started.elapsed();
    let mut solver = Solver::new(&graph);
    solver.solve([(id(cis as u32 / 2), FailureKind::Down)]);
    let answered = started.elapsed();
    let cpu = process_cpu() - cpu;
    drop(solver);
    let resident = resident_megabytes("VmRSS:")?;

    // A second of 1,000 edge writes in 50 commits: how long until the graph that answers has them. One that comes while another is
    // taken in waits for it.
    const COMMITS: u32 = 50;
    let mut random = Random(3);
    let mut free = Duration::ZERO;
    let (mut longest, mut longest_commit) = (Duration::ZERO, Duration::ZERO);
    let mut revision = estate.revision();
    for round in 0..COMMITS {
        let puts: Vec<Put> = (0..20).map(|at| Put::Relationship(relationship(cis, &mut random, round * 20 + at))).collect();
        let arrival = Duration::from_secs(1) / COMMITS * round;
        let mark = estate.mark();
        let started = Instant::now();
        revision = store.commit(revision, &batch(puts.iter().cloned())).await?;
        longest_commit = longest_commit.max(started.elapsed());
        puts.iter().for_each(|put| estate.put(put));
        graph = match estate.touched_since(mark) {
            Some(touched) => graph.after(&estate, touched),
            None => Graph::from_estate(&estate),
        };
        free = free.max(arrival) + started.elapsed();
        longest = longest.max(free - arrival);
    }
    Ok(Loaded {
        answered: answered.as_secs_f64(),
        cpu: cpu.as_secs_f64(),
        read: read.as_secs_f64(),
        estate: (applied - read).as_secs_f64(),
        graph: (made - applied).as_secs_f64(),
        resident,
        visible: longest.as_secs_f64() * 1e3,
        committed: longest_commit.as_secs_f64() * 1e3,
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
        Put::Relationship(edge(relationship_id(number), from, to, hardness))
    });
    let groups = generated.groups.iter().zip(0_u32..).map(|((of, members, least), number)| {
        let members: Vec<_> = members.iter().map(|&member| id(member)).collect();
        let mut group = sample::need_group(u128::from(number), id(*of), &members, at());
        (group.min_up, group.suggestion) = (rollcall_core::MinUp::Count(*least), None);
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
    ci.agent = None;
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
