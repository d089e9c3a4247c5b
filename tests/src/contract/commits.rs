//! Commits, and the state that they make.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rollcall::store::{Snapshot, StoreError};
use rollcall_core::{
    Attribute, Claim, Sighting, Source, Stage,
    catalogue::{Definition, DefinitionId},
};
use rollcall_core::{Ci, Conflict, ConflictKind, ConflictState, Lifecycle, NeedGroup, Put, Relationship, Revision};
use rollcall_shared::{CiId, Timestamp};
use uuid::Uuid;

use super::{
    Place,
    sample::{HOSTILE, at, batch, ci, enrolled, id, installed, need_group, relationship, renamed},
};

/// A state in an order of its own, with software as puts.
pub(super) type State = BTreeMap<(&'static str, Uuid), Put>;

pub(super) fn state_of(snapshot: &Snapshot) -> State {
    let mut state = State::new();
    for put in &snapshot.puts {
        assert!(state.insert(key(put), put.clone()).is_none(), "twice: {put:?}");
    }
    for (ci, positions) in &snapshot.software.installed {
        let software = positions.iter().map(|position| snapshot.software.catalogue[*position as usize].clone()).collect();
        assert!(state.insert(("software", ci.0), Put::Software { ci: *ci, software }).is_none(), "twice: software of {ci}");
    }
    state
}

pub(super) fn key(put: &Put) -> (&'static str, Uuid) {
    match put {
        Put::Definition(definition) => ("definition", definition.id.0),
        Put::Ci(ci) => ("ci", ci.id.0),
        Put::Relationship(relationship) => ("relationship", relationship.id.0),
        Put::NeedGroup(group) => ("need_group", group.id.0),
        Put::Conflict(conflict) => ("conflict", conflict.id.0),
        Put::Software { ci, .. } => ("software", ci.0),
        Put::AgentBinding { agent, .. } => ("agent_binding", agent.0),
        Put::Merge(merge) => ("merge", merge.absorbed.0),
    }
}

/// What a state holds after these puts: the last of each thing, without what is retired or settled.
pub(super) fn replay<'a>(puts: impl IntoIterator<Item = &'a Put>) -> State {
    let mut state: State = puts.into_iter().map(|put| (key(put), put.clone())).collect();
    state.retain(|_, put| match put {
        Put::Definition(definition) => definition.lifecycle == Lifecycle::Active,
        Put::Relationship(relationship) => relationship.lifecycle == Lifecycle::Active,
        Put::NeedGroup(group) => group.lifecycle == Lifecycle::Active,
        Put::Conflict(conflict) => conflict.state != ConflictState::Settled,
        Put::Merge(merge) => !merge.is_undone,
        Put::Ci(_) | Put::Software { .. } | Put::AgentBinding { .. } => true,
    });
    state
}

/// A word that does not come first by the order that comes with Rollcall, and was said twice.
fn said_again(since: Timestamp, confirmed: Timestamp) -> Attribute {
    let claim = |source| Claim { value: HOSTILE.into(), source, since, confirmed, pinned: false };
    Attribute::from_ordered(vec![claim(Source::Import("sap".into())), claim(Source::Agent)]).unwrap()
}

fn definition(n: u128, from: Timestamp) -> Definition {
    let body = serde_json::json!({"class": {
        "name": format!("class_{n}"), "label": HOSTILE, "plural": "x", "parent": "item",
        "attributes": [{"name": "a", "label": "A", "kind": "text", "pattern": "[a-z]+"}],
    }});
    let body = serde_json::from_value(body).unwrap();
    Definition {
        id: DefinitionId(uuid::Uuid::from_u128(n)),
        body,
        source: rollcall_core::Source::User(HOSTILE.into()),
        lifecycle: Lifecycle::Active,
        valid_from: from,
        version: 1,
    }
}

fn conflict(n: u128, state: ConflictState) -> Conflict {
    Conflict {
        id: id(n),
        kind: ConflictKind::SameIdentity,
        known: id(1),
        other: Some(id(2)),
        agent: None,
        detail: HOSTILE.into(),
        state,
        opened_at: at(0),
        settled_at: (state != ConflictState::Open).then(|| at(1)),
    }
}

/// Everything that a state is made of, with hostile text, survives a reopen.
pub async fn a_whole_state_comes_back(place: Place) {
    let store = place.store().await;
    let sighting = Sighting { at: at(7), place: HOSTILE.into(), by: HOSTILE.into(), source: "user:ada".into() };
    let mut confirmed = ci(3, at(0));
    confirmed.attributes.insert("owner".into(), said_again(at(0), at(9)));
    let puts = [
        Put::Definition(definition(1, at(0))),
        Put::Ci(ci(1, at(0))),
        Put::Ci(Ci { lifecycle: Lifecycle::Retired, merged_into: Some(id(1)), agent: None, ..ci(2, at(0)) }),
        Put::Ci(Ci { stage: Stage::InRepair, sighting: Some(sighting), ..confirmed }),
        Put::Relationship(relationship(1, id(1), id(2), at(0))),
        Put::Relationship(relationship(2, id(2), id(1), at(0))),
        Put::NeedGroup(need_group(1, id(1), &[id(2)], at(0))),
        Put::NeedGroup(need_group(2, id(1), &[id(2)], at(0))),
        Put::AgentBinding { agent: id(1), ci: id(1) },
        Put::Conflict(conflict(1, ConflictState::Open)),
        Put::Conflict(conflict(2, ConflictState::KeptApart)),
        Put::Conflict(conflict(3, ConflictState::Settled)),
        installed(id(1), 1..4),
        installed(id(2), 3..9),
        installed(id(3), []),
    ];
    assert_eq!(store.commit(Revision(0), &batch(at(0), puts.clone())).await.unwrap(), Revision(1));
    drop(store);
    let snapshot = place.store().await.load().await.unwrap();
    assert_eq!(snapshot.revision, Revision(1));
    assert_eq!(state_of(&snapshot), replay(&puts));
    assert_eq!(snapshot.software.catalogue.len(), 8);
    let mut estate = rollcall_core::Estate::default();
    snapshot.apply_to(&mut estate);
    assert_eq!((estate.revision(), estate.software().count_of(id(2))), (Revision(1), 6));
}

/// A database of version 9, before classes of one's own, stages of life and realms of tokens, comes up whole.
pub async fn an_earlier_schema_is_brought_up(place: Place) {
    let store = place.store().await;
    let retired = |stage| Ci { lifecycle: Lifecycle::Retired, stage, agent: None, ..ci(2, at(0)) };
    let before = [Put::Ci(ci(1, at(0))), Put::Ci(retired(Stage::InUse)), Put::Relationship(relationship(1, id(1), id(2), at(0)))];
    store.commit(Revision(0), &batch(at(0), before)).await.unwrap();
    drop(store);
    // What later versions have added, taken away.
    place
        .sql([
            "ALTER TABLE api_token DROP COLUMN realm; DROP TABLE definition_version; ALTER TABLE ci_version DROP COLUMN stage;
             ALTER TABLE ci_version DROP COLUMN sighting; DROP TABLE graph_copy; DROP TABLE graph_copy_part;
             DROP INDEX relationship_dependent; DROP INDEX need_group_of; PRAGMA user_version = 9",
            "ALTER TABLE api_token DROP COLUMN realm; DROP TABLE definition_version; ALTER TABLE ci_version DROP COLUMN stage;
             ALTER TABLE ci_version DROP COLUMN sighting; DROP TABLE graph_copy; DROP TABLE graph_copy_part;
             DROP INDEX relationship_dependent; DROP INDEX need_group_of; UPDATE schema_version SET version = 9",
        ])
        .await;
    let store = place.store().await;
    let after = [Put::Ci(ci(1, at(0))), Put::Ci(retired(Stage::Retired)), Put::Relationship(relationship(1, id(1), id(2), at(0)))];
    assert_eq!(state_of(&store.load().await.unwrap()), replay(&after));
    store.commit(Revision(1), &batch(at(1), [Put::Definition(definition(1, at(1)))])).await.unwrap();
}

/// A plan made from an older revision writes nothing and hears which one stands.
pub async fn a_commit_from_behind_writes_nothing(place: Place) {
    let store = place.store().await;
    store.commit(Revision(0), &batch(at(0), [Put::Ci(ci(1, at(0)))])).await.unwrap();
    for base in [Revision(0), Revision(7)] {
        match store.commit(base, &batch(at(1), [Put::Ci(ci(2, at(1))), installed(id(2), 1..3)])).await {
            Err(StoreError::Behind(stands)) => assert_eq!(stands, Revision(1)),
            other => panic!("{other:?}"),
        }
    }
    let snapshot = store.load().await.unwrap();
    assert_eq!((snapshot.puts.len(), snapshot.software.catalogue.len()), (1, 0));
    assert_eq!(store.events(0, 10).await.unwrap().len(), 1);
    assert_eq!(*store.revisions().borrow(), Revision(1));
    // The numbers of the failed try are not remembered: the next one gives them again.
    store.commit(Revision(1), &batch(at(2), [installed(id(2), 1..3)])).await.unwrap();
    assert_eq!(store.load().await.unwrap().software.catalogue.len(), 2);
}

/// Every version stays, with who, why and until when.
pub async fn history_keeps_every_version(place: Place) {
    let store = place.store().await;
    let first = ci(1, at(0));
    let second = renamed(&first, "second", at(10));
    let third = Ci { lifecycle: Lifecycle::Retired, ..renamed(&second, "third", at(20)) };
    for (revision, version) in (0..).zip([&first, &second, &third]) {
        store
            .commit(Revision(revision), &batch(version.valid_from, [Put::Ci(version.clone()), Put::Ci(ci(9 + revision as u128, at(0)))]))
            .await
            .unwrap();
    }
    let history = store.ci_history(id(1), 10).await.unwrap();
    let seen: Vec<_> = history.iter().map(|it| (&it.ci, it.valid_to, it.revision)).collect();
    assert_eq!(seen, [(&third, None, Revision(3)), (&second, Some(at(20)), Revision(2)), (&first, Some(at(10)), Revision(1))]);
    assert_eq!((history[0].actor.as_str(), history[0].differs[1].as_str()), ("user:ada", HOSTILE));
    assert_eq!(history[0].reason, format!("because {HOSTILE}"));
    assert_eq!(store.ci_history(id(1), 1).await.unwrap().len(), 1);
    assert!(store.ci_history(id(404), 10).await.unwrap().is_empty());
}

/// Several versions of one thing in a batch follow each other; of those of one instant the last stands.
pub async fn one_thing_twice_in_a_batch(place: Place) {
    let store = place.store().await;
    let first = ci(1, at(0));
    let second = renamed(&first, "second", at(0));
    let third = renamed(&second, "third", at(5));
    let puts = [Put::Ci(first), Put::Ci(second), Put::Ci(third.clone()), installed(id(1), 1..3), installed(id(1), 2..3)];
    store.commit(Revision(0), &batch(at(5), puts)).await.unwrap();
    let versions: Vec<_> = store.ci_history(id(1), 10).await.unwrap().iter().map(|it| (it.ci.version, it.valid_to)).collect();
    assert_eq!(versions, [(3, None), (2, Some(at(5)))]);
    assert_eq!(state_of(&store.load().await.unwrap()), replay(&[Put::Ci(third), installed(id(1), 2..3)]));
    let actions: Vec<_> = store.events(0, 10).await.unwrap().into_iter().map(|event| event.action).collect();
    assert_eq!(actions, ["created", "updated", "updated", "created", "updated"]);
}

/// A collector that fell behind gets the newest version of what it missed, retirements too.
pub async fn puts_since_a_revision(place: Place) {
    let store = place.store().await;
    let (one, edge) = (ci(1, at(0)), relationship(1, id(1), id(2), at(0)));
    let old = [
        Put::Ci(one.clone()),
        Put::Ci(ci(2, at(0))),
        Put::Relationship(edge.clone()),
        installed(id(2), 1..5),
        Put::Conflict(conflict(1, ConflictState::Open)),
    ];
    store.commit(Revision(0), &batch(at(0), old)).await.unwrap();
    let newer = renamed(&one, "newer", at(1));
    store.commit(Revision(1), &batch(at(1), [Put::Ci(newer.clone())])).await.unwrap();
    let newest = renamed(&newer, "newest", at(2));
    let gone = Relationship { lifecycle: Lifecycle::Retired, version: 2, valid_from: at(2), ..edge };
    let settled = Put::Conflict(conflict(1, ConflictState::Settled));
    let puts = [
        Put::Ci(newest),
        Put::Relationship(gone),
        settled,
        installed(id(1), 3..7),
        Put::NeedGroup(need_group(1, id(1), &[id(2)], at(2))),
        Put::AgentBinding { agent: id(1), ci: id(1) },
    ];
    store.commit(Revision(2), &batch(at(2), puts.clone())).await.unwrap();
    let missed = store.puts_since(Revision(1)).await.unwrap();
    assert_eq!(missed.revision, Revision(3));
    assert_eq!(state_of(&missed), puts.iter().map(|put| (key(put), put.clone())).collect());
    assert!(store.puts_since(Revision(3)).await.unwrap().puts.is_empty());
}

/// Of some CIs what they are and need, of the others nothing; every class.
pub async fn a_part_of_the_state(place: Place) {
    let store = place.store().await;
    let gone = Relationship { lifecycle: Lifecycle::Retired, version: 2, valid_from: at(1), ..relationship(3, id(1), id(3), at(0)) };
    let retired = Ci { lifecycle: Lifecycle::Retired, ..renamed(&ci(4, at(0)), "gone", at(1)) };
    let first = [
        Put::Definition(definition(1, at(0))),
        Put::Ci(ci(1, at(0))),
        Put::Ci(ci(2, at(0))),
        Put::Ci(ci(3, at(0))),
        Put::Ci(ci(4, at(0))),
        Put::Relationship(relationship(1, id(1), id(2), at(0))),
        Put::Relationship(relationship(2, id(2), id(1), at(0))),
        Put::Relationship(relationship(3, id(1), id(3), at(0))),
        Put::NeedGroup(need_group(1, id(1), &[id(2)], at(0))),
        Put::NeedGroup(need_group(2, id(2), &[id(1)], at(0))),
        installed(id(1), 1..4),
    ];
    store.commit(Revision(0), &batch(at(0), first.clone())).await.unwrap();
    store.commit(Revision(1), &batch(at(1), [Put::Relationship(gone), Put::Ci(retired.clone())])).await.unwrap();
    let some = store.load_of(&[id(1), id(4), id(404)]).await.unwrap();
    assert_eq!(some.revision, Revision(2));
    let expected = [first[0].clone(), first[1].clone(), Put::Ci(retired), first[5].clone(), first[8].clone()];
    assert_eq!(state_of(&some), replay(&expected));
    assert_eq!(state_of(&store.load_of(&[]).await.unwrap()), replay(&first[..1]));
}

/// What the change feed says, in order, and what of it is about one CI.
pub async fn events_tell_what_happened(place: Place) {
    let store = place.store().await;
    let (one, edge) = (ci(1, at(0)), relationship(1, id(1), id(2), at(0)));
    store
        .commit(
            Revision(0),
            &batch(
                at(0),
                [
                    Put::Ci(one.clone()),
                    Put::Ci(ci(2, at(0))),
                    Put::Relationship(edge.clone()),
                    installed(id(1), 1..2),
                    Put::AgentBinding { agent: id(7), ci: id(1) },
                    Put::Conflict(conflict(1, ConflictState::Open)),
                ],
            ),
        )
        .await
        .unwrap();
    let gone = Relationship { lifecycle: Lifecycle::Retired, version: 2, valid_from: at(1), ..edge };
    store
        .commit(
            Revision(1),
            &batch(
                at(1),
                [
                    Put::Ci(renamed(&one, "x", at(1))),
                    Put::Relationship(gone),
                    installed(id(1), 1..3),
                    Put::AgentBinding { agent: id(7), ci: id(2) },
                    Put::Conflict(conflict(1, ConflictState::Settled)),
                ],
            ),
        )
        .await
        .unwrap();
    let events = store.events(0, 100).await.unwrap();
    let seen: Vec<_> = events.iter().map(|event| (event.revision.0, event.kind.as_str(), event.action.as_str())).collect();
    let expected = [
        (1, "ci", "created"),
        (1, "ci", "created"),
        (1, "relationship", "created"),
        (1, "software", "created"),
        (1, "agent_binding", "created"),
        (1, "conflict", "created"),
        (2, "ci", "updated"),
        (2, "relationship", "retired"),
        (2, "software", "updated"),
        (2, "agent_binding", "updated"),
        (2, "conflict", "retired"),
    ];
    assert_eq!(seen, expected);
    assert!(events.windows(2).all(|pair| pair[0].cursor < pair[1].cursor));
    assert_eq!((events[2].ci, events[2].other_ci, events[2].subject), (Some(id(1)), Some(id(2)), id(1)));
    assert_eq!((events[0].at, events[0].actor.as_str(), events[0].differs.len()), (at(0), "user:ada", 2));
    assert_eq!(store.events(events[4].cursor, 2).await.unwrap(), &events[5..7]);
    assert!(store.events(u64::MAX, 2).await.unwrap().is_empty());
    let about_two: Vec<_> = store.events_of(id(2), 10).await.unwrap().into_iter().map(|event| (event.revision.0, event.kind)).collect();
    let expected = [(2, "conflict"), (2, "agent_binding"), (2, "relationship"), (1, "conflict"), (1, "relationship"), (1, "ci")];
    assert_eq!(about_two, expected.map(|(revision, kind)| (revision, kind.to_owned())));
    assert_eq!(store.events_of(id(2), 2).await.unwrap().len(), 2);
}

/// U+0000, which PostgreSQL cannot hold, neither stops a commit nor cuts a text short.
pub async fn a_nul_character_becomes_a_replacement_character(place: Place) {
    let store = place.store().await;
    let mut hostile = ci(1, at(0));
    hostile.name = "a\0b \\u0000 c".into();
    store.commit(Revision(0), &batch(at(0), [Put::Ci(hostile)])).await.unwrap();
    match &store.load().await.unwrap().puts[..] {
        [Put::Ci(ci)] => assert_eq!(ci.name, "a\u{fffd}b \\u0000 c"),
        other => panic!("{other:?}"),
    }
}

/// Names longer than an index takes, a thousand things in a batch, and more rows than a page of a load.
pub async fn large_things_and_many(place: Place) {
    let store = place.store().await;
    let long = "\u{1f980}\"\\".repeat(1500);
    let mut big = ci(1, at(0));
    big.name = long.clone();
    big.keys[1].value = long.clone();
    let entry = |n: u32| rollcall_core::SoftwareEntry {
        kind: "deb".into(),
        name: format!("{n}{long}"),
        version: long.clone(),
        architecture: String::new(),
        publisher: long.clone(),
    };
    let mut puts = vec![Put::Ci(big), Put::Software { ci: id(1), software: (0..3).map(entry).collect() }];
    puts.extend((2..7000).map(|n| Put::Ci(Ci { attributes: BTreeMap::new(), ..ci(n, at(0)) })));
    puts.push(installed(id(2), 0..6000));
    store.commit(Revision(0), &batch(at(0), puts.clone())).await.unwrap();
    assert!(state_of(&store.load().await.unwrap()) == replay(&puts));
    assert!(state_of(&store.load_as_of(at(0)).await.unwrap()) == replay(&puts));
}

/// Random commits: what is loaded is what was put, now and as of every past instant.
pub async fn any_state_is_the_replay_of_its_commits(place: Place) {
    let store = place.store().await;
    let mut random = StdRng::seed_from_u64(20);
    let mut versions: BTreeMap<(&'static str, u128), u32> = BTreeMap::new();
    let mut log: Vec<(Timestamp, Put)> = Vec::new();
    let mut now = at(0);
    for revision in 0..40 {
        // Sometimes two commits fall into one millisecond.
        now = now.plus_millis(random.random_range(0..3));
        let puts: Vec<Put> = (0..random.random_range(0..12)).map(|_| any_put(&mut random, &mut versions, now)).collect();
        store.commit(Revision(revision), &batch(now, puts.clone())).await.unwrap();
        log.extend(puts.into_iter().map(|put| (now, put)));
        if random.random_range(0..10) == 0 {
            drop(place.store().await);
        }
    }
    assert_eq!(state_of(&store.load().await.unwrap()), replay(log.iter().map(|(_, put)| put)));
    for millis in -1..=now.millis_since(at(0)) + 1 {
        let then = at(millis);
        let mut expected = replay(log.iter().filter(|(made, _)| *made <= then).map(|(_, put)| put));
        expected.retain(|(kind, _), _| *kind != "conflict");
        assert_eq!(state_of(&store.load_as_of(then).await.unwrap()), expected, "as of {millis}");
    }
}

pub(super) fn any_put(random: &mut StdRng, versions: &mut BTreeMap<(&'static str, u128), u32>, now: Timestamp) -> Put {
    let n = random.random_range(1..6);
    let lifecycle = if random.random_range(0..4) == 0 { Lifecycle::Retired } else { Lifecycle::Active };
    let mut version = |kind| {
        let version = versions.entry((kind, n)).or_default();
        *version += 1;
        *version
    };
    let other: CiId = id(random.random_range(1..6));
    match random.random_range(0..7) {
        6 => Put::Definition(Definition { lifecycle, version: version("definition"), ..definition(n, now) }),
        0 => Put::Ci(Ci { lifecycle, version: version("ci"), ..ci(n, now) }),
        1 => Put::Relationship(Relationship { lifecycle, version: version("relationship"), ..relationship(n, id(n), other, now) }),
        2 => Put::NeedGroup(NeedGroup { lifecycle, version: version("need_group"), ..need_group(n, id(n), &[other], now) }),
        3 => Put::Conflict(conflict(n, [ConflictState::Open, ConflictState::KeptApart, ConflictState::Settled][random.random_range(0..3)])),
        4 => installed(id(n), (0..20).filter(|_| random.random_range(0..2) == 0)),
        _ => Put::AgentBinding { agent: id(n), ci: other },
    }
}

/// Two collectors on one database: each hears of the other's commits and gets what it missed.
pub async fn two_collectors_hear_each_other(place: Place) {
    let (one, two) = (place.store().await, place.store().await);
    let (mut heard_by_one, mut heard_by_two) = (one.revisions(), two.revisions());
    one.commit(Revision(0), &batch(at(0), [Put::Ci(ci(1, at(0))), installed(id(1), 1..5)])).await.unwrap();
    heard_by_two.wait_for(|revision| *revision == Revision(1)).await.unwrap();
    assert!(matches!(two.commit(Revision(0), &batch(at(1), [])).await, Err(StoreError::Behind(Revision(1)))));
    assert_eq!(state_of(&two.puts_since(Revision(0)).await.unwrap()), state_of(&one.load().await.unwrap()));
    // Software that only the other has numbered.
    two.commit(Revision(1), &batch(at(1), [installed(id(1), 3..8)])).await.unwrap();
    heard_by_one.wait_for(|revision| *revision == Revision(2)).await.unwrap();
    one.commit(Revision(2), &batch(at(2), [installed(id(2), 1..8)])).await.unwrap();
    assert_eq!(two.load().await.unwrap().software.catalogue.len(), 7);
    enrolled(&one, 1).await;
    assert_eq!(two.agents().await.unwrap().len(), 1);
}

/// 40 commits of two collectors at once, each from what it believes: every revision is made exactly once.
pub async fn two_collectors_commit_in_turn(place: Place) {
    let collectors = [place.store().await, place.store().await];
    let work: Vec<_> = collectors
        .into_iter()
        .zip([100u128, 200])
        .map(|(store, first)| {
            tokio::spawn(async move {
                let mut base = Revision(0);
                for n in first..first + 20 {
                    loop {
                        match store.commit(base, &batch(at(0), [Put::Ci(ci(n, at(0))), installed(id(n), n..n + 3)])).await {
                            Ok(revision) => break base = revision,
                            Err(StoreError::Behind(stands)) => base = stands,
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                }
            })
        })
        .collect();
    for collector in work {
        collector.await.unwrap();
    }
    let snapshot = place.store().await.load().await.unwrap();
    assert_eq!((snapshot.revision, snapshot.puts.len(), snapshot.software.catalogue.len()), (Revision(40), 40, 44));
}
