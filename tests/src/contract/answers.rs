//! Answers that people keep.

use rollcall::store::FrozenAnswer;
use rollcall_shared::FrozenAnswerId;

use super::{
    Place,
    sample::{HOSTILE, at, audit, id},
};

fn answer(n: u128, when: i64, revision: Option<u64>) -> FrozenAnswer {
    FrozenAnswer {
        id: id::<FrozenAnswerId>(n),
        at: at(when),
        actor: HOSTILE.into(),
        reason: HOSTILE.into(),
        revision,
        verdict: HOSTILE.into(),
    }
}

/// What is kept comes back as it was, newest first, until it is deleted.
pub async fn kept_answers_come_back_whole(place: Place) {
    let store = place.store().await;
    let body: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let kept = [answer(1, 10, Some(7)), answer(2, 30, None), answer(3, 20, Some(i64::MAX as u64))];
    for one in &kept {
        store.freeze_answer(one, &body, &audit("answer.freeze")).await.unwrap();
    }
    let listed = store.frozen_answers(10).await.unwrap();
    assert!(listed == [kept[1].clone(), kept[2].clone(), kept[0].clone()]);
    assert_eq!(store.frozen_answers(2).await.unwrap().len(), 2);
    assert!(store.frozen_answer(kept[2].id).await.unwrap() == Some((kept[2].clone(), body)));
    assert!(store.frozen_answer(id(404)).await.unwrap().is_none());

    assert!(store.delete_frozen_answer(kept[2].id, &audit("answer.delete")).await.unwrap());
    assert!(!store.delete_frozen_answer(kept[2].id, &audit("answer.delete")).await.unwrap());
    assert!(store.frozen_answer(kept[2].id).await.unwrap().is_none());
    assert_eq!(store.audit_log(None, 10).await.unwrap().len(), 4, "what changed nothing is not in the audit log");
}
