//! Commits, and the state that they make.

use rollcall_core::{Put, Revision};

use super::{
    Place,
    sample::{at, batch, ci, id, installed, need_group, relationship},
};

/// Everything that a state is made of, with hostile text, survives a reopen.
pub async fn a_whole_state_comes_back(place: Place) {
    let store = place.store().await;
    let puts = [
        Put::Ci(ci(1, at(0))),
        Put::Ci(ci(2, at(0))),
        Put::Relationship(relationship(1, id(1), id(2), at(0))),
        Put::Relationship(relationship(2, id(2), id(1), at(0))),
        Put::NeedGroup(need_group(1, id(1), &[id(2)], at(0))),
        Put::NeedGroup(need_group(2, id(1), &[id(2)], at(0))),
        Put::AgentBinding { agent: id(1), ci: id(1) },
    ];
    let software = [installed(id(1), 1..4), installed(id(2), 3..9)];
    let revision = store.commit(Revision(0), &batch(at(0), puts.iter().cloned().chain(software.iter().cloned()))).await.unwrap();
    assert_eq!(revision, Revision(1));
    drop(store);
    let snapshot = place.store().await.load().await.unwrap();
    assert_eq!(snapshot.revision, Revision(1));
    assert_eq!(snapshot.puts, puts);
    assert_eq!(snapshot.software.catalogue.len(), 8);
}
