//! The past: as of any instant, between two of them, taken back, and thinned out.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rollcall::store::{Batch, Cut, Event, Kept, SharedStore};
use rollcall_core::{
    AgentFacts, Ci, Estate, IdSource, Lifecycle, Policy, Put, ReceivedDocument, ReceivedSection, Revision, Source, observe,
    reconcile::{
        self,
        commands::{self, AttributeEdit, CiUpdate, Order},
    },
};
use rollcall_shared::{AgentId, CiId, Timestamp, wire::v1::*};
use serde_json::json;
use uuid::Uuid;

use super::{
    Place,
    commits::{State, any_put, key, replay, state_of},
    sample::{at, batch},
};

/// A small company whose machines change, through the real reconciliation.
struct Company {
    store: SharedStore,
    estate: Estate,
    random: StdRng,
    now: Timestamp,
    next: u128,
    log: Vec<(Timestamp, Put)>,
}

struct Ids<'a>(&'a mut u128);

impl IdSource for Ids<'_> {
    fn next(&mut self) -> Uuid {
        *self.0 += 1;
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + *self.0)
    }
}

impl Company {
    async fn new(place: &Place, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { store: place.store().await, estate: Estate::default(), random, now: at(0), next: 0, log: Vec::new() }
    }

    async fn commit(&mut self, changes: rollcall_core::ChangeSet) {
        let puts: Vec<Put> = changes.changes.iter().map(|change| change.put.clone()).collect();
        let batch: Batch = batch(self.now, puts.clone());
        let revision = self.store.commit(self.estate.revision(), &batch).await.unwrap();
        self.estate.apply(&changes.changes, revision);
        self.log.extend(puts.into_iter().map(|put| (self.now, put)));
    }

    async fn order(&mut self, make: impl FnOnce(&Estate, Order<'_>) -> Result<rollcall_core::ChangeSet, commands::CommandError>) {
        let order = Order { source: Source::User("ada".into()), now: self.now, ids: &mut Ids(&mut self.next) };
        if let Ok(changes) = make(&self.estate, order) {
            self.commit(changes).await;
        }
    }

    /// Something happens to somebody.
    async fn live(&mut self) {
        self.now = self.now.plus_millis(self.random.random_range(1..5_000));
        let machines: Vec<CiId> = {
            let mut known: Vec<CiId> =
                self.estate.active_cis().filter(|ci| ci.agent.is_some() && ci.class == "server").map(|ci| ci.id).collect();
            known.sort();
            known
        };
        let one = machines.get(self.random.random_range(0..12)).copied();
        let other = machines.get(self.random.random_range(0..12)).copied();
        match (self.random.random_range(0..12), one, other) {
            (0, Some(id), _) => {
                let (value, pin) = (json!(format!("team {}", self.random.random_range(0..5))), self.random.random());
                let set = AttributeEdit::Set { value, pin };
                let update = CiUpdate { attributes: BTreeMap::from([("owner".to_owned(), set)]), ..CiUpdate::default() };
                self.order(|estate, order| commands::update_ci(estate, id, &update, order)).await;
            }
            (1, Some(a), Some(b)) if a != b => {
                self.order(|estate, order| commands::declare_relationship(estate, "depends_on", a, b, None, "", order)).await;
            }
            (2, Some(id), _) => self.order(|estate, order| commands::retire_ci(estate, id, "sold", order)).await,
            (3, Some(a), Some(b)) if a != b => self.order(|estate, order| commands::merge_cis(estate, a, b, "", order)).await,
            (4, ..) => {
                let mut gone: Vec<CiId> = self.estate.cis().filter(|ci| ci.lifecycle == Lifecycle::Retired).map(|ci| ci.id).collect();
                gone.sort();
                if let Some(id) = gone.first().copied() {
                    self.order(|estate, order| commands::restore_ci(estate, id, order)).await;
                }
            }
            _ => self.report().await,
        }
    }

    async fn report(&mut self) {
        let number: u8 = self.random.random_range(0..12);
        let renamed: u8 = self.random.random_range(0..3);
        let identity = Identity {
            hostname: format!("srv{number}-{renamed}"),
            serial: Some(format!("SN{number:06}")),
            manufacturer: Some("Dell Inc.".into()),
            permanent_macs: vec![format!("04:7b:cb:00:00:{number:02x}")],
            ..Identity::default()
        };
        let packages = (0..12u32).filter(|_| self.random.random()).map(|n| Package {
            kind: "deb".into(),
            name: format!("lib{n}"),
            version: format!("1.{renamed}"),
            ..Package::default()
        });
        let packages = Packages { packages: packages.collect() };
        let hardware = Hardware { chassis: Some(Chassis { form: Some("rack_mount".into()), ..Chassis::default() }), ..Hardware::default() };
        let resolvers = vec![std::net::IpAddr::from([10, 0, 0, renamed + 1])];
        let now = self.now;
        fn section<T>(data: T, at: Timestamp) -> Option<ReceivedSection<T>> {
            Some(ReceivedSection { status: SectionStatus::Ok, collected_at: at, data: Some(data) })
        }
        let document = ReceivedDocument {
            identity: section(identity, now),
            hardware: section(hardware, now),
            packages: section(packages, now),
            network: section(Network { resolvers, ..Network::default() }, now),
            ..ReceivedDocument::default()
        };
        let facts = AgentFacts {
            agent: AgentId(Uuid::from_u128(0xa6e7_0000 + u128::from(number))),
            realm: "default".into(),
            enrolled_at: at(-1),
            assigned: BTreeMap::new(),
        };
        let observed = observe(&document, &facts.realm, now);
        let changes = reconcile::reconcile(&self.estate, &facts, &observed, now, &Policy::default(), &mut Ids(&mut self.next));
        self.commit(changes).await;
        self.estate.heard(facts.agent, now);
    }
}

/// The same machines seen at 1,000 random instants, from the store and from a replay in memory: items, relationships, software, pins.
pub async fn a_thousand_instants_are_what_was_then(place: Place) {
    let mut company = Company::new(&place, 7).await;
    for _ in 0..160 {
        company.live().await;
    }
    let last = company.now.millis_since(at(0));
    let mut instants: Vec<i64> = (0..1_000).map(|_| company.random.random_range(-10..last + 10)).collect();
    instants.sort_unstable();
    let store = place.store().await;
    let mut replayed: BTreeMap<_, Put> = BTreeMap::new();
    let mut log = company.log.iter().peekable();
    let mut seen = 0;
    for millis in instants {
        let then = at(millis);
        while let Some((_, put)) = log.next_if(|(made, _)| *made <= then) {
            replayed.insert(key(put), put.clone());
        }
        let mut expected: State = replay(replayed.values());
        expected.retain(|(kind, _), _| !matches!(*kind, "conflict" | "merge"));
        let found = state_of(&store.load_as_of(then).await.unwrap());
        assert!(found == expected, "as of {millis} ms");
        seen = seen.max(expected.len());
    }
    assert!(seen > 40, "a state worth comparing has more than {seen} things");
}

/// Through the store at every step: merged, loaded again, split, loaded again, and nothing is different but versions and their times.
pub async fn what_was_merged_and_split_is_as_it_was_after_reloads(place: Place) {
    let mut company = Company::new(&place, 11).await;
    for _ in 0..60 {
        company.live().await;
    }
    let mut machines: Vec<CiId> = company.estate.active_cis().filter(|ci| ci.class == "server").map(|ci| ci.id).collect();
    machines.sort();
    for pair in machines.windows(2) {
        let before = canonical(&company.store).await;
        company.now = company.now.plus_millis(10);
        let (known, other) = (pair[0], pair[1]);
        company.order(|estate, order| commands::merge_cis(estate, known, other, "", order)).await;
        assert_ne!(before, canonical(&company.store).await, "merging changes something");
        company.estate = loaded(&company.store).await;
        company.now = company.now.plus_millis(10);
        company.order(|estate, order| commands::restore_ci(estate, other, order)).await;
        company.estate = loaded(&company.store).await;
        assert_eq!(before, canonical(&company.store).await, "{known} and {other}");
    }
    assert!(machines.len() > 4, "{}", machines.len());
}

async fn loaded(store: &SharedStore) -> Estate {
    let mut estate = Estate::default();
    store.load().await.unwrap().apply_to(&mut estate);
    estate
}

/// A state without the counting of versions; a set of no software is none.
async fn canonical(store: &SharedStore) -> Vec<String> {
    let mut state = state_of(&store.load().await.unwrap());
    state.retain(|_, put| !matches!(put, Put::Software { software, .. } if software.is_empty()));
    let epoch = Timestamp::default();
    let plain = state.into_values().map(|put| match put {
        Put::Ci(ci) => format!("{:?}", Ci { version: 0, valid_from: epoch, ..ci }),
        Put::Relationship(it) => format!("{:?}", rollcall_core::Relationship { version: 0, valid_from: epoch, ..it }),
        Put::NeedGroup(it) => format!("{:?}", rollcall_core::NeedGroup { version: 0, valid_from: epoch, ..it }),
        other => format!("{other:?}"),
    });
    plain.collect()
}

/// What is said to differ is what the states of both instants show, in small pages as in one.
pub async fn what_differs_is_what_two_instants_show(place: Place) {
    let store = place.store().await;
    let mut random = StdRng::seed_from_u64(5);
    let mut versions = BTreeMap::new();
    let mut now = at(0);
    for revision in 0..40 {
        now = now.plus_millis(random.random_range(1..4));
        let puts: Vec<Put> = (0..random.random_range(0..12)).map(|_| any_put(&mut random, &mut versions, now)).collect();
        store.commit(Revision(revision), &batch(now, puts)).await.unwrap();
    }
    let last = now.millis_since(at(0));
    for _ in 0..40 {
        let (a, b) = (random.random_range(-1..last + 1), random.random_range(-1..last + 1));
        let (from, to) = (at(a.min(b)), at(a.max(b)));
        let states = [from, to].map(|then| {
            let store = store.clone();
            async move { state_of(&store.load_as_of(then).await.unwrap()) }
        });
        let [before, after] = states;
        let (before, after) = (before.await, after.await);
        for kind in Kept::ALL {
            let mut found: BTreeMap<Uuid, (Option<Put>, Option<Put>)> = BTreeMap::new();
            let mut from_id = Uuid::nil();
            loop {
                let page = store.differing(kind, from, to, from_id, 2).await.unwrap();
                for thing in page.things {
                    let twice = found.insert(thing.id, (present(thing.before), present(thing.after)));
                    assert!(twice.is_none(), "twice: {}", thing.id);
                }
                match page.next {
                    Some(next) => from_id = next,
                    None => break,
                }
            }
            found.retain(|_, (before, after)| before != after);
            let ids = before.keys().chain(after.keys()).filter(|(it, _)| *it == kind.as_str()).map(|(_, id)| *id);
            let mut expected: BTreeMap<Uuid, (Option<Put>, Option<Put>)> =
                ids.map(|id| (id, (before.get(&(kind.as_str(), id)).cloned(), after.get(&(kind.as_str(), id)).cloned()))).collect();
            expected.retain(|_, (before, after)| before != after);
            assert_eq!(found, expected, "{kind:?} from {from} to {to}");
        }
    }
}

/// What a state has of a thing: retired relationships and needs are not in it.
fn present(put: Option<Put>) -> Option<Put> {
    put.filter(|put| match put {
        Put::Relationship(it) => it.lifecycle == Lifecycle::Active,
        Put::NeedGroup(it) => it.lifecycle == Lifecycle::Active,
        _ => true,
    })
}

/// The histories of many are those of each.
pub async fn histories_of_many_are_those_of_each(place: Place) {
    let mut company = Company::new(&place, 13).await;
    for _ in 0..80 {
        company.live().await;
    }
    let mut ids: Vec<CiId> = company.estate.cis().map(|ci| ci.id).collect();
    ids.sort();
    let unknown = CiId(Uuid::from_u128(1));
    for each in [1, 3, 1_000] {
        let mut expected = Vec::new();
        for id in &ids {
            expected.extend(company.store.ci_history(*id, each).await.unwrap());
        }
        let asked: Vec<CiId> = ids.iter().rev().copied().chain([unknown]).collect();
        assert_eq!(company.store.ci_histories(&asked, each).await.unwrap(), expected, "{each} of each");
    }
    assert_eq!(company.store.ci_histories(&[], 1).await.unwrap(), []);
}

/// The newest event of each thing is what the whole feed has of it, up to any instant.
pub async fn the_newest_events_are_the_last_of_the_feed(place: Place) {
    let mut company = Company::new(&place, 11).await;
    for _ in 0..60 {
        company.live().await;
    }
    let (store, now) = (company.store.clone(), company.now);
    let feed = store.events(0, 100_000).await.unwrap();
    let all: BTreeSet<CiId> = feed.iter().filter_map(|event| event.ci).collect();
    let some: Vec<CiId> = all.iter().copied().step_by(2).collect();
    let all: Vec<CiId> = all.into_iter().collect();
    assert!(feed.len() > 100 && some.len() < all.len(), "{} events", feed.len());
    for (cis, until) in [(&all, now), (&some, now), (&all, at(now.millis_since(at(0)) / 2)), (&all, at(-1)), (&Vec::new(), now)] {
        let about = feed.iter().filter(|event| event.ci.is_some_and(|ci| cis.contains(&ci)) && event.at <= until);
        let newest: BTreeMap<(&str, Uuid), &Event> = about.map(|event| ((event.kind.as_str(), event.subject), event)).collect();
        let found = store.newest_events(cis, until).await.unwrap();
        let found: BTreeMap<(&str, Uuid), &Event> = found.iter().map(|event| ((event.kind.as_str(), event.subject), event)).collect();
        assert_eq!(found, newest, "{} items until {until}", cis.len());
    }
}

/// The present stays to the last byte, what is younger than the cut too; of what is older, one version for each period, which answers for it.
pub async fn thinning_keeps_what_stands(place: Place) {
    let mut company = Company::new(&place, 3).await;
    for _ in 0..150 {
        company.live().await;
    }
    let store = company.store.clone();
    let whole = state_of(&store.load().await.unwrap());
    let last = company.now.millis_since(at(0));
    let cut = last * 2 / 3;
    let younger: Vec<i64> = (0..20).map(|n| cut + (last - cut) * n / 20).collect();
    let mut kept = Vec::new();
    for millis in &younger {
        kept.push(state_of(&store.load_as_of(at(*millis)).await.unwrap()));
    }
    let older = at(cut / 2);
    let then: Vec<Uuid> =
        state_of(&store.load_as_of(older).await.unwrap()).into_keys().filter(|(kind, _)| *kind == "ci").map(|(_, id)| id).collect();
    let events = store.events(0, 10_000).await.unwrap();
    let versions = place.count("SELECT count(*) FROM ci_version").await;
    let before = Some(at(cut));
    let thinned = store.thin(&Cut { versions_before: before, period_ms: 40_000, events_before: before, audit_before: None }).await.unwrap();
    assert!(thinned.versions > 20 && thinned.events > 20, "{thinned:?}");
    assert!(place.count("SELECT count(*) FROM ci_version").await < versions);
    assert!(state_of(&store.load().await.unwrap()) == whole, "the present");
    for (millis, kept) in younger.iter().zip(&kept) {
        assert!(state_of(&store.load_as_of(at(*millis)).await.unwrap()) == *kept, "as of {millis}");
    }
    let still: Vec<Uuid> =
        state_of(&store.load_as_of(older).await.unwrap()).into_keys().filter(|(kind, _)| *kind == "ci").map(|(_, id)| id).collect();
    assert_eq!(still, then, "every item is there as of an older instant");
    let removed = store.events_removed().await.unwrap();
    let first = events.iter().find(|event| event.at >= at(cut)).unwrap().cursor;
    assert_eq!(removed, first - 1);
    assert_eq!(store.events(removed, 10_000).await.unwrap(), events[usize::try_from(removed).unwrap()..]);
    // Again: nothing is left to do.
    let again = store.thin(&Cut { versions_before: before, period_ms: 40_000, events_before: before, audit_before: None }).await.unwrap();
    assert_eq!((again.versions, again.events), (0, 0));
}
