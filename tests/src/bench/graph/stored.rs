//! The way from the store to an answer, and from a write to an answer, with a whole estate behind the graph.

use std::time::Instant;

use rollcall::store::{AttributedChange, Batch, SharedStore};
use rollcall_core::{
    Attribute, Change, Ci, Estate, Put, Relationship, Revision,
    graph::Graph,
    impact::{FailureKind, Solver},
};
use rollcall_shared::{RelationshipId, Timestamp, catalogue::Hardness};
use uuid::Uuid;

use super::{
    estate::{Estate as Generated, Random, id},
    pure::{Line, at_most, only, percentiles},
};
use crate::contract::sample;

const BATCH: usize = 50_000;

/// Fills a store with an estate, loads it as a collector does, and answers; then writes to what was loaded.
///
/// # Errors
/// If the store fails.
pub async fn measure(store: &SharedStore, generated: &Generated, which: &'static str) -> anyhow::Result<Vec<Line>> {
    let mut revision = Revision::default();
    for puts in chunks(generated) {
        let changes = puts.map(|put| AttributedChange {
            actor: "bench".into(),
            change: Change { put, reason: "made for a benchmark".into(), differs: Vec::new() },
        });
        let batch = Batch { at: at(), changes: changes.collect(), ..Batch::default() };
        revision = store.commit(revision, &batch).await?;
    }

    let started = Instant::now();
    let snapshot = store.load().await?;
    let read = started.elapsed();
    let mut estate = Estate::default();
    snapshot.apply_to(&mut estate);
    drop(snapshot);
    let applied = started.elapsed();
    let mut graph = Graph::from_estate(&estate);
    let made = started.elapsed();
    let mut solver = Solver::new(&graph);
    solver.solve([(id(generated.cis as u32 / 2), FailureKind::Down)]);
    let answered = started.elapsed().as_secs_f64();
    drop(solver);
    let mut lines = vec![
        at_most(which, answered, 5.0, "s", "<= 5 s"),
        only("  of which reading rows", read.as_secs_f64(), "s"),
        only("  the estate made of them", (applied - read).as_secs_f64(), "s"),
        only("  the graph made of that", (made - applied).as_secs_f64(), "s"),
    ];

    // A second of 1,000 edge writes in 50 commits: how long until the graph that answers has them.
    let mut random = Random(3);
    let mut times = Vec::new();
    for round in 0..50_u32 {
        let puts: Vec<Put> = (0..20).map(|at| Put::Relationship(relationship(generated, &mut random, round * 20 + at))).collect();
        let mark = estate.mark();
        let started = Instant::now();
        puts.iter().for_each(|put| estate.put(put));
        graph = match estate.touched_since(mark) {
            Some(touched) => graph.after(&estate, touched),
            None => Graph::from_estate(&estate),
        };
        times.push(started.elapsed());
    }
    let longest = percentiles(times)[2].as_secs_f64() * 1e3;
    lines.push(at_most("a write visible in answers, at 1,000 edge writes a second, longest", longest, 50.0, "ms", "<= 50 ms"));
    Ok(lines)
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

fn relationship(generated: &Generated, random: &mut Random, number: u32) -> Relationship {
    let any = |random: &mut Random| (generated.cis / 5 + random.below(generated.cis * 7 / 10)) as u32;
    edge(relationship_id(0x8000_0000 | number), any(random), any(random), Hardness::Soft)
}
