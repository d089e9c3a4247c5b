//! Documents, inventories, and check-ins without a change.

use std::collections::BTreeMap;

use rollcall::store::{AgentState, Batch, DocumentRecord, Inventory, SectionRecord, SharedStore, UnchangedCheckIn};
use rollcall_core::Revision;
use rollcall_shared::{
    AgentId, Digest, DocumentId,
    wire::v1::{Exchange, SectionStatus},
};

use super::{
    Place,
    sample::{HOSTILE, at, audit, enrolled, id},
};

fn document(n: u128, received: i64, body: &[u8]) -> DocumentRecord {
    DocumentRecord { id: id(n), agent: id(1), received_at: at(received), body: body.to_vec() }
}

fn section(document: DocumentId, status: SectionStatus) -> SectionRecord {
    let refused = matches!(status, SectionStatus::Failed { .. }).then(|| HOSTILE.to_owned());
    SectionRecord { digest: Digest::of(document.0.as_bytes()), document, status, collected_at: at(-3), refused }
}

fn inventory(agent: AgentId, counter: u64, root: Digest) -> Inventory {
    Inventory {
        agent,
        exchange: Exchange { counter, nonce: id(u128::from(counter)) },
        root,
        last_seen: at(counter as i64),
        clock_skew_ms: -5,
        agent_version: HOSTILE.into(),
        dropped_documents: 3,
        superseded_inventories: 4,
        sections: BTreeMap::new(),
    }
}

async fn put(store: &SharedStore, base: u64, documents: Vec<DocumentRecord>, inventories: Vec<Inventory>) {
    store.commit(Revision(base), &Batch { at: at(0), documents, inventories, ..Batch::default() }).await.unwrap();
}

/// Bodies are kept byte for byte, and the first of an id stands.
pub async fn documents_are_stored_once(place: Place) {
    let store = place.store().await;
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    put(&store, 0, vec![document(1, 0, &every_byte), document(2, 0, b""), document(3, 0, b"three"), document(3, 1, b"again")], vec![])
        .await;
    put(&store, 1, vec![document(1, 5, b"other"), document(4, 5, b"four")], vec![]).await;
    for (n, body) in [(1, Some(&every_byte[..])), (2, Some(b"")), (3, Some(b"three")), (4, Some(b"four")), (5, None)] {
        assert_eq!(store.document(id(n)).await.unwrap().as_deref(), body, "{n}");
    }
    let known = store.known_documents(&[id(5), id(4), id(1)]).await.unwrap();
    assert_eq!(known, [id::<DocumentId>(4), id(1)]);
    assert!(store.known_documents(&[]).await.unwrap().is_empty());
}

/// What is known of an inventory comes back, from its enrollment on.
pub async fn an_inventory_comes_back_whole(place: Place) {
    let store = place.store().await;
    let (one, two) = (enrolled(&store, 1).await, enrolled(&store, 2).await);
    let fresh = store.inventories(&[two.id]).await.unwrap().pop().unwrap();
    assert_eq!((fresh.exchange.counter, fresh.root, fresh.last_seen, fresh.sections.len()), (0, Digest::root([]), two.enrolled_at, 0));
    let mut full = inventory(one.id, 7, Digest::of(b"x"));
    for (name, status) in [
        ("packages", SectionStatus::Ok),
        ("disks", SectionStatus::Partial { reason: HOSTILE.into() }),
        (HOSTILE, SectionStatus::Failed { reason: HOSTILE.into() }),
        ("hardware", SectionStatus::Absent { reason: String::new() }),
    ] {
        full.sections.insert(name.into(), section(id(9), status));
    }
    put(&store, 0, vec![], vec![inventory(one.id, 6, Digest::of(b"w")), full.clone()]).await;
    assert_eq!(store.inventories(&[one.id, id(404)]).await.unwrap(), [full]);
    assert_eq!(store.agent(one.id).await.unwrap().unwrap().last_seen, Some(at(7)));
    assert_eq!(store.load().await.unwrap().last_seen, [(one.id, at(7))]);
    assert_eq!(store.heard_since(at(7)).await.unwrap(), [(one.id, at(7))]);
    assert!(store.heard_since(at(8)).await.unwrap().is_empty());
    assert!(store.load_as_of(at(9)).await.unwrap().last_seen.is_empty());
}

/// Each condition for an unchanged check-in, broken one at a time, within one call.
pub async fn unchanged_check_ins_are_verified_together(place: Place) {
    let store = place.store().await;
    let root = Digest::of(b"root");
    let mut agents = Vec::new();
    for n in 1..=9 {
        let agent = enrolled(&store, n).await.id;
        store.confirm_generation(agent, 3).await.unwrap();
        agents.push(agent);
    }
    put(&store, 0, vec![], agents.iter().map(|agent| inventory(*agent, 5, root)).collect()).await;
    for (agent, state) in agents[6..].iter().zip([AgentState::Held, AgentState::Revoked, AgentState::Pending]) {
        store.set_agent_state(*agent, state, "", &audit("agent.hold")).await.unwrap();
    }
    let good = |agent| UnchangedCheckIn { agent, generation: 3, root, exchange: Exchange { counter: 6, nonce: id(6) }, at: at(100) };
    let counting = |n: usize, counter| UnchangedCheckIn { exchange: Exchange { counter, nonce: id(6) }, ..good(agents[n]) };
    let table = [
        ("right", good(agents[0]), true),
        ("an older generation", UnchangedCheckIn { generation: 2, ..good(agents[1]) }, false),
        ("a newer generation", UnchangedCheckIn { generation: 4, ..good(agents[1]) }, false),
        ("another root", UnchangedCheckIn { root: Digest::of(b"other"), ..good(agents[2]) }, false),
        ("the counter before", counting(3, 5), false),
        ("a counter further ahead", counting(4, 7), false),
        ("the largest counter", counting(5, u64::MAX), false),
        ("held", good(agents[6]), false),
        ("revoked", good(agents[7]), false),
        ("pending", good(agents[8]), false),
        ("not enrolled", good(id(404)), false),
        (
            "a copy of the first, at the same instant",
            UnchangedCheckIn { exchange: Exchange { counter: 6, nonce: id(66) }, ..good(agents[0]) },
            false,
        ),
    ];
    let answers = store.note_unchanged(&table.map(|(_, check_in, _)| check_in)).await.unwrap();
    for ((what, _, expected), answer) in table.iter().zip(&answers) {
        assert_eq!(answer, expected, "{what}");
    }
    assert_eq!(answers.len(), table.len());
    assert!(store.note_unchanged(&[]).await.unwrap().is_empty());
    for inventory in store.inventories(&agents).await.unwrap() {
        let (counter, nonce, seen) = if inventory.agent == agents[0] { (6, id(6), at(100)) } else { (5, id(5), at(5)) };
        assert_eq!((inventory.exchange, inventory.last_seen), (Exchange { counter, nonce }, seen));
    }
    assert_eq!(store.load().await.unwrap().revision, Revision(1), "no revision for what did not change");
    assert_eq!(store.note_unchanged(&[good(agents[0])]).await.unwrap(), [false], "the same again is not the next");
}

/// The careful path: an exchange is noted if nobody was faster, and a settled copy starts afresh.
pub async fn one_exchange_is_noted_if_nobody_was_faster(place: Place) {
    let store = place.store().await;
    let agent = enrolled(&store, 1).await.id;
    let exchange = |counter| Exchange { counter, nonce: id(u128::from(counter)) };
    let known = async || {
        store.inventories(&[agent]).await.unwrap().pop().map(|inventory| (inventory.exchange.counter, inventory.last_seen)).unwrap()
    };
    assert!(store.note_exchange(agent, 0, exchange(1), at(50)).await.unwrap());
    assert!(!store.note_exchange(agent, 0, exchange(1), at(60)).await.unwrap());
    assert!(!store.note_exchange(id(404), 0, exchange(1), at(60)).await.unwrap());
    assert_eq!(known().await, (1, at(50)));
    assert!(store.note_exchange(agent, 1, exchange(40), at(40)).await.unwrap(), "ahead: the collector was restored");
    assert_eq!(known().await, (40, at(50)), "it was heard later already");
    store.reset_exchange(agent).await.unwrap();
    assert_eq!(known().await, (0, at(50)));
    assert!(store.note_exchange(agent, 0, exchange(u64::MAX), at(60)).await.unwrap(), "more than a database counts");
}

/// Old documents go, unless a section stands in them.
pub async fn old_documents_are_pruned(place: Place) {
    let store = place.store().await;
    let agent = enrolled(&store, 1).await.id;
    let mut standing = inventory(agent, 1, Digest::of(b""));
    standing.sections.insert(HOSTILE.into(), section(id(3), SectionStatus::Ok));
    standing.sections.insert("packages".into(), section(id(5), SectionStatus::Ok));
    // More than one page, many of one instant.
    let documents = (1..=4500).map(|n| document(n, i64::try_from(n / 1500).unwrap(), b"x")).chain([document(9000, 4, b"new")]).collect();
    put(&store, 0, documents, vec![standing]).await;
    assert_eq!(store.prune_documents(at(4)).await.unwrap(), 4498);
    assert_eq!(store.prune_documents(at(4)).await.unwrap(), 0);
    let left = store.known_documents(&[id(1), id(3), id(5), id(1500), id(4500), id(9000)]).await.unwrap();
    assert_eq!(left, [id::<DocumentId>(3), id(5), id(9000)]);
}
